"""Warm copies of other workers' states: right, up to date, handed over whole, and never a burden to anybody."""

from __future__ import annotations

import time

import pytest
import structlog
from faust.types import TP

from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.transport import LaneGroup, Options, Plan, Silent, StateError, standby
from gridhub.streams.transport.restore import restore
from gridhub.streams.transport.standby import Standby

pytestmark = pytest.mark.broker
LIMIT_S = 30.0


class Follower:
    """A worker's standby, following one changelog."""

    def __init__(self, cluster, folder, opened=RocksStore, **limits):
        self.cluster = cluster
        self.tp = TP(cluster.topic("changelog", cleanup_policy="compact"), 0)
        self.path = folder / "count-0"
        self.options = Options((cluster.bootstrap,), folder, {}, **limits)
        group = LaneGroup("count", ("words",), self.tp.topic)
        self.standby = Standby(Plan((group,), self.options, Silent(), structlog.get_logger(), opened))

    def write(self, changes, end="commit"):
        """Write changes as the owner does."""
        self.cluster.write(self.tp.topic, changes.items(), end=end)

    def follow(self):
        """Begin to follow, and wait until the copy is warm."""
        self.standby.follow({self.tp: self.path})
        await_true(lambda: self.standby.warm() == 1)

    def copied(self, key):
        """What the copy holds of a key."""
        with self.standby._lock:
            copy = self.standby._copies.get(self.tp)
            return copy.store.get_many([key])[0] if copy else None


def await_true(question):
    """Wait until it is so; an AssertionError after LIMIT_S."""
    until = time.monotonic() + LIMIT_S
    while not question():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.02)


@pytest.fixture
def follower(cluster, tmp_path):
    """A standby that follows nothing yet."""
    follower = Follower(cluster, tmp_path)
    yield follower
    follower.standby.stop()


async def test_a_copy_is_handed_over_with_nothing_left_to_read(follower):
    """What was committed before and while it follows is in it, what was aborted is not; a restore applies nothing more."""
    follower.write({b"a": b"1", b"b": b"2", b"gone": b"3"})
    follower.follow()
    follower.write({b"bad": b"1", b"a": b"bad"}, end="abort")
    follower.write({b"a": b"11", b"gone": None})
    await_true(lambda: follower.copied(b"a") == b"11")
    store = follower.standby.open(follower.path)
    assert await restore(store, follower.tp, follower.options) == 0
    assert dict(store.scan(b"\x01", b"\xff")) == {b"a": b"11", b"b": b"2"}
    assert follower.standby.warm() == 0
    store.close()


def test_what_was_handed_over_is_followed_no_more_until_it_is_given_back(follower):
    """The owner writes its store itself; once the lane is somebody else's again, following goes on where it stood."""
    follower.write({b"a": b"1"})
    follower.follow()
    store = follower.standby.open(follower.path)
    follower.write({b"a": b"2"})
    time.sleep(0.5)
    assert store.get_many([b"a"]) == [b"1"]
    store.close()
    follower.follow()
    await_true(lambda: follower.copied(b"a") == b"2")


def test_a_copy_of_what_becomes_ours_waits_for_its_lane(follower):
    """A rebalance that gives us the lane does not close the copy before the lane opens it."""
    follower.write({b"a": b"1"})
    follower.follow()
    follower.standby.follow({}, ours={follower.tp})
    assert follower.standby.warm() == 1
    store = follower.standby.open(follower.path)
    assert store.get_many([b"a"]) == [b"1"]
    store.close()


def test_a_lane_that_nobody_followed_is_opened_from_its_folder(follower):
    """As without a standby."""
    store = follower.standby.open(follower.path)
    assert store.position(follower.tp) is None
    store.close()


def test_trouble_costs_the_copy_for_a_while_and_nothing_else(cluster, tmp_path, monkeypatch):
    """A store that fails once is let go, opened again and brought to the end."""
    monkeypatch.setattr(standby, "RETRY_S", 0.1)
    monkeypatch.setattr(standby, "CHECK_S", 0.1)
    failures = ["once"]

    class Failing(RocksStore):
        def apply(self, changes, position):
            if changes and failures:
                failures.pop()
                raise StateError("the disk hiccups")
            super().apply(changes, position)

    follower = Follower(cluster, tmp_path, Failing)
    follower.write({b"a": b"1"})
    follower.follow()
    assert failures == []
    assert follower.copied(b"a") == b"1"
    follower.standby.stop()


def test_copies_give_way_before_the_disk_is_full(cluster, tmp_path):
    """They are removed, and the worker's own lanes are not stopped for their sake."""
    follower = Follower(cluster, tmp_path, min_free_bytes=1 << 60)
    follower.path.mkdir()
    follower.standby.follow({follower.tp: follower.path})
    await_true(lambda: not follower.path.exists())
    assert follower.standby.warm() == 0
    follower.standby.stop()


def test_after_a_long_sleep_a_copy_begins_anew(follower, monkeypatch):
    """Tombstones may be gone that it never saw: a key that was deleted meanwhile must not come back."""
    follower.write({b"a": b"1"})
    follower.follow()
    with follower.standby._lock:
        follower.standby._copies[follower.tp].store.apply({b"ghost": b"1"}, 2)
    monkeypatch.setattr(standby, "RETRY_S", 0.3)
    monkeypatch.setattr(standby, "FROZEN_S", -1.0)
    await_true(lambda: follower.standby.warm() == 0)
    monkeypatch.setattr(standby, "RETRY_S", 0.0)
    monkeypatch.setattr(standby, "FROZEN_S", 3600.0)
    await_true(lambda: follower.standby.warm() == 1)
    assert (follower.copied(b"a"), follower.copied(b"ghost")) == (b"1", None)
