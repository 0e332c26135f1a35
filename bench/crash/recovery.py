"""How long the hub needs, after a fault is over, for what waited at that moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable

ASK_S = 5.0
PAUSE_S = 0.25
MARKERS = 40  # offsets that ends of transactions may take at a partition's end
Goal = dict[tuple[str, int], int]


def seconds_to_recover(bootstrap: str, group: str, stages: Iterable[list[str]], limit_s: float) -> float | None:
    """Seconds until the group has committed all that lay in each stage's topics, stage after stage; None: limit."""
    began = time.monotonic()
    for names in stages:
        goal: Goal | None = None
        while goal is None or any(goal.values()):
            if time.monotonic() - began > limit_s:
                return None
            goal = _look(bootstrap, group, names, goal)
            time.sleep(PAUSE_S)
    return round(time.monotonic() - began, 1)


def _look(bootstrap: str, group: str, names: list[str], goal: Goal | None) -> Goal | None:
    """The offsets that are still to be committed, 0 where they are; the same as before while Kafka is away."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    try:
        wanted = goal if goal is not None else _ends(consumer, names)
        places = [TopicPartition(*place) for place in wanted]
        done = {(at.topic, at.partition): at.offset for at in consumer.committed(places, timeout=ASK_S)}
        return {place: 0 if done[place] >= end else end for place, end in wanted.items()}
    except KafkaException:
        return goal
    finally:
        consumer.close()


def _ends(consumer: Consumer, names: list[str]) -> Goal:
    """The offset behind the last message of each partition: ends of transactions may follow it."""
    places = []
    for name in names:
        for partition in consumer.list_topics(name, timeout=ASK_S).topics[name].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=ASK_S)
            places.append(TopicPartition(name, partition, max(low, high - MARKERS)))
    found = dict.fromkeys(((at.topic, at.partition) for at in places), 0)
    consumer.assign(places)
    waiting = set(found)
    deadline = time.monotonic() + ASK_S
    while waiting and time.monotonic() < deadline:
        for message in consumer.consume(500, PAUSE_S):
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None
            assert partition is not None
            place = topic, partition
            if message.error() is None:
                found[place] = (offset or 0) + 1
            else:  # the partition's end, or trouble that the next look meets again
                waiting.discard(place)
    consumer.unassign()
    return found
