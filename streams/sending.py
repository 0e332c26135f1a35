"""Sending one record to hub.status from the command line, as an ordinary client: keyed by its area, printed when Kafka has it."""

from __future__ import annotations

import sys
from typing import Any

import click
import orjson
from kafka import KafkaProducer
from kafka.errors import KafkaError

from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import UnknownSchema
from gridhub.schemas.registry import RegistryLater, connect, load_codec
from gridhub.streams import topics
from gridhub.streams.messages import SUBJECTS
from gridhub.streams.settings import load

_ANSWER_S = 30


def area_of(name: str, what: str) -> str:
    """The area that an incident's or task's id begins with; exit 2 for what is no id."""
    area, dash, _ = name.partition("-")
    if not (dash and area.isascii() and area.isdigit()):
        raise click.UsageError(f"{name!r} is no {what} id: it begins with the area's code.")
    return area


def send(kind: str, record: dict[str, Any], area: str) -> None:
    """Publish a TaskStatus or Command and print it; exit 1 with what to look at when it could not be."""
    settings = load()
    try:
        codec = load_codec(connect(settings.registry, settings.data_dir / "schemas"), catalogue())
        publish(settings.bootstrap, area, codec.encode(SUBJECTS[kind], record))
    except (RegistryLater, UnknownSchema, KafkaError) as error:
        click.echo(
            f"The command was not sent: {error}. Kafka: {settings.bootstrap} (GRIDHUB_KAFKA), "
            f"registry: {settings.registry} (GRIDHUB_REGISTRY_URL).",
            err=True,
        )
        sys.exit(1)
    click.echo(orjson.dumps(record))


def publish(bootstrap: str, area: str, value: bytes) -> None:
    """One record on hub.status, acknowledged."""
    producer = KafkaProducer(
        bootstrap_servers=bootstrap.split(","), acks="all", enable_idempotence=True, client_id="gridhub-command"
    )
    try:
        producer.send(topics.STATUS.name, value, key=area.encode()).get(timeout=_ANSWER_S)
    finally:
        producer.close(timeout=5)
