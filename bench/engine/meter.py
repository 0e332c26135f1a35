"""What a run costs: processor time, memory, and whether others used the machine meanwhile."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

SCAN_S = 2.0  # children are looked for this often: a scan of /proc is not free
QUIET_SHARE = 0.08  # of the machine that others may use before a run counts as disturbed


@dataclass(frozen=True)
class Reading:
    """Processor seconds up to a moment."""

    at_s: float
    contender_s: float
    broker_s: float
    harness_s: float
    machine_s: float  # all that was busy, niced processes apart
    niced_s: float


class Meter:
    """Reads the clocks of the contender's processes, the broker's and ours."""

    def __init__(self, roots: Sequence[psutil.Process], broker_pid: int | None) -> None:
        self.roots = list(roots)
        self._broker = [psutil.Process(broker_pid)] if broker_pid else []
        self._us = psutil.Process()
        self._tree: list[psutil.Process] = []
        self._scanned_at = 0.0
        self._ended_s: dict[int, float] = {}

    def read(self) -> Reading:
        """All clocks now."""
        for process in self._family():
            if (used := _cpu_s(process)) is not None:
                self._ended_s[process.pid] = used
        machine = psutil.cpu_times()
        us = self._us.cpu_times()
        return Reading(
            time.time(),
            sum(self._ended_s.values()),
            sum(_cpu_s(process) or 0.0 for process in self._broker),
            us.user + us.system,
            sum(machine) - machine.idle - machine.iowait - machine.nice - machine.guest - machine.guest_nice,
            machine.nice,
        )

    def peak_mb(self) -> float:
        """The most resident memory each process of the contender ever had, summed."""
        self._scanned_at = 0.0
        return round(sum(_peak_kb(process.pid) for process in self._family()) / 1024, 1)

    def _family(self) -> list[psutil.Process]:
        if time.monotonic() - self._scanned_at > SCAN_S:
            self._scanned_at = time.monotonic()
            tree = []
            for root in self.roots:
                try:
                    tree += [root, *root.children(recursive=True)]
                except psutil.NoSuchProcess:
                    continue
            self._tree = tree
        return self._tree


def used(start: Reading, end: Reading, events: int) -> dict[str, float | bool]:
    """What happened between two readings, per 100,000 of `events` where that is the name."""
    own, broker, harness = (
        getattr(end, name) - getattr(start, name) for name in ("contender_s", "broker_s", "harness_s")
    )
    wall = max(end.at_s - start.at_s, 1e-9)
    other = end.machine_s - start.machine_s - own - broker - harness
    return {
        "cpu_s_per_100k": round(own / events * 1e5, 3) if events else 0.0,
        "cpu_percent": round(own / wall * 100, 2),
        "broker_cpu_s_per_100k": round(broker / events * 1e5, 3) if events else 0.0,
        "harness_cpu_s": round(harness, 2),
        "other_cpu_s": round(other, 2),
        "niced_cpu_s": round(end.niced_s - start.niced_s, 2),
        "disturbed": other > QUIET_SHARE * (psutil.cpu_count() or 1) * wall + 0.3,
    }


def wait_quiet(limit_s: float) -> float:
    """Wait until the machine is nearly idle, at most so long; the share of it that is busy then."""
    deadline = time.monotonic() + limit_s
    while (busy := _busy_share(1.0)) > QUIET_SHARE and time.monotonic() < deadline:
        time.sleep(0.5)
    return round(busy, 3)


def _busy_share(over_s: float) -> float:
    times = psutil.cpu_times_percent(over_s)
    return float(100 - times.idle - times.iowait - times.nice) / 100


def _cpu_s(process: psutil.Process) -> float | None:
    try:
        times = process.cpu_times()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return float(times.user + times.system)


def _peak_kb(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123  # not a file
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)
    except OSError:
        return 0
