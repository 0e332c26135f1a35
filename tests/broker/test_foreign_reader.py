"""What the hub writes is read by clients that are not ours: Confluent's own deserializer, and kcat."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from gridhub import schemas
from gridhub.connectors.broker import Broker, free_port
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.registry import connect, load_codec

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

GRIDHUB = str(Path(sys.executable).with_name("gridhub"))
EXAMPLE = Path(schemas.__path__[0]) / "examples" / "PowerEvent" / "outage.json"
LIMIT_S = 60


def ended(process):
    """Ask a process to stop and wait for it."""
    process.terminate()
    try:
        process.wait(15)
    finally:
        process.kill()


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """A hub that dispatched an outage: bootstrap, registry address and the messages of hub.tasks as they lie there."""
    folder, processes = tmp_path_factory.mktemp("hub"), []
    broker = Broker(folder, free_port(), free_port())
    env = os.environ | {
        "GRIDHUB_KAFKA": broker.bootstrap, "GRIDHUB_DATA_DIR": str(folder), "GRIDHUB_PARTITIONS": "1",
        "GRIDHUB_REGISTRY_PORT": str(free_port()), "GRIDHUB_METRICS_PORT": "0", "GRIDHUB_MAX_AGE_DAYS": "100000",
        "GRIDHUB_FUTURE_TOLERANCE_S": "3000000000",
    }  # fmt: skip
    registry = f"http://127.0.0.1:{env['GRIDHUB_REGISTRY_PORT']}"
    try:
        broker.start()
        for command in ("registry", "provision", "worker"):
            with (folder / f"{command}.log").open("wb") as log:
                process = subprocess.Popen([GRIDHUB, command], env=env, stdout=log, stderr=log)
            processes.append(process)
            if command == "provision":
                assert process.wait(LIMIT_S) == 0
        codec = load_codec(connect(registry), catalogue())
        producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        record = json.loads(EXAMPLE.read_text(encoding="utf-8"))
        producer.produce("dept.power.events", key=b"k", value=codec.encode("dept.power.events-value", record))
        producer.flush(30)
        yield broker.bootstrap, registry, _messages(broker.bootstrap)
    finally:
        for process in reversed(processes):
            ended(process)
        broker.stop()


def _messages(bootstrap):
    """The messages of hub.tasks: at least one, then until nothing more comes."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "foreign", "enable.auto.commit": False, "log_level": 0}
    consumer = Consumer(settings | {"isolation.level": "read_committed"})
    consumer.assign([TopicPartition("hub.tasks", 0, 0)])
    found, until = [], time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        message = consumer.poll(2.0)
        if message is not None and message.error() is None:
            found.append(message)
        elif found and message is None:
            break
    consumer.close()
    return found


def test_confluents_deserializer_reads_tasks(tasks):
    """With nothing but the registry's address; ids, stages and times are there."""
    _, registry, messages = tasks
    read = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    records = [read(m.value(), SerializationContext("hub.tasks", MessageField.VALUE)) for m in messages]
    assert records
    assert [record["task_id"].encode() for record in records] == [message.key() for message in messages]
    assert {record["stage"] for record in records} == {"dispatched"}
    assert "handle" in {record["action"] for record in records}


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed (Debian and Ubuntu: apt install kcat)")
def test_kcat_reads_tasks(tasks):
    """Keys and sizes of the values, as they lie there; distributions build kcat without Avro."""
    bootstrap, _, messages = tasks
    command = ["kcat", "-C", "-b", bootstrap, "-t", "hub.tasks", "-e", "-q", "-f", "%k %S\n"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert done.stdout.splitlines() == [f"{m.key().decode()} {len(m.value())}" for m in messages]
