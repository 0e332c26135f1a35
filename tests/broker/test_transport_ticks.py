"""Ticks of a lane on a real broker: what falls due is done without any record, once, and never beside a batch."""

from __future__ import annotations

import asyncio

import pytest
from faust.types import TP

from gridhub.streams.timer_keys import timer_key
from gridhub.streams.transport import Effects, LaneGroup, Options, Output
from gridhub.streams.transport.lane import Lane
from gridhub.streams.transport.producer import LaneProducer
from gridhub.streams.transport.ticker import Ticker

pytestmark = pytest.mark.broker
MOST = 7


def setting(_desk):
    """Work that sets a timer for each record, due at its offset."""

    def work(batch, _state):
        rows = [row for part in batch.parts.values() for row in part]
        return Effects(changes={timer_key(row.offset, "t", f"{row.offset}"): row.value for row in rows})

    return work


def ringing(desk, until_ms=10**9):
    """Work of a tick: a few of the timers that are due go out and are deleted; whether there are more it says."""

    def tick(batch, state):
        assert not batch.parts
        due = state.due(until_ms, MOST)
        outputs = [Output(desk.out, 0, key[-2:], value) for key, value in due]
        return Effects(outputs, dict.fromkeys((key for key, _ in due), None), again=len(due) == MOST)

    return tick


def all_values(desk):
    """Each record's value once."""
    return sorted(row.value for row in desk.records)


async def rung(desk):
    """What went out; it was asked for until nothing was missing, the lanes go on meanwhile."""
    messages = await asyncio.to_thread(desk.cluster.read, desk.out, wanted=len(desk.records))
    return sorted(message.value() for message in messages)


async def test_what_falls_due_is_done_once_without_a_record(desk):
    """All timers ring; then nothing is due and no tick makes a transaction."""
    ticks = []

    def tick(batch, state):
        ticks.append(len(seen.results))
        return ringing(desk)(batch, state)

    lane, _, seen = desk.lane(setting(desk), tick)
    await desk.until_done()
    await desk.until(lambda: not lane.state.store.due(10**9, 1))
    done, ticked = len(seen.results), len(ticks)
    await desk.until(lambda: len(ticks) > ticked + 5)
    assert len(seen.results) == done
    assert await rung(desk) == all_values(desk)


async def test_ticks_that_say_so_are_followed_by_the_next_at_once(desk):
    """`again`: thirty timers, seven a tick, without a pause of an hour between two ticks."""
    lane, _, _ = desk.lane(setting(desk))
    await desk.until_done()
    await lane.stop(1.0)
    group = LaneGroup("count", (desk.topic,), desk.changelog, 3600.0, ringing(desk))
    again = Lane(lane.consumer, group, 0, lane.plan)
    desk.lanes.append(again)
    again.start({TP(desk.topic, 0)})
    assert await rung(desk) == all_values(desk)


async def test_no_tick_while_a_batch_is_on_its_way(desk, monkeypatch):
    """Between the begin and the end of a transaction nothing else of the lane is worked."""
    began, beside = [], []
    transact = Lane._transact

    async def slowly(self, batch, effects, seat):
        began.append(batch)
        await asyncio.sleep(0.03)  # three ticks long
        await transact(self, batch, effects, seat)
        began.remove(batch)

    def tick(batch, state):
        beside.extend(began)
        return ringing(desk)(batch, state)

    monkeypatch.setattr(Lane, "_transact", slowly)
    desk.lane(setting(desk), tick)
    await desk.until_done()
    assert await rung(desk) == all_values(desk)
    assert beside == []


async def test_two_owners_ring_each_timer_once(desk):
    """Two workers that both believe to own the lane, each with a state and ticks of its own: every timer rings once."""
    desk.lane(setting(desk), ringing(desk))
    desk.lane(setting(desk), ringing(desk))
    await desk.until_done()
    await desk.until(lambda: any(lane.open and not lane.state.store.due(10**9, 1) for lane in desk.lanes))
    assert await rung(desk) == all_values(desk)


async def test_a_tick_whose_lane_was_taken_writes_nothing(desk):
    """Fenced between two ticks: the timers are not rung by the old owner's transaction, they ring after it has opened anew."""
    lane, feed, seen = desk.lane(setting(desk))
    await desk.until_done()
    fencer = LaneProducer(f"{desk.group}-count-0", desk.group, Options((desk.cluster.bootstrap,), desk.folder, {}))
    await fencer.start()
    lane._ticker = Ticker(0.01, ringing(desk), lane._ready.set)
    lane._ticker.ring()
    await desk.until(lambda: "fenced" in seen.results)
    await fencer.close()
    assert await rung(desk) == all_values(desk)
    assert feed.rewinds == 2


async def test_ticks_end_when_the_lane_is_let_go(desk):
    """A stopped lane has no tick left, and a tick that was due already does nothing."""
    lane, _, _ = desk.lane(setting(desk), ringing(desk))
    await desk.until_done()
    await lane.stop(1.0)
    assert (lane._ticker.due, lane._ticker._timer) == (False, None)


async def test_a_ticker_rings_again_and_again_until_it_is_stopped():
    """Wound, it rings after its time; stopped, neither rings nor is due; without a time it never rings."""
    rung_now = asyncio.Event()
    ticker = Ticker(0.001, None, rung_now.set)
    for _ in range(3):
        rung_now.clear()
        ticker.wind()
        assert not ticker.due
        await asyncio.wait_for(rung_now.wait(), 30)
        assert ticker.due
    ticker.wind()
    ticker.stop()
    assert (ticker.due, ticker._timer) == (False, None)
    never = Ticker(0.0, None, rung_now.set)
    never.ring()
    assert not never.due
    assert ticker.work(None, None).empty


def test_ticks_without_state_are_refused():
    """They would forget what they did."""
    with pytest.raises(AssertionError, match="without state"):
        LaneGroup("in", ("t",), None, 1.0, lambda batch, state: Effects())
    with pytest.raises(AssertionError, match="both"):
        LaneGroup("in", ("t",), "s", 1.0)
