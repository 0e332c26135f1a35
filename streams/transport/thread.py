"""Faust's Kafka thread: it fetches, rewinds exactly, and says where it stands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import aiokafka
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from gridhub.streams.transport.committed import committed_offsets
from gridhub.streams.transport.errors import LATER, OffsetsAhead, assertions_as_trouble
from gridhub.streams.transport.fetch import Waits, fetch, wake
from gridhub.streams.transport.records import Records
from gridhub.streams.transport.requests import Member

STOP_LIMIT_S = 5.0
FETCHER_ROUND_MS = 1000  # aiokafka's fetcher looks at least so often, whatever it waits for
AHEAD_PATIENCE_S = 30.0  # a partition's new leader may for a moment know less than what was committed
# aiokafka lets a consumer leave its group that fetches nothing for so long, and never come back while it has nothing
# to fetch: a spare worker without lanes, or one whose lanes all wait or restore. Ten years; the watchdog sees the rest.
MAX_POLL_INTERVAL_MS = 10 * 365 * 86_400_000


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's Kafka thread, with what its driver does not let be set and with exact rewinding."""

    consumer: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ahead_since: dict[TopicPartition, float] = {}
        self._stands: dict[TP, int] = {}  # where our last fetch or rewind left each partition
        self._reached: dict[TP, int] = {}
        self._jumped: set[TP] = set()
        self._woken = False

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
            fetch_max_bytes=options.fetch_bytes,
            fetch_max_wait_ms=options.fetch_wait_ms,
            consumer_timeout_ms=FETCHER_ROUND_MS,
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

    async def _fetch_records(  # type: ignore[override]  # columns in place of rows; only our Consumer asks
        self, consumer: Any, active_partitions: set[TP], timeout: float | None = None, max_records: int | None = None
    ) -> dict[TP, Records]:
        here = self._positions(active_partitions)
        self._jumped |= {tp for tp, position in here.items() if self._stands.get(tp, position) != position}
        records = await self._fetch_columns(consumer, active_partitions, timeout or 0.0)
        self._reached = self._positions(active_partitions)
        return records

    def arrived(self) -> None:
        """What was fetched is with us: here the next fetch goes on. What gets lost before that shows as a jump."""
        self._stands.update(self._reached)
        self._reached = {}

    async def _fetch_columns(self, consumer: Any, tps: set[TP], timeout_s: float) -> dict[TP, Records]:
        """In place of the driver's own, with its questions."""
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher  # noqa: SLF001  # as the driver does
        if consumer._closed or fetcher._closed:  # noqa: SLF001
            raise ConsumerStoppedError
        options = self.consumer.plan.options
        waits = Waits(options.fetch_wait_ms, options.idle_wait_ms, options.gather_ms)
        with fetcher._subscriptions.fetch_context():  # noqa: SLF001
            try:
                return await fetch(fetcher, tps, timeout_s, options.batch_events, waits, lambda: self._woken)
            finally:
                self._woken = False

    def wake(self) -> None:
        """End a fetch that waits for records, from another thread: there is something else to do, or to fetch."""
        self.thread_loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._woken = True
        if self._consumer is not None and self._consumer._fetcher is not None:  # noqa: SLF001
            wake(self._consumer._fetcher)  # noqa: SLF001

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

    async def settled(self, tps: Iterable[TP]) -> Member:
        """Wait until no transaction holds offsets of these partitions; gives who we were in the group before that.

        KafkaError (to be tried again) while we are no member, or when it takes too long.
        """
        return await self.call_thread(self._settled, [TopicPartition(*tp) for tp in tps])  # type: ignore[no-any-return]

    async def _settled(self, tps: list[TopicPartition]) -> Member:
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001  # it alone knows the generation
        member = Member(coordinator.generation, coordinator.member_id)
        if member.generation < 0:
            raise KafkaError("no member of the group now")
        with assertions_as_trouble():
            await committed_offsets(coordinator, tps)
        return member

    async def rewind(self, tps: Iterable[TP]) -> tuple[dict[TP, int], list[str]]:
        """Seek these partitions to their committed offsets, or to the first one where none is committed.

        The offsets, and the notes that stand beside them.

        OffsetsAhead (to be tried again) while a committed offset lies beyond the end of its partition.
        """
        return await self.call_thread(self._rewind, [TopicPartition(*tp) for tp in tps])  # type: ignore[no-any-return]

    async def _rewind(self, tps: list[TopicPartition]) -> tuple[dict[TP, int], list[str]]:
        consumer = self._ensure_consumer()
        with assertions_as_trouble():
            committed = await committed_offsets(consumer._coordinator, tps)  # noqa: SLF001  # aiokafka's own has a hole
            begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        known = {tp: found.offset for tp, found in committed.items()}
        offsets = {tp: self._place(tp, known.get(tp), begins[tp], ends[tp]) for tp in tps}
        for tp, offset in offsets.items():
            consumer.seek(tp, offset)
            self._stands[TP(*tp)] = offset
            self._jumped.discard(TP(*tp))
        return {TP(*tp): offset for tp, offset in offsets.items()}, [found.note for found in committed.values()]

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
