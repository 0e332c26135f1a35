"""How much a lane holds, what waits together, and how long a fetch may wait: without a broker."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from types import SimpleNamespace

import pytest
import structlog
from aiokafka.structs import TopicPartition
from faust.types import TP

from gridhub.streams.transport import Batch, Consumer, Effects, LaneGroup, Options, Plan, Silent
from gridhub.streams.transport import fetch as fetch_module
from gridhub.streams.transport import queue as queue_module
from gridhub.streams.transport.fetch import Waits, fetch, wake
from gridhub.streams.transport.lane import Lane
from gridhub.streams.transport.queue import BatchQueue

HOME = TP("t", 0)
WAITS = Waits(20, 500, 8)


def work(_batch, _state):
    """Nothing comes of it."""
    return Effects()


def other(_batch, _state):
    """Nothing comes of it either."""
    return Effects()


@pytest.fixture
async def lane(tmp_path):
    """An open lane that nobody works, of at most 4 events or 400 bytes a transaction, and 300 bytes held."""
    calls = []
    consumer = SimpleNamespace(lane_has_room=lambda: calls.append("room"), calls=calls)
    options = Options(
        ("127.0.0.1:1",), tmp_path, {}, batch_events=4, batch_bytes=400, queue_bytes=300, memory_bytes=500
    )
    group = LaneGroup("g", ("t",))
    lane = Lane(consumer, group, 0, Plan((group,), options, Silent(), structlog.get_logger()))
    lane.tps = {HOME}
    lane.rewound({HOME: 0})
    calls.clear()
    return lane


def batch(lane, first, count, size):
    """A batch on its way to the lane."""
    found = Batch(
        lane, lane.epoch, {HOME: [SimpleNamespace(offset=first + i) for i in range(count)]}, lane.queue.fetched, size
    )
    lane.count(found)
    return found


def offsets(found):
    """The offsets of a batch."""
    return [record.offset for record in found.parts[HOME]]


async def test_what_waits_is_worked_together_up_to_the_limits(lane):
    """Batches for the same work become one, of so many events and bytes as a transaction may have; order is kept."""
    for first, count, size, todo in [(0, 1, 10, work), (1, 3, 10, work), (4, 1, 10, work), (5, 2, 10, other)]:
        lane.take(batch(lane, first, count, size), todo)
    for first, size in [(7, 300), (8, 100), (9, 1), (10, 900)]:
        lane.take(batch(lane, first, 1, size), other)
    taken = []
    while lane.waiting:
        found, todo = lane._next()
        taken.append((offsets(found), found.size, todo is work))
    assert taken == [
        ([0, 1, 2, 3], 20, True), ([4], 10, True), ([5, 6, 7], 310, False), ([8, 9], 101, False), ([10], 900, False),
    ]  # fmt: skip
    assert lane.queue.held_bytes == 0


async def test_a_full_lane_is_not_fetched_for_until_it_has_room(lane):
    """What is on its way counts too; the consumer is told as soon as there is room again, and only then."""
    assert lane.hungry
    first, second = batch(lane, 0, 1, 200), batch(lane, 1, 4, 200)
    assert not lane.hungry
    lane.take(first, work)
    lane.take(second, work)
    lane._next()
    assert (lane.hungry, lane.consumer.calls) == (True, ["room"])
    lane._next()
    assert (lane.queue.held_bytes, lane.consumer.calls) == (0, ["room"])


async def test_all_lanes_together_hold_no_more_than_the_memory(lane, tmp_path):
    """Above it only lanes that would stand still are fetched for; lanes that are not open do not count."""
    empty = Lane(lane.consumer, lane.group, 1, lane.plan)
    empty.rewound({})
    lane.queue.held_bytes = 299
    closed = SimpleNamespace(open=False, hungry=False, queue=SimpleNamespace(held_bytes=10**9))
    consumer = SimpleNamespace(plan=lane.plan, lanes={1: lane, 2: empty, 3: closed})
    assert Consumer._hungry(consumer) == [lane, empty]
    consumer.lanes[4] = SimpleNamespace(open=True, hungry=True, queue=SimpleNamespace(held_bytes=201))
    assert Consumer._hungry(consumer) == [empty]


async def test_a_batch_joins_those_that_wait(lane):
    """It gets the work of the last one without asking the agent; not when none waits, one is missing, or it is stale."""
    first, second, third = batch(lane, 0, 1, 1), batch(lane, 1, 1, 1), batch(lane, 2, 1, 1)
    assert not lane.join(first)
    lane.take(first, work)
    assert not lane.join(third)
    assert lane.join(second)
    assert not lane.join(Batch(lane, lane.epoch - 1, {}, 2))
    assert [(offsets(found), todo is work) for found, todo in lane.queue._waiting] == [([0], True), ([1], True)]
    assert lane.open


async def test_a_batch_that_never_comes_is_missed(lane, monkeypatch):
    """Dropped on its way, and none after it would tell: after a while the lane knows. What came is not missed."""
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(queue_module, "time", clock)
    first, _ = batch(lane, 0, 1, 1), batch(lane, 1, 1, 1)
    lane.take(first, work)
    clock.now += 9
    assert not lane.queue.misses(10.0)
    clock.now += 2
    assert lane.queue.misses(10.0)
    Consumer._find_missing(SimpleNamespace(lanes={1: lane}))
    assert (lane.open, lane.waiting) == (False, False)
    lane.rewound({HOME: 0})
    clock.now += 100
    assert not lane.queue.misses(10.0)


async def test_everything_fetched_is_counted_before_anything_is_given(lane):
    """Also what is never given, since the one who asked was ended: else nobody would know that it is missing."""
    options = lane.plan.options
    consumer = SimpleNamespace(plan=lane.plan, lanes={("g", 0): lane}, _group=lambda r: Consumer._group(consumer, r))
    rows = [SimpleNamespace(offset=i, serialized_key_size=-1, serialized_value_size=100) for i in range(10)]
    found = Consumer._batches(consumer, {HOME: rows}, {("g", 0): lane.epoch})
    assert [len(each) for each in found] == [4, 4, 2]
    assert all(len(each) <= options.batch_events and each.size <= options.batch_bytes for each in found)
    assert (lane.queue.fetched, lane.queue.held_bytes, [each.number for each in found]) == (3, 1000, [0, 1, 2])
    stale = Consumer._batches(consumer, {HOME: rows[:1]}, {("g", 0): lane.epoch - 1})
    assert (len(stale), lane.queue.fetched) == (1, 3)


def fetcher(*buffered, assigned=(HOME,)):
    """A fetcher that has nothing new."""
    assignment = SimpleNamespace(tps={TopicPartition(*tp) for tp in assigned})
    subscription = SimpleNamespace(assignment=assignment)
    waiters = set()

    def waiter():
        future = asyncio.get_running_loop().create_future()
        waiters.add(future)
        return future

    return SimpleNamespace(
        _records=OrderedDict((TopicPartition(*tp), object()) for tp in buffered),
        _subscriptions=SimpleNamespace(
            reassignment_in_progress=False, is_assigned=lambda _tp: True, subscription=subscription
        ),
        _create_fetch_waiter=waiter, _fetch_waiters=waiters, _closed=False, _fetch_max_wait_ms=0, _fetch_min_bytes=1,
        _notify=lambda future: future.set_result(None),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "wait_ms"),
    [(fetcher(), 500), (fetcher(assigned=(HOME, TP("u", 0))), 20), (fetcher(TP("u", 0)), 20)],
    ids=["all asked for", "a lane is full", "something is buffered"],
)
async def test_a_fetch_waits_long_only_when_it_asks_for_everything(source, wait_ms):
    """A partition that is left out would wait for the end of a fetch that finds nothing."""
    assert await fetch(source, {HOME}, 0.0, 10, WAITS, lambda: False) == {}
    assert source._fetch_max_wait_ms == wait_ms


async def test_a_waiting_fetch_can_be_woken():
    """Whoever has something else to do ends it; it gives what there is."""
    source, woken = fetcher(), []
    waiting = asyncio.create_task(fetch(source, {HOME}, 3600.0, 10, WAITS, lambda: bool(woken)))
    async with asyncio.timeout(10):
        await asyncio.sleep(0)  # it begins
        await asyncio.sleep(0)
        assert source._fetch_waiters
        woken.append(True)
        wake(source)
        assert await waiting == {}


async def test_while_few_records_come_the_broker_gathers(monkeypatch):
    """After a fetch that brought a few the next one may wait for more; after many, or when none come any more, it does not."""
    found = [{HOME: [1] * 3}]
    monkeypatch.setattr(fetch_module, "drain", lambda *_: found.pop() if found else {})
    source = fetcher()
    assert await fetch(source, {HOME}, 1.0, 10, WAITS, lambda: False) == {HOME: [1] * 3}
    assert (source._fetch_max_wait_ms, source._fetch_min_bytes) == (8, fetch_module.GATHERED_BYTES)
    assert await fetch(source, {HOME}, 0.03, 10, WAITS, lambda: False) == {}
    assert (source._fetch_max_wait_ms, source._fetch_min_bytes) == (500, 1)
    found.append({HOME: [1] * fetch_module.FEW})
    await fetch(source, {HOME}, 1.0, 10, WAITS, lambda: False)
    assert (source._fetch_max_wait_ms, source._fetch_min_bytes) == (500, 1)


@pytest.mark.parametrize(
    ("most", "waiting", "alone"), [(2000, 499, False), (2000, 500, True), (5, 2, False), (5, 3, True)]
)
def test_large_batches_go_alone(tmp_path, most, waiting, alone):
    """A quarter of the largest batch is enough; one or two events never are."""
    queue = BatchQueue(Options(("127.0.0.1:1",), tmp_path, {}, batch_events=most))
    for offset in range(waiting):
        queue.put(Batch(SimpleNamespace(partition=0), 1, {HOME: [SimpleNamespace(offset=offset)]}, offset, 1), len)
    assert queue.is_long is alone
