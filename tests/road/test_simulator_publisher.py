"""Publishing to a real Kafka: the truth says exactly what lies there, also when the broker went away meanwhile."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from gridhub.connectors.broker import Broker, free_port
from gridhub.connectors.demo.check import read_truth
from gridhub.connectors.demo.check_kafka import messages as read_messages
from gridhub.connectors.simulator import City
from gridhub.connectors.simulator.publisher import PublishError, publish
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data

pytestmark = pytest.mark.broker
NOW_MS = 1_795_410_000_000


@pytest.fixture(scope="module")
def data():
    """The bundled city's data."""
    return city_data.load()


@pytest.fixture(scope="module")
def codec():
    """A codec without a registry."""
    return local_codec()


def _simulated(data, bootstrap, events, seed=1):
    """Messages of a run, on topics of its own that have been made."""
    city = City(data.catalogue, data.departments, seed)
    prefix = uuid.uuid4().hex[:8]
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(f"{prefix}.{topic}", 3, 1) for topic in city.topics.values()])
    admin.close()
    return [
        replace(m, topic=f"{prefix}.{m.topic}", truth=replace(m.truth, topic=f"{prefix}.{m.topic}"))
        for m in city.generate(events, seed, NOW_MS)
    ]


def _assert_kafka_holds(bootstrap, codec, messages, path):
    """The topics hold exactly these messages, at exactly the places that the truth file names."""
    truths = list(read_truth(path))
    assert [truth.seq for truth in truths] == [message.truth.seq for message in messages]
    places = {(truth.topic, truth.partition, truth.offset) for truth in truths}
    assert len(places) == len(truths)
    lie = {
        (m.topic(), m.partition(), m.offset()): (m.key(), m.value())
        for topic in {message.topic for message in messages}
        for batch in read_messages(bootstrap, topic)
        for m in batch
    }
    told = {
        (truth.topic, truth.partition, truth.offset): (message.key, message.encoded(codec))
        for truth, message in zip(truths, messages, strict=True)
    }
    assert lie == told


def test_truth_names_the_place_of_every_message(broker, data, codec, tmp_path):
    """After publishing, each line of truth leads to that very message; a partition holds them in order of publishing."""
    messages = _simulated(data, broker.bootstrap, 1500)
    counts = []
    done = publish(messages, broker.bootstrap, codec, tmp_path / "truth.jsonl", on_progress=counts.append)
    assert done == counts[-1] == 1500
    _assert_kafka_holds(broker.bootstrap, codec, messages, tmp_path / "truth.jsonl")


def test_a_rate_is_kept_and_stop_ends_it(broker, data, codec, tmp_path):
    """`stop` ends the run between two messages; what was sent is confirmed and written."""
    messages = _simulated(data, broker.bootstrap, 300)
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 50

    done = publish(messages, broker.bootstrap, codec, tmp_path / "t.jsonl", 5000, stop=stop)
    assert 0 < done <= 50
    assert len(list(read_truth(tmp_path / "t.jsonl"))) == done


def test_a_broker_restart_neither_loses_doubles_nor_reorders(data, codec, tmp_path):
    """A broker that is stopped, and later killed, while messages are published costs waiting and nothing else."""
    own = Broker(tmp_path / "broker", free_port(), free_port())
    own.start()
    try:
        messages = _simulated(data, own.bootstrap, 3000, seed=2)
        seen = threading.Event()
        trouble = threading.Thread(target=_trouble, args=(own, seen))
        trouble.start()
        done = publish(
            messages, own.bootstrap, codec, tmp_path / "truth.jsonl", 300,
            on_progress=lambda count: seen.set() if count > 200 else None,
        )  # fmt: skip
        trouble.join()
        assert done == 3000
        _assert_kafka_holds(own.bootstrap, codec, messages, tmp_path / "truth.jsonl")
    finally:
        own.kill()


def _trouble(broker, seen):
    """Stop and start the broker, then kill and start it, once publishing is under way."""
    seen.wait(60)
    broker.stop()
    broker.start()
    broker.kill()
    broker.start()


def test_no_kafka_is_said_in_a_sentence(data, codec):
    """Where no Kafka answers, the error names the address and what to do."""
    city = City(data.catalogue, data.departments, 1)
    with pytest.raises(PublishError, match=r"No Kafka answers at 127\.0\.0\.1"):
        publish(city.generate(5, 1, NOW_MS), f"127.0.0.1:{free_port()}", codec, None, delivery_timeout_s=2)
