"""The partition of a key must be the one every other Kafka client computes."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import DefaultPartitioner

from gridhub.streams.transport.murmur2 import murmur2, partitions

JAVA = {  # Kafka's own UtilsTest.testMurmur2, as signed 32-bit integers
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "expected"), JAVA.items())
def test_known_vectors_of_the_java_client(key, expected):
    """Each of Kafka's own test vectors has its hash."""
    assert int(murmur2([key])[0]) == expected & 0xFFFFFFFF


@given(st.lists(st.binary(max_size=80), max_size=40))
def test_many_keys_hash_as_one_by_one(keys):
    """A list of keys of mixed lengths hashes as aiokafka's murmur2 hashes each of them."""
    assert murmur2(keys).tolist() == [reference(key) & 0xFFFFFFFF for key in keys]


class Cluster:
    """What kafka-python's partitioner asks of a cluster: one topic with so many partitions."""

    def __init__(self, count):
        self.count = count

    def topics(self):
        """The one topic."""
        return {"t"}

    def partitions_for_topic(self, _topic):
        """Its partitions."""
        return set(range(self.count))

    available_partitions_for_topic = partitions_for_topic


@given(st.lists(st.binary(max_size=40), max_size=40), st.integers(1, 257))
def test_partitions_are_those_of_other_clients(keys, count):
    """Every key goes where kafka-python's default partitioner sends it."""
    choose, cluster = DefaultPartitioner().partition, Cluster(count)
    assert partitions(keys, count) == [choose("t", key, key, None, None, cluster) for key in keys]


def test_no_keys_have_no_partitions():
    """An empty list is answered with an empty list."""
    assert partitions([], 6) == []
