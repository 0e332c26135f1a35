"""Areas whose border crosses itself: made valid when that is a slip, given up when it is a tangle.

Making a tangle valid takes seconds at 200 corners and hours at 1,000 (every crossing becomes a corner of many small
pieces), so crossings are counted first: that takes 40 ms at 2,000 corners.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry

MOST_CROSSINGS = 40
MOST_CORNERS = 2_000
_ROWS = 200


def mended(shape: Geometry) -> Geometry | None:
    """A valid geometry of the same ground; None for one with more than 2,000 corners or 40 crossings."""
    if shapely.get_num_coordinates(shape) > MOST_CORNERS or crossings(shape) > MOST_CROSSINGS:
        return None
    whole = shapely.make_valid(shape)
    ground = [part for part in shapely.get_parts(whole) if part.area > 0]  # without the lines that are left over
    if not ground:
        return whole
    return ground[0] if len(ground) == 1 else shapely.MultiPolygon(_polygons(ground))


def _polygons(parts: list[Geometry]) -> list[Geometry]:
    return [polygon for part in parts for polygon in shapely.get_parts(part)]


def crossings(shape: Geometry) -> int:
    """How many pairs of a geometry's lines properly cross; counting stops beyond MOST_CROSSINGS."""
    first, last = _segments(shape)
    found = 0
    for start in range(0, len(first), _ROWS):
        rows = slice(start, start + _ROWS)
        found += int(np.triu(_cross(first[rows], last[rows], first[start:], last[start:]), k=1).sum())
        if found > MOST_CROSSINGS:
            break
    return found


def _segments(shape: Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both ends of every line of a geometry, shapes (n, 2)."""
    lines = shapely.get_parts(shapely.boundary(shapely.get_parts(shape)))
    points, line = shapely.get_coordinates(lines, return_index=True)
    same = line[1:] == line[:-1]
    return points[:-1][same], points[1:][same]


def _cross(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], d: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether each segment a-b crosses each c-d, shape (len(a), len(c)); touching ends do not count."""
    a, b = a[:, None, :], b[:, None, :]
    one = _side(a, b, c) * _side(a, b, d)
    other = _side(c, d, a) * _side(c, d, b)
    crossed: NDArray[np.bool_] = (one < 0) & (other < 0)
    return crossed


def _side(a: NDArray[np.float64], b: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    """On which side of a line a point lies: -1, 0 or 1."""
    across = (b[..., 0] - a[..., 0]) * (point[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (
        point[..., 0] - a[..., 0]
    )
    return np.sign(across)
