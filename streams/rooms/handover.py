"""A task changes hands: returned one level up, to an arbiter after too many returns, and from the arbiter to who must do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.streams.records import Reason
from gridhub.streams.rooms import clocks, progress
from gridhub.streams.rooms.desk import Refused
from gridhub.streams.rooms.ledger import task_key
from gridhub.streams.rooms.organisation import DEPARTMENT_UNIT, ROLES, parse
from gridhub.streams.rooms.stages import ARBITRATING, DISPATCHED, RETURNED, is_open

if TYPE_CHECKING:
    from gridhub.streams.rooms.desk import Desk
    from gridhub.streams.rooms.organisation import Recipient
    from gridhub.streams.rooms.outbound import OutboundFacts, Row


def hand_up(returned: Row, incident: Row, desk: Desk) -> None:
    """A returned task goes to the next level up, as a task of its own (退单); there it counts how often it came back.

    After too many returns it goes to the arbiter, who decides who handles it (强制仲裁).
    """
    target, stage = _next(returned, desk.facts)
    if target is None:
        raise Refused(Reason.WRONG_TRANSITION, "There is nobody above the city's grid centre to return this task to.")
    desk.publish_task(returned)
    give(returned, target, incident, desk, stage)


def _next(returned: Row, facts: OutboundFacts) -> tuple[Recipient | None, str]:
    upper = progress.upper(returned, facts)
    if upper is None or returned["returns"] < facts.clocks.file.arbitrate_after:
        return upper, DISPATCHED
    return parse(facts.organisation.arbiter(returned["recipient"]).id), ARBITRATING


def give(task: Row, recipient: Recipient, incident: Row, desk: Desk, stage: str = DISPATCHED, **values: object) -> None:
    """The matter of this task to another recipient: along with its own open task to handle it, else as a new one.

    `values` are what that task says beside.
    """
    open_tasks = [one for one in desk.tasks_of(incident) if one["action"] == "handle" and is_open(one["stage"])]
    same = [one for one in open_tasks if one["recipient"] == recipient.id and one["task_id"] != task["task_id"]]
    if same:
        desk.publish_task({**progress.noted(same[0], task), **values})
        return
    new = progress.handed_up(task, recipient, incident["task_ids"], desk.facts, desk.now_ms, stage)
    desk.ledger.fetch([task_key(new["task_id"])])
    desk.publish_task({**new, **values})
    ids = [*incident["task_ids"], new["task_id"]]
    desk.publish_incident(progress.changed(incident, task["changed_by"], task_ids=ids))


def arbitrate(task: Row, report: Row, incident: Row, desk: Desk) -> None:
    """The arbiter's decision: the recipient handles it and may not return it; the arbiter itself keeps its own task."""
    recipient = _named(report["recipient"] or "", desk.facts)
    at, by = progress.time_of(report, task["stage_since"], desk.now_ms), report["status_id"]
    note = f"仲裁：由{desk.facts.organisation.name_of(recipient)}办理。{report['note'] or ''}"[: progress.MOST_NOTE]
    decided = {
        **task,
        "version": task["version"] + 1,
        "stage_since": at,
        "overdue": task["overdue"] or progress.late(task, at),
        "arbitrated": True,
        "note": note,
        "changed_by": by,
    }
    if recipient.id == task["recipient"]:
        its = clocks.times(task, clocks.ACCEPT, desk.facts)
        span = desk.facts.accept_limit_ms if its.limit_ms is None else its.limit_ms
        own = {**decided, "stage": DISPATCHED, "accept_by": clocks.deadline(at, span, its.time, desk.facts)}
        desk.publish_task(clocks.started(own, at, desk.facts))
        return
    desk.publish_task(clocks.started({**decided, "stage": RETURNED}, at, desk.facts))
    give({**decided, "overdue": task["overdue"]}, recipient, incident, desk, arbitrated=True, note=note)


def _named(unit_id: str, facts: OutboundFacts) -> Recipient:
    """The recipient that an arbiter names; Refused where the city has no such unit."""
    found = parse(unit_id)
    role = ROLES.get(found.role)
    known = role is not None and facts.organisation.places.place(found.place) is not None
    fits = role is not None and (found.role == DEPARTMENT_UNIT) == bool(found.department)
    department = not found.department or found.department in facts.routing.departments
    if role is None or not (known and fits and department and len(found.place) == role.digits):
        raise Refused(Reason.WRONG_TRANSITION, f"There is no unit {unit_id!r} that could handle it: write role:code.")
    return found
