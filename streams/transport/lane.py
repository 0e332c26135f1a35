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
from collections.abc import Iterable
from itertools import count
from typing import Any

from faust.types import TP

from gridhub.streams.transport.batch import Batch, Effects, State, Work
from gridhub.streams.transport.changelog import Progress
from gridhub.streams.transport.errors import FENCED, HOPELESS, LATER, StateError
from gridhub.streams.transport.memo import Memo
from gridhub.streams.transport.offsets import goes_back, tell_lost
from gridhub.streams.transport.patience import backoff_s, patiently
from gridhub.streams.transport.plan import LaneGroup, Plan
from gridhub.streams.transport.producer import LaneProducer
from gridhub.streams.transport.queue import BatchQueue
from gridhub.streams.transport.restore import restore
from gridhub.streams.transport.ticker import Ticker

CANCEL_AGAIN_S = 2.0


class Lane:
    """One (group, partition number): its producer, its state, its queue and its worker task."""

    def __init__(self, consumer: Any, group: LaneGroup, partition: int, plan: Plan) -> None:
        self.consumer, self.group, self.partition, self.plan = consumer, group, partition, plan
        self.epoch = self.generation = 0  # times rewound, times started
        self.progress_at = time.monotonic()
        self.tps: set[TP] = set()
        self.next_offset: dict[TP, int] = {}
        self.open = self._astray = False
        self.queue = BatchQueue(plan.options)
        self.left_to_restore = 0  # records of the changelog
        self._producer: LaneProducer | None = None
        self._store: Any = None
        self._memo = Memo()
        self._task: asyncio.Task[None] | None = None
        self._ready, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._ticker = Ticker(group.tick_s, group.tick, self._ready.set)
        self.log = plan.log.bind(lane=group.name, partition=partition)

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
        if self._store is not None:
            self._store.close()
            self._store = None

    async def _acquire(self) -> None:
        group = self.consumer.app.conf.id
        self._producer = LaneProducer(f"{group}-{self.group.name}-{self.partition}", group, self.plan.options)
        await asyncio.wait_for(self._producer.start(), 2 * self.plan.options.transaction_timeout_s)
        if self.changelog is not None:
            await self._restore(self.changelog)

    async def _release(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.close()

    async def _restore(self, changelog: TP) -> None:
        started = time.monotonic()
        if self._store is None:
            assert self.plan.open_store is not None
            self._store = self.plan.open_store(self.plan.options.state_dir / f"{self.group.name}-{self.partition}")
        try:
            keys = await restore(self._store, changelog, self.plan.options, self._tell, self.plan.space)
        finally:
            self.left_to_restore = 0
        self.plan.observer.restored(self.group.name, self.partition, keys, time.monotonic() - started)

    def _tell(self, progress: Progress) -> None:
        """From the restoring thread, every few seconds: how far it is."""
        self.left_to_restore = progress.left
        if progress.left:
            self.log.info("restoring", **progress.fields())

    @property
    def changelog(self) -> TP | None:
        """The changelog partition of the lane's state, or None."""
        return TP(self.group.changelog, self.partition) if self.group.changelog else None

    @property
    def state(self) -> State:
        """What the work may read."""
        return self._store if self._store is not None else self._memo

    @property
    def store(self) -> Any:
        """The local store, or None."""
        return self._store

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
        self._memo = Memo.newest(notes)
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
                await self.consumer.pace.turn()
                if not self.queue:
                    break  # we lost our place while we waited
                await self._do(*self._next())
            if self._ticker.due and self.open:
                self._ticker.wind()
                self.progress_at = time.monotonic()  # it rested, it did not stand still
                await self._do(Batch(self, self.epoch, {}), self._ticker.work)

    async def _do(self, batch: Batch, work: Work) -> None:
        """Work a batch and commit it; after any trouble the lane is open anew."""
        self._idle.clear()
        try:
            with self.consumer.pace.working(batch.size):
                result = await self._commit(batch, work)
        finally:
            self._idle.set()
        if result != "committed":
            await self._open(wait_s=1.2 * self.plan.options.heartbeat_s if result == "fenced" else 0.0)

    def _next(self) -> tuple[Batch, Work]:
        full, found = not self.hungry, self.queue.next()
        if full and self.hungry:
            self.consumer.lane_has_room()
        return found

    async def _commit(self, batch: Batch, work: Work) -> str:
        if goes_back(batch, self.next_offset, self.log):
            self.plan.observer.transaction(self.group.name, self.partition, "dropped", 0.0, len(batch))
            return "dropped"
        if self.group.changelog is not None:
            self.plan.space.check()
        effects = await patiently(work, batch, self.state, self.log)
        if not batch.parts:  # a tick
            if effects.empty:
                return "committed"
            await self.consumer.pace.turn()
        return await self._end(batch, effects)

    async def _end(self, batch: Batch, effects: Effects) -> str:
        started = time.monotonic()
        result = "retried"
        try:
            await asyncio.wait_for(self._transact(batch, effects), self.plan.options.transaction_timeout_s)
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

    async def _transact(self, batch: Batch, effects: Effects) -> None:
        assert self._producer is not None
        memo = self._memo if self.changelog is not None else self._memo.after(effects.changes)
        last = await self._producer.commit(effects.outputs, self.changelog, effects.changes, batch.ends, memo.note)
        if last is not None:
            self._write(effects.changes, last + 1)
        self._memo = memo
        self.next_offset.update(batch.ends)

    def _write(self, changes: dict[bytes, bytes | None], position: int) -> None:
        try:
            self._store.apply(changes, position)
        except Exception as error:
            raise StateError(f"State of lane {self.group.name}-{self.partition} cannot be written: {error}") from error

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
