"""Forgetting: what is past its time goes, what is open or just touched stays, and nothing else is looked at."""

from __future__ import annotations

import struct

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridhub.streams.memory import MemoryState
from gridhub.streams.state import due
from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.sweep import DAY_MS, Sweeper, stamp

NOW = 1_790_000_000_000
HOUR_MS = 3_600_000
CHANGELOG = ("hub.state", 0)


class Clock:
    """The monotonic clock in the test's hand."""

    def __init__(self):
        self.now = 10.0**9

    def monotonic(self):
        """The time, s."""
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    clock = Clock()
    monkeypatch.setattr("gridhub.streams.sweep.time", clock)
    return clock


@pytest.fixture
def store(tmp_path):
    """An empty store that notes what falls due."""
    store = RocksStore(tmp_path / "outbound-0", stamp=stamp)
    store.reset(CHANGELOG)
    yield store
    store.close()


def ms(age_ms):
    """A time that long ago, as the state holds it."""
    return struct.pack(">q", NOW - age_ms)


def row(**fields):
    """An incident or task as the state holds it."""
    return orjson.dumps(fields)


def sweep(sweeper, store, position, now=NOW, touched=()):
    """One turn, and its deletions applied as after a commit; the keys that went."""
    gone = sweeper.expired(0, store, touched, now)
    assert set(gone.values()) <= {None}
    store.apply(gone, position)
    return set(gone)


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
def test_each_kind_has_its_time(store, key):
    """Ids after the retention, statuses and ended matters after thirty days; open matters, the chain's head: never."""
    value, goes = CASES[key]
    store.apply({key: value}, 1)
    assert sweep(Sweeper(72 * HOUR_MS), store, 2) == ({key} if goes else set())
    assert store.get_many([key]) == [None if goes else value]


def test_a_touched_key_stays(store):
    """What this very batch writes is not deleted under its hands; it goes when its new time has come."""
    store.apply({b"s|a": ms(99 * HOUR_MS), b"s|b": ms(99 * HOUR_MS)}, 1)
    sweeper = Sweeper(72 * HOUR_MS)
    gone = sweeper.expired(0, store, {b"s|a": b""}, NOW)
    assert gone == {b"s|b": None}
    store.apply(gone | {b"s|a": ms(0)}, 2)
    assert sweep(sweeper, store, 3) == set()
    assert sweep(Sweeper(72 * HOUR_MS), store, 4, now=NOW + 73 * HOUR_MS) == {b"s|a"}


def test_what_was_not_committed_is_deleted_again(store):
    """A turn whose transaction failed is repeated with the next batch: no key is forgotten by being looked at."""
    store.apply({b"s|a": ms(99 * HOUR_MS)}, 1)
    sweeper = Sweeper(HOUR_MS)
    assert sweeper.expired(0, store, (), NOW) == sweeper.expired(0, store, (), NOW) == {b"s|a": None}


def test_a_turn_is_bounded_and_the_next_goes_on(store):
    """Rows end a turn once it has enough; all go in as many turns as they need, and their rows with them."""
    for number in range(5):
        store.apply({b"s|%d-%d" % (number, key): ms((99 - number) * HOUR_MS) for key in range(2)}, number + 1)
    sweeper = Sweeper(HOUR_MS, keys_per_turn=4)
    turns = [len(sweep(sweeper, store, 10 + turn)) for turn in range(8)]
    assert max(turns) <= 4
    assert sum(turns) == 10
    assert store.expired(b"s|", NOW, 100) == []
    assert dict(store.scan(b"s|", b"s}")) == {}


def test_while_nothing_is_due_it_looks_seldom(store, clock):
    """A second look of the same lane within ten seconds does nothing; another lane has its own."""
    sweeper = Sweeper(HOUR_MS)
    assert sweep(sweeper, store, 1) == set()
    store.apply({b"s|a": ms(99 * HOUR_MS)}, 2)
    clock.now += 9
    assert sweeper.expired(0, store, (), NOW) == {}
    assert sweeper.expired(1, store, (), NOW) == {b"s|a": None}
    clock.now += 2
    assert sweeper.expired(0, store, (), NOW) == {b"s|a": None}


def test_what_stays_is_never_read(store, monkeypatch):
    """A turn over a thousand young ids and one old one asks the state for the old one only."""
    store.apply({b"s|young-%d" % number: ms(HOUR_MS) for number in range(1000)}, 1)
    store.apply({b"s|old": ms(99 * HOUR_MS)}, 2)
    asked = []
    read = store.get_many
    monkeypatch.setattr(store, "get_many", lambda keys: asked.extend(keys) or read(keys))
    assert sweep(Sweeper(72 * HOUR_MS), store, 3) == {b"s|old"}
    assert asked == [b"s|old"]


def test_state_that_notes_no_times_is_left_alone():
    """A plain dict state has nothing to sweep."""
    assert Sweeper(HOUR_MS).expired(0, MemoryState({b"s|a": ms(99 * HOUR_MS)}), (), NOW) == {}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    writes=st.lists(st.dictionaries(st.integers(0, 9), st.none() | st.integers(0, 200), max_size=6), max_size=8),
    restored=st.booleans(),
)
def test_in_the_end_exactly_the_old_are_gone(tmp_path_factory, writes, restored):
    """Any history of ids written, deleted and written anew; also in a store that was restored from the same changes."""
    store = RocksStore(tmp_path_factory.mktemp("sweep") / "s", stamp=stamp)
    store.reset(CHANGELOG)
    model = {}
    for position, write in enumerate(writes, 1):
        changes = {b"s|%d" % key: None if age is None else ms(age * HOUR_MS) for key, age in write.items()}
        model = {key: value for key, value in (model | changes).items() if value is not None}
        if not restored:
            store.apply(changes, position)
    if restored:
        store.apply(model, len(writes))
    sweeper = Sweeper(72 * HOUR_MS, every_s=0.0, keys_per_turn=3)
    for turn in range(30):
        sweep(sweeper, store, 100 + turn)
    kept = {key: value for key, value in model.items() if value >= ms(72 * HOUR_MS)}
    assert dict(store.scan(b"s|", b"s}")) == kept
    store.close()


@given(keys=st.lists(st.binary(max_size=300), max_size=30))
def test_rows_hold_their_keys(keys):
    """Packed and unpacked, whatever bytes they are."""
    assert due.unpacked(due.packed(keys)) == keys
