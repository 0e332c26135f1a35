"""The local store: what was applied is there after a reopening, and what cannot be trusted says so."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridhub.streams.state import rocks
from gridhub.streams.state.rocks import MAX_AGE_S, RocksStore
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


def test_a_store_of_another_layout_is_not_trusted(store, monkeypatch):
    """After the layout of the store changed it is rebuilt."""
    store.apply({b"a": b"1"}, 5)
    monkeypatch.setattr(rocks, "LAYOUT", b"2")
    assert store.position(CHANGELOG) is None


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
