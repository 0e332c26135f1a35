"""`gridhub explain` and `gridhub journal verify`: what the hub did and why, from its own topics."""

from __future__ import annotations

import json
import sys
from collections import defaultdict

import click
from kafka.errors import KafkaError

from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import UnknownSchema
from gridhub.schemas.registry import RegistryLater, connect, load_codec
from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.journal import breaks
from gridhub.streams.settings import load
from gridhub.streams.story import Reader, Step, story


def _reader() -> Reader:
    settings = load()
    try:
        further = city_data.load(settings.config_dir).further
        codec = load_codec(
            connect(settings.registry, settings.data_dir / "schemas"), catalogue(further), further, topics.HUB_BYTES
        )
        return Reader(settings.bootstrap, codec)
    except (RegistryLater, UnknownSchema, KafkaError, city_data.CityError) as error:
        click.echo(
            f"The hub's topics cannot be read: {error}. Kafka: {settings.bootstrap} (GRIDHUB_KAFKA), "
            f"registry: {settings.registry} (GRIDHUB_REGISTRY_URL).",
            err=True,
        )
        sys.exit(1)


@click.command()
@click.argument("event_id")
@click.option("--source", help="Department code, where several departments use the same id.")
def explain(event_id: str, source: str | None) -> None:
    """Tell an event's whole story, one step a line: received, located or refused, decided, incident, tasks, statuses.

    Example: gridhub explain TD2026112000017
    """
    reader = _reader()
    try:
        steps = story(event_id, reader, source)
    finally:
        reader.close()
    for step in steps:
        click.echo(json.dumps(step, ensure_ascii=False))
    if not steps:
        click.echo(f"The hub's topics hold no event {event_id!r}.", err=True)
        sys.exit(1)


@click.group()
def journal() -> None:
    """The journal of decisions.

    Example: gridhub journal verify
    """


@journal.command()
def verify() -> None:
    """Check the hash chains of the journal; one line per chain; exit 1 when a record was changed or is missing.

    Example: gridhub journal verify
    """
    chains: dict[str, list[Step]] = defaultdict(list)
    reader = _reader()
    try:
        for _, record in reader.records(topics.JOURNAL.name):
            chains[record["chain"]].append(record)
    finally:
        reader.close()
    wrong = 0
    for name, records in sorted(chains.items()):
        found = breaks(records)
        wrong += len(found)
        click.echo(json.dumps({"chain": name, "records": len(records), "breaks": found}, ensure_ascii=False))
    sys.exit(1 if wrong else 0)
