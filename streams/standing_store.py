"""Publishing to the topics of standing data, and reading back what was published."""

from __future__ import annotations

from collections.abc import Iterable

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from gridhub.streams import topics
from gridhub.streams.place.bundle import BundleError, Manifest, read_manifest

PARTITION = 0
"""All standing data lies in one partition of its topic: its order is the order in which it was published."""
_LIMIT_MS = 30_000
_QUIET_MS = 1000


def publish(bootstrap: str, messages: Iterable[tuple[bytes, bytes | None]], topic: str = topics.GRIDS.name) -> None:
    """Write (key, value) messages in order, and wait until Kafka has them all. Raises KafkaError."""
    producer = KafkaProducer(
        bootstrap_servers=bootstrap.split(","),
        acks="all",
        enable_idempotence=True,
        delivery_timeout_ms=_LIMIT_MS,
        request_timeout_ms=_LIMIT_MS // 3,
        max_block_ms=_LIMIT_MS,
        bootstrap_timeout_ms=_LIMIT_MS // 3,
    )
    try:
        sent = [producer.send(topic, value=value, key=key, partition=PARTITION) for key, value in messages]
        for future in sent:
            future.get(timeout=_LIMIT_MS / 1000)
    finally:
        producer.close()


def read_manifests(bootstrap: str) -> list[Manifest]:
    """The manifests on hub.grids in the order in which they were published; what is none is left out. Raises KafkaError."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        bootstrap_timeout_ms=_LIMIT_MS // 3,
    )
    found: dict[bytes, Manifest] = {}
    place = TopicPartition(topics.GRIDS.name, PARTITION)
    try:
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        end = consumer.end_offsets([place])[place]
        while consumer.position(place) < end:
            for record in consumer.poll(timeout_ms=_QUIET_MS).get(place, ()):
                _take(found, record.key or b"", record.value)
    finally:
        consumer.close()
    return list(found.values())


def _take(found: dict[bytes, Manifest], key: bytes, value: bytes | None) -> None:
    if not key.startswith(b"manifest/"):
        return
    found.pop(key, None)
    try:
        if value is not None:
            found[key] = read_manifest(value)
    except BundleError:
        return  # what a worker refuses too
