"""Topics and schemas, made ready: idempotent, and strict about what is already there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from gridhub.connectors.sources.departments import Departments
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.registry import Incompatible, RegistryLater, connect
from gridhub.streams.city import City
from gridhub.streams.settings import Settings
from gridhub.streams.topics import HUB_TOPICS, Topic, department_topic

Given = TypeVar("Given")


class ProvisionError(Exception):
    """Topics or schemas cannot be made ready; the message says what to do."""


def all_topics(departments: Departments) -> list[Topic]:
    """Every topic of the hub: the departments' and its own."""
    return [department_topic(d.code, d.record) for d in departments] + list(HUB_TOPICS)


def provision(settings: Settings, city: City, wait_s: float = 60.0) -> dict[str, int]:
    """Make topics and register schemas; the schema ids by subject. Waits up to `wait_s` for Kafka and the registry."""
    wanted = all_topics(city.departments)
    admin: KafkaAdminClient = _patient(
        lambda: KafkaAdminClient(bootstrap_servers=settings.bootstrap), KafkaError, wait_s
    )
    try:
        _make_topics(admin, wanted, settings)
    finally:
        admin.close()
    registry = connect(settings.registry, settings.data_dir / "schemas")
    try:
        return _patient(lambda: registry.provision(catalogue(city.further)), RegistryLater, wait_s)
    except Incompatible as error:
        raise ProvisionError(f"A schema is not compatible with the registered one: {error}") from error
    finally:
        registry.close()


def _make_topics(admin: KafkaAdminClient, wanted: Iterable[Topic], settings: Settings) -> None:
    existing = set(admin.list_topics())
    for topic in wanted:
        if topic.name not in existing:
            _make(admin, topic, settings)
    for name, count in _partition_counts(admin, [topic.name for topic in wanted]).items():
        if count != settings.partitions:
            raise ProvisionError(
                f"Topic {name} has {count} partitions, the setting GRIDHUB_PARTITIONS says {settings.partitions}. "
                f"Set GRIDHUB_PARTITIONS={count}; partitions cannot be changed while there is state."
            )


def _partition_counts(admin: KafkaAdminClient, names: list[str], wait_s: float = 30.0) -> dict[str, int]:
    """Partitions of each topic; a new topic shows none until every broker has heard of it."""
    deadline = time.monotonic() + wait_s
    while True:
        counts = {str(found["name"]): len(found["partitions"]) for found in admin.describe_topics(names)}
        if all(counts.get(name) for name in names):
            return counts
        if time.monotonic() > deadline:
            raise ProvisionError(
                f"Kafka did not make {min(n for n in names if not counts.get(n))} within {wait_s:.0f} s."
            )
        time.sleep(0.1)


def _make(admin: KafkaAdminClient, topic: Topic, settings: Settings) -> None:
    spec = NewTopic(
        topic.name, topic.partitions or settings.partitions, settings.replication, topic_configs=topic.config()
    )
    try:
        admin.create_topics([spec])
    except TopicAlreadyExistsError:
        return  # somebody else provisions at the same time


def _patient(call: Callable[[], Given], later: type[Exception], wait_s: float) -> Given:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return call()
        except later as error:
            if time.monotonic() > deadline:
                raise ProvisionError(f"Gave up after {wait_s:.0f} s: {error}") from error
            time.sleep(0.5)
