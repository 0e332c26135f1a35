"""`gridhub convert cap --publish`: a real Kafka has the records, as the department would have sent them."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn
from click.testing import CliRunner
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

from gridhub.connectors.broker import Broker, free_port
from gridhub.connectors.registry.server import running_app
from gridhub.connectors.sources.departments import Departments
from gridhub.connectors.warnings.cli import group
from gridhub.connectors.warnings.publish import NotPublishedError, publish
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.registry import connect, load_codec
from gridhub.streams.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPIC = "dept.meteorology.events"
TEXTS = "\n".join(
    json.dumps(line)
    for line in (
        {"id": "42020041600000_20261123090000", "title": "黄石市气象台发布大风蓝色预警信号"},
        {"id": "42020041600000_20261123120000", "title": "黄石市气象台解除大风蓝色预警信号"},
    )
)


@pytest.fixture
def settings(broker: Broker, tmp_path: Path) -> Iterator[Settings]:
    """Settings for this run's broker and a registry in a thread that has read its topic; the department's topic is there.

    What the registry knows is whatever the tests before left in the broker's topic.
    """
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    with contextlib.suppress(TopicAlreadyExistsError):
        admin.create_topics([NewTopic(TOPIC, 1, 1)])
    admin.close()
    port = free_port()
    with running_app(broker.bootstrap) as app:
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started or httpx.get(f"http://127.0.0.1:{port}/subjects").status_code != httpx.codes.OK:
                time.sleep(0.02)
            yield Settings(kafka=broker.bootstrap, registry_url=f"http://127.0.0.1:{port}", data_dir=tmp_path)
        finally:
            server.should_exit = True
            thread.join()


def test_nothing_is_published_before_the_schema_is_known(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic that no other test gives a schema: the sentence tells what to run first."""
    (department,) = [one for one in Departments.load() if one.topic.name == TOPIC]
    entries = [
        replace(entry, topic="dept.unknown.events", subject="dept.unknown.events-value")
        for entry in catalogue()
        if entry.topic == TOPIC
    ]
    monkeypatch.setattr("gridhub.connectors.warnings.publish.catalogue", lambda: entries)
    unknown = replace(department, topic=replace(department.topic, name="dept.unknown.events"))
    with pytest.raises(NotPublishedError, match="gridhub provision"):
        publish([{"firstIdentifier": None, "identifier": "i", "series": None}], unknown, settings)


def test_converted_texts_are_on_the_departments_topic(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record is there, in order, keyed by the warning it is about."""
    registry = connect(settings.registry)
    entries = [entry for entry in catalogue() if entry.topic == TOPIC]
    registry.provision(entries)
    for name, value in {
        "KAFKA": settings.kafka,
        "REGISTRY_URL": settings.registry,
        "DATA_DIR": settings.data_dir,
    }.items():
        monkeypatch.setenv(f"GRIDHUB_{name}", str(value))
    with contextlib.closing(KafkaConsumer(bootstrap_servers=settings.bootstrap)) as consumer:
        partitions = [TopicPartition(TOPIC, number) for number in consumer.partitions_for_topic(TOPIC)]
        consumer.assign(partitions)
        consumer.seek_to_end()
        before = {partition: consumer.position(partition) for partition in partitions}
        done = CliRunner().invoke(group, ["warning", "--publish"], input=TEXTS.encode())
        assert done.exit_code == 0, done.output
        for partition, offset in before.items():
            consumer.seek(partition, offset)
        found = []
        while len(found) < 2:
            found += [record for records in consumer.poll(500).values() for record in records]
    codec = load_codec(registry, entries)
    records = [codec.decode(record.value).record for record in found]
    assert [record["msgType"] for record in records] == ["Alert", "Cancel"]
    assert [record.key.decode() for record in found] == ["420200/大风"] * 2
