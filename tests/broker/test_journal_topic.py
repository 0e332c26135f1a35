"""The journal on a real broker: what was done to a copy of it is found, at that record, by partition and offset."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing

import pytest
from confluent_kafka import Producer

from gridhub.schemas.registry import local_codec
from gridhub.streams.journal import Chain
from gridhub.streams.journal_topics import Wanted, check_partition
from gridhub.streams.kept import KeptTopics
from gridhub.streams.memory import MemoryState
from gridhub.streams.messages import SUBJECTS

pytestmark = pytest.mark.broker
COUNT = 300


def decided(number):
    """A decision before it is on the chain."""
    return {
        "source": "power", "event_id": f"e{number}", "area": "420202005", "room": "deduplicate", "outcome": "opened",
        "reason": "", "incident_id": f"420202005-{number}", "task_ids": ["t"], "score": {"total": 0.5}, "rules": {},
        "origin_topic": "hub.located", "origin_partition": 0, "origin_offset": number, "decided_at": number,
        "parent_id": "", "actor": "", "note": "", "entries": [],
    }  # fmt: skip


@pytest.fixture
def codec():
    """Every schema that the hub knows, without a registry."""
    return local_codec()


@pytest.fixture
def values(codec):
    """The bytes of a chain."""
    records = Chain("outbound-0", MemoryState()).extend(map(decided, range(COUNT)))
    return codec.encode_many(SUBJECTS["Decision"], records)


@pytest.fixture
def verified(cluster, codec):
    """Write values to a topic of their own, as one transaction, and check it."""

    def verify(values, **wanted):
        topic = cluster.topic("journal")
        cluster.write(topic, [(b"420202005", value) for value in values], end="commit")
        with closing(KeptTopics(cluster.bootstrap)) as kept:
            return check_partition(kept, codec, 0, Wanted(topic, **wanted))

    return verify


def test_an_untouched_journal_holds(verified, values):
    """All records are counted, the chain is told from its first to its last."""
    checked = verified(values)
    (chain,) = checked.chains
    assert (checked.records, checked.findings) == (COUNT, [])
    assert (chain["chain"], chain["from"], chain["to"]) == ("outbound-0", 1, COUNT)


@pytest.mark.parametrize("place", [0, 137, COUNT - 1])
def test_one_changed_byte_is_found_at_its_offset(verified, values, place):
    """A copy of the journal in which one byte of one record is another one."""
    bad = bytearray(values[place])
    bad[bad.index(b"power")] ^= 1
    values[place] = bytes(bad)
    finding = verified(values).findings[0]
    assert (finding.kind, finding.partition, finding.offset, finding.seq) == ("changed", 0, place, place + 1)
    assert finding.event_id == f"e{place}"
    assert finding.expected != finding.found


def test_removed_reordered_doubled_and_cut_records_are_found(verified, values, codec):
    """Each at the offset where the chain no longer fits."""
    assert [(f.kind, f.offset) for f in verified(values[:50] + values[51:]).findings] == [("removed", 50)]
    swapped = [*values[:50], values[51], values[50], *values[52:]]
    assert [(f.kind, f.offset) for f in verified(swapped).findings] == [("reordered", 50)]
    assert [(f.kind, f.offset) for f in verified(values[:50] + values[49:]).findings] == [("doubled", 50)]
    head = codec.decode(values[-1]).record["hash"]
    cut = verified(values[:-5], known={"outbound-0": {COUNT: head}})
    assert [(f.kind, f.offset) for f in cut.findings] == [("truncated", COUNT - 6)]


def test_records_of_a_transaction_that_was_given_up_are_no_part_of_the_journal(cluster, codec, values):
    """Read committed: what a killed worker left behind is not seen, and the offsets of the others stay theirs."""
    topic = cluster.topic("journal")
    cluster.write(topic, [(b"420202005", value) for value in values[:10]], end="commit")
    cluster.write(topic, [(b"420202005", value) for value in values[10:15]], end="abort")
    cluster.write(topic, [(b"420202005", value) for value in values[10:20]], end="commit")
    with closing(KeptTopics(cluster.bootstrap)) as kept:
        checked = check_partition(kept, codec, 0, Wanted(topic))
    assert (checked.records, checked.findings) == (20, [])


def test_a_transaction_that_is_about_to_end_is_waited_for(cluster, codec, values):
    """What was committed behind an open one is hidden until that one ends: the reader stays until then."""
    topic = cluster.topic("journal")
    slow = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": cluster.name("slow"), "log_level": 0})
    slow.init_transactions(30)
    slow.begin_transaction()
    for value in values[:10]:
        slow.produce(topic, key=b"420202005", value=value, partition=0)
    slow.flush(30)
    cluster.write(topic, [(b"420202005", value) for value in values[10:20]], end="commit")
    with closing(KeptTopics(cluster.bootstrap)) as kept, ThreadPoolExecutor() as pool:
        checked = pool.submit(check_partition, kept, codec, 0, Wanted(topic))
        assert not wait([checked], timeout=3).done
        slow.commit_transaction(30)
        assert (checked.result(30).records, checked.result().findings) == (20, [])


def test_a_begin_that_kafka_deleted_is_right(cluster, codec, values):
    """After retention the chain begins in the middle: told, and no finding."""
    from confluent_kafka import TopicPartition

    topic = cluster.topic("journal")
    cluster.write(topic, [(b"420202005", value) for value in values])
    for future in cluster.admin.delete_records([TopicPartition(topic, 0, 100)]).values():
        future.result(30)
    with closing(KeptTopics(cluster.bootstrap)) as kept:
        checked = check_partition(kept, codec, 0, Wanted(topic))
    assert (checked.span.first, checked.findings, checked.chains[0]["from"]) == (100, [], 101)
