"""The series of the ways out: rows of the closed table, by target, served by `gridhub sinks run`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from gridhub.connectors.sinks.contract import Fate
from gridhub.streams.metrics import version
from gridhub.streams.series import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridhub.connectors.sinks.courier import Delivered

Kind = TypeVar("Kind", Counter, Gauge)


class SinkMetrics:
    """What became of deliveries, by target; each target's series exist from the start, at zero."""

    def __init__(self, registry: CollectorRegistry, now: Callable[[], float] = time.time) -> None:
        """`registry` gets the series; one that has a worker's `gridhub_worker_info` already keeps it."""
        self._now = now
        self._deliveries = _made(Counter, "gridhub_sink_deliveries_total", registry)
        self._retries = _made(Counter, "gridhub_sink_retries_total", registry)
        self._parked = _made(Gauge, "gridhub_sink_parked", registry)
        self._open = _made(Gauge, "gridhub_sink_circuit_open", registry)
        self._oldest = _made(Gauge, "gridhub_sink_oldest_undelivered_seconds", registry)

    def introduce(self, registry: CollectorRegistry) -> None:
        """Add what every page of the hub has: who serves it, and the process."""
        _made(Gauge, "gridhub_worker_info", registry).labels(version=version(), worker="sinks").set(1)
        ProcessCollector(registry=registry)

    def watch(self, target: str, circuit_open: Callable[[], bool], oldest_ms: Callable[[], int | None]) -> None:
        """From now on the page tells this target's circuit and its oldest task that has not arrived (ms since 1970)."""
        for fate in Fate:
            self._deliveries.labels(target, fate.value)
        self._retries.labels(target)
        self._parked.labels(target).set(0)
        self._open.labels(target).set_function(lambda: float(circuit_open()))
        self._oldest.labels(target).set_function(lambda: self._age(oldest_ms()))

    def count(self, target: str, delivered: Delivered) -> None:
        """A delivery's fate is known."""
        self._deliveries.labels(target, delivered.answer.fate.value).inc()
        self._retries.labels(target).inc(max(0, delivered.attempts - 1))

    def parked(self, target: str, waiting: int) -> None:
        """So many deliveries of this target wait for a second try or for a person."""
        self._parked.labels(target).set(waiting)

    def _age(self, since_ms: int | None) -> float:
        return 0.0 if since_ms is None else max(0.0, self._now() - since_ms / 1000)


def _made(kind: type[Kind], name: str, registry: CollectorRegistry) -> Kind:
    series = TABLE[name]
    assert series.kind == kind.__name__.lower(), f"{name} is a {series.kind}"
    return kind(name, series.help, series.labels, registry=registry)
