"""Forgetting: what is past its time goes, what is open or just touched stays, and every key gets its turn."""

from __future__ import annotations

import struct

import orjson
import pytest

from gridhub.streams.memory import MemoryState
from gridhub.streams.sweep import DAY_MS, Sweeper

NOW = 1_790_000_000_000
HOUR_MS = 3_600_000
LATER = 10**9  # seconds: a monotonic clock far ahead


class Scannable(MemoryState):
    """State in memory that can be read in key order, as RocksDB can."""

    def scan(self, start, stop):
        """Keys and values from `start` up to but without `stop`."""
        yield from sorted((key, value) for key, value in self.items() if start <= key < stop)


class Clock:
    """The monotonic clock in the test's hand."""

    def __init__(self):
        self.now = float(LATER)

    def monotonic(self):
        """The time, s."""
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    clock = Clock()
    monkeypatch.setattr("gridhub.streams.sweep.time", clock)
    return clock


def ms(age_ms):
    """A time that long ago, as the state holds it."""
    return struct.pack(">q", NOW - age_ms)


def row(**fields):
    """An incident or task as the state holds it."""
    return orjson.dumps(fields)


def swept(clock, state, touched=()):
    """The keys that one whole round deletes: the first turn of a worker begins among the ids, the second at the start."""
    sweeper = Sweeper(72 * HOUR_MS)
    gone = set(sweeper.expired(0, Scannable(state), touched, NOW))
    clock.now += 11
    return gone | set(sweeper.expired(0, Scannable(state), touched, NOW))


CASES = {
    b"s|power|old": (ms(73 * HOUR_MS), True),
    b"s|power|edge": (ms(72 * HOUR_MS), False),
    b"s|power|new": (ms(HOUR_MS), False),
    b"q|status-old": (ms(31 * DAY_MS), True),
    b"q|status-new": (ms(73 * HOUR_MS), False),
    b"i|closed-long-ago": (row(state="closed", closed_at=NOW - 31 * DAY_MS), True),
    b"i|closed-lately": (row(state="closed", closed_at=NOW - DAY_MS), False),
    b"i|cancelled": (row(state="cancelled", closed_at=NOW - 31 * DAY_MS), True),
    b"i|open": (row(state="open", closed_at=None, opened_at=NOW - 300 * DAY_MS), False),
    b"t|closed": (row(stage="closed", stage_since=NOW - 31 * DAY_MS), True),
    b"t|cancelled-lately": (row(stage="cancelled", stage_since=NOW - DAY_MS), False),
    b"t|handling": (row(stage="handling", stage_since=NOW - 300 * DAY_MS), False),
    b"t|checked": (row(stage="checked", stage_since=NOW - 300 * DAY_MS), False),
    b"j|head": (b'[3,"ab"]', False),
    b"m|420202005|power_supply": (b"[]", False),
}


@pytest.mark.parametrize("key", CASES)
def test_each_kind_has_its_time(clock, key):
    """Ids after the retention, statuses and ended matters after thirty days; open matters, the chain's head: never."""
    value, goes = CASES[key]
    assert swept(clock, {key: value}) == ({key} if goes else set())


def test_a_touched_key_stays(clock):
    """What this very batch writes is not deleted under its hands."""
    state = {b"s|a": ms(99 * HOUR_MS), b"s|b": ms(99 * HOUR_MS)}
    assert swept(clock, state, touched={b"s|a": b""}) == {b"s|b"}


def test_deletions_are_deletions(clock):
    """Each swept key is given back with None."""
    assert Sweeper(HOUR_MS).expired(0, Scannable({b"s|a": ms(2 * HOUR_MS)}), (), NOW) == {b"s|a": None}


def test_the_cursor_goes_on_and_wraps(clock):
    """Three turns of two keys see all five; then it begins again."""
    state = Scannable({b"s|%d" % i: ms(99 * HOUR_MS) for i in range(5)})
    sweeper = Sweeper(HOUR_MS, keys_per_turn=2)
    turns = []
    for _ in range(5):
        turns.append(sorted(sweeper.expired(0, state, (), NOW)))
        clock.now += 11
    assert turns == [[b"s|0", b"s|1"], [b"s|2", b"s|3"], [b"s|4"], [b"s|0", b"s|1"], [b"s|2", b"s|3"]]


def test_a_full_last_turn_wraps_as_well(clock):
    """When the keys end exactly with a turn, the next but one begins anew."""
    state = Scannable({b"s|%d" % i: ms(99 * HOUR_MS) for i in range(2)})
    sweeper = Sweeper(HOUR_MS, keys_per_turn=2)
    turns = []
    for _ in range(3):
        turns.append(sorted(sweeper.expired(0, state, (), NOW)))
        clock.now += 11
    assert turns == [[b"s|0", b"s|1"], [], [b"s|0", b"s|1"]]


def test_not_more_often_than_it_should(clock):
    """A second turn of the same lane within ten seconds does nothing; another lane has its own turn."""
    state = Scannable({b"s|a": ms(99 * HOUR_MS)})
    sweeper = Sweeper(HOUR_MS)
    assert sweeper.expired(0, state, (), NOW)
    clock.now += 9
    assert sweeper.expired(0, state, (), NOW) == {}
    assert sweeper.expired(1, state, (), NOW)
    clock.now += 2
    assert sweeper.expired(0, state, (), NOW)


def test_state_that_cannot_be_scanned_is_left_alone(clock):
    """A plain dict state has nothing to sweep."""
    assert Sweeper(HOUR_MS).expired(0, MemoryState({b"s|a": ms(99 * HOUR_MS)}), (), NOW) == {}
