"""READ THIS FIRST: the way of an event through the hub, room by room.

    department systems ─ dept.<code>.events
                 │
       INBOUND   ▼  any partition, no state
            admit ─► normalise ─────────► hub.located     key = area
       OUTBOUND  ▼  partition = area, with state
            deduplicate ─► dispatch ────► hub.incidents, hub.tasks
       STATUS    ▼  the same partitions as OUTBOUND
            track ◄─ hub.status          (ticketing, operators)
       TIMERS    ▼  the same state, whenever something falls due
            ring ─► hub.incidents, hub.tasks
    any room:  refused ─► hub.quarantine    decided ─► hub.journal

A room is a pure function on a batch. Nothing disappears: rows in = rows kept + rows refused, each with a Reason.
The functions below are all there is: the worker, `gridhub try`, the benchmarks and the tests call the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import pyarrow as pa

from gridhub.streams.memory import OwnState, State
from gridhub.streams.records import table
from gridhub.streams.rooms.admit import InboundFacts, admit
from gridhub.streams.rooms.deduplicate import deduplicate
from gridhub.streams.rooms.dispatch import dispatch
from gridhub.streams.rooms.normalise import normalise
from gridhub.streams.rooms.notices import notice_row
from gridhub.streams.rooms.outbound import STATUS as REPORTS
from gridhub.streams.rooms.outbound import Deduplicated, Dispatched, OutboundFacts, Row, Tracked
from gridhub.streams.rooms.ring import MOST_TIMERS, ring
from gridhub.streams.rooms.track import track

INBOUND = (admit, normalise)
OUTBOUND = (deduplicate, dispatch)
STATUS = (track,)
TIMERS = (ring,)

Watch = Callable[[str], AbstractContextManager[None]]
"""Told the name of a room, surrounds its work: the worker measures time with it."""


def unwatched(_room: str) -> AbstractContextManager[None]:
    """The Watch that does nothing."""
    return nullcontext()


@dataclass(frozen=True)
class Inbound:
    """Law: raw rows = located rows + refused rows."""

    raw: pa.RecordBatch  # RAW
    admitted: pa.RecordBatch  # EVENT
    located: pa.RecordBatch  # LOCATED
    refused: pa.RecordBatch  # REFUSAL


@dataclass(frozen=True)
class Outbound:
    """Law: located rows = decided.kept rows (opened, merged, possible, attached) + decided.refused rows (duplicate)."""

    located: pa.RecordBatch  # LOCATED
    decided: Deduplicated
    sent: Dispatched

    @property
    def changes(self) -> dict[bytes, bytes | None]:
        """What the state must take once the outputs are safe."""
        return self.sent.changes

    @property
    def decisions(self) -> list[Row]:
        """What goes to the journal, room by room."""
        return [*self.decided.decisions, *self.sent.decisions]

    @property
    def refused(self) -> pa.RecordBatch:
        """REFUSAL rows: events that were told before."""
        return self.decided.refused

    @property
    def notices(self) -> list[Row]:
        """What parents tell other areas, for hub.status."""
        return self.sent.notices


def inbound(raw: pa.RecordBatch, facts: InboundFacts, now_ms: int, watch: Watch = unwatched) -> Inbound:
    """Departments' messages (RAW) to events on the grid (LOCATED)."""
    with watch("admit"):
        admitted = admit(raw, facts, now_ms)
    with watch("normalise"):
        located = normalise(admitted.kept, facts, now_ms)
    refused = pa.concat_batches([admitted.refused, located.refused])
    return Inbound(raw, admitted.kept, located.kept, refused)


def outbound(
    located: pa.RecordBatch, facts: OutboundFacts, now_ms: int, state: State, watch: Watch = unwatched
) -> Outbound:
    """Events on the grid (LOCATED, of one partition) to incidents and tasks."""
    with watch("deduplicate"):
        decided = deduplicate(located, facts, now_ms, state)
    with watch("dispatch"):
        sent = dispatch(decided, facts, now_ms, state)
    return Outbound(located, decided, sent)


def status(
    reports: pa.RecordBatch, facts: OutboundFacts, now_ms: int, state: State, watch: Watch = unwatched
) -> Tracked:
    """Status reports and commands (STATUS, of one partition) to the next versions of tasks and incidents."""
    with watch("track"):
        return track(reports, facts, now_ms, state)


def tick(facts: OutboundFacts, now_ms: int, state: State, watch: Watch = unwatched, most: int = MOST_TIMERS) -> Tracked:
    """What falls due by `now_ms` (in one partition's state), at most `most` timers, in the order of their times.

    When as many have fired there may be more: `len(result.fired) == most`.
    """
    with watch("ring"):
        return ring(facts, now_ms, state, most)


def chime(facts: OutboundFacts, now_ms: int, state: OwnState) -> list[Tracked]:
    """All that falls due by `now_ms`, the state changed: for one state that holds every area.

    A worker does so a part at a time, four times a second and before each batch.
    """
    done = []
    while state.due(now_ms, 1):
        done.append(tick(facts, now_ms, state))
        state.apply(done[-1].changes)
    return done


def settle(notices: list[Row], facts: OutboundFacts, now_ms: int, state: OwnState) -> list[Tracked]:
    """What the lanes tell each other about parents, taken at once: for one state that holds every area.

    A worker has hub.status in its place.
    """
    done = []
    while notices:
        rows = [{**notice_row(notice), "row": at} for at, notice in enumerate(notices)]
        done.append(status(table(REPORTS, rows), facts, now_ms, state))
        state.apply(done[-1].changes)
        notices = done[-1].notices
    return done
