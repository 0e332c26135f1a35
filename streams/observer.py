"""What the worker watches: the transport's reports, lags, state sizes and stalled lanes, as metrics and logs."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from faust.types import TP

from gridhub.streams import topics
from gridhub.streams.metrics import Metrics
from gridhub.streams.settings import Settings
from gridhub.streams.transport import Consumer

_RESULTS = {"committed": "committed", "retried": "aborted", "dropped": "aborted", "fenced": "fenced"}


class Observer:
    """Counts what the transport reports."""

    def __init__(self, metrics: Metrics, log: Any, lane_topics: dict[str, tuple[str, ...]]) -> None:
        self.metrics, self.log, self.lane_topics = metrics, log, lane_topics
        self.owned: set[tuple[str, int]] = set()

    def transaction(self, lane: str, partition: int, result: str, seconds: float, events: int) -> None:
        """Count a transaction and its time; a committed one is progress."""
        self.metrics.transactions.labels(lane, _RESULTS[result]).inc()
        if result == "committed":
            self.metrics.transaction_seconds.labels(lane).observe(seconds)
            self.metrics.progress(lane, partition)
            self.log.debug("batch", stage=lane, partition=partition, events=events, seconds=round(seconds, 4))
        if result == "fenced":
            self.metrics.fenced.inc()

    def restored(self, lane: str, partition: int, keys: int, seconds: float) -> None:
        """Count and log what a lane's state took from its changelog."""
        self.metrics.restored_keys.inc(keys)
        self.metrics.restore_seconds.observe(seconds)
        self.log.info("state restored", stage=lane, partition=partition, keys=keys, seconds=round(seconds, 3))

    def rebalanced(self, lanes: Sequence[tuple[str, int]]) -> None:
        """Note which lanes are ours now."""
        self.metrics.rebalances.inc()
        for name, partition in self.owned - set(lanes):
            self.metrics.forget_lane(name, partition, self.lane_topics[name])
        self.owned = set(lanes)
        for name in self.lane_topics:
            self.metrics.lanes.labels(name).set(sum(lane == name for lane, _ in lanes))
        for name, partition in lanes:
            self.metrics.progress(name, partition)
        self.log.info("lanes assigned", lanes=[f"{name}-{partition}" for name, partition in lanes])

    @contextmanager
    def room(self, name: str) -> Iterator[None]:
        """Measure one room's time for one batch."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.metrics.room_seconds.labels(name).observe(time.perf_counter() - started)


class Watch:
    """Looks at the consumer once a second: lags, idle lanes, state sizes, lanes that hold work and do not commit."""

    def __init__(self, consumer: Consumer, metrics: Metrics, settings: Settings, log: Any) -> None:
        self.consumer, self.metrics, self.settings, self.log = consumer, metrics, settings, log
        self._behind_since: dict[TP, float] = {}
        self._counted: dict[int, int] = {}
        self._sized_at = 0.0
        self._told_at = 0.0

    def look(self) -> None:
        """One look."""
        now = time.monotonic()
        for tp, events in self.consumer.lags().items():
            since = self._behind_since.setdefault(tp, now) if events else self._behind_since.pop(tp, now)
            labels = (tp.topic, str(tp.partition))
            self.metrics.lag_events.labels(*labels).set(events)
            self.metrics.lag_seconds.labels(*labels).set(now - since if events else 0.0)
        for (name, partition), lane in self.consumer.lanes.items():
            if lane.open and not lane.waiting:
                self.metrics.progress(name, partition)
            if lane.state.changelog is not None:
                self.metrics.restore_left.labels(str(partition)).set(lane.state.left_to_restore)
        self.metrics.standby_lanes.set(self.consumer.standby.warm())
        if now - self._sized_at > 5:
            self._sized_at = now
            self._sizes()
        self._stalls(now)

    def _sizes(self) -> None:
        for (name, partition), lane in self.consumer.lanes.items():
            if name != "outbound" or lane.state.store is None or not lane.open:
                continue
            self.metrics.state_keys.labels(str(partition)).set(lane.state.store.key_count())
            self.metrics.state_bytes.labels(str(partition)).set(lane.state.store.size_bytes())
            if self._counted.get(partition) != lane.generation:
                self._counted[partition] = lane.generation
                self._count_open(partition, lane.state.store)

    def _count_open(self, partition: int, store: Any) -> None:
        """Count the open incidents of a lane that was just taken over; afterwards the stage keeps the count."""
        counts = dict.fromkeys(self._districts(), 0)
        for _, value in store.scan(b"i|", b"i}"):
            incident = orjson.loads(value)
            if incident["state"] == "open":
                district = incident["area"][:6]
                counts[district] = counts.get(district, 0) + 1
        for district, count in counts.items():
            self.metrics.incidents_open.labels(str(partition), district).set(count)

    def _districts(self) -> list[str]:
        return list(self.consumer.app.districts)  # type: ignore[attr-defined]  # put there by the worker

    def _stalls(self, now: float) -> None:
        stalled = self.consumer.stalled(self.settings.stall_limit_s)
        if not stalled or now - self._told_at < self.settings.stall_limit_s:
            return
        self._told_at = now
        names = [f"{lane.group.name}-{lane.partition}" for lane in stalled]
        self.log.error("lanes hold work but do not commit", lanes=names, stacks=task_stacks())


def task_stacks() -> str:
    """Where every task of this event loop stands, for the log."""
    out = io.StringIO()
    for task in asyncio.all_tasks():
        out.write(f"{task.get_name()}\n")
        task.print_stack(limit=5, file=out)
    return out.getvalue()[:20_000]


LANE_TOPICS = {"outbound": (topics.LOCATED.name, topics.STATUS.name)}
"""The topics of the lanes that do not depend on which departments there are."""
