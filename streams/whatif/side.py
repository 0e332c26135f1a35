"""One side of a what-if: the hub's own road over one state that holds every area, its clock moved by the records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from gridhub.streams import messages, road
from gridhub.streams.memory import OwnState
from gridhub.streams.messages import Origin
from gridhub.streams.records import empty
from gridhub.streams.rooms.admit import InboundFacts
from gridhub.streams.rooms.outbound import STATUS, Dispatched, OutboundFacts, Tracked

Row = dict[str, Any]
REFUSED, LOCATED = "refused", "located"


class Facts(NamedTuple):
    """What the rooms of one side know. Without `inbound` the replay begins with what was located."""

    outbound: OutboundFacts
    inbound: InboundFacts | None = None


class Fate(NamedTuple):
    """What became of one event: `outcome`, and the incident that it belongs to or the reason for which it was refused."""

    source: str
    event_id: str
    outcome: str
    where: str


@dataclass(slots=True)
class Happened:
    """What one step brought about on one side. `fates` are by the event's place in the step."""

    fates: dict[int, Fate] = field(default_factory=dict)
    tasks: list[Row] = field(default_factory=list)  # first versions
    decisions: list[Row] = field(default_factory=list)

    def add(self, sent: Dispatched, decisions: Iterable[Row]) -> None:
        """Take in what a room gave out."""
        self.tasks += (row for row in sent.task_rows if row["version"] == 1)
        self.decisions += decisions


class Side:
    """One set of rules, one state; steps are taken in order."""

    def __init__(self, facts: Facts, state: OwnState) -> None:
        self.facts, self.state = facts, state

    def take(self, events: Sequence[Origin], located: pa.RecordBatch, reports: pa.RecordBatch, at_ms: int) -> Happened:
        """One step at one moment: what fell due before, then events (departments' own, or LOCATED), then reports (STATUS)."""
        happened = self.until(at_ms)
        if self.facts.inbound is not None:
            located = self._admitted(events, at_ms, happened)
        if located.num_rows:
            self._decide(located, at_ms, happened)
        if reports.num_rows:
            self._track(road.status(reports, self.facts.outbound, at_ms, self.state), at_ms, happened)
        return happened

    def until(self, at_ms: int) -> Happened:
        """Let the time come to this moment: every timer that is due rings."""
        happened = Happened()
        while self.state.due(at_ms, 1):
            self._track(road.tick(self.facts.outbound, at_ms, self.state), at_ms, happened)
        return happened

    def _admitted(self, events: Sequence[Origin], at_ms: int, happened: Happened) -> pa.RecordBatch:
        assert self.facts.inbound is not None
        result = road.inbound(messages.raw_table(events), self.facts.inbound, at_ms)
        columns = (result.refused.column(name).to_pylist() for name in ("row", "source", "event_id", "room", "reason"))
        for row, source, event_id, room, reason in zip(*columns, strict=True):
            happened.fates[row] = Fate(source or "", event_id or "", REFUSED, f"{room}: {reason}")
        return result.located

    def _decide(self, located: pa.RecordBatch, at_ms: int, happened: Happened) -> None:
        result = road.outbound(located, self.facts.outbound, at_ms, self.state)
        self.state.apply(result.changes)
        for row in result.decided.decisions:
            happened.fates[row["row"]] = Fate(row["source"], row["event_id"], row["outcome"], row["incident_id"])
        happened.add(result.sent, result.decisions)
        self._settle(result.notices, at_ms, happened)

    def _track(self, tracked: Tracked, at_ms: int, happened: Happened) -> None:
        self.state.apply(tracked.changes)
        happened.add(tracked, tracked.decisions)
        self._settle(tracked.notices, at_ms, happened)

    def _settle(self, notices: list[Row], at_ms: int, happened: Happened) -> None:
        """What lanes tell each other, at once: this state holds all of them."""
        for tracked in road.settle(notices, self.facts.outbound, at_ms, self.state):
            happened.add(tracked, tracked.decisions)


NO_REPORTS = empty(STATUS)
