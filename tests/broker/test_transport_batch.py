"""The transport's small decisions, without a broker: where a batch ends, where reading goes on, who stays in the group."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import structlog
from aiokafka.structs import TopicPartition
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from gridhub.streams.transport import Options
from gridhub.streams.transport import thread as thread_module
from gridhub.streams.transport.batch import cut
from gridhub.streams.transport.errors import LATER, OffsetsAhead
from gridhub.streams.transport.thread import AHEAD_PATIENCE_S, ConsumerThread

PLACE = TopicPartition("t", 0)


def record(offset, size, key_size=-1):
    """A record of this size."""
    return SimpleNamespace(offset=offset, serialized_key_size=key_size, serialized_value_size=size)


def total(piece):
    """Bytes of a piece."""
    return sum(record.serialized_value_size for rows in piece.values() for record in rows)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12), max_size=4), st.integers(1, 30))
def test_cutting_keeps_every_record_in_order(sizes, limit):
    """The pieces together are the batch; each but the last reaches the limit, and only with its last record."""
    parts = {TP(f"t{i}", 3): [record(o, size) for o, size in enumerate(rows)] for i, rows in enumerate(sizes)}
    pieces = [piece.parts for piece in cut(parts, limit)]
    joined = {tp: [r for piece in pieces for r in piece.get(tp, [])] for tp in parts}
    assert joined == parts
    assert all(rows for piece in pieces for rows in piece.values())
    assert all(total(piece) >= limit for piece in pieces[:-1])
    for piece in pieces:
        last = list(piece.values())[-1][-1]
        assert total(piece) - last.serialized_value_size < limit


def test_keys_count_and_a_missing_one_does_not():
    """A key of 5 and a value of 5 reach 10; no key and a tombstone reach nothing."""
    parts = {TP("t", 0): [record(0, -1), record(1, 5, 5), record(2, 1)]}
    assert [[r.offset for r in piece[TP("t", 0)]] for piece, _ in cut(parts, 10)] == [[0, 1], [2]]


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock in the test's hand."""
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(thread_module, "time", clock)
    return clock


@pytest.fixture
def thread():
    """A consumer thread that was never started."""
    thread = ConsumerThread.__new__(ConsumerThread)
    thread.consumer = SimpleNamespace(plan=SimpleNamespace(log=structlog.get_logger()))
    thread._ahead_since = {}
    return thread


@pytest.mark.parametrize(
    ("committed", "begin", "end", "place"), [(None, 3, 9, 3), (5, 3, 9, 5), (9, 3, 9, 9), (3, 3, 9, 3), (0, 3, 9, 3)]
)
def test_reading_goes_on_where_it_is_committed(thread, committed, begin, end, place):
    """Nothing committed, or deleted by retention: at the first offset there is."""
    assert thread._place(PLACE, committed, begin, end) == place


def test_a_committed_offset_beyond_the_end_is_waited_for_and_then_given_up(thread, clock):
    """A new leader may catch up; after the patience the lane goes on at the end, never at the begin."""
    with pytest.raises(OffsetsAhead, match="ends at 9, but 12 is committed"):
        thread._place(PLACE, 12, 0, 9)
    clock.now += AHEAD_PATIENCE_S - 1
    with pytest.raises(LATER):
        thread._place(PLACE, 12, 0, 9)
    clock.now += 2
    assert thread._place(PLACE, 12, 0, 9) == 9


def test_an_end_that_caught_up_is_forgotten(thread, clock):
    """The next time the patience begins anew."""
    with pytest.raises(OffsetsAhead):
        thread._place(PLACE, 12, 0, 9)
    assert thread._place(PLACE, 12, 0, 12) == 12
    clock.now += AHEAD_PATIENCE_S + 1
    with pytest.raises(OffsetsAhead):
        thread._place(PLACE, 12, 0, 9)


def test_a_partition_that_is_not_ours_has_no_end(thread):
    """The consumer's thread may lose a partition at any moment: the question has an answer, not an assertion."""
    state = SimpleNamespace(lso=7, _position=5)
    assignment = SimpleNamespace(tps=frozenset({PLACE}), state_value=lambda tp: state)
    for subscription, end in [
        (None, None), (SimpleNamespace(assignment=None), None), (SimpleNamespace(assignment=assignment), (5, 7))
    ]:  # fmt: skip
        kafka = SimpleNamespace(_subscription=SimpleNamespace(subscription=subscription))
        thread._ensure_consumer = lambda kafka=kafka: kafka
        assert thread.place(TP("t", 0)) == end


async def test_a_worker_without_lanes_never_leaves_its_group(thread, tmp_path):
    """A consumer that fetches nothing for max_poll_interval is dropped, and could not come back by itself."""
    thread.consumer.plan.options = Options(("127.0.0.1:1",), tmp_path, {})
    thread.app = SimpleNamespace(
        conf=SimpleNamespace(id="group", broker_client_id="client"), assignor=SimpleNamespace(name="a")
    )
    kafka = thread._create_worker_consumer(None)
    assert kafka._max_poll_interval_ms > 365 * 86_400_000
    assert kafka._rebalance_timeout_ms < 300_000  # else it would be the rebalance's limit too


async def test_a_position_that_somebody_moved_is_noticed(thread, monkeypatch):
    """What the last fetch left is where the next must begin; else the partition is named, once."""
    state = SimpleNamespace(_position=5, lso=9)
    assignment = SimpleNamespace(tps=frozenset({PLACE}), state_value=lambda _tp: state)
    thread._ensure_consumer = lambda: SimpleNamespace(
        _subscription=SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
    )
    thread._stands, thread._reached, thread._jumped = {}, {}, set()
    thread.consumer.plan.options = Options(("127.0.0.1:1",), None, {})

    async def fetched(_self, *_args):
        state._position += 2
        return {}

    monkeypatch.setattr(ConsumerThread, "_fetch_columns", fetched)
    for _ in range(2):
        await thread._fetch_records(None, {TP("t", 0)})
        thread.arrived()
    assert thread.jumped() == set()
    await thread._fetch_records(None, {TP("t", 0)})  # its records are lost on the way
    await thread._fetch_records(None, {TP("t", 0)})
    assert thread.jumped() == {TP("t", 0)}
    thread.arrived()
    state._position = 3
    await thread._fetch_records(None, {TP("t", 0), TP("t", 1)})
    assert thread.jumped() == {TP("t", 0)}
    assert thread.jumped() == set()
