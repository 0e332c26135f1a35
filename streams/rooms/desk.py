"""What lies on the desk while a batch of hub.status is taken: facts, the state as it will be, and what goes out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import orjson

from gridhub.streams.rooms import clocks, holding, parents
from gridhub.streams.rooms.assignment import whole
from gridhub.streams.rooms.giving import given
from gridhub.streams.rooms.grouping import kept_for_others
from gridhub.streams.rooms.ledger import Ledger, event_key, incident_key, seen_key, task_key
from gridhub.streams.rooms.opening import complete
from gridhub.streams.rooms.recall import TOLD_COLUMNS, kept_event, told_of

if TYPE_CHECKING:
    from gridhub.streams.memory import State
    from gridhub.streams.records import Reason
    from gridhub.streams.rooms.outbound import OutboundFacts, Row

_MS_BYTES = 8


class Refused(Exception):  # noqa: N818  # not an error: the sender's status is refused, with a reason
    """Why a report or command is not taken, with a sentence for its sender."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class Kept(NamedTuple):
    """An event as the state keeps it: the bytes of when it was seen, its incident, what became of it, its columns."""

    seen: bytes
    incident_id: str
    outcome: str
    event: Row


@dataclass(slots=True)
class Desk:
    """What lies on the desk while a batch is tracked."""

    facts: OutboundFacts
    now_ms: int
    state: State
    ledger: Ledger
    taken: dict[bytes, bytes | None]  # statuses taken before, and in this batch
    tasks: list[Row] = field(default_factory=list)
    incidents: list[Row] = field(default_factory=list)
    notices: list[Row] = field(default_factory=list)
    opened: list[Row] = field(default_factory=list)  # incidents that are open now and were not before
    ended: list[Row] = field(default_factory=list)  # incidents that were open before and are not now
    told: list[Row] = field(default_factory=list)  # decisions on single events and incidents, beside the row's own
    raw: dict[bytes, bytes | None] = field(default_factory=dict)  # changes of values that are no JSON

    def at(self, now_ms: int) -> Desk:
        """The same desk, everything on it shared, at another time: what a timer causes bears the timer's time."""
        return replace(self, now_ms=now_ms)

    def task(self, task_id: str) -> Row | None:
        """A task as it is now; its key must have been fetched."""
        found: Row | None = self.ledger.get(task_key(task_id))
        return None if found is None else whole(found)

    def incident(self, incident_id: str) -> Row | None:
        """An incident as it is now; its key must have been fetched."""
        found: Row | None = self.ledger.get(incident_key(incident_id))
        return None if found is None else complete(found)

    def tasks_of(self, incident: Row) -> list[Row]:
        """The incident's tasks that the state still has."""
        self.ledger.fetch(task_key(name) for name in incident["task_ids"])
        return [task for name in incident["task_ids"] if (task := self.task(name)) is not None]

    def publish_task(self, task: Row) -> None:
        """One version of a task goes out, and stays in the state with its timer. A shared one ends with its last incident."""
        task = kept_for_others(task, self)
        clocks.keep(self.ledger, task)
        self.tasks.append(task)

    def publish_incident(self, incident: Row) -> None:
        """One version of an incident goes out; a parent that is no longer open tells its areas."""
        if incident["state"] != "open" and incident.get("parent"):
            self.notices += parents.ended_notices(incident, self.now_ms)
            incident = {**incident, "parent": {**incident["parent"], "ended": True}}
        key = incident_key(incident["incident_id"])
        before = self.ledger.get(key)
        was_open, is_open = before is not None and before["state"] == "open", incident["state"] == "open"
        if is_open != was_open:
            (self.opened if is_open else self.ended).append(incident)
        self.ledger.put(key, incident)
        self.incidents.append(incident)
        if was_open and not is_open:
            holding.ended(incident, self)

    def give_out(self, incident: Row, open_tasks: list[Row]) -> Row:
        """Publish tasks for whoever has none yet; the incident with their ids, which is the caller's to publish."""
        known = incident["task_ids"]
        new = given(incident, known, open_tasks, self.facts, self.now_ms, self.ledger, again=True)
        for task in new.tasks:
            self.publish_task(task)
        self.told += new.told
        return {**incident, **new.marks, "task_ids": [*known, *(task["task_id"] for task in new.tasks)]}

    def kept(self, told: str) -> Kept | None:
        """The event of this source/event id, or None when the state has it no longer."""
        value = self._raw(event_key(told))
        if value is None:
            return None
        incident_id, outcome, *values = orjson.loads(value[_MS_BYTES:])
        return Kept(value[:_MS_BYTES], incident_id, outcome, dict(zip(TOLD_COLUMNS, values, strict=True)))

    def keep(self, kept: Kept, incident_id: str, outcome: str) -> None:
        """Note that the event belongs to another incident now; a later duplicate is told so too."""
        told, event = told_of(kept.event), kept.event
        self.raw[event_key(told)] = kept.seen + kept_event(event, incident_id, outcome)
        key = seen_key(event["source"], event["event_id"])
        if (seen := self._raw(key)) is not None:
            self.raw[key] = seen[:_MS_BYTES] + incident_id.encode()

    def _raw(self, key: bytes) -> bytes | None:
        if key not in self.raw:
            return self.state.get_many([key])[0]
        return self.raw[key]
