"""dispatch: give the people of the place their tasks, once, and tell them when the matter becomes worse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gridhub.streams.records import Outcome
from gridhub.streams.rooms import clocks, reopening, responsibility
from gridhub.streams.rooms.assignment import possible_note, raised_task, whole
from gridhub.streams.rooms.giving import given
from gridhub.streams.rooms.ledger import Ledger, incident_key, task_key
from gridhub.streams.rooms.outbound import Deduplicated, Dispatched, OutboundFacts, Row
from gridhub.streams.rooms.stages import REOPENED, is_open

if TYPE_CHECKING:
    from gridhub.streams.memory import State


@dataclass(slots=True)
class _Desk:
    """What lies on the desk while a batch is dispatched."""

    facts: OutboundFacts
    now_ms: int
    ledger: Ledger
    task_ids: dict[str, list[str]] = field(default_factory=dict)  # of the incidents of this batch, with the new ones
    marks: dict[str, Row] = field(default_factory=dict)  # what incidents of this batch keep of what waits
    final: dict[str, Row] = field(default_factory=dict)
    tasks: list[Row] = field(default_factory=list)
    told: list[Row] = field(default_factory=list)  # what was kept back, of the event at hand

    def publish(self, task: Row) -> str:
        """One version of a task goes out, and stays in the state with its timer."""
        clocks.keep(self.ledger, task)
        self.tasks.append(task)
        return str(task["task_id"])


def dispatch(found: Deduplicated, facts: OutboundFacts, now_ms: int, state: State) -> Dispatched:
    """Tasks for opened incidents; new versions, and tasks for who was not asked yet, where one became more severe.

    A plain merge wakes nobody. A possible event becomes a note on the handlers' tasks. Events are taken in row order.
    `changes` holds those of `deduplicate` too, with the incidents as they are with their tasks.
    """
    desk = _Desk(facts, now_ms, found.ledger.fork(state))
    events = list(zip(*(found.kept.column(name).to_pylist() for name in ("row", "outcome", "raised")), strict=True))
    _fetch(found.rows, events, desk)
    incidents, decisions = [], []
    for incident, (row, outcome, raised) in zip(found.rows, events, strict=True):
        name, desk.told = incident["incident_id"], []
        changed, route = _one({**incident, **desk.marks.get(name, {})}, outcome, desk, raised=raised)
        known = {"task_ids": desk.task_ids.get(name, incident["task_ids"])}
        snapshot = desk.final[name] = {**incident, **desk.marks.get(name, {}), **known}
        incidents.append(snapshot)
        if changed:
            what = REOPENED if reopening.is_news(incident) else outcome
            decisions.append(_decision(snapshot, desk, row=row, outcome=what, reason=route, task_ids=changed))
        decisions += [_decision(snapshot, desk, **{**told, "row": row, **_caused(snapshot)}) for told in desk.told]
    for name, snapshot in desk.final.items():
        desk.ledger.put(incident_key(name), snapshot)
    return Dispatched(
        task_rows=desk.tasks,
        incident_rows=incidents,
        changes={**found.seen, **desk.ledger.changes()},
        decisions=decisions,
        notices=found.notices,
    )


def _fetch(incidents: list[Row], events: list[tuple[int, str, bool]], desk: _Desk) -> None:
    """Bring in the tasks that may change, with one call of the state."""
    touched = (
        incident
        for incident, (_, outcome, raised) in zip(incidents, events, strict=True)
        if raised or outcome == Outcome.POSSIBLE or reopening.is_news(incident)
    )
    new = (
        incident
        for incident, (_, outcome, _) in zip(incidents, events, strict=True)
        if outcome in {Outcome.OPENED, Outcome.ATTACHED}
    )
    tasks = (task_key(task_id) for incident in touched for task_id in incident["task_ids"])
    desk.ledger.fetch([*tasks, *responsibility.keys(new)])


def _one(incident: Row, outcome: str, desk: _Desk, *, raised: bool) -> tuple[list[str], str]:
    """Ids of the tasks made or changed for one event, and the route that asked for them."""
    if incident["inhibited"] and not incident.get("held_by"):
        return [], ""  # its tasks wait for the end of its parent
    if reopening.is_news(incident):
        return _wake(incident, desk)
    held = incident.get("held_by") or incident.get("silenced")
    if outcome in {Outcome.OPENED, Outcome.ATTACHED} or (held and outcome != Outcome.POSSIBLE):
        return _assign(incident, desk, [], [])
    known = desk.task_ids.get(incident["incident_id"]) or list(incident["task_ids"])
    if not raised and outcome != Outcome.POSSIBLE:
        return [], ""
    found = (desk.ledger.get(task_key(task_id)) for task_id in known)
    tasks: list[Row] = [whole(task) for task in found if task is not None]  # tasks that ended long ago are forgotten
    if outcome == Outcome.POSSIBLE and not raised:
        handlers = [task for task in tasks if task["action"] == "handle" and is_open(task["stage"])]
        return [desk.publish(possible_note(task, incident)) for task in handlers], "possible"
    worse = [raised_task(task, incident, desk.facts, desk.now_ms) for task in tasks if is_open(task["stage"])]
    changed = [desk.publish(task) for task in worse]
    new, route = _assign(incident, desk, known, tasks)
    return [*changed, *new], route


def _wake(incident: Row, desk: _Desk) -> tuple[list[str], str]:
    """A closed incident came back: its last handler has it again, the unit above knows."""
    known = desk.task_ids.get(incident["incident_id"]) or list(incident["task_ids"])
    found = [task for task_id in known if (task := desk.ledger.get(task_key(task_id))) is not None]
    responsibility.forget(incident, desk.ledger)
    tasks = reopening.woken({**incident, "task_ids": known}, found, desk.facts, desk.now_ms)
    if not tasks:
        return _assign(incident, desk, [], [])
    made = [desk.publish(task) for task in tasks]
    desk.task_ids[incident["incident_id"]] = list(dict.fromkeys([*known, *made]))
    return made, tasks[0]["route"]


def _assign(incident: Row, desk: _Desk, known: list[str], tasks: list[Row]) -> tuple[list[str], str]:
    """Tasks for every recipient who has none of this weight yet."""
    new = given(incident, known, tasks, desk.facts, desk.now_ms, desk.ledger)
    made, name = [desk.publish(task) for task in new.tasks], incident["incident_id"]
    desk.task_ids[name] = list(dict.fromkeys([*known, *made]))
    desk.told += new.told
    if new.marks:
        desk.marks[name] = {**desk.marks.get(name, {}), **new.marks}
    return made, " ".join(dict.fromkeys(task["route"] for task in new.tasks))


def _caused(incident: Row) -> Row:
    """The event of this row: what it kept back is told as its own."""
    source, _, event_id = incident["changed_by"].partition("/")
    return {"source": source, "event_id": event_id}


def _decision(incident: Row, desk: _Desk, **decided: object) -> Row:
    source, _, event_id = incident["changed_by"].partition("/")
    return {
        "source": source,
        "event_id": event_id,
        "area": incident["area"],
        "room": "dispatch",
        "incident_id": incident["incident_id"],
        "score": {},
        "rules": desk.facts.rules,
        "decided_at": desk.now_ms,
        "parent_id": incident["parent_id"] or "",
        "actor": "",
        "note": "",
        **decided,
    }
