"""The benchmark: the hub's engine and its peers at the same job, on the same broker, in the same run.

    python bench/engine/run.py                                            everything
    python bench/engine/run.py --only gridhub,kafka-streams --minutes 2 --repeats 3
    python bench/engine/run.py --quick --only gridhub-1,python-loop       does it work? 5,000 events each

Each run appends one JSON line to the results file; a run whose line is there already, with the same settings, is not done
again (--anew does them). On stdout come the medians, one JSON object per contender. Exit code 0: every run was right.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import contenders
import envs
import job
import latency
import psutil
import road
import runs
import summary
from cluster import Cluster, broker
from contenders import Contender

Line = dict[str, Any]
Do = Callable[[runs.Setup, Contender, Any], Line]
RUNS: dict[str, Do] = {"throughput": runs.throughput, "latency": latency.latency, "idle": runs.idle}
ROAD_RUNS: dict[str, Do] = {"throughput": road.throughput, "latency": road.latency, "idle": road.idle}
QUICK_EVENTS = 5000
IDLE_S = 60.0


@dataclass(frozen=True)
class Task:
    """One run to be done."""

    mode: str
    who: Contender
    size: int  # events, or events/s, or seconds
    number: int

    def matches(self, line: Line, settings: dict[str, str]) -> bool:
        """Whether this line is of such a run."""
        size = line.get({"throughput": "events", "latency": "rate", "idle": "seconds"}[self.mode])
        same = (line.get("mode"), line.get("contender"), size) == (self.mode, self.who.name, self.size)
        return same and bool(line.get("right")) and line.get("asked", {}) == settings


def main() -> int:
    """Do what is asked for; the exit code."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the broker and the contender end with us
    settings = dict(pair.split("=", 1) for pair in asked.set)
    done = [] if asked.anew else summary.lines(asked.results)
    todo = _missing(list(_tasks(asked)), done, settings)
    _say(f"{len(todo)} runs to do, results in {asked.results}")
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    good = _engines([task for task in todo if not task.who.road], asked, settings)
    good = _roads([task for task in todo if task.who.road], asked, settings) and good
    names = {contender.name for contender in contenders.chosen(asked.only)}
    for line in summary.medians(line for line in summary.lines(asked.results) if line["contender"] in names):
        print(json.dumps(line, ensure_ascii=False), flush=True)
    return 0 if good else 1


def _engines(todo: list[Task], asked: argparse.Namespace, settings: dict[str, str]) -> bool:
    """Do the runs on the bench's broker; whether all went well."""
    if not todo:
        return True
    job.write_ground(asked.data)
    with broker(asked.data / "broker") as started:
        return _all(todo, asked, _setup(asked, settings, Cluster(started.bootstrap), started.status().pid))


def _roads(todo: list[Task], asked: argparse.Namespace, settings: dict[str, str]) -> bool:
    """Do the runs of whole hubs, each with a broker of its own; whether all went well."""
    return _all(todo, asked, _setup(asked, settings, None, None))


def _setup(asked: argparse.Namespace, settings: dict[str, str], cluster: Cluster | None, pid: int | None) -> runs.Setup:
    patience = (0.0, 0.5) if asked.quick else (60.0, runs.SETTLED_S)
    return runs.Setup(cluster, pid, asked.data, settings, *patience)


def _all(todo: list[Task], asked: argparse.Namespace, setup: runs.Setup) -> bool:
    good = True
    for task in todo:
        line = _line(setup, task)
        good = good and (line.get("right") is True or "skipped" in line)
        with asked.results.open("a", encoding="utf-8") as results:
            results.write(json.dumps(line, ensure_ascii=False) + "\n")
        _say(_told(line))
    return good


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of contenders, or their beginnings, between commas")
    parser.add_argument("--modes", default="throughput,latency,idle", help="some of throughput,latency,idle")
    parser.add_argument("--minutes", type=float, default=2.0, help="of steady work per run, about")
    parser.add_argument("--events", type=int, help="events per throughput run, whoever it is")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rates", default="500,5000", help="events/s of the latency runs")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting for all, as BENCH_COMMIT_S=1"
    )
    parser.add_argument("--results", type=Path, default=envs.HOME / "results.jsonl")
    parser.add_argument("--data", type=Path, default=envs.HOME / "data", help="folder of answers and of the broker")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_EVENTS} events each, once: does it work?")
    parser.add_argument("--anew", action="store_true", help="also what is in the results already")
    asked = parser.parse_args()
    if unknown := set(asked.modes.split(",")) - RUNS.keys():
        parser.error(f"--modes: {', '.join(sorted(unknown))} is none of {', '.join(RUNS)}")
    if asked.quick:
        asked.events, asked.repeats, asked.modes, asked.anew = asked.events or QUICK_EVENTS, 1, "throughput", True
        asked.results = envs.HOME / "quick.jsonl" if asked.results == envs.HOME / "results.jsonl" else asked.results
        asked.results.unlink(missing_ok=True)
    return asked


def _tasks(asked: argparse.Namespace) -> Iterator[Task]:
    """Contenders take turns, so that what changes on the machine meets all of them."""
    chosen = contenders.chosen(asked.only)
    rates = [int(rate) for rate in asked.rates.split(",")]
    for number in range(asked.repeats):
        for mode in asked.modes.split(","):
            for who in chosen:
                events = asked.events or round(who.pace * 60 * asked.minutes)
                sizes = {
                    "throughput": [events],
                    "latency": [r for r in rates if r <= max(who.rates)],
                    "idle": [IDLE_S],
                }[mode]
                if mode == "idle" and number:
                    continue
                yield from (Task(mode, who, size, number) for size in sizes)


def _missing(tasks: list[Task], done: list[Line], settings: dict[str, str]) -> list[Task]:
    """What is not in the results: the n-th run of a kind is done where n-1 lines of the kind are there."""
    return [task for task in tasks if sum(task.matches(line, settings) for line in done) <= task.number]


def _line(setup: runs.Setup, task: Task) -> Line:
    who = task.who
    about: Line = {
        "contender": who.name, "guarantee": who.guarantee, "mode": task.mode, "asked": dict(setup.settings), "state": who.state,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }  # fmt: skip
    if (why := envs.reason(who.command)) is not None:
        return {**about, "skipped": why}
    _say(f"{task.mode}: {who.name}, {task.size:,}, run {task.number + 1}")
    do = ROAD_RUNS[task.mode] if who.road else RUNS[task.mode]
    try:
        return {**about, **do(setup, who, task.size), "machine": _machine()}
    except Exception as error:  # noqa: BLE001  # one run that failed, however, must not cost the hours of the others
        return {**about, "right": False, "error": f"{type(error).__name__}: {error}"[-3000:], "size": task.size}


def _machine() -> str:
    return f"{psutil.cpu_count()} CPUs, Python {platform.python_version()}"


def _told(line: Line) -> str:
    if "skipped" in line or "error" in line:
        return f"  {line['contender']}: {line.get('skipped') or line['error']}"
    names = (
        "events_per_second", "steady_events_per_second", "cpu_s_per_100k", "cpu_percent", "peak_rss_mb", "p50_ms", "p99_ms",
        "right", "disturbed",
    )  # fmt: skip
    return "  " + ", ".join(f"{name} {line[name]}" for name in names if name in line)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
