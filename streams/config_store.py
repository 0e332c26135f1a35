"""hub.config and hub.admissions as they lie on Kafka, and the city that they make of its files: for the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import click
from confluent_kafka import KafkaException
from kafka.errors import KafkaError

from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.city import City, CityError
from gridhub.streams.kept import KeptTopics, time_of
from gridhub.streams.settings import Settings
from gridhub.streams.standing import Standing, Told, settled
from gridhub.streams.standing_store import PARTITION, publish


class Item(NamedTuple):
    """One item: its key and newest value, and when Kafka took it, ms."""

    topic: str
    key: bytes
    value: bytes
    at_ms: int


class InForce(NamedTuple):
    """The items in the order in which they were published, what became of each, and the city by them."""

    items: list[Item]
    told: dict[tuple[str, str], Told]  # by topic and key
    city: City


def read_items(bootstrap: str, topic: str) -> list[Item]:
    """The newest value of each key, in the order of the topic; withdrawn ones left out. Raises KafkaException."""
    kept = KeptTopics(bootstrap)
    found: dict[bytes, Item | None] = {}
    try:
        for partition in kept.partitions(topic):
            for batch in kept.records(topic, partition):
                for message in batch:
                    key, value = message.key(), message.value()
                    if isinstance(key, bytes):
                        found.pop(key, None)
                        found[key] = Item(topic, key, value, time_of(message)) if isinstance(value, bytes) else None
    finally:
        kept.close()
    return [item for item in found.values() if item is not None]


def in_force(settings: Settings, now_ms: int, further: Iterable[Item] = ()) -> InForce:
    """What workers make of the two topics, with further items on top. Raises KafkaException, CityError."""
    city = city_data.load(settings.config_dir)
    names = (topics.CONFIG.name, topics.ADMISSIONS.name)
    items = [item for name in names for item in read_items(settings.bootstrap, name)]
    items += further
    standing = Standing(city)
    told = settled(standing, [(item.topic, item.key, item.value) for item in items], now_ms)
    return InForce(items, {(one.topic, one.item): one for one in told}, standing.city)


def send(settings: Settings, topic: str, messages: Iterable[tuple[bytes, bytes | None]]) -> None:
    """Publish items, all in the one partition. Raises KafkaError."""
    publish(settings.bootstrap, messages, topic)


@contextmanager
def spoken(settings: Settings) -> Iterator[None]:
    """Ends the command with a sentence and exit 1 where Kafka does not answer or the city's files are wrong."""
    try:
        yield
    except (KafkaException, KafkaError) as error:
        click.echo(
            f"No Kafka answers at {settings.bootstrap} ({type(error).__name__}): start it, or set GRIDHUB_KAFKA.",
            err=True,
        )
        sys.exit(1)
    except CityError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


__all__ = ["PARTITION", "InForce", "Item", "in_force", "read_items", "send", "spoken"]
