"""Read what the hub published: committed messages of its topics, from the first to the end at the time of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from gridhub.connectors.demo.check_findings import Findings, Position
from gridhub.schemas.codec import Decoded
from gridhub.streams import topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gridhub.schemas.codec import Codec

_BATCH = 2000
_POLL_S = 1.0
_TIMEOUT_S = 30.0
_SILENCE_POLLS = 60


class UnreadableError(Exception):
    """A topic of the hub holds what no hub can have written; the text says where."""


def read_findings(bootstrap: str, codec: Codec, on_progress: Callable[[str, int], None] | None = None) -> Findings:
    """Everything in hub.located, quarantine, journal, incidents and tasks. KafkaException when Kafka does not answer."""
    findings = Findings()
    say = on_progress or (lambda _topic, _count: None)
    takers: dict[str, Callable[[Message, dict[str, Any]], None]] = {
        topics.LOCATED.name: lambda message, record: findings.add_located(_position(message), record),
        topics.QUARANTINE.name: lambda _message, record: findings.add_refused(record),
        topics.JOURNAL.name: lambda _message, record: findings.add_decision(record),
        topics.INCIDENTS.name: lambda _message, record: findings.add_incident(record),
        topics.TASKS.name: lambda _message, record: findings.add_task(record),
    }
    for topic, take in takers.items():
        count = 0
        for batch in messages(bootstrap, topic):
            for message, record in _decoded(batch, codec):
                take(message, record)
            count += len(batch)
            say(topic, count)
    return findings


def messages(bootstrap: str, topic: str) -> Iterator[list[Message]]:
    """The committed messages of a topic in batches, each partition in order, up to its end; tombstones are left out."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "gridhub-check",  # never committed to: partitions are assigned by hand
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    try:
        open_partitions = set(_partitions(consumer, topic))
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in open_partitions])
        silent = 0
        while open_partitions:
            batch = consumer.consume(_BATCH, _POLL_S)
            silent = 0 if batch else silent + 1
            if silent > _SILENCE_POLLS:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001  # confluent's own name
            yield list(_good(batch, open_partitions))
    finally:
        consumer.close()


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    found = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return list(found.partitions)


def _good(batch: Sequence[Message], open_partitions: set[int]) -> Iterator[Message]:
    """The batch without notices; a partition whose end was reached is done, and what came later is left for later."""
    for message in batch:
        error = message.error()
        if error is None:
            if message.value() is not None and message.partition() in open_partitions:
                yield message
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # confluent's own name
            open_partitions.discard(message.partition())
        elif not error.retriable() and error.code() not in _PASSING:
            raise KafkaException(error)


_PASSING = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE}  # noqa: SLF001  # a restart


def _decoded(batch: list[Message], codec: Codec) -> Iterator[tuple[Message, dict[str, Any]]]:
    answers = codec.decode_many(message.value() or b"" for message in batch)
    for message, answer in zip(batch, answers, strict=True):
        if not isinstance(answer, Decoded):
            raise UnreadableError(f"{_position(message)} cannot be read: {answer}")
        yield message, answer.record


def _position(message: Message) -> Position:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Position(topic, partition, offset)
