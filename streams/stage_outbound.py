"""The outbound lane's work: located events and status reports in; incidents, tasks and the journal out. With state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from gridhub.schemas.codec import Codec
from gridhub.schemas.registry import RegistryLater
from gridhub.streams import messages, road, topics
from gridhub.streams.careful import broken_rows, carefully, ring_carefully
from gridhub.streams.journal import Chain
from gridhub.streams.memory import Overlay
from gridhub.streams.messages import SUBJECTS, Origin, Readable, Record
from gridhub.streams.metrics import Metrics
from gridhub.streams.outbound_count import count_events, count_steps, count_timers, newly_overdue
from gridhub.streams.records import REFUSAL, Reason, table
from gridhub.streams.rooms import ring
from gridhub.streams.rooms.outbound import Dispatched, OutboundFacts, Tracked
from gridhub.streams.rooms.standing import OLD_KEY
from gridhub.streams.rooms.timers import Timer
from gridhub.streams.sweep import Sweeper
from gridhub.streams.transport import Batch, Effects, Later, Outputs, State, StateError

Result = TypeVar("Result", road.Outbound, Tracked)


@dataclass
class _Work:
    """One batch on the desk."""

    state: Overlay
    now_ms: int
    located: list[road.Outbound] = field(default_factory=list)
    tracked: list[Tracked] = field(default_factory=list)
    refused: list[Record] = field(default_factory=list)
    decisions: list[Record] = field(default_factory=list)
    outputs: list[Outputs] = field(default_factory=list)
    broken: int = 0
    overdue: int = 0

    @property
    def fired(self) -> list[Timer]:
        """The timers that rang before this batch."""
        return [timer for tracked in self.tracked for timer in tracked.fired]


@dataclass(frozen=True)
class OutboundStage:
    """What the outbound lanes of a worker share."""

    facts: OutboundFacts
    codec: Codec
    metrics: Metrics
    sweeper: Sweeper
    now_ms: Callable[[], int]
    watch: road.Watch
    max_broken_in_row: int

    def work(self, batch: Batch, state: State) -> Effects:
        """Everything that this batch causes, after what falls due before it. A tick is a batch without records."""
        desk = _Work(Overlay(state), self.now_ms())
        try:
            self._ring(desk, batch.partition)
            if not batch.parts and not desk.tracked:
                return Effects()
            for tp, records in batch.parts.items():
                origins = messages.origins(records)
                if tp.topic == topics.LOCATED.name:
                    desk.located += self._take(messages.read_located(origins, self.codec), road.outbound, origins, desk)
                else:
                    desk.tracked += self._take(messages.read_status(origins, self.codec), road.status, origins, desk)
        except RegistryLater as error:
            raise Later(str(error)) from error
        chain = Chain(f"outbound-{batch.partition}", desk.state)
        journal = chain.extend(desk.decisions)
        desk.state.apply(chain.head())
        desk.state.apply(self.sweeper.expired(batch.partition, state, desk.state.changes, desk.now_ms))
        return Effects(
            self._outputs(desk, journal, batch.partition),
            desk.state.changes,
            lambda: self._count(desk, batch),
            again=len(desk.fired) >= ring.MOST_TIMERS,
        )

    def _ring(self, desk: _Work, partition: int) -> None:
        """Let each timer that is due act; its outputs, changes and decisions are on the desk."""

        def due() -> bool:
            return bool(desk.state.due(desk.now_ms, 1))

        def some(most: int) -> Tracked:
            return self._lay(road.tick(self.facts, desk.now_ms, desk.state, self.watch, most), desk)

        def give_up(why: Exception) -> Tracked:
            return self._lay(ring.give_up(self.facts, desk.now_ms, desk.state, why), desk)

        if not due() and desk.state.get_many([OLD_KEY]) == [None]:
            return
        later = (RegistryLater, StateError)
        desk.tracked, desk.broken = ring_carefully(some, give_up, due, later=later, most=self.max_broken_in_row)
        for tracked in desk.tracked:
            desk.decisions += messages.timer_decisions(tracked.decisions, partition)

    def _lay(self, result: Result, desk: _Work) -> Result:
        """Lay on the desk what a room gave. An event that cannot be written changes nothing: it is written first."""
        outputs, overdue = self._sent(result.sent), newly_overdue(result.sent, desk.state)
        desk.state.apply(result.changes)
        desk.outputs += outputs
        desk.overdue += overdue
        return result

    def _take(
        self, readable: Readable, room: Callable[..., Result], origins: list[Origin], desk: _Work
    ) -> list[Result]:
        """Lead one topic's rows along their road; what comes out is on the desk, the results are for the counting."""

        def run(part: Any) -> Result:
            return self._lay(room(part, self.facts, desk.now_ms, desk.state, self.watch), desk)

        found, broken = carefully(readable.table, run, later=(RegistryLater, StateError), most=self.max_broken_in_row)
        self._refuse(readable, broken, "track" if room is road.status else "deduplicate", origins, desk)
        results = [result for _, result in found]
        for result in results:
            # what was told before is in the journal only
            refused = [row for row in result.refused.to_pylist() if row["reason"] != Reason.DUPLICATE]
            desk.refused += messages.refusal_records(table(REFUSAL, refused), origins, desk.now_ms)
            desk.decisions += messages.decision_records(result.decisions, origins)
        return results

    def _refuse(
        self, readable: Readable, broken: list[tuple[int, Exception]], room: str, origins: list[Origin], desk: _Work
    ) -> None:
        """Put what could not be read, or broke our rules, into quarantine."""
        bad = broken_rows(readable.table, broken, room)
        desk.broken += bad.num_rows
        for refused in (table(REFUSAL, readable.refused), bad):
            desk.refused += messages.refusal_records(refused, origins, desk.now_ms)

    def _outputs(self, desk: _Work, journal: list[Record], partition: int) -> list[Outputs]:
        return [
            *desk.outputs,
            *self._encoded(topics.QUARANTINE.name, "Refusal", desk.refused, "source_topic"),
            # the chain lives in one partition: the lane's own
            *self._encoded(topics.JOURNAL.name, "Decision", journal, "area", partition),
        ]

    def _sent(self, result: Dispatched) -> list[Outputs]:
        return [
            *self._encoded(topics.INCIDENTS.name, "Incident", result.incident_rows, "incident_id"),
            *self._encoded(topics.TASKS.name, "Task", result.task_rows, "task_id"),
            # to the lanes of other areas, which read them like reports
            *self._encoded(topics.STATUS.name, "ParentNotice", result.notices, "area"),
        ]

    def _encoded(self, topic: str, name: str, rows: list[Record], key: str, partition: int = -1) -> Iterator[Outputs]:
        if rows:
            keys = [row[key].encode() for row in rows]
            yield Outputs(topic, keys, self.codec.encode_rows(SUBJECTS[name], rows), partition)

    def _count(self, desk: _Work, batch: Batch) -> None:
        if batch.parts:
            self.metrics.batch_events.labels("outbound").observe(len(batch))
        count_timers(self.metrics, desk.state.changes, desk.fired, self.now_ms())
        self.metrics.poison_events.labels("outbound").inc(desk.broken)
        self.metrics.tasks_overdue.inc(desk.overdue)
        refused = ((self.metrics.department(row["source"]), row["room"], row["reason"]) for row in desk.refused)
        self.metrics.count(self.metrics.refused, refused)
        for result in desk.located:
            count_events(self.metrics, result, self._groups, batch.partition)
            located = result.located
            sources, received = located.column("source").to_pylist(), located.column("received_at").to_pylist()
            self.metrics.observe_end_to_end(sources, received, self.now_ms())
        for tracked in desk.tracked:
            count_steps(self.metrics, tracked, self._groups, batch.partition)

    @cached_property
    def _groups(self) -> dict[str, str]:
        """The matter group of each category."""
        return {code: row.matter_group for code, row in self.facts.categories.items()}  # type: ignore[attr-defined]
