"""Wait until the hub has taken everything that is there for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ASK_S = 10.0
_PAUSE_S = 0.5
_LOOK_S = 3.0
_MARKERS = 50


class Lag(NamedTuple):
    """How many offsets of a topic the group has not committed yet; transaction markers may be among them."""

    topic: str
    offsets: int


def wait_drained(
    bootstrap: str,
    group: str,
    topics: Sequence[str],
    timeout_s: float,
    on_progress: Callable[[list[Lag]], None] | None = None,
) -> bool:
    """Wait until the group has committed all that is committed in these topics; False when the time is over first.

    Name the topics in the order of the road: departments', hub.located, hub.status. What a stage has taken is in the
    next topic by then, since both are one transaction. A broker that is away is waited for.
    """
    deadline = time.monotonic() + timeout_s
    say = on_progress or (lambda _lags: None)
    while time.monotonic() < deadline:
        consumer = _consumer(bootstrap, group)
        try:
            lags = [_lag(consumer, topic) for topic in topics]
            say(lags)
            if not any(lag.offsets for lag in lags):
                return True
        except KafkaException:
            say([])  # the broker is away or starting; ask again
        finally:
            consumer.close()
        time.sleep(_PAUSE_S)
    return False


def _consumer(bootstrap: str, group: str) -> Consumer:
    """A consumer that asks for the group's offsets and never joins it."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )


def _lag(consumer: Consumer, topic: str) -> Lag:
    found = consumer.list_topics(topic, timeout=_ASK_S).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    partitions = [TopicPartition(topic, number) for number in found.partitions]
    behind = 0
    for part in consumer.committed(partitions, timeout=_ASK_S):
        low, end = consumer.get_watermark_offsets(TopicPartition(topic, part.partition), timeout=_ASK_S)
        begin = part.offset if part.offset >= 0 else low
        missing = max(0, end - max(begin, low))
        if missing and not (missing <= _MARKERS and _only_markers(consumer, topic, part.partition, begin)):
            behind += missing
    return Lag(topic, behind)


def _only_markers(consumer: Consumer, topic: str, partition: int, begin: int) -> bool:
    """Whether no message follows: a transaction's end takes an offset too, which nobody ever commits."""
    consumer.assign([TopicPartition(topic, partition, begin if begin >= 0 else OFFSET_BEGINNING)])
    deadline = time.monotonic() + _LOOK_S
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(_PAUSE_S)
            if message is not None:
                return _is_end(message)
    finally:
        consumer.unassign()
    return False


def _is_end(message: Message) -> bool:
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # confluent's own name
        return True
    raise KafkaException(error)
