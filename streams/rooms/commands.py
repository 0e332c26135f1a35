"""What a person decides about incidents: cancel, confirm, reject, split, merge; each undoes or redoes what follows.

A person's decision moves events between incidents. Counts, lists, severity, time, open tasks and candidates follow it.
Tasks that no longer belong end as cancelled; tasks that are wanted anew get new ids, derived from the first ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.streams.records import Reason
from gridhub.streams.rooms import membership, orders, progress
from gridhub.streams.rooms.assignment import assignments, raised_task
from gridhub.streams.rooms.candidates import add_again, forget, reshape
from gridhub.streams.rooms.desk import Desk, Kept, Refused
from gridhub.streams.rooms.ledger import candidates_key, incident_key
from gridhub.streams.rooms.opening import joined, opened
from gridhub.streams.rooms.recall import incident_id
from gridhub.streams.rooms.stages import CANCELLED, DISPATCHED, STAGES_ZH, is_open

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridhub.streams.rooms.outbound import Row

    Taken = tuple[str, str, str]  # the incident, what came of it, a word why

_SPLIT_NOTE, _MERGE_NOTE = "事件拆分，任务不再需要", "并入事件 {}"


def take(report: Row, desk: Desk) -> Taken:
    """Act on one command; its incident, what came of it, and a word why. Refused when it cannot be."""
    incident = _known(report["incident_id"], desk)
    act = _COMMANDS.get(report["stage"])
    if report["stage"] == "cancel" and report["task_id"]:
        act = orders.cancel
    if act is None:
        raise Refused(
            Reason.WRONG_TRANSITION, f"There is no command {report['stage']}; there is {', '.join(_COMMANDS)}."
        )
    return act(report, incident, desk)


def _known(name: str | None, desk: Desk) -> Row:
    desk.ledger.fetch([incident_key(name or "")])
    incident = desk.incident(name or "")
    if incident is None:
        raise Refused(Reason.UNKNOWN_INCIDENT, f"The hub opened no incident {name}.")
    desk.ledger.fetch([candidates_key(incident["area"], incident["matter_group"])])
    return incident


def _must_be_open(incident: Row) -> None:
    if incident["state"] != "open":
        raise Refused(
            Reason.WRONG_TRANSITION, f"The incident {incident['incident_id']} is {incident['state']} already."
        )


def _must_not_judge_own_work(tasks: list[Row], actor: str, word: str) -> None:
    if any(progress.worked_on(task, actor) for task in tasks):
        raise Refused(Reason.SAME_ACTOR, f"Who handles a task of this incident may not {word} it.")


# cancel


def _cancel(report: Row, incident: Row, desk: Desk) -> Taken:
    _must_be_open(incident)
    tasks = desk.tasks_of(incident)
    _must_not_judge_own_work(tasks, report["actor"], "cancel")
    at, by = progress.time_of(report, incident["opened_at"], desk.now_ms), report["status_id"]
    desk.publish_incident(progress.changed(incident, by, state=CANCELLED, closed_at=at, inhibited=False))
    _end(tasks, by, at, report["note"] or "", desk)
    forget(incident, desk.ledger)
    return incident["incident_id"], CANCELLED, STAGES_ZH[CANCELLED]


def _end(tasks: list[Row], by: str, at: int, note: str, desk: Desk) -> None:
    for task in tasks:
        if is_open(task["stage"]):
            desk.publish_task(progress.cancelled(task, by, at, note))


# confirm and reject: what was possible


def _confirm(report: Row, incident: Row, desk: Desk) -> Taken:
    """The possible event belongs to the incident: it counts, and its severity and category with it."""
    _must_be_open(incident)
    kept = _waiting(report, incident, desk)
    after = joined(membership.without_possible(incident, report["event"]), kept.event, possible=False)
    after = {**after, "version": incident["version"] + 1, "changed_by": report["status_id"]}
    after = _raise(incident, after, desk)
    desk.publish_incident(after)
    reshape(after, desk.ledger)
    desk.keep(kept, incident["incident_id"], "merged")
    _tell(kept, after["incident_id"], "merged", report, desk)
    return incident["incident_id"], "confirmed", report["event"]


def _reject(report: Row, incident: Row, desk: Desk) -> Taken:
    """The possible event does not belong to the incident: it opens its own, with tasks."""
    kept = _waiting(report, incident, desk)
    after = progress.changed(membership.without_possible(incident, report["event"]), report["status_id"])
    desk.publish_incident(after)
    _open_own(kept, report, desk)
    return incident["incident_id"], "rejected", report["event"]


def _waiting(report: Row, incident: Row, desk: Desk) -> Kept:
    if report["event"] not in incident["possible_ids"]:
        raise Refused(Reason.UNKNOWN_EVENT, f"No event {report['event']} waits for a decision on this incident.")
    return _event(report["event"], desk)


def _event(told: str | None, desk: Desk) -> Kept:
    kept = desk.kept(told or "")
    if kept is None:
        raise Refused(Reason.UNKNOWN_EVENT, f"The hub has no event {told}, or has it no longer.")
    return kept


def _open_own(kept: Kept, report: Row, desk: Desk) -> None:
    """A new incident for an event that a person took out of another one."""
    event = kept.event
    row = desk.facts.categories.get(event["category"])
    group = row.matter_group if row is not None else event["category"]
    new = opened(event, _free_id(event, desk), group, desk.now_ms)
    new = desk.give_out(new | {"changed_by": report["status_id"]}, [])
    desk.publish_incident(new)
    if not event["planned"]:
        add_again(new, event, desk.ledger, desk.facts)
    desk.keep(kept, new["incident_id"], "opened")
    _tell(kept, new["incident_id"], "opened", report, desk, new["task_ids"])


def _free_id(event: Row, desk: Desk) -> str:
    """The id that the event would have given its own incident, or the next one that there is not."""
    turn = 1
    while True:
        name = incident_id(event, turn)
        desk.ledger.fetch([incident_key(name)])
        if desk.incident(name) is None:
            return name
        turn += 1


# split and merge


def _split(report: Row, incident: Row, desk: Desk) -> Taken:
    """An event, or an incident that was merged before, leaves the incident again."""
    if incident["state"] == "merged":
        raise Refused(
            Reason.WRONG_TRANSITION, f"The incident is part of {incident['merged_into']}: split it off there."
        )
    other = report["other_incident_id"]
    return _split_incident(report, incident, desk) if other else _split_event(report, incident, desk)


def _split_event(report: Row, incident: Row, desk: Desk) -> Taken:
    told = report["event"]
    if told in incident["possible_ids"]:
        return _reject(report, incident, desk)
    if told not in incident["event_ids"]:
        raise Refused(Reason.UNKNOWN_EVENT, f"The incident has no event {told} among those that it names.")
    if told == incident["event_ids"][0]:
        raise Refused(
            Reason.WRONG_TRANSITION, "The incident has its place and name from this event: split the others off."
        )
    kept = _event(told, desk)
    if kept.incident_id != incident["incident_id"]:
        raise Refused(
            Reason.WRONG_TRANSITION, f"The event came with the incident {kept.incident_id}: split that one off first."
        )
    after = membership.narrowed(incident, [told], 1, desk)
    _settle(incident, {**after, "changed_by": report["status_id"]}, report, desk)
    _open_own(kept, report, desk)
    return incident["incident_id"], "split", told


def _split_incident(report: Row, incident: Row, desk: Desk) -> Taken:
    name = report["other_incident_id"]
    if name not in incident["absorbed"]:
        raise Refused(Reason.WRONG_TRANSITION, f"The incident {name} was not merged into this one.")
    other, by = _known(name, desk), report["status_id"]
    after = membership.narrowed(incident, other["event_ids"], other["events"], desk)
    after = membership.without_absorbed(after, other)
    _settle(incident, {**after, "changed_by": by}, report, desk)
    back = progress.changed(other, by, state="open", merged_into=None, closed_at=None, inhibited=False)
    running = [task for task in desk.tasks_of(other) if is_open(task["stage"])]
    desk.publish_incident(desk.give_out(back, running))
    first = desk.kept(other["event_ids"][0])
    if first is not None and not first.event["planned"]:
        add_again(back, first.event, desk.ledger, desk.facts)
    return incident["incident_id"], "split", name


def _merge(report: Row, incident: Row, desk: Desk) -> Taken:
    """The other incident becomes part of this one; its open tasks end, its events count here."""
    other = _known(report["other_incident_id"], desk)
    _must_be_open(incident)
    _must_be_open(other)
    _must_be_mergeable(incident, other)
    tasks, by = desk.tasks_of(other), report["status_id"]
    _must_not_judge_own_work(tasks, report["actor"], "merge")
    at = progress.time_of(report, other["opened_at"], desk.now_ms)
    gone = progress.changed(
        other, by, state="merged", merged_into=incident["incident_id"], closed_at=at, inhibited=False
    )
    desk.publish_incident(gone)
    _end(tasks, by, at, _MERGE_NOTE.format(incident["incident_id"]), desk)
    forget(other, desk.ledger)
    after = {**membership.united(incident, other), "version": incident["version"] + 1, "changed_by": by}
    after = _raise(incident, after, desk)
    desk.publish_incident(after)
    reshape(after, desk.ledger)
    return incident["incident_id"], "merged", other["incident_id"]


def _must_be_mergeable(incident: Row, other: Row) -> None:
    if incident["incident_id"] == other["incident_id"]:
        raise Refused(Reason.WRONG_TRANSITION, "An incident is not merged with itself.")
    if incident["area"] != other["area"]:
        raise Refused(Reason.WRONG_TRANSITION, "Incidents of two areas are not merged: each area keeps its own.")
    if incident["status"] != other["status"]:
        raise Refused(Reason.WRONG_TRANSITION, "What is real and what is an exercise or test are never one matter.")
    if other.get("parent"):
        raise Refused(Reason.WRONG_TRANSITION, "A parent is not merged into another incident; it can be cancelled.")


# tasks follow


def _raise(before: Row, after: Row, desk: Desk) -> Row:
    """Tasks after something joined: nearer limits where it became worse, new tasks for who was not asked yet."""
    if after["inhibited"]:
        # a person has looked at it: its tasks wait no longer, for a parent or by an inhibit rule
        after = {**after, "inhibited": False, "held_by": None, "freed": True}
    running = [task for task in desk.tasks_of(after) if is_open(task["stage"])]
    if after["severity"] < before["severity"]:
        running = [raised_task(task, after, desk.facts, desk.now_ms) for task in running]
        for task in running:
            desk.publish_task(task)
    return desk.give_out(after, running)


def _settle(before: Row, after: Row, report: Row, desk: Desk) -> None:
    """Tasks after something left: what nobody has begun and no rule asks for any more ends; severity follows."""
    after = {**after, "version": before["version"] + 1}
    wanted = {item.recipient.id for item in assignments(after, desk.facts, desk.now_ms)}
    running = []
    for task in [task for task in desk.tasks_of(after) if is_open(task["stage"])]:
        if task["recipient"] not in wanted and task["stage"] == DISPATCHED and not task["returns"]:
            desk.publish_task(progress.cancelled(task, report["status_id"], desk.now_ms, _SPLIT_NOTE))
            continue
        running.append(task)
        if task["severity"] != after["severity"]:
            running[-1] = progress.reweighed(task, after["severity"], report["status_id"])
            desk.publish_task(running[-1])
    if after["state"] == "open" and not after["inhibited"]:
        after = desk.give_out(after, running)
    desk.publish_incident(after)
    reshape(after, desk.ledger)


def _tell(kept: Kept, name: str, outcome: str, report: Row, desk: Desk, task_ids: list[str] | None = None) -> None:  # noqa: PLR0913
    """One line of the journal about the event that a person moved."""
    desk.told.append(
        {
            "source": kept.event["source"],
            "event_id": kept.event["event_id"],
            "area": kept.event["area"],
            "incident_id": name,
            "outcome": outcome,
            "reason": report["stage"],
            "task_ids": task_ids or [],
            "actor": report["actor"],
            "note": report["note"] or "",
        }
    )


_COMMANDS: dict[str, Callable[[Row, Row, Desk], Taken]] = {
    "cancel": _cancel,
    "confirm": _confirm,
    "reject": _reject,
    "split": _split,
    "merge": _merge,
    **orders.ORDERS,
}
COMMANDS = tuple(_COMMANDS)
