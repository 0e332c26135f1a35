"""What the tests of operations share: the scripts in grafana/ as modules, and a page fed with plausible values."""

from __future__ import annotations

import random
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from gridhub.connectors.sinks.contract import Answer, Fate, Message
from gridhub.connectors.sinks.courier import Delivered
from gridhub.connectors.sinks.metrics import SinkMetrics
from gridhub.streams.metrics import Metrics
from gridhub.streams.metrics_page import serve
from gridhub.streams.series import STAGES, TASK_STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "grafana"))  # scripts, not a package: nobody installs them

DEPARTMENTS = ("power", "meteorology", "public-security")
DISTRICTS = ("420202", "420281")


def feed(metrics: Metrics, rng: random.Random) -> None:
    """Counts one batch of each stage as a worker would: every law of conservation holds."""
    for department in DEPARTMENTS:
        metrics.received.labels(department).inc(20)
        metrics.admitted.labels(department).inc(19)
        metrics.refused.labels(department, "admit", "not_admitted").inc()
        metrics.refused.labels(department, "normalise", "not_located").inc()
        metrics.located.labels(department, "code", rng.choice(DISTRICTS)).inc(18)
        metrics.duplicates.labels(department).inc()
        metrics.observe_end_to_end([department] * 18, np.full(18, 1000), 1000 + rng.randint(5, 900))
        metrics.newest_event(department, int(time.time() * 1000))
    metrics.taken.inc(54)
    metrics.merged.labels("fire").inc(30)
    metrics.incidents_opened.labels("fire", "2").inc(21)
    metrics.incidents_closed.labels("fire").inc()
    metrics.incidents_open.labels("0", "420202").inc()
    metrics.tasks_dispatched.labels("handle", "grid_member").inc(21)
    for stage in TASK_STAGES:
        metrics.task_steps.labels(stage).inc()
    for room in ("admit", "normalise", "deduplicate", "dispatch", "track"):
        metrics.room_seconds.labels(room).observe(rng.random() / 50)
    for stage in STAGES:
        metrics.batch_events.labels(stage).observe(60)
        metrics.transactions.labels(stage, "committed").inc()
        metrics.transaction_seconds.labels(stage).observe(rng.random() / 20)


def settled(metrics: Metrics) -> None:
    """What a worker shows once its lanes are assigned."""
    metrics.introduce("worker-1")
    for topic in ("dept.power.events", "hub.located"):
        metrics.lag_events.labels(topic, "0").set(3)
        metrics.lag_seconds.labels(topic, "0").set(0.2)
    for stage in STAGES:
        metrics.lanes.labels(stage).set(1)
        metrics.progress(stage, 0)
    metrics.state_keys.labels("0").set(1000)
    metrics.state_bytes.labels("0").set(65536)
    metrics.restored_keys.inc(100)
    metrics.restore_seconds.observe(0.4)
    metrics.rebalances.inc()


@pytest.fixture
def fed_page() -> Iterator[str]:
    """host:port of a metrics page whose values grow ten times a second."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, DEPARTMENTS, matter_groups=["fire"], districts=DISTRICTS, roles=["grid_member"])
    settled(metrics)
    sinks = SinkMetrics(registry)
    sinks.watch("street-desk", lambda: False, lambda: int(time.time() * 1000) - 5000)
    server, _thread = serve(registry, "127.0.0.1", 0)
    stop = threading.Event()

    def keep_feeding() -> None:
        rng = random.Random(7)
        while not stop.wait(0.1):
            feed(metrics, rng)
            sinks.count("street-desk", Delivered(Message({}), Answer(Fate.TAKEN), 2))

    feeder = threading.Thread(target=keep_feeding)
    feeder.start()
    yield f"127.0.0.1:{server.server_port}"
    stop.set()
    feeder.join()
    server.shutdown()
    server.server_close()
