"""Areas covered from the street down: the same grids as testing each one, whatever the shape."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from gridhub.streams.place.answer import Problem
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.place.covering import Covering
from gridhub.streams.place.mending import crossings, mended
from gridhub.streams.place.shapes import area_of_shape, grid_map

CATALOGUE = Catalogue.load()
GRIDS = grid_map(np.array([CATALOGUE.polygon(code) for code in CATALOGUE.grid_codes], dtype=object))


def span(code: str) -> slice:
    """Where a street's grids stand."""
    codes = [str(grid)[:9] for grid in CATALOGUE.grid_codes]
    return slice(codes.index(code), len(codes) - codes[::-1].index(code))


COVERING = Covering(GRIDS, [str(code) for code in CATALOGUE.grid_codes], span)


def shapes() -> list[object]:
    """Drawn lines of many sizes, rings with holes, several pieces, circles, points, and what lies outside."""
    rng = np.random.default_rng(5)
    found: list[object] = []
    for corners in (3, 4, 17, 120, 250):
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radii = rng.uniform(0.02, 0.5) * rng.uniform(0.6, 1.4, corners)
        middle = rng.uniform([114.8, 29.8], [115.3, 30.2])
        found.append(shapely.Polygon(middle + np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])))
    box, hole = shapely.box(114.6, 29.6, 115.4, 30.3), shapely.box(114.9, 29.9, 115.1, 30.1)
    found += [box, box.difference(hole), shapely.union_all([hole, shapely.box(115.2, 29.7, 115.21, 29.71)])]
    found += [{"circle": [115.03, 30.2, radius]} for radius in (0, 0.2, 8, 60)]
    found += [CATALOGUE.polygon("420222"), CATALOGUE.polygon("420200"), shapely.box(100, 20, 101, 21)]
    return [*found, shapely.LineString([(114.9, 30.0), (115.2, 30.1)])]


@pytest.mark.parametrize("shape", shapes(), ids=range(len(shapes())))
def test_the_same_grids_as_one_by_one(shape: object) -> None:
    """Whole streets stand for all their grids; every other grid is there exactly when it is touched."""
    area = area_of_shape(shape)
    found = {grid for code in COVERING.codes(area) for grid in CATALOGUE.grids_of(code)}
    assert found == {str(CATALOGUE.grid_codes[index]) for index in GRIDS.touched(area)}


def test_what_lies_wholly_inside_is_not_looked_into() -> None:
    """A box around the city is its streets, and the cover is the city."""
    box = shapely.box(114.0, 29.0, 116.0, 31.0)
    assert {len(code) for code in COVERING.codes(box)} == {9}
    assert CATALOGUE.cover(box).codes == ("420200",)


def tangle(corners: int) -> shapely.Geometry:
    """A border that jumps across the city from corner to corner."""
    rng = np.random.default_rng(7)
    return shapely.Polygon(rng.uniform([114.6, 29.6], [115.4, 30.3], (corners, 2)))


def test_a_slip_in_a_border_is_mended() -> None:
    """A bow tie is two triangles; its codes are those of both."""
    bow = shapely.Polygon([(115, 30), (115.2, 30.2), (115.2, 30), (115, 30.2)])
    assert crossings(bow) == 1
    assert area_of_shape(bow).area == pytest.approx(0.02)


@pytest.mark.parametrize("corners", [60, 900, 5000])
def test_a_tangle_is_no_area(corners: int) -> None:
    """Making it valid would take from seconds to hours: it is a bad shape, and costs nothing."""
    assert mended(tangle(corners)) is None
    assert CATALOGUE.cover(tangle(corners)).problem is Problem.BAD_SHAPE


def test_crossings_are_counted_across_pieces() -> None:
    """Two squares that overlap cross twice; touching corners do not count."""
    square = shapely.box(0, 0, 1, 1)
    assert crossings(shapely.MultiPolygon([square, shapely.box(0.5, 0.5, 2, 2)])) == 2
    assert crossings(shapely.MultiPolygon([square, shapely.box(1, 1, 2, 2)])) == 0
