"""A raster over the grids' polygons: most points lie in a cell that is wholly inside one grid, and need no geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

CELLS_PER_GRID = 50
MOST_SIDE = 1024
# A cell's box is asked about with a margin far above what rounding can move a point by, and far below what matters: a
# point that is reckoned into the cell next to its own is then still inside of what was asked about.
MARGIN_SHARE = 1e-6


@dataclass(frozen=True)
class Cells:
    """`grid` has the index of the one polygon that a cell lies wholly inside of and that no other touches, else -1."""

    west: float
    south: float
    per_x: float
    per_y: float
    side: int
    grid: Indices

    def known(self, x: Floats, y: Floats) -> Indices:
        """The polygon of each point, -1 where its cell does not tell; shapes (n,), finite."""
        column, row = np.floor((x - self.west) * self.per_x), np.floor((y - self.south) * self.per_y)
        inside = (column >= 0) & (column < self.side) & (row >= 0) & (row < self.side)
        found = np.full(x.shape, -1, np.int32)
        found[inside] = self.grid[(column[inside] * self.side + row[inside]).astype(np.int64)]
        return found


def cells(polygons: NDArray[np.object_], tree: shapely.STRtree) -> Cells | None:
    """The raster over these polygons; None where there is no area. Some 50 µs a polygon."""
    if not len(polygons):
        return None
    west, south, east, north = shapely.total_bounds(polygons)
    if not (east > west and north > south):
        return None
    side = int(min(max(8, (len(polygons) * CELLS_PER_GRID) ** 0.5), MOST_SIDE))
    size = (east - west) / side, (north - south) / side
    strips = [_strip(polygons, tree, (west + size[0] * column, south), size, side) for column in range(side)]
    return Cells(west, south, side / (east - west), side / (north - south), side, np.concatenate(strips))


def _strip(
    polygons: NDArray[np.object_],
    tree: shapely.STRtree,
    corner: tuple[float, float],
    size: tuple[float, float],
    side: int,
) -> Indices:
    """One column of cells from the south; all of them at once would take 60 MB for 5,000 grids."""
    boxes = _boxes(corner, size, side)
    cell, polygon = tree.query(boxes)
    holds = shapely.contains_properly(polygons[polygon], boxes[cell])
    held = np.bincount(cell[holds], minlength=side)
    asked = (held[cell] == 1) & ~holds  # other polygons whose bounds meet a cell that lies inside of one
    touched = shapely.intersects(polygons[polygon[asked]], boxes[cell[asked]])
    held[cell[asked][touched]] = 2
    sure = holds & (held[cell] == 1)
    grid = np.full(side, -1, np.int32)
    grid[cell[sure]] = polygon[sure]
    return grid


def _boxes(corner: tuple[float, float], size: tuple[float, float], side: int) -> NDArray[np.object_]:
    """The cells of one column, from the south, each with its margin."""
    (west, south), (width, height) = corner, size
    y = south + height * np.arange(side)
    dx, dy = width * MARGIN_SHARE, height * MARGIN_SHARE
    boxes: NDArray[np.object_] = shapely.box(west - dx, y - dy, west + width + dx, y + height + dy)
    return boxes
