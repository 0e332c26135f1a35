"""State from its changelog: whatever the local folder looks like, after restoring it is what was committed."""

from __future__ import annotations

import asyncio
import shutil
import time

import pytest
from confluent_kafka import TopicPartition
from faust.types import TP

from gridhub.connectors.broker import free_port
from gridhub.streams.state import layout, rocks
from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.transport import Options, StateError, changelog
from gridhub.streams.transport import restore as restore_module
from gridhub.streams.transport.errors import LATER
from gridhub.streams.transport.restore import restore
from gridhub.streams.transport.space import Space

pytestmark = pytest.mark.broker


def contents(store):
    """All keys and values that are not the store's own."""
    return dict(store.scan(b"\x01", b"\xff"))


@pytest.fixture
def store(tmp_path):
    """A store in a new folder."""
    store = RocksStore(tmp_path / "count-0")
    yield store
    store.close()


class Log:
    """One changelog partition."""

    def __init__(self, cluster, topic):
        self.cluster, self.topic = cluster, topic
        self.options = Options((cluster.bootstrap,), None, {})

    def write(self, changes, end="commit"):
        """Write changes as a lane does, in a transaction."""
        self.cluster.write(self.topic, changes.items(), end=end)

    async def restore(self, store):
        """Restore; the number of records applied."""
        return await restore(store, TP(self.topic, 0), self.options)


@pytest.fixture
def log(cluster):
    """An empty, compacted changelog."""
    return Log(cluster, cluster.topic("changelog", cleanup_policy="compact"))


async def test_an_empty_changelog_gives_an_empty_state(log, store):
    """Nothing to apply; the store is bound and can be trusted next time."""
    assert await log.restore(store) == 0
    assert (contents(store), store.position((log.topic, 0))) == ({}, 0)


async def test_a_new_store_takes_all_of_it(log, store):
    """Values as last written; a tombstone deletes."""
    log.write({b"a": b"1", b"b": b"2", b"c": b"3"})
    log.write({b"a": None, b"b": b"22"})
    assert await log.restore(store) == 5
    assert contents(store) == {b"b": b"22", b"c": b"3"}


async def test_a_store_takes_only_what_it_does_not_have(log, store):
    """The second time nothing is left; after one more transaction only that."""
    log.write({b"a": b"1", b"b": b"2"})
    assert [await log.restore(store), await log.restore(store)] == [2, 0]
    log.write({b"a": b"3"})
    assert await log.restore(store) == 1
    assert contents(store) == {b"a": b"3", b"b": b"2"}


async def test_an_aborted_transaction_is_not_state(log, store):
    """In the middle and at the very end, where only its marker follows."""
    log.write({b"a": b"1"})
    log.write({b"a": b"bad", b"x": b"bad"}, end="abort")
    log.write({b"b": b"2"})
    log.write({b"b": b"bad", b"y": b"bad"}, end="abort")
    assert await log.restore(store) == 2
    assert contents(store) == {b"a": b"1", b"b": b"2"}
    assert await log.restore(store) == 0


async def test_a_deleted_folder_is_rebuilt(log, tmp_path):
    """The disk was changed: all comes from the changelog."""
    log.write({b"a": b"1"})
    first = RocksStore(tmp_path / "s")
    await log.restore(first)
    first.close()
    shutil.rmtree(tmp_path / "s")
    again = RocksStore(tmp_path / "s")
    assert await log.restore(again) == 1
    assert contents(again) == {b"a": b"1"}
    again.close()


async def test_a_store_ahead_of_its_changelog_is_rebuilt(log, store):
    """The broker lost data: what only the store knows was never committed."""
    log.write({b"a": b"1"})
    await log.restore(store)
    store.apply({b"a": b"99", b"ghost": b"1"}, 1000)
    assert await log.restore(store) == 1
    assert contents(store) == {b"a": b"1"}


async def test_a_store_of_another_changelog_is_rebuilt(log, cluster, store):
    """Its keys do not mix with the other's."""
    other = Log(cluster, cluster.topic("changelog", cleanup_policy="compact"))
    other.write({b"other": b"1", b"a": b"other"})
    await other.restore(store)
    log.write({b"a": b"1"})
    assert await log.restore(store) == 1
    assert contents(store) == {b"a": b"1"}


async def test_a_store_of_another_layout_is_rebuilt(log, store, monkeypatch):
    """A new version of the hub does not read what the old one wrote."""
    log.write({b"a": b"1"})
    await log.restore(store)
    store.apply({b"ghost": b"1"}, store.position((log.topic, 0)))
    monkeypatch.setattr(layout, "LAYOUT", b"99")
    assert await log.restore(store) == 1
    assert contents(store) == {b"a": b"1"}


async def test_a_store_that_is_too_old_is_rebuilt(log, store, monkeypatch):
    """After twelve hours a tombstone may be gone: what was deleted meanwhile would stay for ever."""
    log.write({b"a": b"1"})
    await log.restore(store)
    store.apply({b"ghost": b"1"}, store.position((log.topic, 0)))
    written = time.time()
    monkeypatch.setattr(rocks.time, "time", lambda: written + 12 * 3600 + 1)
    assert await log.restore(store) == 1
    assert contents(store) == {b"a": b"1"}


async def test_a_damaged_store_is_rebuilt(log, tmp_path):
    """Garbage in the folder is no reason to stop."""
    log.write({b"a": b"1"})
    store = RocksStore(tmp_path / "s")
    await log.restore(store)
    store.close()
    for file in (tmp_path / "s").glob("MANIFEST-*"):
        file.write_bytes(b"garbage")
    again = RocksStore(tmp_path / "s")
    assert await log.restore(again) == 1
    assert contents(again) == {b"a": b"1"}
    again.close()


async def test_many_keys_and_a_compacted_changelog(cluster, store):
    """30,000 keys, a third deleted, half written again, with the cleaner at work on small segments."""
    topic = cluster.topic(
        "changelog", cleanup_policy="compact", segment_bytes="1048576", min_cleanable_dirty_ratio="0.01",
        delete_retention_ms="86400000", max_compaction_lag_ms="100",
    )  # fmt: skip
    log = Log(cluster, topic)
    model = {b"k%d" % i: b"v" * 60 for i in range(30_000)}
    log.write(model)
    deleted = {b"k%d" % i: None for i in range(0, 30_000, 3)}
    log.write(deleted)
    again = {b"k%d" % i: b"w" * 60 for i in range(15_000)}
    log.write(again)
    applied = await log.restore(store)
    model = {key: value for key, value in (model | deleted | again).items() if value is not None}
    assert contents(store) == model
    assert applied >= len(model)


async def test_a_changelog_whose_begin_is_gone_is_read_from_where_it_begins(cluster, store):
    """A store behind the changelog's first offset has missed something: it is rebuilt from what there is."""
    log = Log(cluster, cluster.topic("changelog", cleanup_policy="compact,delete"))
    log.write({b"a": b"1", b"b": b"2"})
    await log.restore(store)
    store.apply({b"ghost": b"1"}, 1)
    for future in cluster.admin.delete_records([TopicPartition(log.topic, 0, 2)]).values():
        future.result(30)
    log.write({b"c": b"3"})
    assert await log.restore(store) == 1
    assert contents(store) == {b"c": b"3"}


async def test_a_restore_that_does_not_get_on_ends_with_an_error(log, store, monkeypatch):
    """Rather than standing still for ever it is tried again by the lane."""
    log.write({b"a": b"1"})
    monkeypatch.setattr(restore_module, "PATIENCE_S", 0.3)
    monkeypatch.setattr(restore_module.Reader, "read", lambda *_: {})
    with pytest.raises(TimeoutError, match="stands at 0 of 2"):
        await log.restore(store)


async def test_a_broker_that_does_not_answer_is_an_error_that_lanes_know(store, monkeypatch):
    """It is tried again, not taken for an empty changelog."""
    monkeypatch.setattr(changelog, "ASK_S", 0.5)
    options = Options((f"127.0.0.1:{free_port()}",), None, {})
    with pytest.raises(LATER):
        await restore(store, TP("nowhere", 0), options)


async def test_a_cancelled_restore_lets_go_of_the_store_first(log, store):
    """When the lane is taken away in the midst: no thread writes any more, and what was applied can be trusted."""
    for turn in range(20):
        log.write({b"%d-%d" % (turn, key): b"v" * 100 for key in range(1000)})
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    apply = store.apply
    store.apply = lambda *told: (apply(*told), loop.call_soon_threadsafe(begun.set), time.sleep(0.05))
    work = asyncio.create_task(log.restore(store))
    await begun.wait()
    for _ in range(3):
        work.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await work
    store.apply = apply
    left = contents(store)
    await asyncio.sleep(0.2)
    assert contents(store) == left
    await log.restore(store)
    assert len(contents(store)) == 20_000


async def test_progress_is_told(log, store, monkeypatch):
    """Keys, keys a second and percent, and at the end the whole."""
    for turn in range(3):
        log.write({b"%d-%d" % (turn, key): b"v" for key in range(5000)})
    monkeypatch.setattr(changelog.Progress.__init__, "__defaults__", (0.0,))
    told = []
    await restore(store, TP(log.topic, 0), log.options, lambda progress: told.append(progress.fields()))
    assert len(told) >= 3
    assert told[-1]["keys"] == 15_000
    assert told[-1]["percent"] == 100
    assert [row["percent"] for row in told] == sorted(row["percent"] for row in told)
    assert all(row["keys_per_s"] > 0 for row in told)


async def test_a_restore_stops_before_the_disk_is_full(log, store):
    """With a sentence that says so, not with a broken store."""
    log.write({b"a": b"1"})
    with pytest.raises(StateError, match="MB are free"):
        await restore(store, TP(log.topic, 0), log.options, space=Space(store.path, 1 << 60))
