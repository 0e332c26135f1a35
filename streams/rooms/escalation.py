"""What the timers of tasks do: remind before a limit, raise a breach up the organisation, end a suspension.

Everything is stamped with the time at which it was due, so that a late timer writes what one in time writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.streams.rooms import clocks, progress
from gridhub.streams.rooms.assignment import NEW_TASK, free_id, task_id
from gridhub.streams.rooms.ledger import incident_key, task_key
from gridhub.streams.rooms.organisation import parse
from gridhub.streams.rooms.stages import DISPATCHED, HANDLING, is_open

if TYPE_CHECKING:
    from gridhub.streams.organisation.units import Unit
    from gridhub.streams.rooms.desk import Desk
    from gridhub.streams.rooms.outbound import OutboundFacts, Row
    from gridhub.streams.rooms.timers import Timer

REMINDED, ESCALATED, OVERDUE, RESUMED = "reminded", "escalated", "overdue", "resumed"
_WHAT_ZH = {clocks.ACCEPT: "接单", clocks.FINISH: "办结", clocks.CHECK: "核查", clocks.ARBITRATE: "裁定"}
SUPERVISED, REOPENED_SIGN = "【督办】", "【重开】"


def remind(timer: Timer, desk: Desk) -> None:
    """A word to the recipient before the limit (催办)."""
    task = _task(timer, desk)
    if task is None:
        return
    kind = clocks.kind_of(task) or ""
    note = f"催办：{_WHAT_ZH.get(kind, '')}时限将至"
    desk.publish_task(_next(task, timer, note=note, reminded_at=timer.due_ms, remind_at=None))
    _tell(task, REMINDED, kind, [task["task_id"]], desk)


def raise_up(timer: Timer, desk: Desk) -> None:
    """A limit was passed: the task is overdue, and the next unit above it is told (督办); so at each interval, to the top."""
    task = _task(timer, desk)
    if task is None:
        return
    upper = _upper(task, desk.facts)
    if upper is None:
        desk.publish_task(_next(task, timer, note=f"{_WHAT_ZH[timer.kind]}超期", overdue=True, breach_at=None))
        _tell(task, OVERDUE, timer.kind, [task["task_id"]], desk)
        return
    note = f"{_WHAT_ZH[timer.kind]}超期，督办：{upper.name}"
    after = _next(
        task, timer, note=note, overdue=True, escalations=task["escalations"] + 1, escalated_to=upper.id,
        breach_at=_next_breach(upper, task, timer, desk.facts),
    )  # fmt: skip
    desk.publish_task(after)
    told = inform(upper, after, SUPERVISED, note, desk)
    _tell(after, ESCALATED, timer.kind, [task["task_id"], *told], desk, {"level": float(after["escalations"])})


def end_of_pause(timer: Timer, desk: Desk) -> None:
    """A suspension is over: the task goes on where it was."""
    task = _task(timer, desk)
    if task is None:
        return
    after = progress.resumed(task, timer.due_ms, desk.facts)
    desk.publish_task({**after, "changed_by": _cause(timer), "note": "挂账到期，恢复办理"})
    _tell(after, HANDLING, RESUMED, [task["task_id"]], desk)


def inform(unit: Unit, task: Row, sign: str, note: str, desk: Desk) -> list[str]:
    """Tell a unit about another one's task: a note on its own open task of the incident, else a task to know of it.

    The ids of the tasks made or changed: one, or none where the incident is not known.
    """
    desk.ledger.fetch([incident_key(task["incident_id"])])
    incident = desk.incident(task["incident_id"])
    if incident is None:
        return []
    own = [one for one in desk.tasks_of(incident) if one["recipient"] == unit.id and is_open(one["stage"])]
    if own:
        changed = {"version": own[0]["version"] + 1, "note": note, "changed_by": task["changed_by"]}
        desk.publish_task({**own[0], **changed})
        return [own[0]["task_id"]]
    new = informing(unit, task, sign, note, desk.now_ms, incident["task_ids"], desk.facts)
    desk.ledger.fetch([task_key(new["task_id"])])
    desk.publish_task(new)
    ids = [*incident["task_ids"], new["task_id"]]
    desk.publish_incident(progress.changed(incident, task["changed_by"], task_ids=ids))
    return [new["task_id"]]


def informing(  # noqa: PLR0913  # a whole task
    unit: Unit, task: Row, sign: str, note: str, at_ms: int, taken: list[str], facts: OutboundFacts
) -> Row:
    """The first version of a task by which a unit knows of another one's task."""
    recipient = parse(unit.id)
    title = task["title"] if task["title"].startswith(sign) else f"{sign}{task['title']}"
    return {
        **task,
        **NEW_TASK,
        "task_id": free_id(task_id(task["incident_id"], "inform", recipient), taken),
        "version": 1,
        "action": "inform",
        "role": recipient.role,
        "recipient": unit.id,
        "recipient_name": unit.name,
        "title": title,
        "stage": DISPATCHED,
        "stage_since": at_ms,
        "created_at": at_ms,
        "accept_by": None,
        "finish_by": None,
        "overdue": False,
        "returns": 0,
        "handler": None,
        "checker": None,
        "on_duty": facts.organisation.on_duty(unit.id, at_ms).who,
        "note": f"{task['recipient_name']}：{note}"[: progress.MOST_NOTE],
    }


def _task(timer: Timer, desk: Desk) -> Row | None:
    """The timer's task, where it still demands this timer; a timer that nobody dropped changes nothing."""
    desk.ledger.fetch([task_key(timer.subject)])
    task = desk.task(timer.subject)
    return task if task is not None and clocks.timer_of(task) == (timer.kind, timer.due_ms) else None


def _next(task: Row, timer: Timer, **values: object) -> Row:
    return {**task, "version": task["version"] + 1, "changed_by": _cause(timer), **values}


def _cause(timer: Timer) -> str:
    return f"timer/{timer.kind}/{timer.due_ms}"


def _upper(task: Row, facts: OutboundFacts) -> Unit | None:
    """The next unit to be told: above the last one, above who checks, or above the recipient."""
    below = task["escalated_to"] or (task["check_unit"] if clocks.kind_of(task) == clocks.CHECK else None)
    return facts.organisation.upper(below or task["recipient"])


def _next_breach(upper: Unit, task: Row, timer: Timer, facts: OutboundFacts) -> int | None:
    if facts.organisation.upper(upper.id) is None:
        return None
    its = clocks.times(task, timer.kind, facts)
    return clocks.deadline(timer.due_ms, its.escalate_ms, its.time, facts)


def _tell(task: Row, outcome: str, reason: str, ids: list[str], desk: Desk, score: Row | None = None) -> None:  # noqa: PLR0913
    """One line of the journal about what a timer did."""
    desk.told.append(
        {
            "area": task["area"],
            "incident_id": task["incident_id"],
            "outcome": outcome,
            "reason": reason,
            "task_ids": ids,
            "score": score or {},
            "note": task["escalated_to"] or "",
        }
    )
