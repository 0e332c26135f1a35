"""Whether polygons were drawn in a shifted Chinese datum: seen by how they lie against the districts' borders."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import shapely
from shapely import Geometry

from gridhub.streams.place.coordinates import from_wgs84, to_wgs84
from gridhub.streams.place.drawing import Drawing, together
from gridhub.streams.place.shapes import METRES_PER_DEGREE, Floats

SHIFTED = ("GCJ-02", "BD-09")
_LATITUDE_COSINE = 0.865  # of 30.1 N, where the city lies
_CLEARLY_LESS = 0.7
_LEAST_KM2 = 1.0
_WHOLE = 0.5
_LEAST_GRIDS = 10
_LEAST_SHIFT_M = 200.0
_LIKE = 0.2


def wrong_datums(
    drawing: Drawing, districts: Mapping[str, Geometry], *, apart: bool
) -> list[tuple[str, str, float, float]]:
    """Districts whose drawing a shifted datum explains better than WGS-84: code, datum, misfit in km² before and after.

    The misfit of a district that is drawn for the most part is its symmetric difference with the drawing's, of any
    other the land that lies outside of it. `apart`: the grids do not overlap.
    """
    leads = np.array([code[:6] for code in drawing.codes])
    found = []
    for code, district in districts.items():
        own = leads == code
        if not own.any():
            continue
        drawn = together(drawing.polygons[own], apart=apart)
        as_given = _misfit(drawn, district)
        misfits = {name: _misfit(_converted(drawn, name), district) for name in SHIFTED}
        best = min(misfits, key=lambda name: misfits[name])
        if as_given >= _LEAST_KM2 and misfits[best] <= _CLEARLY_LESS * as_given:
            found.append((code, best, round(as_given, 1), round(misfits[best], 1)))
    return found


def shift_against(drawing: Drawing, present: Mapping[str, Geometry]) -> tuple[int, int, str] | None:
    """How many grids lie away from their present place by just a datum's offset, its metres and name; None when none do."""
    shared = [index for index, code in enumerate(drawing.codes) if code in present]
    if len(shared) < _LEAST_GRIDS:
        return None
    before = _centres(np.array([present[drawing.codes[index]] for index in shared], dtype=object))
    after = _centres(drawing.polygons[shared])
    moved = np.median(_metres(after - before), axis=0)
    if np.hypot(*moved) < _LEAST_SHIFT_M:
        return None
    for name in SHIFTED:
        lon, lat = from_wgs84(before[:, 0], before[:, 1], name)
        expected = np.median(_metres(np.column_stack([lon, lat]) - before), axis=0)
        if np.hypot(*(moved - expected)) < _LIKE * np.hypot(*expected):
            return len(shared), round(float(np.hypot(*moved))), name
    return None


def _misfit(drawn: Geometry, district: Geometry) -> float:
    inside = shapely.intersection(drawn, district).area
    if inside > _WHOLE * district.area:
        return _km2(drawn.area + district.area - 2 * inside)
    return _km2(drawn.area - inside)


def _km2(degrees2: float) -> float:
    return degrees2 * METRES_PER_DEGREE**2 * _LATITUDE_COSINE / 1e6


def _converted(land: Geometry, crs: str) -> Geometry:
    def unshift(points: Floats) -> Floats:
        lon, lat = to_wgs84(points[:, 0], points[:, 1], crs)
        return np.column_stack([lon, lat])

    shape = shapely.transform(land, unshift)
    return shape if shape.is_valid else shapely.make_valid(shape)


def _centres(polygons: np.ndarray) -> Floats:
    centres: Floats = shapely.get_coordinates(shapely.centroid(polygons))
    return centres


def _metres(degrees: Floats) -> Floats:
    scale = np.array([METRES_PER_DEGREE * _LATITUDE_COSINE, METRES_PER_DEGREE])
    metres: Floats = degrees * scale
    return metres
