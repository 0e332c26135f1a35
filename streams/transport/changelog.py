"""Reading changelogs fast: through librdkafka, which fetches, unpacks and drops aborted records outside of Python.

aiokafka makes an object per record in the event loop; a million of them took it some 30 s in which no batch was worked.
Here reading runs in a thread of its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, TopicAuthorizationFailedError
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from faust.types import TP

from gridhub.streams.transport.aside import Answer, Aside

CHUNK_RECORDS = 5000
QUEUE_KB = 1024  # of keys and values that librdkafka may hold ready; each small record takes it some 600 bytes more
FETCH_BYTES = 1 << 20
ASK_S = 5.0  # a worker that is asked to stop waits no longer than this
WAIT_S = 0.1
HANG_S = 10.0  # beyond what a call is allowed to take: then TimeoutError, and the lane tries again with another reader
HOPELESS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: TopicAuthorizationFailedError,
    KafkaError.GROUP_AUTHORIZATION_FAILED: GroupAuthorizationFailedError,
}


class Chunk(NamedTuple):
    """What was read of one partition: the last value of each key, and the offset behind it all."""

    changes: dict[bytes, bytes | None]
    records: int
    position: int
    at_end: bool


class Reader:
    """Reads committed records of changelog partitions from given offsets on. Not for several threads at a time."""

    def __init__(self, bootstrap: Sequence[str], name: str) -> None:
        self._aside = Aside(name)
        self._settings: dict[str, Any] = {
            "bootstrap.servers": ",".join(bootstrap),
            "client.id": name,
            "group.id": name,  # asked for, never joined: partitions are assigned, offsets are the store's
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "fetch.message.max.bytes": FETCH_BYTES,
            "fetch.queue.backoff.ms": 2,  # a full queue is read on as soon as there is room: the default waits a second
            "queued.min.messages": 10_000,
            "queued.max.messages.kbytes": QUEUE_KB,
            "reconnect.backoff.max.ms": 1000,
            "log_level": 0,
        }
        self._kafka = Consumer(self._settings)

    def bounds(self, tp: TP) -> tuple[int, int]:
        """First offset and end of a partition, behind transactions that are open too; aiokafka's errors, as the lanes know them."""
        try:
            low, high = self._ask(lambda: self._watermarks(tp), ASK_S)
        except KafkaException as error:
            raise as_known(error.args[0]) from error
        return int(low), int(high)

    def _watermarks(self, tp: TP) -> tuple[int, int]:
        asking = Consumer(self._settings | {"isolation.level": "read_uncommitted"})
        try:
            return asking.get_watermark_offsets(_place(tp), timeout=ASK_S)
        finally:
            asking.close()

    def add(self, tp: TP, position: int) -> None:
        """Read this partition from this offset on, beside what is read already."""
        self._ask(lambda: self._kafka.incremental_assign([_place(tp, position)]))

    def drop(self, tp: TP) -> None:
        """Read this partition no more; what is under way of it is thrown away."""
        self._ask(lambda: self._kafka.incremental_unassign([_place(tp)]))

    def read(self, most: int = CHUNK_RECORDS, wait_s: float = WAIT_S) -> dict[TP, Chunk]:
        """What came, per partition; empty when nothing did within `wait_s`."""
        parts: dict[TP, list[Any]] = {}
        for message in self._ask(lambda: self._kafka.consume(most, wait_s), wait_s):
            parts.setdefault(_tp(message), []).append(message)
        chunks = {tp: _chunk(tp, messages) for tp, messages in parts.items()}
        return {tp: chunk for tp, chunk in chunks.items() if chunk.records or chunk.at_end}  # else only passing trouble

    def close(self) -> None:
        """Let the connection go; one that hangs is left behind."""
        self._aside.end(self._kafka.close, HANG_S)

    def _ask(self, call: Callable[[], Answer], takes_s: float = 0.0) -> Answer:
        return self._aside.ask(call, takes_s + HANG_S)


class OffsetGoneError(LookupError):
    """The changelog does not hold the wanted offset any more: the store must be rebuilt."""

    def __init__(self, tp: TP) -> None:
        super().__init__(f"{tp.topic}-{tp.partition}")
        self.tp = tp


def _chunk(tp: TP, messages: Iterable[Message]) -> Chunk:
    changes: dict[bytes, bytes | None] = {}
    records, position, at_end = 0, 0, False
    for message in messages:
        if (error := message.error()) is None:
            changes[message.key() or b""] = message.value()
            records += 1
            position, at_end = message.offset() + 1, False  # type: ignore[operator]  # a record has one
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own codes are named so
            position, at_end = max(position, message.offset() or 0), True
        elif error.code() in {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET}:  # noqa: SLF001
            raise OffsetGoneError(tp)
        elif error.code() in HOPELESS:
            raise as_known(error)
    return Chunk(changes, records, position, at_end)


def as_known(error: Any) -> Exception:
    """An error of librdkafka as one that the lanes know: forbidden, or to be tried again."""
    kind = HOPELESS.get(error.code(), KafkaConnectionError)
    return kind(str(error))  # type: ignore[no-any-return]  # aiokafka has no types


class Progress:
    """How far a restore is: keys, keys a second, percent; told at most every `every_s` seconds."""

    def __init__(self, begin: int, end: int, every_s: float = 3.0) -> None:
        self.begin, self.end, self.every_s = begin, end, every_s
        self.records = 0
        self.position = begin
        self.started = self._told = time.monotonic()

    def add(self, records: int, position: int) -> bool:
        """Note what was applied; whether it is time to tell."""
        self.records += records
        self.position = position
        now = time.monotonic()
        if now - self._told < self.every_s:
            return False
        self._told = now
        return True

    @property
    def seconds(self) -> float:
        """Since the begin."""
        return time.monotonic() - self.started

    @property
    def left(self) -> int:
        """Offsets that are still to be read."""
        return max(0, self.end - self.position)

    @property
    def share(self) -> float:
        """What part of the changelog is read, 0 to 1."""
        return min(1.0, (self.position - self.begin) / (self.end - self.begin)) if self.end > self.begin else 1.0

    def fields(self) -> dict[str, float | int]:
        """For a line of the log."""
        rate = self.records / max(self.seconds, 1e-3)
        return {"keys": self.records, "keys_per_s": round(rate), "percent": math.floor(100 * self.share)}


def _place(tp: TP, offset: int | None = None) -> TopicPartition:
    return TopicPartition(tp.topic, tp.partition) if offset is None else TopicPartition(tp.topic, tp.partition, offset)


def _tp(message: Message) -> TP:
    topic, partition = message.topic(), message.partition()
    assert topic is not None
    assert partition is not None
    return TP(topic, partition)
