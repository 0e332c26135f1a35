"""The hub's real road on the simulator's events: what all rooms together do, beside what the engine could.

No peer does this job, so it is told beside the others and not compared with them, but for the plain loop that calls the
same rooms in one process, without transactions.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import meter
import numpy as np
import psutil
from cluster import QUIET, Cluster
from confluent_kafka import Producer
from contenders import Contender
from latency import TICK_S, WARM_S, WINDOW_S, Reader, spread_ms
from runs import POLL_S, SETTLED_S, Broken, Line, Setup, steady

from gridhub.connectors.broker import free_port
from gridhub.connectors.demo.check import Report, check, wait_drained
from gridhub.connectors.demo.town import Town, make_town
from gridhub.connectors.simulator.city import City as Simulated
from gridhub.connectors.simulator.publisher import publish
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import Codec
from gridhub.schemas.registry import connect, load_codec
from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.settings import load

SEED = 1
JOIN_S, SILENT_S, DRAIN_S = 90.0, 120.0, 60.0
LOOP = Path(__file__).parents[1] / "peers" / "python_loop_road.py"
OUTPUTS = (topics.LOCATED.name, topics.QUARANTINE.name, topics.INCIDENTS.name, topics.TASKS.name, topics.JOURNAL.name)


class Hub:
    """A town without workers, and who works in it."""

    def __init__(self, folder: Path, who: Contender) -> None:
        self.who, self.folder = who, folder
        chosen = load(
            data_dir=folder, kafka="", registry_url="", broker_port=free_port(), broker_controller_port=free_port(),
            registry_port=free_port(), metrics_port=free_port(),
        )  # fmt: skip
        self.facts = city_data.load(None)
        self.city = Simulated(self.facts.catalogue, self.facts.departments, SEED)
        self.town: Town = make_town(chosen, folder, lambda _text: None)
        self.codec: Codec
        self.cluster: Cluster
        self._loop: subprocess.Popen[bytes] | None = None

    @property
    def kafka(self) -> str:
        """Where Kafka is."""
        return self.town.settings.bootstrap

    def start(self) -> None:
        """Kafka, registry, topics and schemas."""
        self.town.start(0, self.facts)
        self.codec = load_codec(connect(self.town.settings.registry, self.folder / "schemas"), catalogue())
        self.cluster = Cluster(self.kafka, self.town.settings.partitions)

    def work(self) -> list[psutil.Process]:
        """Start who works here; its processes."""
        if self.who.name.startswith("python-loop"):
            environment = {
                **os.environ, "BENCH_BROKER": self.kafka, "BENCH_REGISTRY": self.town.settings.registry,
                "BENCH_STATE": str(self.folder), "BENCH_COMMIT_S": "1",
            }  # fmt: skip
            with (self.folder / "loop.log").open("wb") as log:
                self._loop = subprocess.Popen([sys.executable, str(LOOP)], env=environment, stdout=log, stderr=log)
            return [psutil.Process(self._loop.pid)]
        parts = [self.town.add_worker() for _ in range(self.who.workers)]
        return [psutil.Process(part.pid) for part in parts if part.pid]

    def demand_alive(self) -> None:
        """Raises Broken when who works here has ended."""
        if self._loop is not None and self._loop.poll() is not None:
            raise Broken((self.folder / "loop.log").read_text("utf-8", "replace")[-1500:])
        if ended := [part for part in self.town.workers if not part.running]:
            raise Broken(ended[0].last_words())

    def await_lanes(self) -> None:
        """Wait until every lane of both stages is open."""
        wanted = 2 * self.town.settings.partitions * bool(self.town.workers)
        deadline = time.monotonic() + JOIN_S
        while sum(part.last_words(1000).count("lane opened") for part in self.town.workers) < wanted:
            self.demand_alive()
            if time.monotonic() > deadline:
                raise Broken(f"did not open {wanted} lanes")
            time.sleep(POLL_S)
        time.sleep(SETTLED_S)

    def drained(self, limit_s: float = DRAIN_S) -> bool:
        """Wait until all that is there was taken, at most so long."""
        names = [*self.city.topics.values(), *([topics.LOCATED.name] if self.town.workers else [])]
        return wait_drained(self.kafka, self.town.settings.group, names, limit_s)

    def broker_pid(self) -> int | None:
        """The broker's process."""
        return self.town.broker.status().pid if self.town.broker else None

    def stop(self) -> None:
        """End everything."""
        if self._loop is not None:
            self._loop.kill()
            self._loop.wait()
        self.town.stop()


@contextmanager
def hub(setup: Setup, who: Contender) -> Iterator[Hub]:
    """A hub of its own, ended and removed in any case."""
    folder = setup.data_folder / "town"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = Hub(folder, who)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def throughput(setup: Setup, who: Contender, count: int) -> Line:
    """Let it work `count` of the simulator's messages that lie ready, and compare with the simulator's truth."""
    with hub(setup, who) as made:
        truth = made.folder / "truth.jsonl"
        messages = made.city.generate(count, SEED, time.time_ns() // 1_000_000)
        publish(messages, made.kafka, made.codec, truth)
        busy = meter.wait_quiet(setup.quiet_s)
        clock = meter.Meter(made.work(), made.broker_pid())
        readings, totals = _watch(made, clock)
        drained = made.drained()
        wall_s = readings[-1].at_s - readings[0].at_s
        line = {
            "events": count, "busy_before": busy, "events_per_second": round(count / wall_s), "seconds": round(wall_s, 2),
            "steady_events_per_second": steady(readings, totals, count), **meter.used(readings[0], readings[-1], count),
            "peak_rss_mb": clock.peak_mb(),
        }  # fmt: skip
        return {**line, **_judged(check(made.kafka, made.codec, truth), drained)}


def _watch(made: Hub, clock: meter.Meter) -> tuple[list[meter.Reading], list[int]]:
    """Clocks and records put out, from the last look that found none on, at each growth."""
    readings, totals = [clock.read()], [0]
    changed_at = time.monotonic()
    while True:
        made.demand_alive()
        quiet_s = time.monotonic() - changed_at
        if totals[-1] and quiet_s > SETTLED_S and made.drained(POLL_S):
            return readings, totals
        if quiet_s > SILENT_S:
            raise Broken(f"gave {totals[-1]} records, then nothing for {quiet_s:.0f} s")
        total = sum(made.cluster.ends(OUTPUTS).values())
        if total != totals[-1]:
            readings.append(clock.read())
            totals.append(total)
            changed_at = time.monotonic()
        elif not total:
            readings = [clock.read()]
        time.sleep(POLL_S)


def _judged(report: Report, drained: bool) -> Line:  # noqa: FBT001
    wrong = len(report.wrong_reason)
    right = drained and not (report.lost or report.doubled or report.out_of_order or wrong)
    return {
        "right": right, "lost": report.lost, "doubled": report.doubled, "wrong": wrong,
        "out_of_order": report.out_of_order, "incidents": report.incidents, "tasks": report.tasks,
    }  # fmt: skip


def latency(setup: Setup, who: Contender, rate: int) -> Line:
    """Publish at a steady rate; from just before an event is handed to the producer until its tasks can be read committed."""
    count = (WARM_S + WINDOW_S) * rate
    with hub(setup, who) as made:
        coming = [
            (message.topic, message.key, message.encoded(made.codec), _mark(message.truth.source, message.truth.event_id))
            for message in made.city.generate(count, SEED, time.time_ns() // 1_000_000)
        ]  # fmt: skip
        clock = meter.Meter(made.work(), made.broker_pid())
        made.await_lanes()
        with Reader(made.kafka, topics.TASKS.name, made.town.settings.partitions) as reader:
            sent_s, readings = _publish(made, coming, rate, clock)
            drained = made.drained()
            time.sleep(SETTLED_S)
            made.demand_alive()
            found = reader.stop()
        took_s = _delays(made, found, sent_s)
        return {
            "rate": rate, "events": count, **meter.used(readings[0], readings[-1], WINDOW_S * rate),
            "peak_rss_mb": clock.peak_mb(), **spread_ms(np.array(took_s) * 1000), "right": drained,
        }  # fmt: skip


def _publish(
    made: Hub, coming: list[tuple[str, bytes, bytes, str]], rate: int, clock: meter.Meter
) -> tuple[dict[str, float], list[meter.Reading]]:
    producer = Producer({"bootstrap.servers": made.kafka, "linger.ms": 0, "log_level": QUIET})
    sent_s: dict[str, float] = {}
    readings: list[meter.Reading] = []
    together = max(1, round(rate * TICK_S))  # waking more often would cost the harness more than the contender
    start_s = time.time() + 0.1
    for number, (topic, key, value, mark) in enumerate(coming):
        if number == WARM_S * rate:
            readings.append(clock.read())
        due_s = start_s + number // together * together / rate
        while (now := time.time()) < due_s:
            producer.poll(0)
            time.sleep(max(0.0, min(TICK_S, due_s - now)))
        if number >= WARM_S * rate:
            sent_s.setdefault(mark, now)
        producer.produce(topic, value, key)
    producer.flush()
    readings.append(clock.read())
    return sent_s, readings


def _delays(made: Hub, found: list[tuple[float, bytes]], sent_s: dict[str, float]) -> list[float]:
    """Seconds from publishing the event that opened an incident to the first version of each of its tasks."""
    took: list[float] = []
    for at_s, value in found:
        task: Any = made.codec.decode(value).record
        sent = sent_s.get(task["incident_id"].rsplit("-", 1)[1])
        if task["version"] == 1 and sent is not None:
            took.append(at_s - sent)
    if not took:
        raise Broken("no task came out of the window")
    return took


def _mark(source: str, event_id: str) -> str:
    """What ends the id of an incident that this event opens."""
    return blake2b(f"{source}\x1f{event_id}".encode(), digest_size=8).hexdigest()


def idle(setup: Setup, who: Contender, seconds: float) -> Line:
    """What its workers cost when nothing comes."""
    with hub(setup, who) as made:
        clock = meter.Meter(made.work(), made.broker_pid())
        made.await_lanes()
        readings = [clock.read()]
        time.sleep(seconds)
        readings.append(clock.read())
        made.demand_alive()
        cost = meter.used(readings[0], readings[1], 0)
        kept = ("cpu_percent", "other_cpu_s", "niced_cpu_s", "disturbed")
        return {
            "seconds": seconds,
            "peak_rss_mb": clock.peak_mb(),
            "right": True,
            **{name: cost[name] for name in kept},
        }
