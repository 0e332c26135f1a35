"""The series of one worker: made from the closed table in `series.py`, raised once per batch; `metrics_page.py` serves them.

Counters count what a committed transaction did. An aborted batch is not counted, its repeat is: so a crash makes
no event count twice within one worker's life.
"""

from __future__ import annotations

import platform
import time
from collections import Counter as Tally
from importlib import metadata
from itertools import product
from typing import TYPE_CHECKING, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from gridhub.streams.batch_histogram import BatchHistogram
from gridhub.streams.rooms.ring import HANDLERS
from gridhub.streams.series import (
    ACTIONS,
    METHODS,
    ROOM_REASONS,
    STAGES,
    STANDING_RESULTS,
    STANDING_TOPICS,
    TABLE,
    TASK_STAGES,
    TRANSACTION_RESULTS,
    UNKNOWN,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa

Kind = TypeVar("Kind", Counter, Gauge)


class Metrics:
    """The series of one worker on one registry; known label sets exist from the start, at zero, so rates do too.

    `departments` are codes; matter groups (categories.csv), 6-digit districts and roles (routing.yaml) may be given so
    that their first event already shows in a rate: a series that appears with its first value does not.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        departments: Sequence[str],
        *,
        matter_groups: Sequence[str] = (),
        districts: Sequence[str] = (),
        roles: Sequence[str] = (),
    ) -> None:
        self._departments = frozenset(departments)
        self._newest: dict[str, int] = {}
        self._children: dict[tuple[Counter | Gauge, tuple[str, ...]], Counter | Gauge] = {}
        self._progress: dict[tuple[str, str], float] = {}
        self.clock: Callable[[], float] = time.monotonic
        self._make_counters(registry)
        self._make_gauges(registry)
        self.room_seconds = _histogram("gridhub_room_seconds", registry)
        self.batch_events = _histogram("gridhub_batch_events", registry)
        self.transaction_seconds = _histogram("gridhub_transaction_seconds", registry)
        self.restore_seconds = _histogram("gridhub_restore_seconds", registry)
        self.end_to_end = BatchHistogram(TABLE["gridhub_end_to_end_seconds"], registry, departments)
        self.timer_late = BatchHistogram(TABLE["gridhub_timer_late_seconds"], registry, list(HANDLERS))
        ProcessCollector(registry=registry)
        self._start_at_zero((*departments, UNKNOWN), matter_groups)
        _touch(self.located, departments, METHODS, districts)
        _touch(self.tasks_dispatched, ACTIONS, roles)
        for by_kind in (self.timers_set, self.timers_fired):
            _touch(by_kind, list(HANDLERS))
        self.build_info.labels(version=version(), python=platform.python_version()).set(1)

    def _make_counters(self, registry: CollectorRegistry) -> None:
        self.received = _made(Counter, "gridhub_received_total", registry)
        self.admitted = _made(Counter, "gridhub_admitted_total", registry)
        self.refused = _made(Counter, "gridhub_refused_total", registry)
        self.located = _made(Counter, "gridhub_located_total", registry)
        self.taken = _made(Counter, "gridhub_taken_total", registry)
        self.duplicates = _made(Counter, "gridhub_duplicates_total", registry)
        self.merged = _made(Counter, "gridhub_merged_total", registry)
        self.possible = _made(Counter, "gridhub_possible_total", registry)
        self.attached = _made(Counter, "gridhub_attached_total", registry)
        self.incidents_opened = _made(Counter, "gridhub_incidents_opened_total", registry)
        self.incidents_closed = _made(Counter, "gridhub_incidents_closed_total", registry)
        self.tasks_dispatched = _made(Counter, "gridhub_tasks_dispatched_total", registry)
        self.task_steps = _made(Counter, "gridhub_task_steps_total", registry)
        self.incidents_reopened = _made(Counter, "gridhub_incidents_reopened_total", registry)
        self.tasks_overdue = _made(Counter, "gridhub_tasks_overdue_total", registry)
        self.timers_set = _made(Counter, "gridhub_timers_set_total", registry)
        self.timers_fired = _made(Counter, "gridhub_timers_fired_total", registry)
        self.transactions = _made(Counter, "gridhub_transactions_total", registry)
        self.restored_keys = _made(Counter, "gridhub_restored_keys_total", registry)
        self.rebalances = _made(Counter, "gridhub_rebalances_total", registry)
        self.fenced = _made(Counter, "gridhub_fenced_total", registry)
        self.poison_events = _made(Counter, "gridhub_poison_events_total", registry)
        self.standing_changes = _made(Counter, "gridhub_standing_changes_total", registry)

    def _make_gauges(self, registry: CollectorRegistry) -> None:
        self.incidents_open = _made(Gauge, "gridhub_incidents_open", registry)
        self.last_event = _made(Gauge, "gridhub_last_event_timestamp_seconds", registry)
        self.lag_events = _made(Gauge, "gridhub_lag_events", registry)
        self.lag_seconds = _made(Gauge, "gridhub_lag_seconds", registry)
        self.commit_age = _made(Gauge, "gridhub_commit_age_seconds", registry)
        self.lanes = _made(Gauge, "gridhub_lanes", registry)
        self.state_keys = _made(Gauge, "gridhub_state_keys", registry)
        self.state_bytes = _made(Gauge, "gridhub_state_bytes", registry)
        self.restore_left = _made(Gauge, "gridhub_restore_left_records", registry)
        self.standby_lanes = _made(Gauge, "gridhub_standby_lanes", registry)
        self.rules_info = _made(Gauge, "gridhub_rules_info", registry)
        self.worker_info = _made(Gauge, "gridhub_worker_info", registry)
        self.calendar_until = _made(Gauge, "gridhub_calendar_known_until_timestamp_seconds", registry)
        self.rehearsal_clock = _made(Gauge, "gridhub_rehearsal_clock", registry)
        self.build_info = _made(Gauge, "gridhub_build_info", registry)

    def _start_at_zero(self, departments: Sequence[str], matter_groups: Sequence[str]) -> None:
        for by_department in (self.received, self.admitted, self.duplicates):
            _touch(by_department, departments)
        for room, reasons in ROOM_REASONS.items():
            _touch(self.refused, departments if room in {"admit", "normalise"} else [UNKNOWN], [room], reasons)
        for by_matter in (
            self.merged, self.possible, self.attached, self.incidents_closed, self.incidents_reopened,
        ):  # fmt: skip
            _touch(by_matter, matter_groups)
        _touch(self.incidents_opened, matter_groups, "1234")
        _touch(self.task_steps, TASK_STAGES)
        _touch(self.room_seconds, tuple(ROOM_REASONS))
        for by_stage in (self.batch_events, self.transaction_seconds, self.poison_events, self.lanes):
            _touch(by_stage, STAGES)
        _touch(self.transactions, STAGES, TRANSACTION_RESULTS)
        _touch(self.standing_changes, STANDING_TOPICS, STANDING_RESULTS)

    def introduce(self, worker: str) -> None:
        """Names this worker in gridhub_worker_info."""
        self.worker_info.labels(version=version(), worker=worker).set(1)

    def rules_in_force(self, rules: Mapping[str, str]) -> None:
        """Shows which version of each rule file and of the grids this worker decides by."""
        self.rules_info.clear()
        for rule, number in rules.items():
            self.rules_info.labels(rule=rule, version=number).set(1)

    def department(self, code: str | None) -> str:
        """The label of this source: its code when it is a known department, else `unknown`."""
        return code if code in self._departments else UNKNOWN

    def count_rows(self, counter: Counter, batch: pa.RecordBatch, columns: Sequence[str]) -> None:
        """Adds the batch's rows to the counter, grouped by these columns: the counter's labels, in their order.

        The columns `source` and `area` become the department and the 6-digit district; null becomes `unknown`.
        """
        rows = zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
        for values, count in Tally(rows).items():
            labels = (self._label(name, value) for name, value in zip(columns, values, strict=True))
            self.child(counter, *labels).inc(count)

    def count(self, series: Kind, labels: Iterable[tuple[str, ...]]) -> None:
        """Adds one for each of these label sets."""
        for values, count in Tally(labels).items():
            self.child(series, *values).inc(count)

    def child(self, series: Kind, *labels: str) -> Kind:
        """The series with these labels, as `labels` of the library gives it in six times the time."""
        found = self._children.get((series, labels))
        if found is None:
            found = self._children[series, labels] = series.labels(*labels)
        return cast("Kind", found)

    def _label(self, column: str, value: object) -> str:
        if column == "source":
            return self.department(value if isinstance(value, str) else None)
        text = UNKNOWN if value in {None, ""} else str(value)
        return text[:6] if column == "area" and text != UNKNOWN else text

    def observe_end_to_end(self, sources: Sequence[str], received_ms: Iterable[int], now_ms: int) -> None:
        """Counts, per department, the seconds from each record's broker time to `now_ms`, the time of the commit."""
        seconds: dict[str, list[float]] = {}
        for name, received in zip(sources, received_ms, strict=True):
            seconds.setdefault(name, []).append((now_ms - received) / 1000.0)
        for name, values in seconds.items():
            self.end_to_end.observe_many(self.department(name), values)

    def timers_rang(self, due_ms: Iterable[tuple[str, int]], now_ms: int) -> None:
        """Counts timers (kind, due time) that fired, and how long after their time what they caused was committed."""
        late: dict[str, list[float]] = {}
        for kind, due in due_ms:
            late.setdefault(kind if kind in HANDLERS else UNKNOWN, []).append((now_ms - due) / 1000.0)
        for kind, seconds in late.items():
            self.child(self.timers_fired, kind).inc(len(seconds))
            self.timer_late.observe_many(kind, seconds)

    def newest_event(self, source: str, broker_ms: int) -> None:
        """Remembers the broker time of a known department's newest event; an older one changes nothing."""
        if source in self._departments:
            self._newest[source] = max(broker_ms, self._newest.get(source, 0))
            self.last_event.labels(source).set(self._newest[source] / 1000.0)

    def progress(self, stage: str, partition: int) -> None:
        """Marks that this lane committed, or had nothing to do, now.

        The age is computed at each scrape, in the thread of the HTTP server: it grows even if the event loop hangs.
        """
        key = (stage, str(partition))
        known = key in self._progress
        self._progress[key] = self.clock()
        if not known:
            self.commit_age.labels(*key).set_function(lambda: self._age(key))

    def _age(self, key: tuple[str, str]) -> float:
        now = self.clock()
        return max(0.0, now - self._progress.get(key, now))

    def forget_lane(self, stage: str, partition: int, topics: Sequence[str]) -> None:
        """Drops the series of a partition that this worker no longer owns; the new owner shows them."""
        number = str(partition)
        self._children.clear()  # what is removed below must not be counted on unseen
        self._progress.pop((stage, number), None)
        self.commit_age.remove_by_labels({"stage": stage, "partition": number})
        for topic, lag in product(topics, (self.lag_events, self.lag_seconds)):
            lag.remove_by_labels({"topic": topic, "partition": number})
        if stage == "outbound":
            for state in (self.state_keys, self.state_bytes, self.restore_left, self.incidents_open):
                state.remove_by_labels({"partition": number})


def version() -> str:
    """The installed version of gridhub."""
    return metadata.version("gridhub")


def _made(kind: type[Kind], name: str, registry: CollectorRegistry) -> Kind:
    """The counter or gauge of this name from its line in the table; a name without a line is a KeyError at the start."""
    series = TABLE[name]
    assert series.kind == kind.__name__.lower(), f"{name} is a {series.kind}"
    return kind(name, series.help, series.labels, registry=registry)


def _histogram(name: str, registry: CollectorRegistry) -> Histogram:
    series = TABLE[name]
    assert series.kind == "histogram", f"{name} is a {series.kind}"
    return Histogram(name, series.help, series.labels, registry=registry, buckets=series.buckets)


def _touch(series: Counter | Gauge | Histogram, *values: Sequence[str]) -> None:
    for labels in product(*values):
        series.labels(*labels)
