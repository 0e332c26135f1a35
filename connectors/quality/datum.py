"""Coordinate systems: published vectors reproduced, round trips in the city, wrong points named."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gridhub.connectors.quality.measure import Measure, confusion, examples, share
from gridhub.streams.place.coordinates import CRS_NAMES, examine, from_wgs84, to_wgs84

VECTORS = "coordinate-vectors.csv"
_NAMES = {"WGS84": "WGS-84", "GCJ02": "GCJ-02", "BD09": "BD-09"}
# Two published BD-09 vectors come from a version with pi where the formula has 3000 pi / 180: 40 m from all others.
_UPSTREAM_BUG = {("BD09", "120.019809"), ("BD09", "120.036455")}
_TOLERANCE_DEG = 1e-5
_POINTS = 5_000
_SEED = 20261123
_WRONG = {
    "swapped_axes": (30.20, 115.03), "zero": (0.0, 0.0), "half zero": (115.03, 0.0), "outside_city": (114.30, 30.59),
    "not_a_number": (float("nan"), 30.2), "out_of_range": (538_500.0, 3_343_000.0),
}  # fmt: skip


def measures(data: Path | None) -> Iterator[Measure]:
    """Vectors with `data`; round trips and wrong points always."""
    yield _vectors(data)
    yield _round_trips()
    yield _wrong_points()


def _vectors(data: Path | None) -> Measure:
    path = data / VECTORS if data else None
    if path is None or not path.exists():
        return Measure("datum_vectors", 0, skipped=f"{VECTORS} is not given (--data)")
    with path.open(encoding="utf-8") as source:
        rows = [row for row in csv.DictReader(source) if (row["from_crs"], row["from_lng"]) not in _UPSTREAM_BUG]
    errors = [_error(row) for row in rows]
    off = [f"{row['from_crs']} {row['from_lng']}: {error:.1e}" for row, error in zip(rows, errors, strict=True)]
    wrong = [text for text, error in zip(off, errors, strict=True) if error > _TOLERANCE_DEG]
    values = {"reproduced": share(len(rows) - len(wrong), len(rows)), "most_degrees_off": round(max(errors), 8)}
    left_out = len(_UPSTREAM_BUG)
    table = examples("vectors off", wrong)
    return Measure("datum_vectors", len(rows), values | {"left_out": left_out}, floors={"reproduced": 1.0}, table=table)


def _error(row: dict[str, str]) -> float:
    """How far off a vector is reproduced, in degrees."""
    x, y = to_wgs84([float(row["from_lng"])], [float(row["from_lat"])], _NAMES[row["from_crs"]])
    lon, lat = from_wgs84(x, y, _NAMES[row["to_crs"]])
    return max(abs(float(lon[0]) - float(row["to_lng"])), abs(float(lat[0]) - float(row["to_lat"])))


def _round_trips() -> Measure:
    """From WGS-84 to each system and back, over the whole city."""
    rng = np.random.default_rng(_SEED)
    lon, lat = rng.uniform(114.53, 115.50, _POINTS), rng.uniform(29.51, 30.32, _POINTS)
    off = 0.0
    for crs in CRS_NAMES:
        x, y = to_wgs84(*from_wgs84(lon, lat, crs), crs)
        off = max(off, float(np.abs(x - lon).max()), float(np.abs(y - lat).max()))
    values = {"most_degrees_off": off, "systems": len(CRS_NAMES)}
    return Measure("datum_round_trips", _POINTS, values, ceilings={"most_degrees_off": 1e-7})


def _wrong_points() -> Measure:
    """Each kind of wrong point gets its own name in WGS-84; none is moved into the city."""
    pairs = []
    for name, (lon, lat) in _WRONG.items():
        problem = examine([lon], [lat], "WGS-84")[2][0]
        pairs.append((name.removeprefix("half "), str(problem)))
    named = share(sum(truth == answer for truth, answer in pairs), len(pairs))
    return Measure(
        "datum_wrong_points",
        len(pairs),
        {"named": named},
        floors={"named": 1.0},
        table=confusion("wrong points", pairs),
    )
