"""The embedded broker's whole life, on a real Kafka."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer as ConfluentConsumer
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from gridhub.connectors.broker import Broker, BrokerError, free_port
from gridhub.connectors.broker.process import PidFile

pytestmark = pytest.mark.broker


@pytest.fixture
def fresh(tmp_path):
    """A broker of its own data folder, not started; ended after the test whatever happened."""
    made = Broker(tmp_path / "数据 folder", free_port(), free_port())
    yield made
    made.kill()


@pytest.fixture
def topic(broker):
    """A new topic of two partitions on the shared broker."""
    return create_topic(broker)


def create_topic(broker):
    """A new topic of two partitions and an unused name."""
    name = f"test.{uuid.uuid4().hex[:8]}"
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
        admin.create_topics([NewTopic(name, 2, 1)])
    return name


def produce(broker, topic, values, **options):
    """Sends the values and waits until the broker has acknowledged them."""
    with KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all", **options) as producer:
        sent = [producer.send(topic, value) for value in values]
        for future in sent:
            future.get(timeout=30)


def consume(broker, topic, count, **options):
    """The topic's first `count` values, sorted; fewer when no more come for ten seconds."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap,
        auto_offset_reset="earliest",
        group_id=None,
        consumer_timeout_ms=10_000,
        **options,
    )
    values = [message.value for message in itertools.islice(consumer, count)]
    consumer.close()
    return sorted(values)


def test_reads_back_what_was_sent(broker, topic):
    """kafka-python reads every value that it sent and the broker acknowledged."""
    values = [f"事件 {number}".encode() for number in range(50)]
    produce(broker, topic, values)
    assert consume(broker, topic, 50) == sorted(values)


@pytest.mark.parametrize("kind", ["gzip", "lz4", "snappy", "zstd"])
def test_takes_every_compression(broker, topic, kind):
    """The jars hold what the broker needs to check each kind of compressed batch."""
    from confluent_kafka import Producer

    failures = []
    producer = Producer({"bootstrap.servers": broker.bootstrap, "compression.type": kind, "linger.ms": 50})
    for number in range(20):
        producer.produce(
            topic, b"x" * 500 + bytes([number]), callback=lambda error, _: error and failures.append(error)
        )
    assert producer.flush(30) == 0
    assert failures == []


async def test_shows_committed_and_hides_aborted_transactions(broker, topic):
    """A read_committed aiokafka consumer gets the committed transaction's value only."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=topic)
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"aborted", partition=0)
    await producer.abort_transaction()
    async with producer.transaction():
        await producer.send_and_wait(topic, b"committed", partition=0)
    await producer.stop()
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    first = await consumer.getone()
    await consumer.stop()
    assert first.value == b"committed"


def test_serves_the_new_group_protocol(broker, topic):
    """The format switched on all features, KIP-848 groups among them."""
    produce(broker, topic, [b"one"])
    consumer = ConfluentConsumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": topic,
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    message = consumer.poll(30)
    consumer.close()
    assert message is not None
    assert message.error() is None
    assert message.value() == b"one"


def test_makes_no_topic_by_itself(broker):
    """Writing to a topic that nobody created fails instead of creating it."""
    with pytest.raises(KafkaError):
        produce(broker, "nobody.created.this", [b"x"], max_block_ms=2_000)


def test_takes_messages_up_to_4_mb(broker, topic):
    """A message just below 4 MB is stored; one above is refused."""
    large = 4 * 1024 * 1024
    produce(broker, topic, [b"x" * (large - 1_000)], max_request_size=2 * large)
    with pytest.raises(KafkaError):
        produce(broker, topic, [b"x" * (large + 1_000)], max_request_size=2 * large)


def test_listens_on_loopback_only(broker):
    """No socket of the broker is reachable from another machine."""
    listening = [
        connection.laddr
        for connection in psutil.Process(broker.status().pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.port for address in listening} == {broker.port, broker.controller_port}
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_is_a_daemon_without_our_secrets(broker):
    """The broker leads a session of its own, and sees none of our environment but what Java needs."""
    pid = broker.status().pid
    assert os.getsid(pid) == pid
    assert set(psutil.Process(pid).environ()) <= {"HOME", "PATH", "LD_LIBRARY_PATH", "LC_ALL"}


def test_second_start_changes_nothing(broker):
    """Starting what runs says so and leaves the process alone."""
    messages = []
    before = broker.status().pid
    Broker(broker.data, broker.port, broker.controller_port).start(on_progress=messages.append)
    assert messages == [f"The broker already runs at {broker.bootstrap}, pid {before}."]
    assert broker.status().pid == before


def test_second_start_on_another_port_is_refused(broker):
    """A changed port does not silently lead to the old address; the message names the setting."""
    with pytest.raises(BrokerError, match=f"already runs at {broker.bootstrap}.*GRIDHUB_BROKER_PORT to {broker.port}"):
        Broker(broker.data, free_port(), free_port()).start()


def test_simultaneous_starts_make_one_broker(fresh):
    """Two starts at once, in a folder with Chinese characters and a space: one starts, the other waits and finds it."""
    messages, failures = [], []

    def start():
        try:
            Broker(fresh.data, fresh.port, fresh.controller_port).start(on_progress=messages.append)
        except BrokerError as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(message.startswith("Starting Kafka") for message in messages) == 1
    assert sum("already runs" in message for message in messages) == 1
    assert fresh.status().running


def test_stop_ends_the_process_and_keeps_the_data(fresh):
    """After a stop nothing runs or listens; a start on other ports finds the data again."""
    fresh.start()
    topic = create_topic(fresh)
    produce(fresh, topic, [b"kept"])
    pid = fresh.status().pid
    fresh.stop()
    assert not psutil.pid_exists(pid)
    assert not fresh.status().running
    moved = Broker(fresh.data, free_port(), free_port())
    moved.start()
    assert consume(moved, topic, 1) == [b"kept"]
    moved.stop()


def test_kill_keeps_what_was_acknowledged(fresh):
    """After kill -9 a start finds every acknowledged message."""
    fresh.start()
    topic = create_topic(fresh)
    values = [str(number).encode() for number in range(200)]
    produce(fresh, topic, values)
    fresh.kill()
    assert not fresh.status().running
    fresh.start()
    assert consume(fresh, topic, 200) == sorted(values)


def test_stop_ends_a_broker_that_does_not_listen_to_it(fresh):
    """A frozen broker cannot end cleanly; stop ends it by force after its limit."""
    fresh.start()
    pid = fresh.status().pid
    os.kill(pid, signal.SIGSTOP)
    fresh.stop(timeout_s=1)
    assert not psutil.pid_exists(pid)


def test_death_while_starting_shows_the_last_words(fresh):
    """A store that Kafka refuses: the error carries what Kafka said, and nothing is left running."""
    fresh.start()
    fresh.stop()
    (fresh.data / "kafka" / "data" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=other\n")
    with pytest.raises(BrokerError, match=r"ended while starting(.|\n)*Stored node id 7"):
        fresh.start()
    assert not fresh.status().running


def test_too_short_a_time_ends_the_broker_again(fresh):
    """A broker that did not answer in time is not left behind half started."""
    with pytest.raises(BrokerError, match="did not answer in time"):
        fresh.start(timeout_s=0)
    assert not fresh.status().running
    fresh.start()
    assert fresh.status().running


def test_wrong_property_shows_what_kafka_said(fresh):
    """A property that Kafka refuses is named with Kafka's own words."""
    wrong = Broker(fresh.data, fresh.port, fresh.controller_port, properties={"num.io.threads": "many"})
    with pytest.raises(BrokerError, match=r"num\.io\.threads"):
        wrong.start()


@pytest.mark.parametrize("setting", ["GRIDHUB_BROKER_PORT", "GRIDHUB_BROKER_CONTROLLER_PORT"])
def test_taken_port_names_port_owner_and_setting(tmp_path, setting):
    """A port in use is refused before anything starts, with its owner and the setting to change."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = (port, free_port()) if setting == "GRIDHUB_BROKER_PORT" else (free_port(), port)
        with pytest.raises(BrokerError, match=rf"Port {port} .*pid {os.getpid()}.*set {setting} to"):
            Broker(tmp_path, *ports).start()


def test_full_disk_is_refused_with_the_numbers(tmp_path):
    """With less free space than demanded, nothing starts; the message names both figures' setting."""
    with pytest.raises(BrokerError, match=r"\d+ MB are free .*1000000000 MB are demanded.*GRIDHUB_BROKER_MIN_FREE_MB"):
        Broker(tmp_path, free_port(), free_port(), min_free_mb=10**9).start()


def test_unusable_data_folder_is_named(tmp_path):
    """A data folder that cannot be made is named with the setting to change."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BrokerError, match=r"file.*GRIDHUB_DATA_DIR"):
        Broker(tmp_path / "file", free_port(), free_port()).start()


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"pid": os.getpid(), "started": 1.0, "port": 1, "controller_port": 2}),
        json.dumps({"pid": 2**40, "started": 1.0, "port": 1, "controller_port": 2}),
        json.dumps({"pid": "x"}),
        json.dumps({"pid": "x", "started": 1.0, "port": 1, "controller_port": 2}),
        "[1]",
        "",
    ],
    ids=["reused-pid", "impossible-pid", "other-fields", "no-number", "no-object", "empty"],
)
def test_stale_pid_file_is_not_a_broker(tmp_path, content):
    """A pid file whose process is gone, is somebody else, or that is garbage: no broker runs, and stop harms nobody."""
    path = tmp_path / "kafka" / "broker.pid"
    path.parent.mkdir()
    path.write_text(content)
    broker = Broker(tmp_path, free_port(), free_port())
    assert not broker.status().running
    broker.stop()
    assert not path.exists()


def test_start_replaces_a_stale_pid_file(fresh):
    """After a reboot the old number may belong to anybody; a start goes ahead and notes its own."""
    path = fresh.data / "kafka" / "broker.pid"
    path.parent.mkdir(parents=True)
    PidFile(os.getpid(), 1.0, fresh.port, fresh.controller_port).write(path)
    fresh.start()
    assert fresh.status().pid not in {None, os.getpid()}


def command(broker, *arguments):
    """Runs one broker command as a process of its own, with the broker's settings in the environment."""
    environment = {
        **os.environ,
        "GRIDHUB_DATA_DIR": str(broker.data),
        "GRIDHUB_BROKER_PORT": str(broker.port),
        "GRIDHUB_BROKER_CONTROLLER_PORT": str(broker.controller_port),
    }
    call = "from gridhub.connectors.broker.cli import group; group()"
    return subprocess.run(
        [sys.executable, "-c", call, *arguments],
        env=environment,
        cwd=Path(broker.data).parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_commands_start_show_and_stop(fresh):
    """start, status and stop: one JSON object on stdout, messages on stderr, exit 0; status after stop exits 1."""
    started = command(fresh, "start")
    assert started.returncode == 0, started.stderr
    assert json.loads(started.stdout)["bootstrap"] == fresh.bootstrap
    assert "Starting Kafka" in started.stderr
    seen = command(fresh, "status")
    assert (seen.returncode, json.loads(seen.stdout)["running"]) == (0, True)
    stopped = command(fresh, "stop")
    assert (stopped.returncode, stopped.stdout) == (0, "")
    assert "stopped" in stopped.stderr
    gone = command(fresh, "status")
    assert (gone.returncode, json.loads(gone.stdout)["running"]) == (1, False)


def test_wrong_use_exits_2_and_failure_exits_1(fresh, monkeypatch):
    """A wrong setting or option is exit 2; a refused start is exit 1 with its sentence on stderr."""
    assert command(fresh, "start", "--no-such-option").returncode == 2
    monkeypatch.setenv("GRIDHUB_BROKER_MIN_FREE_MB", "1000000000")
    refused = command(fresh, "start")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "GRIDHUB_BROKER_MIN_FREE_MB" in refused.stderr
    monkeypatch.setenv("GRIDHUB_BROKER_MIN_FREE_MB", "little")
    assert command(fresh, "start").returncode == 2
