"""Publish converted warnings on the meteorology department's topic, as that department would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import BadRecord, UnknownSchema
from gridhub.schemas.registry import RegistryLater, connect, load_codec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridhub.connectors.sources.departments import Department
    from gridhub.schemas.codec import Codec
    from gridhub.streams.settings import Settings

_TIMEOUT_MS = 20_000


class NotPublishedError(Exception):
    """Kafka or the registry did not take the records, or only the first of them; the text says why and what to do."""


def publish(records: Sequence[dict[str, Any]], department: Department, settings: Settings) -> int:
    """Publish the records in order, and wait until Kafka has each of them; their number.

    The key is the identifier of the warning's first message, or the series of a text, so that what changes or ends a warning follows it on the
    same partition. NotPublishedError otherwise; an identical repetition is recognised by the hub as a duplicate.
    """
    if not records:
        return 0
    try:
        codec = _codec(department, settings)
        values = [(_key(record), codec.encode(f"{department.topic.name}-value", record)) for record in records]
        _send(department.topic.name, values, settings.bootstrap)
    except UnknownSchema as error:
        raise NotPublishedError(f"{error} Make the topics and schemas first: gridhub provision.") from error
    except (BadRecord, RegistryLater) as error:
        raise NotPublishedError(f"The warnings were not published: {error}") from error
    except KafkaError as error:
        raise NotPublishedError(
            f"Kafka at {settings.bootstrap} did not take the warnings ({type(error).__name__})."
        ) from error
    return len(records)


def _key(record: dict[str, Any]) -> bytes:
    return str(record["firstIdentifier"] or record["series"] or record["identifier"]).encode()


def _codec(department: Department, settings: Settings) -> Codec:
    registry = connect(settings.registry, settings.data_dir / "schemas")
    try:
        entries = [entry for entry in catalogue() if entry.topic == department.topic.name]
        return load_codec(registry, entries, max_bytes=settings.max_message_bytes)
    finally:
        registry.close()


def _send(topic: str, values: Sequence[tuple[bytes, bytes]], bootstrap: str) -> None:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap.split(","),
        acks="all",
        enable_idempotence=True,
        delivery_timeout_ms=_TIMEOUT_MS,
        max_block_ms=_TIMEOUT_MS,
        bootstrap_timeout_ms=_TIMEOUT_MS,
        request_timeout_ms=10_000,
    )
    try:
        answers = [producer.send(topic, value, key=key) for key, value in values]
        producer.flush()
        for answer in answers:
            answer.get(timeout=_TIMEOUT_MS / 1000)
    finally:
        producer.close()
