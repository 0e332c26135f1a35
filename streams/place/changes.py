"""What changes from one version of the grids to another: grids, names, land that changes hands, and the keys on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from gridhub.streams.place.drawing import metres2
from gridhub.streams.place.source import Grids, Source, read_source

_IGNORED_M2 = 1.0
MOST_LINES = 1000
"""Changes of one kind that are told one by one; the summary counts all."""


@dataclass(frozen=True)
class Changes:
    """Everything that differs. Codes are in order, land in m², the largest first."""

    added: list[str]
    removed: list[str]
    moved: dict[str, float]  # code to the m² that it gained or lost
    renamed: dict[str, tuple[str, str]]  # code (any level) to its old and new name or kind
    hands: list[tuple[str, str, float]]  # from, to, m²; "" is no grid
    keys: dict[str, int]  # table to the number of keys that lead to changed places, or elsewhere than before

    @property
    def summary(self) -> dict[str, Any]:
        """The numbers, as the last line of `gridhub grids diff`."""
        return {
            "added": len(self.added),
            "removed": len(self.removed),
            "moved": len(self.moved),
            "renamed": len(self.renamed),
            "area_m2": round(sum(area for _, _, area in self.hands)),
            "keys": dict(self.keys),
            "keys_total": sum(self.keys.values()),
        }

    def lines(self) -> Iterator[dict[str, Any]]:
        """One JSON object a change, of each kind at most a thousand, and the summary last."""
        yield from ({"change": "added", "code": code} for code in self.added[:MOST_LINES])
        yield from ({"change": "removed", "code": code} for code in self.removed[:MOST_LINES])
        for code, area in list(self.moved.items())[:MOST_LINES]:
            yield {"change": "moved", "code": code, "area_m2": round(area, 1)}
        for code, (old, new) in list(self.renamed.items())[:MOST_LINES]:
            yield {"change": "renamed", "code": code, "from": old, "to": new}
        for one, two, area in self.hands[:MOST_LINES]:
            yield {"change": "hands", "from": one or None, "to": two or None, "area_m2": round(area, 1)}
        yield {"change": "summary", **self.summary}


def compare(old: Traversable, new: Traversable) -> Changes:
    """The changes from one catalogue folder to another, each as it is after its last change of grids.

    ValueError naming the file when one cannot be read.
    """
    return changes(read_source(old), read_source(new))


def changes(old: Source, new: Source) -> Changes:
    """The changes from one source to another."""
    before, after = old.grids.part(old.valid_at(None)), new.grids.part(new.valid_at(None))
    codes = {code: number for number, code in enumerate(before.codes)}
    follow = {code: number for number, code in enumerate(after.codes)}
    shared = sorted(codes.keys() & follow.keys())
    added, removed = sorted(follow.keys() - codes.keys()), sorted(codes.keys() - follow.keys())
    moved = _moved(before.polygons[[codes[c] for c in shared]], after.polygons[[follow[c] for c in shared]], shared)
    names = _names(old, before), _names(new, after)
    renamed = {
        c: (names[0][c], names[1][c]) for c in sorted(names[0].keys() & names[1].keys()) if names[0][c] != names[1][c]
    }
    touched = {*added, *removed, *moved}
    hands = _hands(before, after, touched)
    return Changes(added, removed, moved, renamed, hands, _keys(old, new, {*touched, *renamed}))


def _moved(old: NDArray[np.object_], new: NDArray[np.object_], codes: list[str]) -> dict[str, float]:
    """Grids of both versions whose land differs, with the m² of the difference."""
    other = np.flatnonzero(~shapely.equals_exact(old, new, tolerance=0.0))
    area = metres2(shapely.symmetric_difference(old[other], new[other]))
    return {codes[index]: float(size) for index, size in zip(other, area, strict=True) if size > _IGNORED_M2}


def _names(source: Source, grids: Grids) -> dict[str, str]:
    """What each place is called; a grid without a name of its own by its kind."""
    found = {row["short_code"]: row["name"] for row in source.divisions}
    for code, kind, name in zip(grids.codes, grids.kinds, grids.names, strict=True):
        found[code] = f"{name} ({kind})".strip()
    return found


def _hands(before: Grids, after: Grids, touched: set[str]) -> list[tuple[str, str, float]]:
    """Land that another grid has now, or none had or has."""
    old, new = _only(before, touched), _only(after, touched)
    one, two = _pairs(old.polygons, new.polygons)
    other = old.codes[one] != new.codes[two]
    one, two = one[other], two[other]
    area = metres2(shapely.intersection(old.polygons[one], new.polygons[two]))
    found = [(old.codes[i], new.codes[j], float(size)) for i, j, size in zip(one, two, area, strict=True)]
    found += [(code, "", size) for code, size in _outside(old, new)] + [
        ("", code, size) for code, size in _outside(new, old)
    ]
    return sorted((row for row in found if row[2] > _IGNORED_M2), key=lambda row: (-row[2], row[0], row[1]))


def _only(grids: Grids, codes: set[str]) -> Grids:
    return grids.part(np.array([code in codes for code in grids.codes], dtype=bool))


def _pairs(old: NDArray[np.object_], new: NDArray[np.object_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    one, two = shapely.STRtree(new).query(old, predicate="intersects")
    return one, two


def _outside(grids: Grids, others: Grids) -> Iterator[tuple[str, float]]:
    """The land of these grids that none of the others has."""
    land = shapely.union_all(others.polygons) if len(others.codes) else shapely.Polygon()
    rest = metres2(shapely.difference(grids.polygons, land))
    yield from ((code, float(area)) for code, area in zip(grids.codes, rest, strict=True))


def _keys(old: Source, new: Source, changed: set[str]) -> dict[str, int]:
    """Departments' keys by table that lead to a changed place, or elsewhere, or exist in one version only."""
    counts = {}
    for table in sorted(old.keys.keys() | new.keys.keys()):
        before: Mapping[str, str] = old.keys.get(table, {})
        after: Mapping[str, str] = new.keys.get(table, {})
        affected = [
            key for key in before.keys() | after.keys()
            if before.get(key) != after.get(key) or before.get(key) in changed
        ]  # fmt: skip
        if affected:
            counts[table] = len(affected)
    return counts
