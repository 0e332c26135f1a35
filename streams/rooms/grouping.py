"""Grouping (归并派发): tasks of one group to one recipient wait a little and become one task; later ones join it.

A group is a route, an action, a recipient and the values of the labels in `group_by`, within one area. Its first task
waits `group_wait`; what else comes meanwhile goes out with it, as `also_incidents`. For `group_interval` from then on,
further incidents are added to that task as a new version. A route's time intervals make its tasks wait too, each for
itself unless they are grouped. What may cost lives never waits, and tasks with action `handle` are never shared: an
incident's clock, check and close are its own.

In the state: `g|<area>-<digest>` -> {"route", "action", "recipient", "waits": {incident id: its task}, "task_id", "until"}.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from gridhub.streams.rooms import timers
from gridhub.streams.rooms.assignment import due_tasks
from gridhub.streams.rooms.ledger import incident_key, task_key
from gridhub.streams.rooms.stages import CANCELLED, is_open

if TYPE_CHECKING:
    from gridhub.streams.rooms.desk import Desk
    from gridhub.streams.rooms.ledger import Ledger
    from gridhub.streams.rooms.outbound import OutboundFacts, Row
    from gridhub.streams.rooms.timers import Timer
    from gridhub.streams.routing_tree import Delivery

TIMER = "group"
GROUPED, WAITING = "grouped", "waiting"
MOST_TOGETHER = 100
"""Incidents of one task; with more the group goes out at once and a new one begins."""
_MOST_TOLD = 20
_NOT_SHARED = "handle"


class Entered(NamedTuple):
    """What became of a task that is not to go out by itself: it waits in a group, or is part of an open task now."""

    group: str
    joined: Row | None  # the next version of the open task that it is part of


def endangers(incident: Row, facts: OutboundFacts) -> bool:
    """Whether one of the incident's categories may cost lives: it is never held, silenced or grouped."""
    rows = (facts.categories.get(name) for name in incident["told"])
    return any(row is not None and row.life_safety for row in rows)


def enter(task: Row, incident: Row, facts: OutboundFacts, now_ms: int, ledger: Ledger) -> Entered | None:
    """Put a new task into its group; None when it goes out now and by itself."""
    delivery = facts.routing.delivery(task["route"])
    until = facts.routing.waits_until(task["route"], now_ms)
    shares = delivery.groups and task["action"] != _NOT_SHARED
    if not (shares or until) or endangers(incident, facts):
        return None
    group = _group_of(task, incident, delivery, facts, now_ms, shares=shares)
    key = group_key(group)
    ledger.fetch([key])
    entry = ledger.get(key)
    if entry is not None and entry["task_id"]:
        joined = _added(entry, incident, now_ms, ledger)
        if joined is not None:
            return Entered(group, joined)
        entry = None
    if entry is None:
        entry = {name: task[name] for name in ("route", "action", "recipient")} | {
            "waits": {},
            "task_id": "",
            "until": 0,
        }
        timers.put(ledger, TIMER, group, until or now_ms + delivery.wait_ms)
    waits = {**entry["waits"], incident["incident_id"]: task}
    if len(waits) == MOST_TOGETHER:
        timers.put(ledger, TIMER, group, now_ms)
    ledger.put(key, {**entry, "waits": waits})
    return Entered(group, None)


def group_key(group: str) -> bytes:
    """Where a group lies in the state."""
    return f"g|{group}".encode()


def _group_of(  # noqa: PLR0913  # all that makes a group
    task: Row, incident: Row, delivery: Delivery, facts: OutboundFacts, now_ms: int, *, shares: bool
) -> str:
    """The group's name: its area, and a digest of all that makes it one."""
    if shares:
        labels = facts.routing.labels(incident, task["category"], now_ms)
        names = [name for name in labels if name not in {"hour", "calendar"}]
        wanted = names if "..." in delivery.group_by else delivery.group_by
        values: list[Any] = [[name, sorted(labels[name])] for name in wanted]
    else:
        values = [incident["incident_id"]]
    made = orjson.dumps([task["route"], task["action"], task["recipient"], incident["status"], values])
    return f"{incident['area']}-{blake2b(made, digest_size=8).hexdigest()}"


def _added(entry: Row, incident: Row, now_ms: int, ledger: Ledger) -> Row | None:
    """The open task of the group with one more incident; None when its time is over, it ended, or it is full."""
    key = task_key(entry["task_id"])
    ledger.fetch([key])
    task = ledger.get(key)
    if task is None or not is_open(task["stage"]) or now_ms >= entry["until"]:
        return None
    if len(task["also_incidents"]) + 1 >= MOST_TOGETHER:
        return None
    return {
        **task,
        "version": task["version"] + 1,
        "severity": min(task["severity"], incident["severity"]),
        "also_incidents": [*task["also_incidents"], incident["incident_id"]],
        "note": f"同组新增事项：{_line(incident)}"[:300],
        "changed_by": incident["changed_by"],
    }


def flush(timer: Timer, desk: Desk) -> None:
    """The wait of a group is over: its task goes out; or the time in which others could join it is, and it is forgotten."""
    key = group_key(timer.subject)
    desk.ledger.fetch([key])
    entry = desk.ledger.get(key)
    if entry is None or entry["task_id"]:
        desk.ledger.put(key, None)
        return
    later = desk.facts.routing.waits_until(entry["route"], desk.now_ms)
    if later is not None:
        timers.put(desk.ledger, TIMER, timer.subject, later)
        return
    incidents = _still_waiting(entry, timer.subject, desk)
    interval_ms = desk.facts.routing.delivery(entry["route"]).interval_ms
    if not incidents:
        desk.ledger.put(key, None)
        return
    task = _together(entry, incidents, desk)
    _publish(task, incidents, entry, desk)
    if interval_ms and task["action"] != _NOT_SHARED:
        until = desk.now_ms + interval_ms
        desk.ledger.put(key, {**entry, "waits": {}, "task_id": task["task_id"], "until": until})
        timers.put(desk.ledger, TIMER, timer.subject, until)
    else:
        desk.ledger.put(key, None)


def _still_waiting(entry: Row, group: str, desk: Desk) -> list[Row]:
    """The group's incidents that are open and were not given another task for this recipient meanwhile."""
    desk.ledger.fetch(incident_key(name) for name in entry["waits"])
    found = [desk.incident(name) for name in entry["waits"]]
    wanted = [entry["action"], group]
    return [
        incident
        for incident in found
        if incident is not None
        and incident["state"] == "open"
        and (incident.get("waiting") or {}).get(entry["recipient"]) == wanted
    ]


def _together(entry: Row, incidents: list[Row], desk: Desk) -> Row:
    """One task for all of them: the first one's, as the rules ask for it now, which names the others."""
    first, *others = incidents
    due = due_tasks(first, first["task_ids"], [], desk.facts, desk.now_ms, again=True)
    same = (task for task in due if (task["recipient"], task["action"]) == (entry["recipient"], entry["action"]))
    task = next(same, None) or _as_of(entry["waits"][first["incident_id"]], desk.now_ms)
    if not others:
        return task
    lines = [f"{at}. {_line(incident)}" for at, incident in enumerate(incidents[:_MOST_TOLD], 1)]
    more = [f"……另有{len(incidents) - _MOST_TOLD}件"] if len(incidents) > _MOST_TOLD else []
    return {
        **task,
        "severity": min(incident["severity"] for incident in incidents),
        "title": f"{task['title']}（等{len(incidents)}件）",
        "text": "\n".join([task["text"], "同组事项：", *lines, *more]),
        "also_incidents": [incident["incident_id"] for incident in others],
    }


def _as_of(task: Row, now_ms: int) -> Row:
    """A task that no rule asks for any more, as it was when it began to wait; its limits count from now."""
    later = now_ms - task["created_at"]
    limits = {name: task[name] + later for name in ("accept_by", "finish_by") if task[name] is not None}
    return {**task, **limits, "created_at": now_ms, "stage_since": now_ms}


def _line(incident: Row) -> str:
    return f"{incident['place_name']} {incident['title']}".strip()


def _publish(task: Row, incidents: list[Row], entry: Row, desk: Desk) -> None:
    desk.publish_task(task)
    for incident in incidents:
        waiting = {name: value for name, value in incident["waiting"].items() if name != entry["recipient"]}
        ids = [*incident["task_ids"], task["task_id"]]
        version = incident["version"] + 1
        desk.publish_incident({**incident, "version": version, "task_ids": ids, "waiting": waiting})
        desk.told.append(told(incident, GROUPED, entry["route"], [task["task_id"]]))


def told(incident: Row, outcome: str, reason: str, task_ids: list[str], parent_id: str = "") -> Row:
    """What the journal says about one incident: of the event that opened it."""
    source, _, event_id = incident["event_ids"][0].partition("/")
    return {
        "source": source,
        "event_id": event_id,
        "area": incident["area"],
        "incident_id": incident["incident_id"],
        "outcome": outcome,
        "reason": reason,
        "task_ids": task_ids,
        "parent_id": parent_id,
    }


def kept_for_others(task: Row, desk: Desk) -> Row:
    """The task itself; but where one of several incidents ended and with it the task would, the task goes on without it.

    Where all of its incidents are open somebody ended the task itself.
    """
    if task["stage"] != CANCELLED or not task.get("also_incidents"):
        return task
    gone = task.get("left", [])
    names = [name for name in (task["incident_id"], *task["also_incidents"]) if name not in gone]
    desk.ledger.fetch(incident_key(name) for name in names)
    still = [name for name in names if (found := desk.incident(name)) is not None and found["state"] == "open"]
    before = desk.task(task["task_id"])
    if before is None or len(still) in {0, len(names)}:
        return task
    return {
        **before,
        "version": task["version"],
        "left": [*gone, *(name for name in names if name not in still)],
        "note": f"同组事项{len(names) - len(still)}件已结束，其余继续"[:300],
        "changed_by": task["changed_by"],
    }
