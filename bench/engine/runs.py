"""One measured run of one contender: throughput of what lies ready, or idling."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import data
import envs
import job
import meter
import numpy as np
import psutil
from contenders import Contender

POLL_S = 0.1
SETTLED_S = 3.0  # nothing more came out for so long: the end
SILENT_S = 60.0  # nothing came out for so long: given up
STOP_S = 10.0
SETTLE_S = 10.0  # to start and join, before anything is looked at
Line = dict[str, Any]


class Broken(Exception):  # noqa: N818  # what the contender did, not an error of the harness
    """The contender ended or gave nothing; the text says what it last said."""


@dataclass(frozen=True)
class Setup:
    """What all runs share."""

    cluster: Any  # the bench's Cluster; None for whole hubs, which have their own
    broker_pid: int | None
    data_folder: Path
    settings: Mapping[str, str]  # asked for on the command line, on top of each contender's own
    quiet_s: float = 60.0  # most seconds to wait for a quiet machine
    settled_s: float = SETTLED_S


class Started:
    """A contender's processes, its topics and its folder."""

    def __init__(self, setup: Setup, who: Contender, inputs: list[str], latency: bool) -> None:  # noqa: FBT001
        self.who, self.run = who, f"r{time.time_ns() // 1_000_000}"
        self.norm, self.task = f"{self.run}.norm", f"{self.run}.task"
        self.folder = Path(tempfile.mkdtemp(prefix="gridhub-bench-"))
        self.first = self.folder / "first"
        self._cluster = setup.cluster
        self.own = {**who.environment, **(who.latency if latency else {}), **setup.settings}
        self._environment = {
            **os.environ, **self.own, "BENCH_BROKER": setup.cluster.bootstrap, "BENCH_INPUTS": ",".join(inputs),
            "BENCH_NORM": self.norm, "BENCH_TASK": self.task, "BENCH_GROUP": self.run, "BENCH_FIRST": str(self.first),
            "BENCH_DATA": str(setup.data_folder), "BENCH_WORKERS": str(who.workers), "PYTHONPATH": _module_path(),
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        setup.cluster.create([self.norm, self.task])
        for suffix in who.own_topics:
            compacted = {"cleanup.policy": "compact"} if suffix.endswith(("state", "changelog")) else {}
            setup.cluster.create([self.run + suffix], **compacted)
        self.children: list[subprocess.Popen[bytes]] = []
        self.roots = [self._spawn(number) for number in range(who.workers)]

    def _spawn(self, number: int) -> psutil.Process:
        state = self.folder / f"state-{number}"
        state.mkdir()
        environment = {**self._environment, "BENCH_WORKER": str(number), "BENCH_STATE": str(state)}
        with (self.folder / f"log-{number}").open("wb") as log:
            child = subprocess.Popen(
                self.who.command(), env=environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        self.children.append(child)
        return psutil.Process(child.pid)

    def demand_alive(self) -> None:
        """Raises Broken when a process of the contender has ended."""
        if any(child.poll() is not None for child in self.children):
            raise Broken(self.last_words())

    def last_words(self) -> str:
        """The end of what its processes said."""
        logs = sorted(self.folder.glob("log-*"))
        return "\n".join(log.read_text("utf-8", "replace")[-1500:] for log in logs)

    def end(self) -> None:
        """End the processes, whatever they do."""
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self.children:
            with suppress(subprocess.TimeoutExpired):
                child.wait(STOP_S)
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def forget(self) -> None:
        """Remove its topics and its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._cluster.forget(self.run)


def _module_path() -> str:
    """The job's modules, and a quick codec where it can be had."""
    return os.pathsep.join(str(folder) for folder in (Path(__file__).parent, envs.extras()) if folder)


@contextmanager
def started(setup: Setup, who: Contender, inputs: list[str], *, latency: bool = False) -> Iterator[Started]:
    """The contender at work; ended and cleared away in any case."""
    running = Started(setup, who, inputs, latency)
    try:
        yield running
    finally:
        running.end()
        running.forget()


def throughput(setup: Setup, who: Contender, count: int) -> Line:
    """Let the contender work `count` messages that lie ready, and read everything back."""
    want = data.kept(setup.data_folder, count)
    inputs = setup.cluster.preloaded(want.data)
    busy = meter.wait_quiet(setup.quiet_s)
    with started(setup, who, inputs) as running:
        clock = meter.Meter(running.roots, setup.broker_pid)
        readings, totals = _watch(setup, running, clock, want.norms + want.tasks)
        start_s = float(running.first.read_text(encoding="ascii"))
        wall_s = readings[-1].at_s - start_s
        line: Line = {
            "events": count, "settings": running.own, "busy_before": busy,
            "events_per_second": round(count / wall_s), "steady_events_per_second": steady(readings, totals, count),
            "seconds": round(wall_s, 2),
            **meter.used(readings[0], readings[-1], count), "peak_rss_mb": clock.peak_mb(),
        }  # fmt: skip
        running.end()
        return {**line, **read_back(setup, running, count)}


def _watch(setup: Setup, running: Started, clock: meter.Meter, want: int) -> tuple[list[meter.Reading], list[int]]:
    """Clocks and committed records, at the first event and at each growth of the output since."""
    readings: list[meter.Reading] = []
    totals: list[int] = []
    changed_at = time.monotonic()
    while True:
        running.demand_alive()
        if not readings and running.first.exists():
            readings, totals = [clock.read()], [0]
            changed_at = time.monotonic()
        total = sum(setup.cluster.ends([running.norm, running.task]).values())
        if readings and total != totals[-1]:
            readings.append(clock.read())
            totals.append(total)
            changed_at = time.monotonic()
        quiet_s = time.monotonic() - changed_at
        if totals and totals[-1] >= want and quiet_s > setup.settled_s:
            return readings, totals
        if quiet_s > SILENT_S:
            raise Broken(f"gave {totals[-1:]} of {want} records, then nothing: {running.last_words()}")
        time.sleep(POLL_S)


def steady(readings: list[meter.Reading], totals: list[int], count: int) -> int:
    """Events/s between a fifth and nine tenths of the output: without start, joining, and the last batch."""
    shares = np.array(totals) / totals[-1]
    low, high = int(np.searchsorted(shares, 0.2)), int(np.searchsorted(shares, 0.9))
    seconds = readings[high].at_s - readings[low].at_s
    return round((shares[high] - shares[low]) * count / seconds) if seconds > 0 else 0


def read_back(setup: Setup, running: Started, count: int) -> Line:
    """Compare all that came out with the reference, in a process of its own."""
    script = Path(__file__).with_name("check.py")
    arguments = [setup.cluster.bootstrap, running.norm, running.task, str(count), str(setup.data_folder)]
    found = subprocess.run(
        [sys.executable, str(script), *arguments], env={**os.environ, "PYTHONPATH": _module_path()}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if not found.stdout.strip():
        raise RuntimeError(f"the check failed: {found.stderr[-1500:]}")
    answer: Line = json.loads(found.stdout)
    return answer


def idle(setup: Setup, who: Contender, seconds: float) -> Line:
    """What the contender costs when nothing comes."""
    inputs = [f"idle-{time.time_ns()}.{name}" for name in job.DEPARTMENTS]
    setup.cluster.create(inputs)
    with started(setup, who, inputs, latency=True) as running:
        clock = meter.Meter(running.roots, setup.broker_pid)
        time.sleep(SETTLE_S)
        readings = [clock.read()]
        time.sleep(seconds)
        readings.append(clock.read())
        running.demand_alive()
        cost = meter.used(readings[0], readings[1], 0)
        kept = ("cpu_percent", "other_cpu_s", "niced_cpu_s", "disturbed")
        return {
            "settings": running.own, "seconds": seconds, "peak_rss_mb": clock.peak_mb(), "right": True,
            **{name: cost[name] for name in kept},
        }  # fmt: skip
