"""`gridhub explain`: what the hub did and why, from its own topics."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from kafka.errors import KafkaError

from gridhub.schemas.codec import UnknownSchema
from gridhub.schemas.registry import RegistryLater
from gridhub.streams import city as city_data
from gridhub.streams.aftermath import matter, named
from gridhub.streams.messages import Origin
from gridhub.streams.reading import codec_of
from gridhub.streams.settings import load
from gridhub.streams.story import Reader, Ways, story
from gridhub.streams.telling import tell_step
from gridhub.streams.telling_after import masked_step
from gridhub.streams.ways import ways_of
from gridhub.streams.words import LANGUAGES


def _reader() -> tuple[Reader, Ways]:
    """The topics' reader, and what tells the ways to a place again, as the rules are now."""
    settings = load()
    try:
        city = city_data.load(settings.config_dir)
        codec = codec_of(settings, city.further)
        facts = city_data.inbound_facts(city, settings, codec.decode_many)
        return Reader(settings.bootstrap, codec), lambda record: ways_of(_origin(record), facts)
    except (RegistryLater, UnknownSchema, KafkaError, city_data.CityError) as error:
        click.echo(
            f"The hub's topics cannot be read: {error}. Kafka: {settings.bootstrap} (GRIDHUB_KAFKA), "
            f"registry: {settings.registry} (GRIDHUB_REGISTRY_URL).",
            err=True,
        )
        sys.exit(1)


def _origin(record: Any) -> Origin:
    return Origin(record.topic, record.partition, record.offset, record.timestamp, record.key, record.value)


@click.command()
@click.argument("name", metavar="EVENT|INCIDENT|TASK")
@click.option("--source", help="Department code, where several departments use the same event id.")
@click.option(
    "--lang", type=click.Choice(LANGUAGES), help="Plain sentences only, in Chinese or English, instead of JSON."
)
@click.option("--unmasked", is_flag=True, help="Show what people wrote as it stands, phone and identity numbers too.")
def explain(name: str, source: str | None, lang: str | None, *, unmasked: bool) -> None:
    """Tell the whole story of an event, an incident or a task, one step a line, from the journal and the hub's topics.

    Of an event: received, located or refused, decided; then its incident, tasks, reports, commands, reminders,
    escalations, silences, groups and deliveries with their times. Each step is a JSON object with its numbers and the
    sentences `zh` and `en`; with --lang the sentences alone.

    Example: gridhub explain TD2026112000017 --lang zh
    """
    reader, ways = _reader()
    try:
        found = named(name)
        steps = story(name, reader, source, ways) if found is None else matter(*found, reader)
    finally:
        reader.close()
    for step in steps if unmasked else map(masked_step, steps):
        says = {language: tell_step(step, language) for language in LANGUAGES}
        click.echo(says[lang] if lang else json.dumps(step | says, ensure_ascii=False))
    if not steps:
        click.echo(f"The hub's topics hold no event, incident or task {name!r}.", err=True)
        sys.exit(1)
