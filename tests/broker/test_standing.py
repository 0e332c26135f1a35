"""Standing data on a real broker: read to its end at the start, followed from then on, chained for the audit."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from gridhub.streams.place.bundle import Manifest, pack, parts
from gridhub.streams.place.rows import grid_folder
from gridhub.streams.standing_reader import StandingReader
from gridhub.streams.standing_store import publish, read_manifests
from gridhub.streams.topics import ADMISSIONS, CONFIG, GRIDS

pytestmark = pytest.mark.broker
LIMIT_S = 60


@pytest.fixture(scope="module")
def bootstrap(broker):
    """The session's broker with the three topics."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    topics = [NewTopic(topic.name, 2, 1, config=topic.config()) for topic in (GRIDS, ADMISSIONS, CONFIG)]
    for future in admin.create_topics(topics).values():
        future.result(LIMIT_S)
    return broker.bootstrap


class Shelves:
    """Standing data that only notes what it is given."""

    def __init__(self):
        self.shelves = dict.fromkeys((GRIDS.name, ADMISSIONS.name, CONFIG.name))
        self.city, self.taken = SimpleNamespace(), []

    def take(self, topic, key, value):
        """Note a message."""
        self.taken.append((topic, key, value))

    def settle(self, now_ms):
        """Nothing to tell."""
        return []


def until(condition):
    """Wait until it is so."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def test_what_lies_there_is_read_first_and_the_rest_as_it_comes(bootstrap):
    """A reader knows everything that was published before it started, in order, and then what is published later."""
    publish(bootstrap, [(b"a/1", b"x" * 600_000), (b"a/2", b"y")], CONFIG.name)
    publish(bootstrap, [(b"rule", None)], ADMISSIONS.name)
    standing, trouble = Shelves(), []
    reader = StandingReader(bootstrap, standing, lambda: 0, lambda *_: None, trouble.append)
    assert reader.caught_up(LIMIT_S) is None
    first = [(CONFIG.name, b"a/1", b"x" * 600_000), (CONFIG.name, b"a/2", b"y")]
    assert [message for message in standing.taken if message[0] == CONFIG.name] == first
    assert (ADMISSIONS.name, b"rule", None) in standing.taken
    reader.start()
    publish(bootstrap, [(b"a/3", b"z")], CONFIG.name)
    until(lambda: (CONFIG.name, b"a/3", b"z") in standing.taken)
    reader.stop()
    assert len([message for message in standing.taken if message[0] != GRIDS.name]) == 4
    assert trouble == []


def test_manifests_come_back_in_their_order(bootstrap):
    """What was published is listed in order; a message that is no manifest is left out."""
    packed = pack(Path(str(grid_folder())))
    messages = list(parts(packed))
    said = {
        "version": "0" * 12, "valid_from_ms": 0, "sha256": messages[0][0].decode().split("/")[1], "reason": "r",
        "size_bytes": len(packed), "parts": len(messages), "grids": 1, "actor": "a",
    }  # fmt: skip
    first = Manifest(**said, published_at_ms=1)
    second = Manifest(**said, published_at_ms=2, previous=first.digest)
    manifests = [(one.key, one.content()) for one in (first, second)]
    publish(bootstrap, [*messages, manifests[0], (b"manifest/x", b"{}"), manifests[1]])
    assert read_manifests(bootstrap) == [first, second]
