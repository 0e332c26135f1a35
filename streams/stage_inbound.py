"""The inbound lane's work: departments' bytes in; located events, refusals and the journal out. Its state is the chain's end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from gridhub.schemas.codec import Codec
from gridhub.schemas.registry import RegistryLater
from gridhub.streams import messages, road, topics
from gridhub.streams.careful import broken_rows, carefully
from gridhub.streams.city import CITY_CODE
from gridhub.streams.intake import intake_records, lines_of
from gridhub.streams.journal import Chain
from gridhub.streams.messages import SUBJECTS, Origin
from gridhub.streams.metrics import Metrics
from gridhub.streams.rooms.admit import InboundFacts
from gridhub.streams.transport import Batch, Effects, Later, Outputs, State
from gridhub.streams.transport.murmur2 import partitions

Found = list[tuple[int, road.Inbound]]


class Ready(NamedTuple):
    """What the road gave for one part of a batch, and its located events as they go out."""

    result: road.Inbound
    outputs: list[Outputs]


@dataclass(frozen=True)
class InboundStage:
    """What the inbound lanes of a worker share."""

    facts: InboundFacts
    codec: Codec
    metrics: Metrics
    now_ms: Callable[[], int]
    watch: road.Watch
    partition_count: int
    max_broken_in_row: int

    def work(self, batch: Batch, state: State) -> Effects:
        """Everything that this batch causes."""
        origins = [origin for records in batch.parts.values() for origin in messages.origins(records)]
        raw, now_ms = messages.raw_table(origins), self.now_ms()
        try:
            ready, broken = carefully(
                raw, lambda part: self._run(part, now_ms), later=(RegistryLater,), most=self.max_broken_in_row
            )
        except RegistryLater as error:
            raise Later(str(error)) from error
        bad = broken_rows(raw, broken, "admit")
        found = [(first, part.result) for first, part in ready]
        outputs = [output for _, part in ready for output in part.outputs]
        outputs += self._refused(found, bad, origins, now_ms)
        chain = Chain(f"inbound-{batch.partition}", state)
        outputs += self._journal(chain, found, bad, origins, now_ms, batch.partition)
        return Effects(outputs, chain.head(), lambda: self._count(found, bad, origins, len(batch)))

    def _run(self, part: pa.RecordBatch, now_ms: int) -> Ready:
        result = road.inbound(part, self.facts, now_ms, self.watch)
        return Ready(result, self._located(result))

    def _located(self, result: road.Inbound) -> list[Outputs]:
        subject = SUBJECTS["LocatedEvent"]
        names = self.codec.fields(subject)
        values = self.codec.encode_columns(subject, messages.located_columns(result.located, result.raw, names))
        keys = [area.encode() for area in result.located.column("area").to_pylist()]
        areas = list(set(keys))
        place = dict(zip(areas, partitions(areas, self.partition_count), strict=True))
        return [Outputs(topics.LOCATED.name, keys, values, [place[key] for key in keys])] if keys else []

    def _refused(self, found: Found, bad: pa.RecordBatch, origins: list[Origin], now_ms: int) -> list[Outputs]:
        rows = [
            row for first, result in found for row in messages.refusal_records(result.refused, origins[first:], now_ms)
        ]
        rows += messages.refusal_records(bad, origins, now_ms)
        values = self.codec.encode_many(SUBJECTS["Refusal"], rows)
        return [Outputs(topics.QUARANTINE.name, [row["source_topic"].encode() for row in rows], values)] if rows else []

    def _journal(  # noqa: PLR0913  # a batch's results, and where they go
        self, chain: Chain, found: Found, bad: pa.RecordBatch, origins: list[Origin], now_ms: int, partition: int
    ) -> list[Outputs]:
        parts = ((first, result.located, result.refused) for first, result in found)
        records = intake_records(lines_of(parts, bad, len(origins)), origins, self.facts, now_ms, CITY_CODE)
        values = self.codec.encode_rows(SUBJECTS["Decision"], chain.extend(records))
        # the chain lives in one partition: the lane's own
        return [Outputs(topics.JOURNAL.name, [CITY_CODE.encode()] * len(values), values, partition)] if values else []

    def _count(self, found: Found, bad: pa.RecordBatch, origins: list[Origin], events: int) -> None:
        metrics = self.metrics
        metrics.batch_events.labels("inbound").observe(events)
        owners = {topic: topics.department_of(topic) or "" for topic in {origin.topic for origin in origins}}
        names = [owners[origin.topic] for origin in origins]
        metrics.count(metrics.received, ((metrics.department(name),) for name in names))
        newest: dict[str, int] = {}
        for origin, name in zip(origins, names, strict=True):
            newest[name] = max(origin.timestamp_ms, newest.get(name, 0))
        for name, at_ms in newest.items():
            metrics.newest_event(name, at_ms)
        for first, result in found:
            metrics.count_rows(metrics.admitted, result.admitted, ["source"])
            metrics.count_rows(metrics.located, result.located, ["source", "method", "area"])
            self._count_refused(result.refused, names[first:])
        self._count_refused(bad, names)
        metrics.poison_events.labels("inbound").inc(bad.num_rows)

    def _count_refused(self, refused: pa.RecordBatch, names: list[str]) -> None:
        for row, room, reason in zip(*(refused.column(c).to_pylist() for c in ("row", "room", "reason")), strict=True):
            self.metrics.refused.labels(self.metrics.department(names[row]), room, reason).inc()
