"""The local store: what was applied is there after a reopening, and what cannot be trusted says so."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rocksdict import WriteBatch

from gridhub.streams.memory import MemoryState
from gridhub.streams.state import layout, rocks
from gridhub.streams.state.budget import Budget
from gridhub.streams.state.first_timer import FirstTimer
from gridhub.streams.state.rocks import MAX_AGE_S, RocksStore
from gridhub.streams.sweep import stamp
from gridhub.streams.timer_keys import timer_key
from gridhub.streams.transport import StateError
from gridhub.streams.transport.errors import StoreInUseError

CHANGELOG = ("hub.state", 3)


@pytest.fixture
def store(tmp_path):
    """A store bound to its changelog, closed at the end."""
    store = RocksStore(tmp_path / "outbound-3")
    store.reset(CHANGELOG)
    yield store
    store.close()


def reopened(store):
    """The same folder, as the next process finds it."""
    store.close()
    store._db = store._open()
    return store


def contents(store):
    """All keys and values that are not the store's own."""
    return dict(store.scan(b"\x01", b"\xff"))


def test_a_new_folder_has_no_position(tmp_path):
    """A store that was never bound to a changelog must be rebuilt."""
    store = RocksStore(tmp_path / "new")
    assert store.position(CHANGELOG) is None
    store.close()


def test_what_was_applied_is_there_after_reopening(store):
    """Values, deletions and the position, written as one."""
    store.apply({b"a": b"1", b"b": b"2"}, 7)
    store.apply({b"a": None, b"c": b""}, 9)
    again = reopened(store)
    assert again.position(CHANGELOG) == 9
    assert again.get_many([b"a", b"b", b"c"]) == [None, b"2", b""]


def test_nothing_asked_nothing_given(store):
    """No keys, no values."""
    assert store.get_many([]) == []


@pytest.mark.parametrize("other", [("hub.state", 4), ("other.state", 3)])
def test_a_store_of_another_changelog_is_not_trusted(store, other):
    """Its position means nothing there."""
    store.apply({b"a": b"1"}, 5)
    assert store.position(other) is None


def relabelled(store, name):
    """The folder as a version with this layout would have left it, opened again by this one."""
    batch = WriteBatch(raw_mode=True)
    batch.put(b"\x00layout", name)
    for row, _ in store.expired(b"s|", 10**15, 10**6):
        batch.delete(row)
    store.write(batch)
    store.close()
    store._db = RocksStore(store.path, stamp=store.stamp)._db
    return store


def test_a_store_of_a_later_layout_is_not_trusted(store):
    """What a later version of the hub wrote is rebuilt, not guessed at."""
    store.apply({b"a": b"1"}, 5)
    later = relabelled(store, b"99")
    assert later.position(CHANGELOG) is None


def test_a_store_of_the_first_layout_is_brought_up(tmp_path):
    """It keeps its values and its position, and notes what falls due; opened once more nothing is done again."""
    store = RocksStore(tmp_path / "s", stamp=stamp)
    store.reset(CHANGELOG)
    ids = {b"s|%d" % number: struct.pack(">q", number * 60_000) for number in range(7000)}
    store.apply(ids | {b"i|open": b'{"state":"open"}'}, 5)
    rows = {key for _, row in store.expired(b"s|", 10**12, 10**6) for key in row}
    first = relabelled(store, b"1")
    assert first.position(CHANGELOG) == 5
    assert {key for _, row in first.expired(b"s|", 10**12, 10**6) for key in row} == rows == ids.keys()
    assert contents(first) == ids | {b"i|open": b'{"state":"open"}'}
    first.close()


def test_every_older_layout_has_a_way():
    """From each layout that ever was to the present one, by steps that end."""
    for number in range(1, int(layout.LAYOUT)):
        steps = layout.steps_from(str(number).encode())
        assert [reached for reached, _ in steps][-1] == layout.LAYOUT
    assert layout.steps_from(layout.LAYOUT) == []
    assert layout.steps_from(None) is None


def test_all_stores_share_one_budget(tmp_path):
    """Twelve stores with some megabytes each, written and read: memory that counts stays within the budget."""
    budget = Budget(cache_mb=16, stores=12)
    stores = [RocksStore(tmp_path / str(number), budget) for number in range(12)]
    for number, store in enumerate(stores):
        store.reset(("hub.state", number))
        for turn in range(4):
            store.apply({b"%d-%d" % (turn, key): bytes([key % 251]) * 900 for key in range(1000)}, turn)
        assert store.get_many([b"%d-7" % turn for turn in range(4)]) == [b"\x07" * 900] * 4
    assert budget.used_bytes() < 24 << 20
    for store in stores:
        store.close()


def test_a_killed_worker_s_store_is_behind_never_torn(tmp_path):
    """Kill -9 at any moment: position and values are those of one earlier `apply`, or the store is not trusted."""
    path = tmp_path / "s"
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    for _ in range(30):
        child.stdout.readline()
    child.kill()
    child.communicate()
    store = RocksStore(path)
    position = store.position(CHANGELOG)
    assert position is not None
    assert position >= 16
    assert contents(store) == {b"k%d" % key: b"%d" % position for key in range(50)}
    store.close()


WRITER = """
import sys
from pathlib import Path
from gridhub.streams.state.rocks import RocksStore
store = RocksStore(Path(sys.argv[1]))
store.reset(("hub.state", 3))
for position in range(1, 10**6):
    store.apply({b"k%d" % key: b"%d" % position for key in range(50)}, position)
    if position % 16 == 0:
        store.flush()
    print(position, flush=True)
"""


@pytest.mark.parametrize(
    ("age_s", "trusted"), [(0, True), (MAX_AGE_S - 60, True), (MAX_AGE_S + 1, False), (-60, False)]
)
def test_a_store_of_another_time_is_not_trusted(store, monkeypatch, age_s, trusted):
    """Older than the changelog's tombstones live, or from the future: rebuilt."""
    store.apply({b"a": b"1"}, 5)
    now = struct.unpack(">d", store.get_many([b"\x00updated"])[0])[0]
    monkeypatch.setattr(rocks.time, "time", lambda: now + age_s)
    assert (store.position(CHANGELOG) == 5) is trusted


def test_reset_empties_and_binds(store):
    """Nothing of before is left."""
    store.apply({b"a": b"1"}, 5)
    store.reset(("other.state", 0))
    assert contents(store) == {}
    assert (store.position(("other.state", 0)), store.position(CHANGELOG)) == (0, None)


def test_scan_is_in_key_order_between_two_keys(store):
    """From `start`, without `stop`."""
    store.apply({key: key for key in (b"t|2", b"i|1", b"s|9", b"i|0", b"i}")}, 1)
    assert [key for key, _ in store.scan(b"i|", b"i}")] == [b"i|0", b"i|1"]
    assert [key for key, _ in store.scan(b"i|1", b"u")] == [b"i|1", b"i}", b"s|9", b"t|2"]


def test_size_and_count_follow_the_contents(store):
    """Both grow with what is written."""
    before = store.size_bytes()
    store.apply({b"k%d" % i: b"v" * 1000 for i in range(1000)}, 1)
    assert store.size_bytes() > before
    assert store.key_count() >= 1000


@settings(max_examples=20, deadline=None)
@given(
    batches=st.lists(
        st.dictionaries(st.binary(min_size=2, max_size=3).map(b"k".__add__), st.none() | st.binary(max_size=9)),
        max_size=8,
    ),
    reopen=st.booleans(),
)
def test_a_store_is_a_dict_that_survives(tmp_path_factory, batches, reopen):
    """Any sequence of changes leaves what it would leave in a dict."""
    store = RocksStore(tmp_path_factory.mktemp("store") / "s")
    store.reset(CHANGELOG)
    model = {}
    for position, changes in enumerate(batches, 1):
        store.apply(changes, position)
        model = {key: value for key, value in (model | changes).items() if value is not None}
        if reopen:
            reopened(store)
    keys = sorted({key for changes in batches for key in changes})
    assert store.get_many(keys) == [model.get(key) for key in keys]
    assert contents(store) == model
    assert store.position(CHANGELOG) == len(batches)
    store.close()


@pytest.mark.parametrize("victim", ["MANIFEST-*", "CURRENT", "*.sst"])
def test_a_damaged_folder_is_emptied(tmp_path, victim):
    """Garbage in the files of a closed store: it opens empty and untrusted, to be rebuilt from the changelog."""
    path = tmp_path / "outbound-0"
    store = RocksStore(path)
    store.reset(CHANGELOG)
    store.apply({b"k%d" % i: b"v" * 100 for i in range(2000)}, 5)
    store._db.flush()
    store.close()
    files = list(path.glob(victim))
    assert files
    for file in files:
        file.write_bytes(b"garbage")
    again = RocksStore(path)
    assert again.position(CHANGELOG) is None
    again.close()


def test_a_folder_in_use_is_not_touched(store):
    """A second worker of the same name is told, and the first one's state stays."""
    store.apply({b"a": b"1"}, 5)
    with pytest.raises(StoreInUseError, match="another worker of this name"):
        RocksStore(store.path)
    assert store.get_many([b"a"]) == [b"1"]


def test_what_cannot_be_read_is_a_state_error(tmp_path):
    """Never an exception that could be taken for a bad event."""
    store = RocksStore(tmp_path / "s")
    store.close()
    with pytest.raises(StateError, match="cannot be read"):
        store.get_many([b"a"])


@settings(max_examples=30, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["put", "drop"]), st.integers(0, 30), st.sampled_from("xy")),
            st.tuples(st.just("due"), st.integers(0, 30), st.integers(0, 5)),
            st.tuples(st.just("reset"), st.just(0), st.just(0)),
        ),
        max_size=40,
    )
)
def test_timers_lie_in_the_order_of_time(tmp_path_factory, steps):
    """Whatever was written, deleted and asked before: the store tells the same timers as a dict does."""
    store, model = RocksStore(tmp_path_factory.mktemp("timers"), Budget(8)), MemoryState()
    store.reset(CHANGELOG)
    for number, (kind, at, more) in enumerate(steps):
        if kind == "due":
            assert store.due(at, more) == model.due(at, more)
        elif kind == "reset":
            store.reset(CHANGELOG)
            model = MemoryState()
        else:
            changes = {timer_key(at, "a", more): b"{}" if kind == "put" else None, b"d@|a|x": b"1", b"e|1": b"2"}
            store.apply(changes, number)
            model.apply(changes)
    assert store.due(99, 99) == model.due(99, 99)
    store.close()


def test_a_store_without_due_timers_is_not_asked(store):
    """After one question the place of the first timer is known: the next ones cost nothing until it is due."""
    store.apply({timer_key(50, "a", "x"): b"{}"}, 1)
    assert store.due(49, 9) == []
    store.scan = None
    assert store.due(49, 9) == []
    del store.scan
    assert store.due(50, 9) == [(timer_key(50, "a", "x"), b"{}")]


def test_timers_are_there_after_reopening(store):
    """They are state like any other."""
    store.apply({timer_key(50, "a", "x"): b"{}"}, 1)
    again = reopened(store)
    again._timers = FirstTimer()
    assert again.due(50, 9) == [(timer_key(50, "a", "x"), b"{}")]
