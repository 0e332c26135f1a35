"""What is looked at during a soak, and what it says at the end: memory, lag, warnings."""

from __future__ import annotations

import re
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import psutil

WARM_SHARE = 1 / 3  # of a run: caches fill, pools grow
ASK_S = 10.0
_LAG = re.compile(rb"^gridhub_lag_events\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)
LOUD = {"warning", "error", "critical"}


class Sample(NamedTuple):
    """One look at one worker: seconds since the begin, MB, events behind."""

    at_s: float
    rss_mb: float
    lag: float


@dataclass
class Watched:
    """A worker under watch."""

    name: str
    pid: int
    metrics_port: int
    log: Path
    samples: list[Sample] = field(default_factory=list)
    unanswered: int = 0

    def look(self, at_s: float) -> Sample:
        """Take one sample; a worker that does not answer in time says nothing about its lag, and is counted."""
        rss_mb = psutil.Process(self.pid).memory_info().rss / (1 << 20)
        self.samples.append(Sample(at_s, rss_mb, self._lag()))
        return self.samples[-1]

    def _lag(self) -> float:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=ASK_S) as page:
                return sum(map(float, _LAG.findall(page.read())))
        except OSError:
            self.unanswered += 1
            return 0.0

    def settled(self) -> list[Sample]:
        """The samples after the warm-up."""
        return self.samples[int(len(self.samples) * WARM_SHARE) :]

    def warnings(self) -> Counter[str]:
        """What it complained of, and how often; lines that are no JSON, such as stack traces, count as one."""
        return complaints(self.log.read_bytes().splitlines())


def complaints(lines: Sequence[bytes]) -> Counter[str]:
    """The loud lines of a log by their event."""
    found: Counter[str] = Counter()
    for line in lines:
        try:
            row: dict[str, Any] = orjson.loads(line)
        except orjson.JSONDecodeError:
            found["not a line of the log"] += bool(line.strip())
            continue
        if row.get("level") in LOUD:
            found[f"{row['level']}: {row.get('event')}"] += 1
    return +found


def slope_per_h(samples: Sequence[Sample], column: str) -> float:
    """By how much the column grows per hour: the line of least squares; 0 for fewer than three samples."""
    if len(samples) < 3:
        return 0.0
    hours = np.array([sample.at_s for sample in samples]) / 3600
    values = np.array([getattr(sample, column) for sample in samples])
    return float(np.polyfit(hours - hours.mean(), values, 1)[0])
