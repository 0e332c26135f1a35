"""Reads what Kafka keeps: committed records of one partition, in order, between two offsets. It writes nothing.

No consumer group is joined and no offset is committed: reading leaves no trace on the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

_BATCH = 5000
_POLL_S = 1.0
_ASK_S = 30.0
_SILENT_S = 60.0
_OPEN_S = 15.0  # of silence, where a transaction that is open hides the rest
_EOF, _TIMED_OUT = KafkaError._PARTITION_EOF, KafkaError._TIMED_OUT  # noqa: SLF001  # confluent's own names
PASSING = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE}  # noqa: SLF001  # a restart
READING: dict[str, Any] = {
    "group.id": "gridhub-reads",  # librdkafka wants a name; it is never joined, and nothing is committed
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "queued.max.messages.kbytes": 16384,
    "log_level": 0,
}


class Span(NamedTuple):
    """Offsets of one partition: the first, and the one behind the last."""

    first: int
    end: int


class KeptTopics:
    """Topics as Kafka keeps them now. Every method raises KafkaException when Kafka does not answer."""

    def __init__(self, bootstrap: str) -> None:
        self._settings = READING | {"bootstrap.servers": bootstrap}
        # one that reads committed is told an end that lies before whatever is open now
        self._asking = Consumer(self._settings | {"isolation.level": "read_uncommitted"})

    def close(self) -> None:
        """Close the connection."""
        self._asking.close()

    def partitions(self, topic: str) -> list[int]:
        """The numbers of a topic's partitions, in order; none when there is no such topic."""
        found = self._asking.list_topics(topic, timeout=_ASK_S).topics[topic]
        if found.error is not None:
            if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return []
            raise KafkaException(found.error)
        return sorted(found.partitions)

    def span(self, topic: str, partition: int) -> Span:
        """What is kept of a partition now."""
        return Span(*self._asking.get_watermark_offsets(TopicPartition(topic, partition), timeout=_ASK_S))

    def since(self, topic: str, partition: int, at_ms: int) -> int:
        """The first offset whose record the broker took at this moment or later; the end when there is none."""
        (found,) = self._asking.offsets_for_times([TopicPartition(topic, partition, at_ms)], timeout=_ASK_S)
        return int(found.offset) if found.offset >= 0 else self.span(topic, partition).end

    def records(self, topic: str, partition: int, span: Span | None = None) -> Iterator[list[Message]]:
        """The committed records of a span (all of it unless told), in order, in lists; tombstones too."""
        span = span or self.span(topic, partition)
        if span.first >= span.end:
            return
        consumer = Consumer(self._settings)
        try:
            consumer.assign([TopicPartition(topic, partition, span.first)])
            yield from _until(consumer, span.end)
        finally:
            consumer.close()


def _until(consumer: Consumer, end: int) -> Iterator[list[Message]]:
    """Up to this offset, or to where the partition ends: behind its last record lie the marks of transactions.

    A transaction that is still open hides all that follows, also what is committed: its end is waited for, but not for ever.
    """
    silent_s, hidden, at_end = 0.0, False, False
    while not at_end:
        batch = consumer.consume(_BATCH, _POLL_S)
        silent_s = 0.0 if batch else silent_s + _POLL_S
        if hidden and silent_s > _OPEN_S:
            return
        if silent_s > _SILENT_S:
            raise KafkaException(KafkaError(_TIMED_OUT))
        good = []
        for message in batch:
            if (error := message.error()) is None:
                hidden = False
                at_end = at_end or offset_of(message) >= end - 1
                if offset_of(message) < end:
                    good.append(message)
            elif end_of_partition(error):
                hidden = True
                at_end = at_end or offset_of(message) >= end
            elif not error.retriable() and error.code() not in PASSING:
                raise KafkaException(error)
        if good:
            yield good


def end_of_partition(error: KafkaError) -> bool:
    """Whether this is the notice that a partition has no more committed records now."""
    return bool(error.code() == _EOF)


def offset_of(message: Message) -> int:
    """Where a record that was read lies."""
    offset = message.offset()
    assert offset is not None
    return offset


def time_of(message: Message) -> int:
    """When the broker took a record, ms."""
    return int(message.timestamp()[1])
