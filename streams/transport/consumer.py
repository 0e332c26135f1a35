"""The Faust transport: agents get one batch per lane and fetch, and its effects in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, cast

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from gridhub.streams.transport.batch import Batch, cut
from gridhub.streams.transport.convoy import Convoy, carry
from gridhub.streams.transport.lane import Lane
from gridhub.streams.transport.pace import Pace
from gridhub.streams.transport.plan import Plan
from gridhub.streams.transport.requests import Member
from gridhub.streams.transport.standby import Standby
from gridhub.streams.transport.thread import ConsumerThread

FETCH_TIMEOUT_S = 1.0  # it is woken when a lane opens, has room again, or is taken from us
WORKING_SHARE = 4  # of the memory, one part in four may be under way when another transaction begins
STRAY_S = 10.0  # a batch that takes longer from here to its lane was dropped on the way


class _NoOffsets(defaultdict[TP, Any]):
    """Faust's own offset tracking, switched off: lanes track theirs, inside the transaction."""

    def __getitem__(self, tp: TP) -> None:
        return None

    def __setitem__(self, tp: TP, offset: Any) -> None:
        return None


class Consumer(driver.Consumer):
    """Hands each lane's fetched records to the agent as one batch; owns the lanes."""

    consumer_stopped_errors: ClassVar[Any] = driver.Consumer.consumer_stopped_errors
    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plan: Plan = self.app.lane_plan  # type: ignore[attr-defined]  # put there by install()
        self.standby = Standby(self.plan)
        self.lanes: dict[tuple[str, int], Lane] = {}
        self._fetching = asyncio.Lock()
        self._room = asyncio.Event()
        self.pace = Pace(self.plan.options.memory_bytes // WORKING_SHARE)
        self.convoys: dict[str, Convoy] = {}  # of each group, from one rebalance to the next
        self._ending = False
        self._read_offset = _NoOffsets()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- rebalance ------------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let running transactions end, then let all lanes go; who gets them next decides about their states."""
        self.stop_flow()
        self._thread.wake()
        patience_s = min(self.plan.options.session_timeout_s, self.plan.options.transaction_timeout_s) / 2
        await asyncio.gather(*(lane.stop(patience_s, keep_store=True) for lane in self.lanes.values()))
        self._end_convoys()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Start the lanes that are ours now; each opens by itself, so that a long restore keeps nobody waiting."""
        if self._ending:
            return  # a rebalance that was under way when we were stopped
        self._start_lanes(self._by_lane(assigned))
        if self.plan.options.standby:
            self._follow(self._by_lane(self.app.assignor.assigned_standbys()))
        self.plan.observer.rebalanced(sorted(self.lanes))
        await super().on_partitions_assigned(assigned, generation_id)

    def _by_lane(self, tps: Iterable[TP]) -> dict[tuple[str, int], set[TP]]:
        table: dict[tuple[str, int], set[TP]] = defaultdict(set)
        for tp in tps:
            if (group := self.plan.by_topic.get(tp.topic)) is not None:
                table[group.name, tp.partition].add(TP(*tp))
        return table

    def _start_lanes(self, wanted: Mapping[tuple[str, int], set[TP]]) -> None:
        for key in self.lanes.keys() - wanted.keys():
            self.lanes.pop(key).close_store()
        groups = {group.name: group for group in self.plan.groups}
        self._end_convoys()
        self.convoys = {name: Convoy(self.plan.interval_s(group), carry) for name, group in groups.items()}
        for key, tps in wanted.items():
            if key not in self.lanes:
                plan = replace(self.plan, open_store=self.standby.open)
                self.lanes[key] = Lane(self, groups[key[0]], key[1], plan)
            self.lanes[key].start(tps)

    def _end_convoys(self) -> None:
        for convoy in self.convoys.values():
            convoy.end()

    def _follow(self, copies: Iterable[tuple[str, int]]) -> None:
        """Keep copies of these lanes' states; those that are ours now take theirs over."""
        changelogs = {group.name: group.changelog for group in self.plan.groups if group.changelog is not None}
        folder = self.plan.options.state_dir
        wanted = {(name, number) for name, number in copies if name in changelogs} - self.lanes.keys()
        ours = {TP(changelogs[name], number) for name, number in self.lanes if name in changelogs}
        self.standby.follow(
            {TP(changelogs[name], number): folder / f"{name}-{number}" for name, number in wanted}, ours
        )

    async def perform_seek(self) -> None:
        """Do nothing when Faust says that a rebalance is over: a lane rewinds itself when it opens."""

    async def settled(self, tps: set[TP]) -> Member:
        """Wait until no transaction holds offsets of these partitions; gives who we are in the group."""
        return await self._thread.settled(tps)

    async def rewind_lane(self, lane: Lane) -> None:
        """Rewind one lane; no fetch is under way meanwhile, so nothing read before counts after."""
        self._thread.wake()
        async with self._fetching:
            lane.rewound(*await self._thread.rewind(lane.tps))

    # -- flow -----------------------------------------------------------------------------------------------------

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Fetch for the lanes that have room; yields one message per lane, its value a Batch."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        self._find_missing()
        self._room.clear()
        hungry = {tp for lane in self._hungry() for tp in lane.tps}
        if not hungry:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FETCH_TIMEOUT_S):
                    await self._room.wait()
            return
        async with self._fetching:
            epochs = {key: lane.epoch for key, lane in self.lanes.items()}
            records = await self._getmany(active_partitions=hungry, timeout=min(timeout, FETCH_TIMEOUT_S))
            self._thread.arrived()
            self._find_jumps()
        for batch in self._batches(records, epochs):
            if self.flow_active and not self.should_stop and not batch.lane.join(batch):
                yield self._message(batch)

    def _batches(self, records: Mapping[Any, Any], epochs: Mapping[tuple[str, int], int]) -> list[Batch]:
        """What was fetched, by lane, cut and counted: all of it before anything can come between."""
        batches, options = [], self.plan.options
        for key, parts in self._group(records).items():
            if (lane := self.lanes.get(key)) is not None:
                for piece in cut(parts, options.batch_bytes, options.batch_events):
                    batches.append(Batch(lane, epochs.get(key, -1), piece.parts, lane.queue.fetched, piece.size))
                    lane.count(batches[-1])
        return batches

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's loop, without the four tasks that it makes and ends for each message."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                async for _, message in self.getmany(FETCH_TIMEOUT_S):
                    await self.callback(message)
        except (*self.consumer_stopped_errors, asyncio.CancelledError):
            if not self.transport.app.should_stop:
                raise

    def _hungry(self) -> list[Lane]:
        """The lanes to fetch for; when all together hold too much, only those that would stand still."""
        held_bytes = sum(lane.queue.held_bytes for lane in self.lanes.values() if lane.open)
        full = held_bytes >= self.plan.options.memory_bytes
        return [lane for lane in self.lanes.values() if lane.hungry and not (full and lane.queue.held_bytes)]

    def lane_has_room(self) -> None:
        """A lane opened, or has room again: what waits, or is fetched for the others only, looks again."""
        self._room.set()
        self._thread.wake()

    def _find_missing(self) -> None:
        for lane in self.lanes.values():
            if lane.open and lane.queue.misses(STRAY_S):
                lane.go_astray(f"a batch did not come within {STRAY_S:.0f} s")

    def _find_jumps(self) -> None:
        for tp in self._thread.jumped():
            lane = self.lanes.get((self.plan.by_topic[tp.topic].name, tp.partition))
            if lane is not None and lane.open:
                lane.go_astray(f"somebody moved the consumer of {tp.topic}")

    def _group(self, records: Mapping[Any, list[Any]]) -> dict[tuple[str, int], dict[TP, list[Any]]]:
        table: dict[tuple[str, int], dict[TP, list[Any]]] = defaultdict(dict)
        for tp, rows in records.items():
            table[self.plan.by_topic[tp.topic].name, tp.partition][TP(*tp)] = rows
        return table

    def _message(self, batch: Batch) -> tuple[TP, ConsumerMessage]:
        tp = next(iter(batch.parts))
        last = batch.parts[tp][-1]
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            (last.timestamp or 0) / 1000,
            last.timestamp_type,
            [],
            None,
            cast("bytes", batch),
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )
        return tp, message

    def ack(self, message: Any) -> bool:
        """Nothing to remember: a batch's offsets are in its transaction."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit nothing. Offsets are committed in a lane's transaction and nowhere else.

        Faust's stream iterator acknowledges messages past `ack` above; left alone, its commit timer then sets the
        group back to the end of the first batch, seconds after later ones were committed (seen under kill -9).
        """
        return False

    # -- watching -------------------------------------------------------------------------------------------------

    def lane_broke(self, lane: Lane, error: BaseException) -> None:
        """A lane met our own bug, a forbidden topic or a broken disk: the worker stops loudly."""
        self.plan.log.error(
            "lane broke, the worker stops",
            lane=lane.group.name,
            partition=lane.partition,
            error=repr(error),
            exc_info=error,
        )
        self.app.lane_failure = error  # type: ignore[attr-defined]  # read by the worker's exit code
        asyncio.ensure_future(self.crash(error))  # noqa: RUF006  # the service keeps itself alive

    def lags(self) -> dict[TP, int]:
        """Events that can be read and are not committed, per partition of the open lanes.

        Where everything is read and no batch waits there are none: what is left are the marks that end transactions.
        """
        lags = {}
        for lane in filter(lambda lane: lane.open, self.lanes.values()):
            for tp, offset in lane.next_offset.items():
                position, end = self._thread.place(tp) or (offset, offset)
                lags[tp] = max(0, end - offset) if lane.waiting or position < end else 0
        return lags

    def stalled(self, limit_s: float) -> list[Lane]:
        """Lanes that hold work but committed nothing for so long."""
        now = time.monotonic()
        return [lane for lane in self.lanes.values() if lane.waiting and now - lane.progress_at > limit_s]

    async def on_stop(self) -> None:
        """Let the running transactions end and let the lanes go."""
        self._ending = True
        patience_s = self.plan.options.session_timeout_s / 2
        await asyncio.gather(*(lane.stop(patience_s) for lane in self.lanes.values()))
        self.lanes.clear()
        self._end_convoys()
        await asyncio.to_thread(self.standby.stop)
        await super().on_stop()


class Transport(driver.Transport):
    """Registered as the URL scheme `batch://`."""

    Consumer: ClassVar[type[Consumer]] = Consumer
