"""A simulated ticketing system: takes tasks from hub.tasks and reports each step on hub.status, up to the close."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from kafka import KafkaConsumer, KafkaProducer

from gridhub.schemas.codec import Codec, Decoded
from gridhub.streams import topics
from gridhub.streams.messages import SUBJECTS

Row = dict[str, Any]
SENDER = "simulated-ticketing"
STEPS = (("accepted", "member"), ("handling", "member"), ("reported", "member"), ("checked", "inspector"),
         ("closed", "inspector"))  # fmt: skip
"""Each step of a task and who does it: who handles never closes."""


def chosen(incident_id: str, percent: int) -> bool:
    """Whether this incident is among the `percent` of 100 that are worked off; the same answer everywhere."""
    return int.from_bytes(blake2b(incident_id.encode(), digest_size=2).digest()) % 100 < percent


def statuses(task: Row, now_ms: int) -> Iterator[Row]:
    """The TaskStatus records that lead a dispatched task to its close, in order."""
    for stage, who in STEPS:
        yield {
            "status_id": f"{task['task_id']}/{stage}",
            "task_id": task["task_id"],
            "stage": stage,
            "actor": f"{who}:{task['recipient']}",
            "at": now_ms,
            "note": "",
            "sender": SENDER,
        }


def report(tasks: Iterable[Row], bootstrap: str, codec: Codec) -> int:
    """Publish every step of these tasks, keyed by area so that they arrive in order; how many were sent."""
    producer = KafkaProducer(bootstrap_servers=bootstrap.split(","), acks="all", enable_idempotence=True)
    sent = 0
    try:
        for task in tasks:
            for status in statuses(task, time.time_ns() // 1_000_000):
                value = codec.encode(SUBJECTS["TaskStatus"], status)
                producer.send(topics.STATUS.name, value, key=task["area"].encode())
                sent += 1
        producer.flush()
    finally:
        producer.close(timeout=5)
    return sent


@dataclass
class Ticketing:
    """Works off a part of the tasks as they come, in the background of a demo without end."""

    bootstrap: str
    codec: Codec
    percent: int = 40
    _consumer: KafkaConsumer | None = field(default=None, repr=False)

    def turn(self, timeout_s: float) -> int:
        """Take the tasks that came since the last turn and report on the chosen ones; how many statuses were sent."""
        if self._consumer is None:
            self._consumer = KafkaConsumer(
                topics.TASKS.name, bootstrap_servers=self.bootstrap.split(","), group_id=SENDER,
                isolation_level="read_committed", auto_offset_reset="earliest",
            )  # fmt: skip
        records = [r for rows in self._consumer.poll(timeout_ms=int(timeout_s * 1000)).values() for r in rows]
        found = self.codec.decode_many(record.value for record in records if record.value)
        return report(filter(self._ours, (item.record for item in found if isinstance(item, Decoded))),
                      self.bootstrap, self.codec)  # fmt: skip

    def close(self) -> None:
        """Leave the consumer group."""
        if self._consumer is not None:
            self._consumer.close()

    def _ours(self, task: Row) -> bool:
        new = task["version"] == 1 and task["stage"] == "dispatched" and task["action"] == "handle"
        return bool(new and chosen(task["incident_id"], self.percent))
