"""The Faust transport: agents get one batch per lane and fetch, and its effects in one transaction."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, ClassVar, cast

import aiokafka
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from gridhub.streams.transport.batch import Batch, cut
from gridhub.streams.transport.committed import committed_offsets
from gridhub.streams.transport.errors import LATER, OffsetsAhead
from gridhub.streams.transport.lane import Lane
from gridhub.streams.transport.plan import Plan

FETCH_TIMEOUT_S = 0.25
STOP_LIMIT_S = 5.0
AHEAD_PATIENCE_S = 30.0  # a partition's new leader may for a moment know less than what was committed
# aiokafka lets a consumer leave its group that fetches nothing for so long, and never come back while it has nothing
# to fetch: a spare worker without lanes, or one whose lanes all wait or restore. Ten years; the watchdog sees the rest.
MAX_POLL_INTERVAL_MS = 10 * 365 * 86_400_000


class _NoOffsets(defaultdict[TP, Any]):
    """Faust's own offset tracking, switched off: lanes track theirs, inside the transaction."""

    def __getitem__(self, tp: TP) -> None:
        return None

    def __setitem__(self, tp: TP, offset: Any) -> None:
        return None


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's Kafka thread, with what its driver does not let be set and with exact rewinding."""

    consumer: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ahead_since: dict[TopicPartition, float] = {}
        self._stands: dict[TP, int] = {}  # where our last fetch or rewind left each partition
        self._jumped: set[TP] = set()

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf, options = self.app.conf, self.consumer.plan.options
        self._assignor = self.app.assignor  # keeps equal partition numbers of all topics together
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=list(options.bootstrap),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=None,
            max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
            max_partition_fetch_bytes=1 << 20,
            fetch_max_wait_ms=options.fetch_wait_ms,
            request_timeout_ms=40_000,
            retry_backoff_ms=100,
            session_timeout_ms=int(options.session_timeout_s * 1000),
            rebalance_timeout_ms=int(max(options.session_timeout_s, options.transaction_timeout_s) * 2000),
            heartbeat_interval_ms=int(options.heartbeat_s * 1000),
            isolation_level="read_committed",
            metadata_max_age_ms=60_000,
        )

    async def on_thread_stop(self) -> None:
        """Close the consumer, also when the broker is away.

        aiokafka then lets its own cancellation of a waiting fetch escape, and Faust would wait for this thread for ever.
        """
        try:
            await asyncio.wait_for(super().on_thread_stop(), STOP_LIMIT_S)
        except (asyncio.CancelledError, TimeoutError, *LATER) as error:
            self.consumer.plan.log.warning("the consumer was not closed in good order", error=repr(error))

    async def _fetch_records(
        self, consumer: Any, active_partitions: set[TP], timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        here = self._positions(active_partitions)
        self._jumped |= {tp for tp, position in here.items() if self._stands.get(tp, position) != position}
        records = await super()._fetch_records(
            consumer, active_partitions, timeout=timeout, max_records=self.consumer.plan.options.batch_events
        )
        self._stands.update(self._positions(active_partitions))
        return records

    def jumped(self) -> set[TP]:
        """Partitions whose position was moved by nobody of ours since the last question."""
        found, self._jumped = self._jumped, set()
        return found

    def _positions(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Where the next fetch of these partitions reads; those that are not ours any more are left out."""
        assignment = self._assignment()
        if assignment is None:
            return {}
        ours = [tp for tp in tps if TopicPartition(*tp) in assignment.tps]
        found = {tp: assignment.state_value(TopicPartition(*tp))._position for tp in ours}  # noqa: SLF001  # its property asserts
        return {TP(*tp): position for tp, position in found.items() if position is not None}

    def _assignment(self) -> Any:
        subscription = self._ensure_consumer()._subscription.subscription  # noqa: SLF001  # aiokafka's own questions assert
        return subscription.assignment if subscription is not None else None

    async def rewind(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Seek these partitions to their committed offsets, or to the first one where none is committed.

        OffsetsAhead (to be tried again) while a committed offset lies beyond the end of its partition.
        """
        return await self.call_thread(self._rewind, [TopicPartition(*tp) for tp in tps])  # type: ignore[no-any-return]

    async def _rewind(self, tps: list[TopicPartition]) -> dict[TP, int]:
        consumer = self._ensure_consumer()
        committed = await committed_offsets(consumer._coordinator, tps)  # noqa: SLF001  # aiokafka's own has a hole
        begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        offsets = {tp: self._place(tp, committed.get(tp), begins[tp], ends[tp]) for tp in tps}
        for tp, offset in offsets.items():
            consumer.seek(tp, offset)
            self._stands[TP(*tp)] = offset
            self._jumped.discard(TP(*tp))
        return {TP(*tp): offset for tp, offset in offsets.items()}

    def _place(self, tp: TopicPartition, committed: int | None, begin: int, end: int) -> int:
        """Where to go on; what is left to aiokafka outside of the log is a silent start from the first offset."""
        if committed is None or committed < begin:
            if committed is not None:
                self._say("events were deleted before they were read", tp, committed=committed, first=begin)
            return begin
        if committed <= end:
            self._ahead_since.pop(tp, None)
            return committed
        since = self._ahead_since.setdefault(tp, time.monotonic())
        if time.monotonic() - since < AHEAD_PATIENCE_S:
            raise OffsetsAhead(f"{tp.topic}-{tp.partition} ends at {end}, but {committed} is committed")
        self._say("the broker lost events that were worked on; going on at its end", tp, committed=committed, end=end)
        return end

    def _say(self, event: str, tp: TopicPartition, **more: int) -> None:
        self.consumer.plan.log.error(event, topic=tp.topic, partition=tp.partition, **more)

    def place(self, tp: TP) -> tuple[int, int] | None:
        """Where the next fetch reads and where the partition ends now, as the last fetch told; None when unknown."""
        assignment = self._assignment()
        if assignment is None or TopicPartition(*tp) not in assignment.tps:
            return None
        state = assignment.state_value(TopicPartition(*tp))
        position = state._position if state is not None else None  # noqa: SLF001  # its property asserts, see above
        return None if position is None or state.lso is None else (position, state.lso)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: the watchdog on commit progress sees what this one guesses at."""


class Consumer(driver.Consumer):
    """Hands each lane's fetched records to the agent as one batch; owns the lanes."""

    consumer_stopped_errors: ClassVar[Any] = driver.Consumer.consumer_stopped_errors
    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plan: Plan = self.app.lane_plan  # type: ignore[attr-defined]  # put there by install()
        self.lanes: dict[tuple[str, int], Lane] = {}
        self._fetching = asyncio.Lock()
        self._ending = False
        self._read_offset = _NoOffsets()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- rebalance ------------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let running transactions end, then let all lanes go; who gets them next decides about their states."""
        self.stop_flow()
        patience_s = min(self.plan.options.session_timeout_s, self.plan.options.transaction_timeout_s) / 2
        await asyncio.gather(*(lane.stop(patience_s, keep_store=True) for lane in self.lanes.values()))
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Start the lanes that are ours now; each opens by itself, so that a long restore keeps nobody waiting."""
        if self._ending:
            return  # a rebalance that was under way when we were stopped
        self._start_lanes(self._by_lane(assigned))
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
        for key, tps in wanted.items():
            if key not in self.lanes:
                self.lanes[key] = Lane(self, groups[key[0]], key[1], self.plan)
            self.lanes[key].start(tps)

    async def perform_seek(self) -> None:
        """Do nothing when Faust says that a rebalance is over: a lane rewinds itself when it opens."""

    async def rewind_lane(self, lane: Lane) -> None:
        """Rewind one lane; no fetch is under way meanwhile, so nothing read before counts after."""
        async with self._fetching:
            lane.rewound(await self._thread.rewind(lane.tps))

    # -- flow -----------------------------------------------------------------------------------------------------

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Fetch for the lanes that have room; yields one message per lane, its value a Batch."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        hungry = {tp for lane in self.lanes.values() if lane.hungry for tp in lane.tps}
        if not hungry:
            await asyncio.sleep(0.002 if self.lanes else 0.1)
            return
        async with self._fetching:
            epochs = {key: lane.epoch for key, lane in self.lanes.items()}
            records = await self._getmany(active_partitions=hungry, timeout=min(timeout, FETCH_TIMEOUT_S))
            self._find_jumps()
        for key, parts in self._group(records).items():
            for piece in cut(parts, self.plan.options.batch_bytes):
                if (lane := self.lanes.get(key)) is None:
                    continue
                batch = Batch(lane, epochs.get(key, -1), piece, lane.fetched)
                lane.fetched += batch.epoch == lane.epoch
                if self.flow_active and not self.should_stop:
                    yield self._message(batch)

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
            last.timestamp / 1000,
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
        await super().on_stop()


class Transport(driver.Transport):
    """Registered as the URL scheme `batch://`."""

    Consumer: ClassVar[type[Consumer]] = Consumer
