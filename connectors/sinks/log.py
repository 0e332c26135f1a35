"""What the sinks remember: offsets and fates, each batch in one Kafka transaction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from gridhub.schemas.codec import Codec, Decoded
from gridhub.streams import topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gridhub.connectors.sinks.courier import Delivered

POLL_MS = 300
SUBJECT = f"{topics.DELIVERIES.name}-value"  # hub.parked holds the same record, under the same id
Row = dict[str, Any]


class Place(NamedTuple):
    """Where a task's version lies in hub.tasks."""

    partition: int
    offset: int


def group(target: str) -> str:
    """The consumer group, and the transactional id, of a target: one slow target keeps no other waiting."""
    return f"gridhub-sink-{target}"


class Log:
    """One target's memory. A second process of the same target fences the first (ProducerFenced)."""

    def __init__(self, bootstrap: str, target: str, codec: Codec) -> None:
        self._hosts, self._target, self._codec = bootstrap.split(","), target, codec
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._hosts, transactional_id=group(target), client_id=group(target)
        )

    async def start(self) -> None:
        """Take the target over: whoever had it before can write no more."""
        await self._producer.start()

    async def stop(self) -> None:
        """End the connection."""
        await self._producer.stop()

    async def write(
        self, fates: Iterable[tuple[Place, Delivered]], offsets: Mapping[int, int], gone: Iterable[str] = ()
    ) -> None:
        """All of it or nothing: each fate in hub.deliveries, what is parked (or no longer) in hub.parked, the offsets.

        `gone` are parked deliveries of versions that hub.tasks has no longer: a later version took their place.
        """
        async with self._producer.transaction():
            for place, delivered in fates:
                await self._tell(place, delivered)
            for delivery_id in gone:
                await self._producer.send(topics.PARKED.name, None, delivery_id.encode())
            if offsets:
                marks = {TopicPartition(topics.TASKS.name, n): OffsetAndMetadata(o, "") for n, o in offsets.items()}
                await self._producer.send_offsets_to_transaction(marks, group(self._target))

    async def _tell(self, place: Place, delivered: Delivered) -> None:
        row = self._row(place, delivered)
        value = self._codec.encode(SUBJECT, row)
        key = f"{self._target}/{row['task_id']}".encode()
        await self._producer.send(topics.DELIVERIES.name, value, key)
        parked = value if delivered.parked else None
        await self._producer.send(topics.PARKED.name, parked, row["delivery_id"].encode())

    def _row(self, place: Place, delivered: Delivered) -> Row:
        task, answer = delivered.message.task, delivered.answer
        return {
            "delivery_id": f"{self._target}/{delivered.message.key}",
            "target": self._target,
            **{name: task[name] for name in ("task_id", "version", "incident_id", "area")},
            **place._asdict(),
            "fate": answer.fate.value,
            "code": answer.code,
            "detail": answer.detail,
            "attempts": delivered.attempts,
            "at": time.time_ns() // 1_000_000,
        }


async def parked(bootstrap: str, codec: Codec, target: str | None = None) -> dict[str, Row]:
    """What waits for a second try or a person, by delivery id, oldest first; of one target or of all."""
    rows: dict[str, Row] = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap.split(","), isolation_level="read_committed")
    await consumer.start()
    try:
        async for record in _all_of(consumer, topics.PARKED.name):
            name = record.key.decode()
            rows.pop(name, None)
            if record.value is None or (target is not None and not name.startswith(f"{target}/")):
                continue
            found = codec.decode_many([record.value])[0]
            if isinstance(found, Decoded):
                rows[name] = found.record
    finally:
        await consumer.stop()
    return dict(sorted(rows.items(), key=lambda item: item[1]["at"]))


async def _all_of(consumer: Any, topic: str) -> Any:
    """The records that are committed in this topic now."""
    numbers = await consumer._client.fetch_all_metadata()  # noqa: SLF001  # partitions_for_topic knows subscribed topics only
    tps = [TopicPartition(topic, n) for n in numbers.partitions_for_topic(topic) or ()]
    consumer.assign(tps)
    await consumer.seek_to_beginning(*tps)
    ends = await consumer.end_offsets(tps)
    while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
        for records in (await consumer.getmany(*tps, timeout_ms=POLL_MS)).values():
            for record in records:
                yield record
