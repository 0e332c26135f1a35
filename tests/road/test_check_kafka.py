"""The check on a real Kafka: it reads what was committed and nothing else, and knows when the hub is done."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from gridhub.connectors.broker import Broker, free_port
from gridhub.connectors.demo.check import wait_drained
from gridhub.connectors.demo.check_kafka import UnreadableError, messages, read_findings
from gridhub.schemas.registry import local_codec
from gridhub.streams import topics

pytestmark = pytest.mark.broker


@pytest.fixture
def topic(broker):
    """A new topic of two partitions."""
    name = f"test.{uuid.uuid4().hex[:8]}"
    _create(broker, name)
    return name


def _create(broker, *names):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for future in admin.create_topics([NewTopic(name, 2, 1) for name in names]).values():
        future.result(30)


def _transaction(broker, topic, values, *, commit=True, partition=0):
    """Writes values in one transaction, committed or aborted; both leave a marker in the partition."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, partition=partition)
    producer.flush(30)
    (producer.commit_transaction if commit else producer.abort_transaction)(30)


def _commit(broker, group, topic, offsets):
    """Commits these offsets by partition for a group."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, p, o) for p, o in offsets.items()], asynchronous=False)
    consumer.close()


def test_only_committed_messages_are_read(broker, topic):
    """Messages of aborted transactions are not read; those of committed ones are, in order, and reading ends."""
    _transaction(broker, topic, [b"a", b"b"])
    _transaction(broker, topic, [b"x"], commit=False)
    _transaction(broker, topic, [b"c"])
    _transaction(broker, topic, [b"d"], partition=1)
    read = [(m.partition(), m.value()) for batch in messages(broker.bootstrap, topic) for m in batch]
    assert sorted(read) == [(0, b"a"), (0, b"b"), (0, b"c"), (1, b"d")]
    assert [value for number, value in read if number == 0] == [b"a", b"b", b"c"]


def test_drained_when_only_markers_follow(broker, topic):
    """A group that committed the offset after the last message is done, though transaction markers follow."""
    group = uuid.uuid4().hex
    _transaction(broker, topic, [b"a", b"b"])
    _transaction(broker, topic, [b"x"], commit=False)
    _commit(broker, group, topic, {0: 2})
    assert wait_drained(broker.bootstrap, group, [topic], 30)


def test_not_drained_while_a_message_waits(broker, topic):
    """A group that has not committed the last message is not done; what it lacks is told."""
    group, told = uuid.uuid4().hex, []
    _transaction(broker, topic, [b"a", b"b"])
    _commit(broker, group, topic, {0: 1})
    assert not wait_drained(broker.bootstrap, group, [topic], 3, told.append)
    assert told[-1][0].offsets > 0


def test_not_drained_where_nothing_was_committed(broker, topic):
    """A group that never committed anything is not done while there is a message."""
    _transaction(broker, topic, [b"a"])
    assert not wait_drained(broker.bootstrap, uuid.uuid4().hex, [topic], 2)


@pytest.fixture
def own_broker(tmp_path):
    """A broker whose hub topics no other test sees."""
    started = Broker(tmp_path, free_port(), free_port())
    started.start()
    yield started
    started.stop()


def test_the_hubs_topics_become_findings(own_broker):
    """Records on the hub's topics are taken in; what no hub can have written is an error that says where."""
    broker = own_broker
    codec = local_codec()
    names = [t.name for t in (topics.LOCATED, topics.QUARANTINE, topics.JOURNAL, topics.INCIDENTS, topics.TASKS)]
    _create(broker, *names)
    refusal = {
        "source_topic": "dept.power.events", "source_partition": 1, "source_offset": 5, "room": "admit",
        "reason": "bad_bytes", "detail": "", "candidates": [], "received_at": 1, "refused_at": 2,
    }  # fmt: skip
    of_status = refusal | {"source_topic": "hub.status"}
    _transaction(
        broker, topics.QUARANTINE.name, [codec.encode("hub.quarantine-value", r) for r in (refusal, of_status)]
    )
    found = read_findings(broker.bootstrap, codec)
    assert [(r.origin, r.reason) for r in found.refused] == [(("dept.power.events", 1, 5), "bad_bytes")]
    _transaction(broker, topics.TASKS.name, [b"no record"])
    with pytest.raises(UnreadableError, match=r"hub\.tasks"):
        read_findings(broker.bootstrap, codec)
