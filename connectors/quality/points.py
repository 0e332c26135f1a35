"""Points into grids: how many a second on one core, against 5,000 grids, beside a plain loop over polygons."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from gridhub.connectors.quality.measure import Measure, share
from gridhub.streams.place.shapes import GridMap, grid_map

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_GRIDS = 5_000
_POINTS = 200_000
_LOOP = 40
_TIMES = 3
_SEED = 20261123
_CORNERS = {"simple": 8, "detailed": 80}
"""Corners of a polygon: as computed ones have, and as surveyed ones have."""


def measures(data: Path | None) -> Iterator[Measure]:  # noqa: ARG001  # every module's form
    """Speed with few and with many corners, in processor time; and that the answers are those of the loop."""
    for name, corners in _CORNERS.items():
        yield speed(name, cells(_GRIDS, corners))


def speed(name: str, polygons: NDArray[np.object_], points: int = _POINTS) -> Measure:
    """points_per_second in one batch, ratio_to_loop, and the share of points on which both agree."""
    start = time.process_time()
    grids = grid_map(polygons)
    build_s = time.process_time() - start
    rng = np.random.default_rng(_SEED)
    lon, lat = rng.uniform(0, 1, points), rng.uniform(0, 1, points)
    batch_s = min(_seconds(grids, lon, lat) for _ in range(_TIMES)) / points
    start = time.process_time()
    looped = [_loop(polygons, x, y) for x, y in zip(lon[:_LOOP], lat[:_LOOP], strict=True)]
    loop_s = (time.process_time() - start) / _LOOP
    same = sum(a == b for a, b in zip(looped, grids.locate(lon[:_LOOP], lat[:_LOOP]).tolist(), strict=True))
    values = {
        "grids": len(polygons),
        "corners": round(float(np.mean(shapely.get_num_coordinates(polygons))), 1),
        "points_per_second": round(1 / batch_s),
        "ratio_to_loop": round(loop_s / batch_s),
        "agreement": share(same, _LOOP),
        "build_ms": round(build_s * 1000, 1),
    }
    return Measure(f"points_{name}", points, values, floors={"points_per_second": 200_000, "agreement": 1.0})


def cells(count: int, corners: int) -> NDArray[np.object_]:
    """So many polygons that divide a square of one degree without a gap, with about so many corners each."""
    rng = np.random.default_rng(_SEED)
    square = shapely.box(0, 0, 1, 1)
    seeds = shapely.multipoints(rng.uniform(0, 1, (count, 2)))
    parts = shapely.intersection(shapely.get_parts(shapely.voronoi_polygons(seeds, extend_to=square)), square)
    step = float(np.mean(shapely.length(parts))) / corners
    return np.asarray(shapely.segmentize(parts[shapely.area(parts) > 0], step), dtype=object)


def _seconds(grids: GridMap, lon: Floats, lat: Floats) -> float:
    start = time.process_time()
    grids.locate(lon, lat)
    return time.process_time() - start


def _loop(polygons: NDArray[np.object_], lon: float, lat: float) -> int:
    """The plain way: one polygon after the other, until one holds the point."""
    point = shapely.Point(lon, lat)
    return next((number for number, polygon in enumerate(polygons) if polygon.intersects(point)), -1)
