"""Simulated messages the whole road in memory, and the check of what came of them: no Kafka, the same rooms."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from gridhub.connectors.demo.check_compare import compare
from gridhub.connectors.demo.check_findings import Findings, Position
from gridhub.streams import messages as records
from gridhub.streams import road, topics
from gridhub.streams.memory import MemoryState
from gridhub.streams.messages import Origin
from gridhub.streams.transport.murmur2 import partitions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridhub.connectors.demo.check_report import Report
    from gridhub.connectors.simulator.message import Encoder, Message, Truth
    from gridhub.streams.rooms.admit import InboundFacts
    from gridhub.streams.rooms.outbound import OutboundFacts


class MemoryRoad:
    """The hub without Kafka: messages are put on numbered partitions, taken in batches, and what comes out is kept."""

    def __init__(self, inbound: InboundFacts, outbound: OutboundFacts, partition_count: int = 6) -> None:
        self.truths: list[Truth] = []
        self.findings = Findings()
        self._inbound, self._outbound = inbound, outbound
        self._count = partition_count
        self._offsets: Counter[tuple[str, int]] = Counter()
        self._state = MemoryState()

    def take(self, batch: list[Message], codec: Encoder, now_ms: int) -> None:
        """One batch of messages, in the order in which they were published."""
        origins = self._published(batch, codec, now_ms)
        result = road.inbound(records.raw_table(origins), self._inbound, now_ms)
        for row in records.refusal_records(result.refused, origins, now_ms):
            self.findings.add_refused(row)
        located = records.located_records(result.located, result.raw)
        places = [self._next(topics.LOCATED.name, row["area"].encode()) for row in located]
        for place, row in zip(places, located, strict=True):
            self.findings.add_located(place, row)
        sent = road.outbound(result.located, self._outbound, now_ms, self._state)
        self._state.apply(sent.changes)
        self._settle(sent.notices, now_ms)
        self._keep(sent, dict(zip(result.located.column("row").to_pylist(), places, strict=True)))

    def _settle(self, notices: list[dict[str, Any]], now_ms: int) -> None:
        """What parents tell other areas, and what that gives out."""
        for tracked in road.settle(notices, self._outbound, now_ms, self._state):
            for incident in tracked.incident_rows:
                self.findings.add_incident(incident)
            for task in tracked.task_rows:
                self.findings.add_task(task)

    def _published(self, batch: list[Message], codec: Encoder, now_ms: int) -> list[Origin]:
        origins = []
        for message in batch:
            place = self._next(message.topic, message.key)
            self.truths.append(message.truth.placed(place.partition, place.offset))
            origins.append(Origin(*place, now_ms, message.key, message.encoded(codec)))
        return origins

    def _next(self, topic: str, key: bytes) -> Position:
        (partition,) = partitions([key], self._count)
        self._offsets[topic, partition] += 1
        return Position(topic, partition, self._offsets[topic, partition] - 1)

    def _keep(self, sent: road.Outbound, places: dict[int, Position]) -> None:
        for row in sent.decided.decisions:
            place = places[row["row"]]
            origin = {"origin_topic": place.topic, "origin_partition": place.partition, "origin_offset": place.offset}
            self.findings.add_decision({**row, **origin})
        for incident in sent.sent.incidents.to_pylist():
            self.findings.add_incident(incident)
        for task in sent.sent.tasks.to_pylist():
            self.findings.add_task(task)


def check_memory(  # noqa: PLR0913  # the messages and all that the rooms know
    messages: Iterable[Message],
    codec: Encoder,
    inbound: InboundFacts,
    outbound: OutboundFacts,
    now_ms: int,
    *,
    batch_events: int = 500,
) -> Report:
    """The report on messages that went the road in memory at one moment, in batches of `batch_events`."""
    hub = MemoryRoad(inbound, outbound)
    waiting: list[Message] = []
    for message in messages:
        waiting.append(message)
        if len(waiting) == batch_events:
            hub.take(waiting, codec, now_ms)
            waiting = []
    hub.take(waiting, codec, now_ms)
    return compare(hub.truths, hub.findings)
