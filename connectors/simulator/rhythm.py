"""The city's day: when what is reported, and the simulated clock that follows it."""

from __future__ import annotations

import bisect
import itertools

HOUR_MS = 3_600_000
BEIJING_H = 8

# Relative intensity by hour of day in Beijing, from midnight; only the shape matters.
HOURS: dict[str, tuple[float, ...]] = {
    "night": (9, 8, 7, 5, 4, 3, 2, 3, 4, 4, 5, 5, 6, 5, 5, 5, 6, 7, 9, 11, 13, 14, 13, 11),
    "office": (0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 2, 9, 13, 13, 10, 3, 5, 12, 13, 11, 7, 2, 1, 0.5, 0.3, 0.2, 0.1),
    "evening": (3, 2, 1, 1, 1, 2, 4, 6, 6, 5, 5, 6, 6, 5, 5, 5, 6, 8, 11, 13, 12, 10, 7, 5),
    "traffic": (2, 1, 1, 1, 1, 2, 5, 12, 13, 8, 6, 6, 6, 6, 6, 7, 9, 13, 13, 9, 6, 5, 4, 3),
    "meals": (1, 0.5, 0.5, 0.5, 0.5, 1, 3, 5, 4, 4, 6, 11, 13, 8, 4, 3, 4, 8, 13, 12, 9, 6, 3, 2),
    "flat": (5,) * 24,
}


def hour_of(at_ms: int) -> int:
    """The hour of day in Beijing, 0 to 23."""
    return (at_ms // HOUR_MS + BEIJING_H) % 24


class Clock:
    """Maps progress (0 to 1) to a moment between two times, slower in hours in which more is reported."""

    def __init__(self, start_ms: int, end_ms: int, weights: list[float]) -> None:
        """`weights`: the city's whole intensity by hour of day (24 values, all positive)."""
        hours = range(start_ms // HOUR_MS, end_ms // HOUR_MS + 1)
        self._edges = [start_ms, *(hour * HOUR_MS for hour in hours[1:]), end_ms]
        spans = [(late - early) * weights[hour_of(early)] for early, late in itertools.pairwise(self._edges)]
        self._sums = [0.0, *itertools.accumulate(spans)]

    def at(self, progress: float) -> int:
        """The moment, in ms since the epoch, at which this part of the period's reports has been told."""
        wanted = min(max(progress, 0.0), 1.0) * self._sums[-1]
        index = min(bisect.bisect_right(self._sums, wanted), len(self._sums) - 1)
        early, late = self._edges[index - 1], self._edges[index]
        inside = self._sums[index] - self._sums[index - 1]
        return early + int((late - early) * (wanted - self._sums[index - 1]) / inside) if inside else late
