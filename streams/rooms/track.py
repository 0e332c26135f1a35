"""track: follow each task from stage to stage, until somebody other than its handler has closed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.streams.records import REFUSAL, Reason, table
from gridhub.streams.rooms import commands, handover, notices, progress, reopening, responsibility
from gridhub.streams.rooms.candidates import forget
from gridhub.streams.rooms.desk import Desk, Refused
from gridhub.streams.rooms.ledger import Ledger, candidates_key, incident_key, status_key, task_key
from gridhub.streams.rooms.outbound import OutboundFacts, Row, Tracked
from gridhub.streams.rooms.stages import CLOSED, EXTENDED, RETURNED, is_open

if TYPE_CHECKING:
    import pyarrow as pa

    from gridhub.streams.memory import State

EXTENSION_ASKED = "extension_asked"
_MS_BYTES = 8


def track(batch: pa.RecordBatch, facts: OutboundFacts, now_ms: int, state: State) -> Tracked:
    """Each STATUS row moves one task, or is a person's command or a parent's notice, or is refused; in row order.

    Nothing is written: `changes` is for the caller, together with the output. Every row leaves one decision, and one
    more for each incident or event that it moved.
    """
    reports = batch.to_pylist()
    keys = list(dict.fromkeys(_status_key(report) for report in reports))
    desk = Desk(facts, now_ms, state, Ledger(state), dict(zip(keys, state.get_many(keys), strict=True)))
    _fetch(reports, desk.ledger)
    new: dict[bytes, bytes | None] = {}
    decisions, refused = [], []
    for report in reports:
        tasks_before, told_before = len(desk.tasks), len(desk.told)
        try:
            incident_id, outcome, reason = _take(report, desk)
            key = _status_key(report)
            desk.taken[key] = new[key] = now_ms.to_bytes(_MS_BYTES, "big")
        except Refused as refusal:
            refused.append(_refusal(report, refusal))
            incident_id, outcome, reason = report["incident_id"] or "", "refused", refusal.reason.value
        changed = [task["task_id"] for task in desk.tasks[tasks_before:]]
        decided = {"incident_id": incident_id, "outcome": outcome, "reason": reason, "task_ids": changed}
        decisions.append(_decision(report, desk, decided))
        decisions += [_decision(report, desk, more) for more in desk.told[told_before:]]
    return Tracked(
        task_rows=desk.tasks,
        incident_rows=desk.incidents,
        changes={**new, **desk.raw, **desk.ledger.changes()},
        decisions=decisions,
        refused=table(REFUSAL, refused),
        notices=desk.notices,
        opened=desk.opened,
        ended=desk.ended,
    )


def _fetch(reports: list[Row], ledger: Ledger) -> None:
    """Bring in all that the batch may touch, with three calls of the state; each row of the same task costs nothing more."""
    tasks = [task_key(report["task_id"] or "") for report in reports]
    ledger.fetch(tasks)
    owners = {task["incident_id"] for key in tasks if (task := ledger.get(key)) is not None}
    owners |= {report["incident_id"] for report in reports if report["incident_id"] and report["kind"] == "command"}
    keys = [incident_key(owner) for owner in sorted(owners)]
    ledger.fetch(keys)
    incidents = [incident for key in keys if (incident := ledger.get(key)) is not None]
    lists = (candidates_key(incident["area"], incident["matter_group"]) for incident in incidents)
    ledger.fetch([*lists, *(task_key(name) for incident in incidents for name in incident["task_ids"])])


def _status_key(report: Row) -> bytes:
    return status_key(report["sender"] or "", report["status_id"] or "")


def _take(report: Row, desk: Desk) -> tuple[str, str, str]:
    """Act on one report; its incident, the new stage, and a word why. Refused when it cannot be."""
    if not report["status_id"] or not (report["actor"] or "").strip():
        raise Refused(Reason.MISSING_FIELD, "A status needs an id of its own and the actor who did it.")
    if desk.taken[_status_key(report)] is not None:
        raise Refused(Reason.DUPLICATE, f"{report['status_id']} was taken before.")
    act = {"command": commands.take, "parent": notices.take}.get(report["kind"], _status)
    return act(report, desk)


def _status(report: Row, desk: Desk) -> tuple[str, str, str]:
    task = desk.task(report["task_id"] or "")
    if task is None:
        raise Refused(Reason.UNKNOWN_TASK, f"The hub gave no task {report['task_id']}.")
    incident = desk.incident(task["incident_id"])
    if incident is None:
        raise Refused(Reason.UNKNOWN_INCIDENT, f"The incident {task['incident_id']} of this task is not known.")
    problem = progress.objection(task, report, desk.facts)
    if problem is not None:
        raise Refused(*problem)
    if report["stage"] == EXTENDED:
        desk.publish_task(progress.asked(task, report))
        return incident["incident_id"], EXTENSION_ASKED, ""
    after = progress.moved(task, report, desk.now_ms, desk.facts)
    if after["stage"] == RETURNED and task["action"] == "handle":
        handover.hand_up(after, incident, desk)
    else:
        desk.publish_task(after)
    reason = "overdue" if after["overdue"] and not task["overdue"] else ""
    return incident["incident_id"], after["stage"], _close(after, incident, desk) or reason


def _close(task: Row, incident: Row, desk: Desk) -> str:
    """Close the incident when this was its last handling task; what still waits for others is no longer needed."""
    if task["stage"] == CLOSED and incident["state"] == "closed":
        _tidy(task, incident, desk)
    if task["stage"] != CLOSED or task["action"] != "handle" or incident["state"] != "open":
        return ""
    tasks = [other for name in incident["task_ids"] if (other := desk.task(name)) is not None]
    if any(other["action"] == "handle" and is_open(other["stage"]) for other in tasks):
        return ""
    at, by = task["stage_since"], task["changed_by"]
    desk.publish_incident(progress.changed(incident, by, state="closed", closed_at=at))
    for other in tasks:
        if progress.not_needed(other):
            desk.publish_task(progress.cancelled(other, by, at, "事件已结案"))
    reopening.note_close(incident, at, desk.ledger, desk.facts)
    forget(incident, desk.ledger)
    if not responsibility.endangers(incident, desk.facts):
        responsibility.remember(task, incident, desk.ledger)
    return "incident_closed"


def _tidy(task: Row, incident: Row, desk: Desk) -> None:
    """The last work that still waited for its check after the incident's close is done: who only knew of it is let go."""
    still_open = [other for other in desk.tasks_of(incident) if is_open(other["stage"])]
    if all(other["action"] == "inform" for other in still_open):
        for other in still_open:
            desk.publish_task(progress.cancelled(other, task["changed_by"], task["stage_since"], "事件已结案"))


def _refusal(report: Row, refused: Refused) -> Row:
    return {
        "row": report["row"],
        "source": report["sender"] or "",
        "event_id": report["status_id"] or "",
        "room": "track",
        "reason": refused.reason.value,
        "detail": refused.detail,
        "candidates": [],
    }


def _decision(report: Row, desk: Desk, decided: Row) -> Row:
    """A line of the journal; what `decided` does not say is the row's own."""
    subject = decided["incident_id"] or report["task_id"] or ""
    ordered = report["kind"] == "command"
    return {
        "row": report["row"],
        "source": report["sender"] or "",
        "event_id": report["status_id"] or "",
        "area": subject.partition("-")[0],
        "room": "track",
        "score": {},
        "rules": desk.facts.rules,
        "decided_at": desk.now_ms,
        "parent_id": "",
        "actor": (report["actor"] or "") if ordered else "",
        "note": (report["note"] or "")[: progress.MOST_NOTE] if ordered else "",
        **decided,
    }
