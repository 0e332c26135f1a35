"""A plain loop: confluent-kafka and fastavro, one process, event by event, state in memory and lost with it.

With the argument `batched` grids are looked up for a whole batch at once. The floor of what Python does without a framework,
and not a peer in what it promises: nothing is persisted, so a restart doubles what it drops now.
"""

import sys
import time
from typing import Any

import numpy as np
from confluent_kafka import Consumer, Producer
from job import PRODUCER, Locator, Rules, Run, decode, first, norm_value, task_values

BATCHED = "batched" in sys.argv


def _places(locator: Locator, events: list[dict[str, Any]]) -> Any:
    if not BATCHED:
        return map(locator.one, events)
    x, y = zip(*map(locator.place, events), strict=True)
    return ((locator.ids[grid], a, b) for grid, a, b in zip(locator.many(np.array(x), np.array(y)), x, y, strict=True))


def _send(producer: Producer, topic: str, key: bytes, value: bytes) -> None:
    while True:
        try:
            return producer.produce(topic, value, key)
        except BufferError:
            producer.poll(0.1)


def _commit(consumer: Consumer, producer: Producer) -> None:
    if Run.exactly_once:
        offsets = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata())
        producer.commit_transaction()
        producer.begin_transaction()
    else:
        producer.flush()
        consumer.commit(asynchronous=False)


def main() -> None:
    """Work until killed."""
    consumer = Consumer(
        {
            "bootstrap.servers": Run.broker, "group.id": Run.group, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "fetch.wait.max.ms": 20, "queued.max.messages.kbytes": 65_536,
        }
    )  # fmt: skip
    producer = Producer({**PRODUCER, **({"transactional.id": Run.group} if Run.exactly_once else {})})
    if Run.exactly_once:
        producer.init_transactions(10)
        producer.begin_transaction()
    locator, rules = Locator(), Rules()
    consumer.subscribe(Run.inputs)
    commit_at, pending = time.time() + Run.commit_s, False
    while True:
        messages = consumer.consume(1000, 0.02)
        if messages:
            first()
            pending = True
            events = [decode(message.value()) for message in messages]
            for event, (grid, x, y) in zip(events, _places(locator, events), strict=True):
                if (found := rules.event(event, grid)) is None:
                    continue
                category, incident, opened = found
                key = grid.encode()
                _send(producer, Run.norm, key, norm_value(event, category, grid, incident, opened=opened, x=x, y=y))
                if opened:
                    for value in task_values(event, category, grid, incident):
                        _send(producer, Run.task, key, value)
            producer.poll(0)
        if pending and time.time() >= commit_at:
            _commit(consumer, producer)
            commit_at, pending = time.time() + Run.commit_s, False


main()
