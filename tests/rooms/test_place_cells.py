"""The raster over the grids says the same as the geometry."""

import numpy as np
import pytest
import shapely

from gridhub.streams.place import shapes
from gridhub.streams.place.cells import cells
from gridhub.streams.place.shapes import grid_map


def slanted(count):
    """Polygons that share borders, none of them along the axes."""
    steps = np.arange(count + 1) / count
    u, v = np.meshgrid(steps, steps, indexing="ij")
    x, y = 114.9 + 0.1 * (u + 0.3 * v), 30.1 + 0.1 * (v - 0.2 * u)
    corners = [np.stack([x[a, b], y[a, b]], axis=-1).reshape(-1, 2) for a, b in _turns(count)]
    return shapely.polygons(np.stack([*corners, corners[0]], axis=1))


def _turns(count):
    low, high = slice(0, count), slice(1, count + 1)
    return (low, low), (high, low), (high, high), (low, high)


@pytest.mark.parametrize(
    "polygons",
    [
        slanted(9),
        np.array([shapely.box(0, 0, 3, 3), shapely.box(1, 1, 2, 2), shapely.box(2.5, 0, 5, 3)]),
        np.array([shapely.box(0, 0, 4, 4).difference(shapely.box(1, 1, 3, 3)), shapely.Point(2, 2).buffer(0.5)]),
    ],
    ids=["slanted", "overlapping", "with a hole"],
)
def test_the_raster_says_what_the_geometry_says(polygons):
    """For points anywhere, on corners, on borders of polygons and of cells, outside, and for no numbers."""
    grids, draw = grid_map(polygons), np.random.default_rng(5)
    west, south, east, north = shapely.total_bounds(polygons)
    raster = cells(polygons, grids.tree)
    assert (raster.grid >= 0).mean() > 0.2
    corners = shapely.get_coordinates(polygons)
    middles = (corners[1:] + corners[:-1]) / 2
    lines = west + np.arange(raster.side + 1) / raster.per_x
    ups = south + np.arange(raster.side + 1) / raster.per_y
    grown = [draw.uniform(a - 0.1 * (b - a), b + 0.1 * (b - a), 5000) for a, b in ((west, east), (south, north))]
    crossed = np.meshgrid(lines, ups)
    x = np.concatenate([corners[:, 0], middles[:, 0], crossed[0].ravel(), grown[0], [np.nan, np.inf]])
    y = np.concatenate([corners[:, 1], middles[:, 1], crossed[1].ravel(), grown[1], [30.0, 30.0]])
    exact = [grids.locate(x[i : i + 100], y[i : i + 100]) for i in range(0, len(x), 100)]
    assert len(x) > shapes.MANY > 100
    assert np.array_equal(grids.locate(x, y), np.concatenate(exact))


def test_no_area_no_raster():
    """Without polygons, or with a point for one, there is nothing to make a raster of, and nothing is found."""
    for polygons in (np.array([], dtype=object), np.array([shapely.Point(1, 1)])):
        grids = grid_map(polygons)
        assert cells(polygons, grids.tree) is None
        assert (grids.locate(np.full(1000, 2.0), np.full(1000, 2.0)) == -1).all()
