"""What a person decides about one task: approve or refuse more time, suspend, resume, arbitrate, cancel; and reopen.

The machine in stages.py says from which stage; what is not allowed is refused with what would be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.streams.records import Reason
from gridhub.streams.rooms import clocks, handover, progress, reopening, responsibility
from gridhub.streams.rooms.desk import Desk, Refused
from gridhub.streams.rooms.ledger import candidates_key, task_key
from gridhub.streams.rooms.stages import EXTENDED, HANDLING, SUSPENDED, allowed, commanded, is_open

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridhub.streams.rooms.outbound import Row

    Taken = tuple[str, str, str]  # the incident, what came of it, a word why

APPROVED, DENIED, ARBITRATED, REOPENED, CANCELLED = (
    "extended",
    "extension_refused",
    "arbitrated",
    "reopened",
    "cancelled",
)


def approve(report: Row, incident: Row, desk: Desk) -> Taken:
    """More time, as the handler asked for: somebody else says so (准予延期)."""
    task = _task(report, incident, desk)
    _may(task, "approve")
    _must_be_asked(task, report)
    at = progress.time_of(report, task["stage_since"], desk.now_ms)
    after = {
        **task,
        "version": task["version"] + 1,
        "stage": EXTENDED,
        "stage_since": at,
        "finish_by": clocks.extended(task, at, desk.facts),
        "extensions": task["extensions"] + 1,
        "extension_asked_by": None,
        "overdue": task["overdue"] or progress.late(task, at),
        "note": f"准予延期：{report['note'] or ''}"[: progress.MOST_NOTE],
        "changed_by": report["status_id"],
    }
    desk.publish_task(clocks.kept(task, after, at, desk.facts))
    return incident["incident_id"], APPROVED, "approve"


def refuse(report: Row, incident: Row, desk: Desk) -> Taken:
    """No more time: stage and limits stay (不准延期)."""
    task = _task(report, incident, desk)
    _must_be_asked(task, report)
    note = f"不准延期：{report['note'] or ''}"[: progress.MOST_NOTE]
    desk.publish_task(_changed(task, report, extension_asked_by=None, note=note))
    return incident["incident_id"], DENIED, "refuse"


def suspend(report: Row, incident: Row, desk: Desk) -> Taken:
    """The task rests for a listed reason, until a moment (挂账)."""
    task = _task(report, incident, desk)
    _may(task, "suspend")
    problem = progress.no_rest(report, task, desk.facts)
    if problem is not None:
        raise Refused(*problem)
    desk.publish_task(progress.moved(task, {**report, "stage": SUSPENDED}, desk.now_ms, desk.facts, works=False))
    return incident["incident_id"], SUSPENDED, report["cause"]


def resume(report: Row, incident: Row, desk: Desk) -> Taken:
    """A suspended task goes on before its end (恢复)."""
    task = _task(report, incident, desk)
    _may(task, "resume")
    desk.publish_task(progress.moved(task, {**report, "stage": HANDLING}, desk.now_ms, desk.facts, works=False))
    return incident["incident_id"], HANDLING, "resume"


def arbitrate(report: Row, incident: Row, desk: Desk) -> Taken:
    """Who handles what everybody returned (仲裁)."""
    task = _task(report, incident, desk)
    _may(task, "arbitrate")
    handover.arbitrate(task, report, incident, desk)
    return incident["incident_id"], ARBITRATED, report["recipient"]


def cancel(report: Row, incident: Row, desk: Desk) -> Taken:
    """One task ends without a result; not the last one that handles an open incident (作废)."""
    task = _task(report, incident, desk)
    _may(task, "cancel")
    tasks = desk.tasks_of(incident)
    if progress.worked_on(task, report["actor"]):
        raise Refused(Reason.SAME_ACTOR, "Who handles a task may not cancel it.")
    handling = [one["task_id"] for one in tasks if one["action"] == "handle" and is_open(one["stage"])]
    others = [name for name in handling if name != task["task_id"]]
    if task["action"] == "handle" and incident["state"] == "open" and not others:
        raise Refused(Reason.WRONG_TRANSITION, "It is the last task that handles the incident: cancel the incident.")
    at = progress.time_of(report, task["stage_since"], desk.now_ms)
    desk.publish_task(progress.cancelled(task, report["status_id"], at, report["note"] or ""))
    return incident["incident_id"], CANCELLED, "task"


def reopen(report: Row, incident: Row, desk: Desk) -> Taken:
    """A closed incident was not solved: its last handler has it again (重开)."""
    if incident["state"] != "closed":
        raise Refused(Reason.WRONG_TRANSITION, f"The incident is {incident['state']}: only a closed one opens again.")
    entry = reopening.entry_of(incident, desk.ledger)
    if entry is not None:
        group = incident["matter_group"]
        key = candidates_key(incident["area"], group)
        desk.ledger.fetch([key])
        back = reopening.take_back(entry, incident["area"], group, desk.ledger)
        desk.ledger.put(key, [*(desk.ledger.get(key) or []), back][-desk.facts.matching.candidates :])
    responsibility.forget(incident, desk.ledger)
    tasks = desk.tasks_of(incident)
    after = reopening.opened_again(incident, report["status_id"])
    after = {**after, "version": incident["version"] + 1, "last_title": report["note"] or incident["last_title"]}
    woken = reopening.woken(after, tasks, desk.facts, desk.now_ms)
    desk.ledger.fetch(task_key(task["task_id"]) for task in woken)
    for task in woken:
        desk.publish_task(task)
    if woken:
        ids = list(dict.fromkeys([*incident["task_ids"], *(task["task_id"] for task in woken)]))
        desk.publish_incident({**after, "task_ids": ids})
    else:
        desk.publish_incident(desk.give_out(after, []))
    return incident["incident_id"], REOPENED, "command"


def _task(report: Row, incident: Row, desk: Desk) -> Row:
    """The task that the command names; Refused where it is no task of this incident."""
    name = report["task_id"] or ""
    desk.ledger.fetch([task_key(name)])
    task = desk.task(name)
    if task is None or name not in incident["task_ids"]:
        raise Refused(Reason.UNKNOWN_TASK, f"The incident {incident['incident_id']} has no task {name}.")
    return task


def _may(task: Row, word: str) -> None:
    if not commanded(task["stage"], word):
        raise Refused(
            Reason.WRONG_TRANSITION, f"After {task['stage']} comes {allowed(task['stage'])}, not the command {word}."
        )


def _must_be_asked(task: Row, report: Row) -> None:
    asker = task["extension_asked_by"]
    if asker is None:
        raise Refused(Reason.WRONG_TRANSITION, "Nobody asked for more time: a report of extended comes first.")
    if progress.person(asker) == progress.person(report["actor"]) or progress.worked_on(task, report["actor"]):
        raise Refused(Reason.SAME_ACTOR, "Who handles a task may not answer the own request: another one approves.")


def _changed(task: Row, report: Row, **values: object) -> Row:
    return {**task, "version": task["version"] + 1, "changed_by": report["status_id"], **values}


ORDERS: dict[str, Callable[[Row, Row, Desk], Taken]] = {
    "approve": approve,
    "refuse": refuse,
    "suspend": suspend,
    "resume": resume,
    "arbitrate": arbitrate,
    "reopen": reopen,
}
