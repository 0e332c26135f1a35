"""A running hub as the script's driver sees it: it sends and reads as any client of Kafka, and holds the clock file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from kafka import KafkaProducer

from gridhub.connectors.demo.day.lines import DECISION, INCIDENT, TASK, Published
from gridhub.connectors.demo.day.messages import Sent
from gridhub.schemas.codec import Codec, Decoded
from gridhub.streams import topics
from gridhub.streams.journal_check import KINDS as KINDS_OF_BREAKS
from gridhub.streams.journal_check import PartitionCheck, Placed

KINDS = {topics.JOURNAL.name: DECISION, topics.INCIDENTS.name: INCIDENT, topics.TASKS.name: TASK}
_MOST, _POLL_S = 1000, 0.05
_PATIENCE_S = 120.0


class UnreadableError(Exception):
    """A topic of the hub holds what no hub can have written."""


class ClockFile:
    """The time of a rehearsal, in the file that every worker reads."""

    def __init__(self, path: Path, now_ms: int) -> None:
        self.path, self.now_ms = path, 0
        self.set(now_ms)

    def set(self, now_ms: int) -> None:
        """Write the time, whole or not at all; ValueError when it would go backwards."""
        if now_ms < self.now_ms:
            raise ValueError(f"The clock never goes backwards: {now_ms} comes before {self.now_ms}.")
        self.now_ms = now_ms
        fresh = self.path.with_suffix(".new")
        fresh.write_text(str(now_ms), "ascii")
        os.replace(fresh, self.path)  # noqa: PTH105  # one atomic step


class KafkaHub:
    """Sends with an idempotent producer; reads the hub's topics from their begin, committed records only."""

    def __init__(self, bootstrap: str, codec: Codec, clock: ClockFile) -> None:
        self._codec, self._clock = codec, clock
        self._published: list[Published] = []
        self._journal: dict[int, PartitionCheck] = {}
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap.split(","), acks="all", enable_idempotence=True, client_id="gridhub-day",
            delivery_timeout_ms=int(_PATIENCE_S * 1000), max_block_ms=int(_PATIENCE_S * 1000),
            request_timeout_ms=10_000, reconnect_backoff_max_ms=500,
        )  # fmt: skip
        self._consumer = _consumer(bootstrap)

    def set_clock(self, now_ms: int) -> None:
        """Let the hub's clock stand here."""
        self._clock.set(now_ms)

    def send(self, sent: Sent) -> None:
        """Send one message and wait until Kafka has it."""
        self.put(sent.topic, sent.key, self._codec.encode(sent.subject, sent.record))

    def put(self, topic: str, key: bytes, value: bytes) -> None:
        """Send bytes and wait until Kafka has them; KafkaError when it is away for too long."""
        self._producer.send(topic, value, key=key).get(timeout=_PATIENCE_S)

    def published(self) -> list[Published]:
        """Every record so far. Waits a little for the next ones; a broker that is away is waited for."""
        while batch := self._consumer.consume(_MOST, _POLL_S):
            good = [message for message in batch if message.error() is None and message.value() is not None]
            found = self._codec.decode_many(message.value() or b"" for message in good)
            self._published += [self._taken(message, one) for message, one in zip(good, found, strict=True)]
        return self._published

    def _taken(self, message: Any, found: Any) -> Published:
        place = message.topic(), message.partition(), message.offset()
        if not isinstance(found, Decoded):
            raise UnreadableError(f"{place} cannot be read: {found}")
        if message.topic() == topics.JOURNAL.name:
            check = self._journal.setdefault(place[1], PartitionCheck(place[1], from_begin=True))
            check.take(Placed(place[2], found.record))
        return Published(KINDS[message.topic()], found.record)

    def journal_breaks(self) -> list[str]:
        """What `gridhub journal verify` would find in what was read so far, a sentence each."""
        found = [finding for check in self._journal.values() for finding in check.end()]
        return [
            f"journal {one.partition}/{one.offset}, {one.chain} no. {one.seq}: {KINDS_OF_BREAKS[one.kind]}"
            for one in found
        ]

    def settle(self, seconds: float) -> None:
        """Give the hub so long to publish what it should not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.published()

    def close(self) -> None:
        """End the connections."""
        self._producer.close(timeout=5)
        self._consumer.close()


def _consumer(bootstrap: str) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "gridhub-day",  # never committed to: partitions are assigned by hand
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "reconnect.backoff.max.ms": 500,
            "fetch.wait.max.ms": 50,
            "log_level": 0,
        }
    )
    parts = [
        (topic, number)
        for topic in KINDS
        for number in consumer.list_topics(topic, timeout=30).topics[topic].partitions
    ]
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in parts])
    return consumer
