"""track: follow each task from stage to stage, until somebody other than its handler has closed it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gridhub.streams.records import REFUSAL, Reason, table
from gridhub.streams.rooms import progress
from gridhub.streams.rooms.candidates import forget
from gridhub.streams.rooms.ledger import Ledger, candidates_key, incident_key, status_key, task_key
from gridhub.streams.rooms.opening import complete
from gridhub.streams.rooms.outbound import OutboundFacts, Row, Tracked
from gridhub.streams.rooms.stages import CANCELLED, CLOSED, RETURNED, STAGES_ZH, is_open

if TYPE_CHECKING:
    import pyarrow as pa

    from gridhub.streams.memory import State

COMMANDS = ("cancel",)
_MS_BYTES = 8


class _Refused(Exception):  # noqa: N818  # not an error: the sender's status is refused, with a reason
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(slots=True)
class _Desk:
    """What lies on the desk while a batch is tracked."""

    facts: OutboundFacts
    now_ms: int
    ledger: Ledger
    taken: dict[bytes, bytes | None]  # statuses taken before, and in this batch
    tasks: list[Row] = field(default_factory=list)
    incidents: list[Row] = field(default_factory=list)

    def task(self, task_id: str) -> Row | None:
        found: Row | None = self.ledger.get(task_key(task_id))
        return found

    def incident(self, incident_id: str) -> Row | None:
        found: Row | None = self.ledger.get(incident_key(incident_id))
        return None if found is None else complete(found)

    def publish_task(self, task: Row) -> None:
        self.ledger.put(task_key(task["task_id"]), task)
        self.tasks.append(task)

    def publish_incident(self, incident: Row) -> None:
        self.ledger.put(incident_key(incident["incident_id"]), incident)
        self.incidents.append(incident)


def track(batch: pa.RecordBatch, facts: OutboundFacts, now_ms: int, state: State) -> Tracked:
    """Each STATUS row moves one task (or cancels one incident), or is refused with a reason; in row order.

    Nothing is written: `changes` is for the caller, together with the output. Every row leaves one decision.
    """
    reports = batch.to_pylist()
    keys = list(dict.fromkeys(_status_key(report) for report in reports))
    desk = _Desk(facts, now_ms, Ledger(state), dict(zip(keys, state.get_many(keys), strict=True)))
    _fetch(reports, desk.ledger)
    new: dict[bytes, bytes | None] = {}
    decisions, refused = [], []
    for report in reports:
        tasks_before = len(desk.tasks)
        try:
            incident_id, outcome, reason = _take(report, desk)
            key = _status_key(report)
            desk.taken[key] = new[key] = now_ms.to_bytes(_MS_BYTES, "big")
        except _Refused as refusal:
            refused.append(_refusal(report, refusal))
            incident_id, outcome, reason = report["incident_id"] or "", "refused", refusal.reason.value
        changed = [task["task_id"] for task in desk.tasks[tasks_before:]]
        decided = {"incident_id": incident_id, "outcome": outcome, "reason": reason, "task_ids": changed}
        decisions.append(_decision(report, desk, decided))
    return Tracked(
        task_rows=desk.tasks,
        incident_rows=desk.incidents,
        changes={**new, **desk.ledger.changes()},
        decisions=decisions,
        refused=table(REFUSAL, refused),
    )


def _fetch(reports: list[Row], ledger: Ledger) -> None:
    """Bring in all that the batch may touch, with three calls of the state; each row of the same task costs nothing more."""
    tasks = [task_key(report["task_id"] or "") for report in reports]
    ledger.fetch(tasks)
    owners = {task["incident_id"] for key in tasks if (task := ledger.get(key)) is not None}
    owners |= {report["incident_id"] for report in reports if report["incident_id"]}
    keys = [incident_key(owner) for owner in sorted(owners)]
    ledger.fetch(keys)
    incidents = [incident for key in keys if (incident := ledger.get(key)) is not None]
    lists = (candidates_key(incident["area"], incident["matter_group"]) for incident in incidents)
    ledger.fetch([*lists, *(task_key(name) for incident in incidents for name in incident["task_ids"])])


def _status_key(report: Row) -> bytes:
    return status_key(report["sender"] or "", report["status_id"] or "")


def _take(report: Row, desk: _Desk) -> tuple[str, str, str]:
    """Act on one report; its incident, the new stage, and a word why. _Refused when it cannot be."""
    if not report["status_id"] or not (report["actor"] or "").strip():
        raise _Refused(Reason.MISSING_FIELD, "A status needs an id of its own and the actor who did it.")
    if desk.taken[_status_key(report)] is not None:
        raise _Refused(Reason.DUPLICATE, f"{report['status_id']} was taken before.")
    return _command(report, desk) if report["kind"] == "command" else _status(report, desk)


def _status(report: Row, desk: _Desk) -> tuple[str, str, str]:
    task = desk.task(report["task_id"] or "")
    if task is None:
        raise _Refused(Reason.UNKNOWN_TASK, f"The hub gave no task {report['task_id']}.")
    incident = desk.incident(task["incident_id"])
    if incident is None:
        raise _Refused(Reason.UNKNOWN_INCIDENT, f"The incident {task['incident_id']} of this task is not known.")
    problem = progress.objection(task, report)
    if problem is not None:
        raise _Refused(*problem)
    after = progress.moved(task, report, desk.now_ms)
    if after["stage"] == RETURNED and task["action"] == "handle":
        _hand_up(after, incident, desk)
    else:
        desk.publish_task(after)
    reason = "overdue" if after["overdue"] and not task["overdue"] else ""
    return incident["incident_id"], after["stage"], _close(after, incident, desk) or reason


def _hand_up(returned: Row, incident: Row, desk: _Desk) -> None:
    """A returned task goes to the next level up, as a task of its own (退单); there it counts how often it came back."""
    upper = progress.upper(returned, desk.facts)
    if upper is None:
        raise _Refused(Reason.WRONG_TRANSITION, "There is nobody above the city's grid centre to return this task to.")
    desk.publish_task(returned)
    others = [task for name in incident["task_ids"] if (task := desk.task(name)) is not None]
    same = [
        task
        for task in others
        if task["recipient"] == upper.id and task["action"] == "handle" and is_open(task["stage"])
    ]
    if same:
        desk.publish_task(progress.noted(same[0], returned))
        return
    new = progress.handed_up(returned, upper, incident["task_ids"], desk.facts, desk.now_ms)
    desk.publish_task(new)
    ids = [*incident["task_ids"], new["task_id"]]
    desk.publish_incident(progress.changed(incident, returned["changed_by"], task_ids=ids))


def _close(task: Row, incident: Row, desk: _Desk) -> str:
    """Close the incident when this was its last handling task; what still waits for others is no longer needed."""
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
    forget(incident, desk.ledger)
    return "incident_closed"


def _command(report: Row, desk: _Desk) -> tuple[str, str, str]:
    incident = desk.incident(report["incident_id"]) if report["incident_id"] else None
    if incident is None:
        raise _Refused(Reason.UNKNOWN_INCIDENT, f"The hub opened no incident {report['incident_id']}.")
    if report["stage"] not in COMMANDS:
        raise _Refused(
            Reason.WRONG_TRANSITION, f"There is no command {report['stage']}; there is {', '.join(COMMANDS)}."
        )
    if incident["state"] != "open":
        raise _Refused(Reason.WRONG_TRANSITION, f"The incident is {incident['state']} already.")
    tasks = [task for name in incident["task_ids"] if (task := desk.task(name)) is not None]
    if any(progress.worked_on(task, report["actor"]) for task in tasks):
        raise _Refused(Reason.SAME_ACTOR, "Who handles a task of this incident may not cancel it.")
    at, by = progress.time_of(report, incident["opened_at"], desk.now_ms), report["status_id"]
    desk.publish_incident(progress.changed(incident, by, state=CANCELLED, closed_at=at))
    for task in tasks:
        if is_open(task["stage"]):
            desk.publish_task(progress.cancelled(task, by, at, report["note"] or ""))
    forget(incident, desk.ledger)
    return incident["incident_id"], CANCELLED, STAGES_ZH[CANCELLED]


def _refusal(report: Row, refused: _Refused) -> Row:
    return {
        "row": report["row"],
        "source": report["sender"] or "",
        "event_id": report["status_id"] or "",
        "room": "track",
        "reason": refused.reason.value,
        "detail": refused.detail,
        "candidates": [],
    }


def _decision(report: Row, desk: _Desk, decided: Row) -> Row:
    subject = decided["incident_id"] or report["task_id"] or ""
    return {
        "row": report["row"],
        "source": report["sender"] or "",
        "event_id": report["status_id"] or "",
        "area": subject.partition("-")[0],
        "room": "track",
        **decided,
        "score": {},
        "rules": desk.facts.rules,
        "decided_at": desk.now_ms,
    }
