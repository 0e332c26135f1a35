"""The grids as geometry: which grid a point lies in, and which grids an area touches."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from gridhub.streams.place.cells import Cells, cells
from gridhub.streams.place.mending import mended

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

METRES_PER_DEGREE = 111_195.0
MANY = 512  # points at a time, for which a raster is worth making
_CIRCLE_CORNERS = 64
_MOST_RADIUS_KM = 20_000.0
_MOST_CORNERS = 100_000
# An area touches a grid when it takes a thousandth of the grid, or the grid a hundredth of the area. Anything less is
# the width of a drawn line: two maps of one border never agree to the metre.
_SHARE_OF_GRID = 1e-3
_SHARE_OF_AREA = 1e-2


class BadShapeError(ValueError):
    """An area that cannot be read as a geometry."""


@dataclass(frozen=True)
class GridMap:
    """Grid polygons in the order of their codes, with an index over them."""

    polygons: NDArray[np.object_]
    tree: shapely.STRtree

    def locate(self, lon: Floats, lat: Floats) -> Indices:
        """The index of the grid that each WGS-84 point lies in, shape (n,); -1 where there is none.

        A point on a shared edge goes to the grid with the lowest code. The tree finds the boxes around a point, the
        prepared polygons decide: their speed does not depend on how many corners a polygon has. Of many points most are
        told by a raster (`cells.py`), made when they first come.
        """
        finite = np.flatnonzero(np.isfinite(lon) & np.isfinite(lat))
        if len(finite) < MANY or self._cells is None:
            return self._exact(lon, lat, finite)
        known = np.full(lon.shape, -1, dtype=np.int32)
        known[finite] = self._cells.known(lon[finite], lat[finite])
        left = finite[known[finite] < 0]
        known[left] = self._exact(lon[left], lat[left], np.arange(len(left)))
        return known

    @cached_property
    def _cells(self) -> Cells | None:
        return cells(self.polygons, self.tree)

    def _exact(self, lon: Floats, lat: Floats, finite: NDArray[np.int64]) -> Indices:
        x, y = lon[finite], lat[finite]
        point, grid = self.tree.query(shapely.points(x, y))
        hit = shapely.intersects_xy(self.polygons[grid], x[point], y[point])
        lowest = np.full(lon.shape, len(self.polygons), dtype=np.int32)
        np.minimum.at(lowest, finite[point[hit]], grid[hit].astype(np.int32))
        return np.where(lowest == len(self.polygons), np.int32(-1), lowest)

    def touched(self, area: Geometry) -> Indices:
        """The indices of the grids that an area takes a part of, in order; a point or a line counts where it lies."""
        hits = np.sort(self.tree.query(area, predicate="intersects"))
        if area.area == 0:
            return hits.astype(np.int32)
        shapely.prepare(area)
        partly = ~shapely.contains(area, self.polygons[hits])
        overlap = shapely.area(shapely.intersection(area, self.polygons[hits[partly]]))
        own = shapely.area(self.polygons[hits[partly]])
        keep = ~partly
        keep[partly] = (overlap >= _SHARE_OF_GRID * own) | (overlap >= _SHARE_OF_AREA * area.area)
        kept: Indices = hits[keep].astype(np.int32)
        return kept


def grid_map(polygons: NDArray[np.object_]) -> GridMap:
    """Index grid polygons, given in the order of their codes."""
    shapely.prepare(polygons)
    return GridMap(polygons, shapely.STRtree(polygons))


def area_of_shape(shape: object) -> Geometry:
    """A valid WGS-84 geometry from a geometry, a GeoJSON geometry, or {"circle": [lon, lat, radius_km]}.

    Raises BadShapeError for anything else, for empty or unbounded ones, for more than 100,000 corners, and for a border
    that is a tangle (see mending.py).
    """
    if isinstance(shape, Mapping):
        shape = circle(shape["circle"]) if "circle" in shape else _from_geojson(shape)
    if not isinstance(shape, Geometry):
        raise BadShapeError("not a geometry")
    if shape.is_empty or not all(map(math.isfinite, shape.bounds)):
        raise BadShapeError("the area is empty or has coordinates that are no numbers")
    if shapely.get_num_coordinates(shape) > _MOST_CORNERS:
        raise BadShapeError(f"the area has more than {_MOST_CORNERS} corners")
    if shape.is_valid:
        return shape
    if (whole := mended(shape)) is None:
        raise BadShapeError("the area's border crosses itself too often")
    return whole


def circle(values: Any) -> Geometry:
    """A circle [lon, lat, radius_km] as a polygon of 64 corners around it; a radius of 0 is the point itself."""
    try:
        lon, lat, radius_km = (float(value) for value in values)
    except (TypeError, ValueError) as error:
        raise BadShapeError("a circle is [longitude, latitude, radius in km]") from error
    if not (abs(lon) <= 180 and abs(lat) <= 89 and 0 <= radius_km <= _MOST_RADIUS_KM):
        raise BadShapeError("a circle needs a longitude, a latitude and a radius of at most 20,000 km")
    if radius_km == 0:
        return shapely.Point(lon, lat)
    angles = np.linspace(0, 2 * math.pi, _CIRCLE_CORNERS, endpoint=False)
    reach = radius_km * 1000 / METRES_PER_DEGREE / math.cos(math.pi / _CIRCLE_CORNERS)
    east = lon + reach * np.cos(angles) / math.cos(math.radians(lat))
    return shapely.Polygon(np.column_stack([east, lat + reach * np.sin(angles)]))


def _from_geojson(shape: Mapping[str, Any]) -> Geometry:
    try:
        geometry = shapely.from_geojson(orjson.dumps(dict(shape)))
    except (shapely.GEOSException, TypeError, orjson.JSONEncodeError) as error:
        raise BadShapeError("not a GeoJSON geometry") from error
    if geometry is None:
        raise BadShapeError("not a GeoJSON geometry")
    return geometry
