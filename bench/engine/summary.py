"""From single runs to medians: one line per contender and setting."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

Line = dict[str, Any]
OURS = "gridhub"
THROUGHPUT = ("events_per_second", "steady_events_per_second", "cpu_s_per_100k", "broker_cpu_s_per_100k", "peak_rss_mb")


def lines(file: Path) -> list[Line]:
    """All lines of the results file, [] when there is none."""
    if not file.exists():
        return []
    return [json.loads(text) for text in file.read_text(encoding="utf-8").splitlines() if text.strip()]


def medians(found: Iterable[Line]) -> list[Line]:
    """One line per contender and settings, quickest first; disturbed runs only count where there are no others."""
    groups: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in found:
        groups[line["contender"], json.dumps(line.get("asked", {}), sort_keys=True)].append(line)
    made = [_one(group) for group in groups.values()]
    _compare(made)
    return sorted(made, key=lambda line: -(line.get("events_per_second") or 0))


def _one(group: list[Line]) -> Line:
    last = group[-1]
    line: Line = {"contender": last["contender"], "guarantee": last["guarantee"], "state": last.get("state")}
    if asked := last.get("asked"):
        line["asked"] = asked
    if all("skipped" in run for run in group):
        return {**line, "skipped": last["skipped"]}
    if any(run.get("right") is False for run in group):
        line["wrong_runs"] = sum(run.get("right") is False for run in group)
        line["error"] = next((run["error"] for run in group if "error" in run), "the results differ")[-300:]
    good = [run for run in group if run.get("right")]
    full = _undisturbed([run for run in good if run["mode"] == "throughput"])
    if full:
        most = max(run["events"] for run in full)
        full = [run for run in full if run["events"] == most]
        line |= {name: _median(full, name) for name in THROUGHPUT}
        rates = [run["events_per_second"] for run in full]
        line |= {"events": most, "runs": len(full), "slowest": min(rates), "quickest": max(rates)}
        line["disturbed"] = any(run["disturbed"] for run in full)
    for rate in sorted({run["rate"] for run in good if run["mode"] == "latency"}):
        timed = _undisturbed([run for run in good if run["mode"] == "latency" and run["rate"] == rate])
        suffix = "" if rate == 500 else f"_at_{rate}"
        for name in ("p50_ms", "p99_ms"):
            line[name + suffix] = _median(timed, name)
        line[f"cpu_percent_at_{rate}"] = _median(timed, "cpu_percent")
        line[f"latency_runs_at_{rate}"] = len(timed)
    if quiet := _undisturbed([run for run in good if run["mode"] == "idle"]):
        line["cpu_percent_idle"] = _median(quiet, "cpu_percent")
    return line


def _undisturbed(group: list[Line]) -> list[Line]:
    return [run for run in group if not run["disturbed"]] or group


def _median(group: list[Line], name: str) -> float:
    return round(float(median(run[name] for run in group)), 3)


def _compare(made: list[Line]) -> None:
    """Put into each line how many times as fast our best is, and what share of its processor time we need."""
    ours = [line for line in made if line["contender"].startswith(OURS) and line.get("events_per_second")]
    if not ours:
        return
    best = max(ours, key=lambda line: line["events_per_second"])
    for line in made:
        if line.get("events_per_second"):
            line["ratio_to_ours"] = round(best["events_per_second"] / line["events_per_second"], 2)
            line["cpu_share_of_ours"] = round(best["cpu_s_per_100k"] / line["cpu_s_per_100k"], 3)
