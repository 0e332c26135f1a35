"""Order of arrival: workers that were killed read the departments' partitions one after another, hours apart."""

from __future__ import annotations

from random import Random

import pytest

from gridhub.connectors.demo.check import check_memory
from gridhub.connectors.demo.check_compare import twin_pairs
from gridhub.connectors.simulator import City
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams.settings import Settings
from gridhub.streams.transport.murmur2 import partitions

NOW_MS = 1_795_410_000_000
EVENTS = 1200
SEED = 6


@pytest.fixture(scope="module")
def data():
    """The bundled city's data."""
    return city_data.load()


@pytest.fixture(scope="module")
def messages(data):
    """One day, with more indistinct pairs than most."""
    return list(City(data.catalogue, data.departments, SEED).generate(EVENTS, SEED, NOW_MS))


def _check(data, messages):
    codec, settings = local_codec(), Settings()
    inbound = city_data.inbound_facts(data, settings, codec.decode_many)
    return check_memory(messages, codec, inbound, city_data.outbound_facts(data, settings), NOW_MS)


def _in_blocks(messages, rng, most):
    """The messages as a group reads them that comes and goes: by partition, up to `most` messages out of order."""
    order = []
    while messages:
        block, messages = messages[:most], messages[most:]
        lots = {}
        for message in block:
            lots.setdefault((message.topic, partitions([message.key], 6)[0]), []).append(message)
        for lot in rng.sample(list(lots), len(lots)):
            order += lots[lot]
    return order


@pytest.mark.parametrize("most", [150, EVENTS])
def test_the_order_in_which_partitions_are_read_changes_no_matter(data, messages, most):
    """Matters are told apart and found by their own time and place, whether read in step or partition by partition."""
    expected, report = _check(data, messages), _check(data, _in_blocks(messages, Random(most), most))
    assert report.problems() == []
    assert report.wide == expected.wide
    assert (report.wrong_pairs, report.wide.recall) == (0, 1.0)
    assert report.wide.precision >= 0.97


def test_indistinct_pairs_are_told_once_and_counted_by_themselves(data, messages):
    """What nobody could tell apart is in the truth, joined, and no reproach."""
    twins = [message.truth for message in messages if message.truth.twin and message.truth.kind == "valid"]
    assert len({truth.true_matter for truth in twins}) == len(twins) > 2
    assert 0 < _check(data, messages).indistinct <= len(twins) // 2


def test_twins_are_counted_once_per_pair():
    """Two matters of one event each in one incident are one pair; the twin in another incident is none."""
    twins = {"a": "b", "b": "a", "c": "", "d": "e", "e": "d"}
    assert twin_pairs([("a", "i1"), ("b", "i1"), ("c", "i1"), ("d", "i2"), ("e", "i3")], twins) == 1
