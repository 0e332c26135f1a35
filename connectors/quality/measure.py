"""A measure: one JSON line, and a table for people. What falls below its floor makes the run fail.

A module of measures has one function, `measures(data: Path | None) -> Iterator[Measure]`. `data` is the folder with the
real files that are too large to be carried along; where a file is not there, the measure is yielded with `skipped`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_SHOWN = 12


@dataclass(frozen=True)
class Measure:
    """What was measured on `n` cases. A value with a floor must reach it, one with a ceiling must not exceed it."""

    name: str
    n: int
    values: Mapping[str, float | int | str] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    table: str = ""
    skipped: str = ""  # why nothing was measured

    @property
    def failed(self) -> list[str]:
        """The values that miss their floor or ceiling; none where nothing was measured."""
        if self.skipped:
            return []
        low = [name for name, least in self.floors.items() if not float(self.values[name]) >= least]
        return low + [name for name, most in self.ceilings.items() if not float(self.values[name]) <= most]

    def as_line(self) -> dict[str, Any]:
        """The measure as it is printed."""
        line: dict[str, Any] = {"measure": self.name, "n": self.n}
        if self.skipped:
            return line | {"skipped": self.skipped}
        limits = {"floors": dict(self.floors)} if self.floors else {}
        limits |= {"ceilings": dict(self.ceilings)} if self.ceilings else {}
        return line | dict(self.values) | limits | {"good": not self.failed}


def share(part: int, whole: int) -> float:
    """A share of 0 to 1 with four digits; 1 of nothing, because nothing went wrong."""
    return round(part / whole, 4) if whole else 1.0


def confusion(title: str, pairs: Iterable[tuple[str, str]], legend: str = "rows: truth, columns: answer") -> str:
    """A table of how often each pair occurs: its first is the row, its second the column."""
    counts = Counter(pairs)
    rows = sorted({truth for truth, _ in counts})
    columns = sorted({answer for _, answer in counts})
    width = max((len(name) for name in rows), default=0) + 2
    sizes = [max(len(name), 6) + 2 for name in columns]
    head = " " * width + "".join(name.rjust(size) for name, size in zip(columns, sizes, strict=True))
    body = [
        row.ljust(width)
        + "".join(str(counts[row, name] or "·").rjust(size) for name, size in zip(columns, sizes, strict=True))
        for row in rows
    ]
    return "\n".join([f"{title} ({legend})", head, *body])


def examples(title: str, wrong: list[str]) -> str:
    """The first few cases that went wrong, for a person to look at."""
    return "\n".join([f"{title}: {len(wrong)}", *(f"  {one}" for one in wrong[:_SHOWN])]) if wrong else ""
