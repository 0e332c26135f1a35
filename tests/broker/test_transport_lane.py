"""A lane on a real broker: fenced, told to wait, broken, led back, stopped; each time nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from faust.types import TP

from gridhub.streams.transport import Batch, Effects, Later, Options, Output, Outputs, patience
from gridhub.streams.transport import lane as lane_module
from gridhub.streams.transport.lane import Lane
from gridhub.streams.transport.producer import LaneProducer

pytestmark = pytest.mark.broker


def counting(desk):
    """Work that counts per key in the state and says so."""

    def count(batch, state):
        rows = [row for part in batch.parts.values() for row in part]
        keys = sorted({row.key for row in rows})
        counts = {key: int(value or b"0") for key, value in zip(keys, state.get_many(keys), strict=True)}
        effects = Effects()
        for row in rows:
            counts[row.key] += 1
            effects.outputs.append(Output(desk.out, -1, row.key, b"%s %d" % (row.value, counts[row.key])))
        effects.changes = {key: b"%d" % number for key, number in counts.items()}
        return effects

    return count


def expected(desk):
    """Each record once, in order, numbered per key."""
    return [b"%d %d" % (i, i // 4 + 1) for i in range(len(desk.records))]


def once(work, error):
    """The same work, that raises this error the first three times."""
    left = [error] * 3

    def erring(batch, state):
        if left:
            raise left.pop()
        return work(batch, state)

    return erring


async def test_a_lane_works_all_of_it_once_and_in_order(desk):
    """Nothing happens: what the other tests are worth."""
    _, _, seen = desk.lane(counting(desk))
    await desk.until_done()
    assert desk.results() == expected(desk)
    assert set(seen.results) == {"committed"}


async def test_a_second_producer_of_the_same_id_fences_the_first(desk):
    """The lane notices at its next transaction, opens anew, and nothing is lost or doubled."""
    fencer = LaneProducer(f"{desk.group}-count-0", desk.group, Options((desk.cluster.bootstrap,), desk.folder, {}))
    asked = asyncio.Event()

    def work(batch, state):
        if batch.parts[TP(desk.topic, 0)][0].offset == 12 and not asked.is_set():
            asked.set()
            raise Later("until the other one has come")
        return counting(desk)(batch, state)

    _, feed, seen = desk.lane(work)
    async with asyncio.timeout(30):
        await asked.wait()
    await fencer.start()
    await desk.until_done()
    await fencer.close()
    assert desk.results() == expected(desk)
    assert seen.results.count("fenced") == 1
    assert feed.rewinds == 2


async def test_two_owners_that_fence_each_other_do_each_record_once(desk):
    """Two workers that both believe to own the lane, each with its own local state: one of them always wins."""
    desk.lane(counting(desk))
    desk.lane(counting(desk))
    desk.lane(counting(desk))
    await desk.until_done()
    assert desk.results() == expected(desk)


async def test_later_is_tried_again_until_it_works(desk, monkeypatch):
    """Work that says "later" three times is run a fourth time; nothing is lost, nothing is committed twice."""
    monkeypatch.setattr(patience, "BACKOFF_S", (0.01,))
    _, feed, seen = desk.lane(once(counting(desk), Later("the registry does not answer")))
    await desk.until_done()
    assert desk.results() == expected(desk)
    assert (set(seen.results), feed.broken) == ({"committed"}, None)


async def test_an_exception_in_work_breaks_the_lane(desk):
    """Our own bug is not retried: the lane ends and says with what, nothing of the batch is committed."""
    lane, feed, seen = desk.lane(once(counting(desk), KeyError("our bug")))
    await desk.until(lambda: feed.broken is not None)
    assert isinstance(feed.broken, KeyError)
    assert (desk.results(), seen.results) == ([], [])
    assert await feed.committed(TP(desk.topic, 0)) == 0
    await lane.stop(1.0)


async def test_a_record_that_the_broker_never_takes_breaks_the_lane(desk):
    """An output over the broker's limit is our bug too; opening the lane anew for ever would not help."""

    def work(_batch, _state):
        return Effects([Output(desk.out, 0, b"k", b"v" * (5 << 20))])

    _, feed, _ = desk.lane(work)
    await desk.until(lambda: feed.broken is not None)
    assert isinstance(feed.broken, MessageSizeTooLargeError)
    assert desk.results() == []


async def test_a_batch_that_goes_back_is_not_worked(desk):
    """What was committed and is read again, for whatever reason, opens the lane anew instead of being doubled."""
    lane, feed, seen = desk.lane(counting(desk))
    await desk.until_done()
    lane.take(Batch(lane, lane.epoch, {TP(desk.topic, 0): desk.records[5:8]}), feed.work)
    await desk.until(lambda: feed.rewinds == 2)
    assert seen.results[-1] == "dropped"
    assert desk.results() == expected(desk)


async def test_a_batch_of_before_the_last_rewind_is_not_worked(desk):
    """A stale epoch is dropped without a word: its records come again."""
    lane, feed, seen = desk.lane(counting(desk))
    await desk.until_done()
    done = len(seen.results)
    lane.take(Batch(lane, lane.epoch - 1, {TP(desk.topic, 0): desk.records[5:8]}), feed.work)
    assert not lane.waiting
    assert len(seen.results) == done


async def test_a_batch_that_was_dropped_on_the_way_is_fetched_again(desk):
    """A gap in the numbers of the batches opens the lane anew: nothing is passed over, nothing doubled."""
    lane, feed, _ = desk.lane(counting(desk))
    await desk.until(lambda: feed.rewinds == 1)
    lane.take(Batch(lane, lane.epoch, {TP(desk.topic, 0): desk.records[-2:]}, 7), feed.work)
    await desk.until(lambda: feed.rewinds == 2)
    await desk.until_done()
    assert desk.results() == expected(desk)


async def test_a_commit_whose_answer_is_lost_is_not_repeated(desk, monkeypatch):
    """The transaction was committed, its answer was not heard: the lane opens anew and goes on behind it."""
    commit, lost = LaneProducer.commit, []

    async def deaf(self, *args, **kwargs):
        last = await commit(self, *args, **kwargs)
        if len(lost) < 3:
            lost.append(last)
            raise TimeoutError("no answer")
        return last

    monkeypatch.setattr(LaneProducer, "commit", deaf)
    _, _, seen = desk.lane(counting(desk))
    await desk.until_done()
    assert desk.results() == expected(desk)
    assert seen.results.count("retried") == 3


async def test_a_transaction_left_open_is_ended_by_the_next_owner(desk):
    """A worker that died between its sends and its commit leaves nothing that anybody reads."""
    dead = LaneProducer(f"{desk.group}-count-0", desk.group, Options((desk.cluster.bootstrap,), desk.folder, {}))
    await dead.start()
    await dead._kafka.begin_transaction()
    await (await dead._kafka.send(desk.out, b"of the dead", partition=0))
    desk.lane(counting(desk))
    await desk.until_done()
    assert desk.results() == expected(desk)
    await dead.close()


async def test_stopping_gives_up_work_that_says_later_for_ever(desk):
    """After its patience the lane is let go, its state is closed, nothing was committed."""

    def never(_batch, _state):
        raise Later("never")

    lane, feed, seen = desk.lane(never)
    await desk.until(lambda: lane.waiting)
    async with asyncio.timeout(30):
        await lane.stop(0.2)
    assert (lane.state.store, lane.open, seen.results, feed.broken) == (None, False, [], None)


async def test_a_stopped_lane_can_be_started_again(desk):
    """After a rebalance the same lane comes back with its state kept open, and goes on where it was."""
    lane, _, seen = desk.lane(counting(desk))
    await desk.until(lambda: len(seen.results) >= 3)
    async with asyncio.timeout(30):
        await lane.stop(5.0, keep_store=True)
    lane.start({TP(desk.topic, 0)})
    await desk.until_done()
    assert desk.results() == expected(desk)


async def test_stopping_while_the_broker_is_away_ends(desk, tmp_path):
    """A lane that cannot be opened because nobody listens is stopped all the same."""
    desk.cluster = SimpleNamespace(bootstrap="127.0.0.1:1")
    lane, _, _ = desk.lane(counting(desk))
    await asyncio.sleep(0.5)
    async with asyncio.timeout(20):
        await lane.stop(1.0)
    assert not lane.open


async def test_a_swallowed_cancellation_does_not_hang_the_stop(monkeypatch):
    """`asyncio.wait_for` of Python 3.11 loses a cancellation that comes with its result; stop cancels once more."""
    monkeypatch.setattr(lane_module, "CANCEL_AGAIN_S", 0.05)

    async def deaf_once():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(3600)

    lane = Lane.__new__(Lane)
    lane._task = task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await lane._end_task()
    assert task.cancelled()


async def test_a_cluster_that_names_no_broker_is_waited_for(desk, monkeypatch):
    """Where aiokafka asserts that there are brokers, before a lane opens or in its transaction, the lane tries again."""
    start, commit, refused = AIOKafkaProducer.start, AIOKafkaProducer.commit_transaction, []

    def once(call, name):
        async def refusing(self):
            if name not in refused:
                refused.append(name)
                raise AssertionError("Did we not perform bootstrap?")
            return await call(self)

        return refusing

    monkeypatch.setattr(AIOKafkaProducer, "start", once(start, "start"))
    monkeypatch.setattr(AIOKafkaProducer, "commit_transaction", once(commit, "commit"))
    _, feed, seen = desk.lane(counting(desk))
    await desk.until_done()
    assert (desk.results(), feed.broken) == (expected(desk), None)
    assert seen.results.count("retried") == 1


async def test_batches_that_wait_share_a_transaction(desk):
    """Ten batches that come at once need fewer than ten transactions, and are worked in order all the same."""
    _, _, seen = desk.lane(counting(desk), batch_events=20)
    await desk.until_done()
    assert desk.results() == expected(desk)
    assert seen.results == ["committed"] * 2


async def test_bulk_outputs_are_sent_as_single_ones_are(desk):
    """The same records, by key or to a given partition, with their headers, in one transaction with the state."""
    count = counting(desk)

    def bulk(batch, state):
        effects = count(batch, state)
        keys, values = [output.key for output in effects.outputs], [output.value for output in effects.outputs]
        half, lines = len(keys) // 2, [(("n", value),) for value in values]
        by_key = Outputs(desk.out, keys[half:], values[half:], headers=lines[half:])
        effects.outputs = [Outputs(desk.out, keys[:half], values[:half], 0, lines[:half]), by_key]
        return effects

    desk.lane(bulk)
    await desk.until_done()
    messages = desk.cluster.read(desk.out)
    assert [message.value() for message in messages] == expected(desk)
    assert all(message.headers() == [("n", message.value())] for message in messages)
