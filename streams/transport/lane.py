"""A lane: the one place where a partition number's batches are worked on, in order, each in one transaction.

A lane begins by being opened, and every trouble inside a transaction ends with opening it anew. Opening ends a pending
transaction, restores the state to the changelog's end and rewinds the consumer to the committed offsets, so what the
broker holds is the only truth, also when the answer to a commit was lost. A lane opens in its own task: nobody sends
heartbeats while a rebalance waits, and restoring may take longer than a session.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Any

from faust.types import TP

from gridhub.streams.transport.batch import Batch, Effects, Work
from gridhub.streams.transport.convoy import Seat
from gridhub.streams.transport.errors import FENCED, HOPELESS, LATER
from gridhub.streams.transport.lane_state import LaneState
from gridhub.streams.transport.offsets import goes_back, tell_lost
from gridhub.streams.transport.patience import backoff_s, patiently
from gridhub.streams.transport.plan import LaneGroup, Plan
from gridhub.streams.transport.producer import LaneProducer, Load
from gridhub.streams.transport.queue import BatchQueue
from gridhub.streams.transport.requests import ANYBODY, Member
from gridhub.streams.transport.ticker import Ticker

CANCEL_AGAIN_S = 2.0


class Lane:
    """One (group, partition number): its producer, its state, its queue and its worker task."""

    def __init__(self, consumer: Any, group: LaneGroup, partition: int, plan: Plan) -> None:
        self.consumer, self.group, self.partition, self.plan = consumer, group, partition, plan
        self.epoch = self.generation = 0  # times rewound, times started
        self.progress_at = time.monotonic()
        self.member: Member = ANYBODY
        self.tps: set[TP] = set()
        self.next_offset: dict[TP, int] = {}
        self.open = self._astray = False
        self.queue = BatchQueue(plan.options)
        self._producer: LaneProducer | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._ticker = Ticker(group.tick_s, group.tick, self._ready.set)
        self.log = plan.log.bind(lane=group.name, partition=partition)
        self.state = LaneState(group, partition, plan, self.log)

    # -- ownership ------------------------------------------------------------------------------------------------

    def start(self, tps: set[TP]) -> None:
        """Take the lane over; it opens in a task of its own, and is open once its events may flow."""
        self.tps = tps
        self.next_offset = {tp: offset for tp, offset in self.next_offset.items() if tp in tps}
        self.generation += 1
        self._task = asyncio.create_task(self._run(), name=f"lane-{self.group.name}-{self.partition}")
        self._task.add_done_callback(self._ended)

    async def stop(self, patience_s: float, *, keep_store: bool = False) -> None:
        """Let the running transaction end (or give it up after `patience_s`), then let the lane go."""
        self.open = False
        self._ticker.stop()
        self.queue.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), patience_s)
        await self._end_task()
        await self._release()
        if not keep_store:
            self.close_store()

    async def _end_task(self) -> None:
        """Cancel the lane's task until it ends: `asyncio.wait_for` of Python 3.11 can swallow a cancellation."""
        task, self._task = self._task, None
        while task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_AGAIN_S)

    def close_store(self) -> None:
        """Close the local state; its files stay for the next owner on this machine."""
        self.state.close()

    async def _acquire(self) -> None:
        group = self.consumer.app.conf.id
        self._producer = LaneProducer(f"{group}-{self.group.name}-{self.partition}", group, self.plan.options)
        await asyncio.wait_for(self._producer.start(), 2 * self.plan.options.transaction_timeout_s)
        self.member = await self.consumer.settled(self.tps)  # before the state: what ends now is in its changelog
        await self.state.restore()

    async def _release(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.close()

    # -- flow -----------------------------------------------------------------------------------------------------

    @property
    def hungry(self) -> bool:
        """Whether more may be fetched for this lane."""
        return self.open and self.queue.has_room

    def count(self, batch: Batch) -> None:
        """A batch is on its way to us."""
        if batch.epoch == self.epoch:
            self.queue.count(batch)

    @property
    def waiting(self) -> bool:
        """Whether the lane holds work that is not committed."""
        return not self._idle.is_set() or bool(self.queue)

    def rewound(self, offsets: dict[TP, int], notes: Iterable[str] = ()) -> None:
        """The consumer stands at these committed offsets now, with these notes: older batches are stale, newer ones flow."""
        self.state.remember(notes)
        self.epoch += 1
        self.queue.restart()
        self._astray = False
        tell_lost(self.next_offset, offsets, self.log)
        self.next_offset = {tp: offsets[tp] for tp in self.tps}
        self.open, self.progress_at = True, time.monotonic()
        self._ticker.ring()
        self.consumer.lane_has_room()

    def take(self, batch: Batch, work: Work) -> None:
        """Queue a batch; one fetched before the last rewind is dropped, it will be fetched again."""
        if batch.epoch != self.epoch or not self.open:
            return
        if batch.number not in {None, self.queue.taken}:
            self.go_astray(f"batch {batch.number} came where {self.queue.taken} was next")
            return
        self.queue.put(batch, work)
        self._ready.set()

    def join(self, batch: Batch) -> bool:
        """Put a batch behind one that waits, to get the same work, and say so; the agent need not be asked again."""
        if not self.queue or batch.epoch != self.epoch or batch.number != self.queue.taken:
            return False
        self.take(batch, self.queue.last_work)
        return True

    def go_astray(self, why: str) -> None:
        """Something is missing between what was committed and what comes: open anew, the committed offsets decide."""
        self.log.warning("lane lost its place, opening it anew", why=why)
        self.open = False
        self.queue.clear()
        self._astray = True
        self._ready.set()

    async def _run(self) -> None:
        await self._open(wait_s=0.0)
        while True:
            await self._ready.wait()
            self._ready.clear()
            if self._astray:
                await self._open(wait_s=0.0)
            while self.queue:
                await self._judge(await (self._alone() if self.queue.is_long else self._riding()))
            if self._ticker.due and self.open:
                self._ticker.wind()
                self.progress_at = time.monotonic()  # it rested, it did not stand still
                await self._judge(await self._do(Batch(self, self.epoch, {}), self._ticker.work))

    async def _judge(self, result: str) -> None:
        """After any trouble the lane is opened anew."""
        if result != "committed":
            await self._open(wait_s=1.2 * self.plan.options.heartbeat_s if result == "fenced" else 0.0)

    async def _alone(self) -> str:
        """Work a large batch, in a transaction of its own."""
        await self.consumer.pace.room()
        return await self._do(*self._next()) if self.queue else "committed"  # or we lost our place while we waited

    async def _riding(self) -> str:
        """Work a small batch, in one transaction with those of other lanes."""
        async with self._seat() as seat:
            return await self._do(*self._next(), seat) if self.queue else "committed"  # as above

    def _seat(self) -> AbstractAsyncContextManager[Seat]:
        return self.consumer.convoys[self.group.name].seat()  # type: ignore[no-any-return]  # the consumer is Faust's

    async def _do(self, batch: Batch, work: Work, seat: Seat | None = None) -> str:
        """Work a batch and commit it; how that went."""
        self._idle.clear()
        try:
            with self.consumer.pace.working(batch.size):
                return await self._commit(batch, work, seat)
        finally:
            self._idle.set()

    def _next(self) -> tuple[Batch, Work]:
        full, found = not self.hungry, self.queue.next()
        if full and self.hungry:
            self.consumer.lane_has_room()
        return found

    async def _commit(self, batch: Batch, work: Work, seat: Seat | None) -> str:
        if goes_back(batch, self.next_offset, self.log):
            self.plan.observer.transaction(self.group.name, self.partition, "dropped", 0.0, len(batch))
            return "dropped"
        if self.group.changelog is not None:
            self.plan.space.check()
        effects = await patiently(work, batch, self.state.view, self.log)
        if batch.parts:
            return await self._end(batch, effects, seat)
        if effects.empty:  # a tick, and nothing was due
            return "committed"
        async with self._seat() as found:
            return await self._end(batch, effects, found)

    async def _end(self, batch: Batch, effects: Effects, seat: Seat | None) -> str:
        started = time.monotonic()
        result = "retried"
        try:
            await self._transact(batch, effects, seat)
            result = "committed"
        except HOPELESS:
            raise
        except FENCED as error:
            result = "fenced"
            self.log.warning("lane fenced", error=repr(error))
        except LATER as error:
            self.log.warning("transaction failed, opening the lane anew", error=repr(error))
        self.plan.observer.transaction(self.group.name, self.partition, result, time.monotonic() - started, len(batch))
        if result == "committed":
            self.progress_at = time.monotonic()
            if effects.again and self.open:
                self._ticker.ring()
            if effects.committed is not None:
                effects.committed()
        return result

    async def _transact(self, batch: Batch, effects: Effects, seat: Seat | None) -> None:
        memo = self.state.after(effects.changes)
        # a tick commits where the lane stands: without offsets nobody would ask whether the lane is still ours
        ends = batch.ends or self.next_offset
        load = Load(effects.outputs, ends, self.state.changelog, effects.changes, memo.note)
        last = (await self.carry([load]))[0] if seat is None else await seat.ride(self, load)
        self.state.take(effects.changes, memo, last)
        self.next_offset.update(batch.ends)

    async def carry(self, loads: Sequence[Load]) -> Sequence[int | None]:
        """Commit this with our own producer; gives each load's last changelog offset, if any."""
        assert self._producer is not None
        return await asyncio.wait_for(
            self._producer.commit(loads, self.member), self.plan.options.transaction_timeout_s
        )

    async def _open(self, wait_s: float) -> None:
        """Open the lane, as long as it takes; a fenced one waits first: its new owner may be the rightful one."""
        self.open = False
        self._ticker.stop()
        self.queue.clear()
        await self._release()
        await asyncio.sleep(wait_s)
        for attempt in count():
            try:
                await self._acquire()
                await self.consumer.rewind_lane(self)
            except HOPELESS:
                raise
            except (*FENCED, *LATER) as error:
                pause_s = backoff_s(attempt)
                self.log.warning("lane cannot be opened yet", error=repr(error), next_try_s=pause_s)
                await self._release()
                await asyncio.sleep(pause_s)
            else:
                self.log.info("lane opened", attempts=attempt + 1)
                return

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.consumer.lane_broke(self, error)
