"""Coordinate systems of Chinese departments, to and from WGS-84, vectorised.

Sources of the rules: GCJ-02 has no public standard; the formula is the well-known public one with the Krasovsky 1940
ellipsoid, checked against independent vectors. BD-09 is the published conversion on top of GCJ-02. CGCS2000 differs
from WGS-84 by centimetres and is taken as equal. EPSG:4547 is CGCS2000 / 3-degree Gauss-Krueger CM 114E.

Points are moved only between systems. `check` names what is wrong with a point and never mends it.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]

CRS_NAMES = ("WGS-84", "GCJ-02", "BD-09", "CGCS2000", "EPSG:4547")

_OTHER_NAMES = {
    "WGS84": "WGS-84",
    "EPSG4326": "WGS-84",
    "GCJ02": "GCJ-02",
    "BD09": "BD-09",
    "BD09LL": "BD-09",
    "EPSG4490": "CGCS2000",
    "CGCS2000": "CGCS2000",
    "EPSG4547": "EPSG:4547",
}

_AXIS_M = 6378245.0
_ECCENTRICITY2 = 0.00669342162296594323
_BD_TURN = np.pi * 3000.0 / 180.0
_BD_LON, _BD_LAT = 0.0065, 0.006
_GCJ_BOX = (72.004, 0.8293, 137.8347, 55.8271)
# The six districts reach from 114.527 to 115.506 and from 29.509 to 30.329; a hundredth of a degree is left around.
_CITY_BOX = (114.51, 29.49, 115.53, 30.35)
_STEP_DEG = 1e-9
_MOST_STEPS = 12
_MOST_NUMBER = 1e9


def crs_name(text: str) -> str | None:
    """The name in CRS_NAMES for a usual way of writing it (gcj02, WGS84, epsg:4490), or None."""
    return _OTHER_NAMES.get(text.upper().translate({ord(sign): None for sign in " -_:"}))


def to_wgs84(lon: ArrayLike, lat: ArrayLike, crs: str) -> Pair:
    """Move points of shape (n,) from `crs` to WGS-84 degrees; for EPSG:4547 give easting and northing in metres.

    Raises ValueError for a system not in CRS_NAMES. NaN stays NaN.
    """
    x, y = _floats(lon), _floats(lat)
    if crs == "GCJ-02":
        return _invert(to_gcj02, x, y)
    if crs == "BD-09":
        return _invert(to_gcj02, *_invert(_gcj02_to_bd09, x, y))
    if crs == "EPSG:4547":
        degrees = _plane_to_degrees().transform(x, y)
        return _finite_or_nan(degrees[0]), _finite_or_nan(degrees[1])
    _require_known(crs)
    return x, y


def from_wgs84(lon: ArrayLike, lat: ArrayLike, crs: str) -> Pair:
    """Move WGS-84 points of shape (n,) to `crs`: degrees, or metres (easting, northing) for EPSG:4547.

    Raises ValueError for a system not in CRS_NAMES.
    """
    if crs == "GCJ-02":
        return to_gcj02(lon, lat)
    if crs == "BD-09":
        return to_bd09(lon, lat)
    if crs == "EPSG:4547":
        return to_epsg4547(lon, lat)
    _require_known(crs)
    return _floats(lon), _floats(lat)


def to_gcj02(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Move WGS-84 degrees to GCJ-02; points outside the rectangle which the public formula names stay where they are."""
    x, y = _floats(lon), _floats(lat)
    west, south, east, north = _GCJ_BOX
    inside = (x >= west) & (x <= east) & (y >= south) & (y <= north)
    with np.errstate(all="ignore"):  # what is no coordinate at all becomes NaN, and `check` names it
        shift_lon, shift_lat = _gcj_shift(x, y)
    return np.where(inside, x + shift_lon, x), np.where(inside, y + shift_lat, y)


def to_bd09(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Move WGS-84 degrees to BD-09."""
    return _gcj02_to_bd09(*to_gcj02(lon, lat))


def to_epsg4547(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Project WGS-84 (taken as CGCS2000) degrees to easting and northing in metres, central meridian 114 E."""
    east, north = _degrees_to_plane().transform(_floats(lon), _floats(lat))
    return _floats(east), _floats(north)


def check(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.object_]:
    """Name what is wrong with each WGS-84 point, shape (n,): None or one of the names below; nothing is moved.

    `not_a_number`, `zero` (an axis is exactly 0, the usual sign of "not filled in"), `swapped_axes` (it would lie in
    the city with its axes exchanged), `out_of_range` (no longitude or latitude at all), `outside_city` (farther than
    a hundredth of a degree from the rectangle around the city).
    """
    x, y = _floats(lon), _floats(lat)
    names = np.full(x.shape, None, dtype=object)
    names[~_within(x, y)] = "outside_city"
    names[(np.abs(x) > 180) | (np.abs(y) > 90)] = "out_of_range"
    names[_within(y, x)] = "swapped_axes"
    names[(x == 0) | (y == 0)] = "zero"
    names[~(np.isfinite(x) & np.isfinite(y))] = "not_a_number"
    return names


def examine(lon: ArrayLike, lat: ArrayLike, crs: str) -> tuple[Floats, Floats, NDArray[np.object_]]:
    """Points of a system, shape (n,), in WGS-84 degrees, and what is wrong with each (None, or a name of `check`).

    Zeros are looked for before anything is moved; exchanged easting and northing of EPSG:4547 are named as such too.
    Nothing that is wrong is mended. Raises ValueError for a system not in CRS_NAMES.
    """
    x, y = _floats(lon), _floats(lat)
    with np.errstate(all="ignore"):  # absurd numbers overflow on the way; they are named afterwards
        zero = ((x == 0) | (y == 0)) & np.isfinite(x) & np.isfinite(y)
        moved_x, moved_y = to_wgs84(*_sane(x, y), crs)
        problems = check(moved_x, moved_y)
        if crs == "EPSG:4547":
            odd = np.array([problem is not None for problem in problems])
            swapped = np.array([problem is None for problem in check(*to_wgs84(*_sane(y, x), crs))])
            problems[odd & swapped] = "swapped_axes"
    problems[zero] = "zero"
    return moved_x, moved_y, problems


def _sane(x: Floats, y: Floats) -> Pair:
    """NaN for what no system uses, so that no library has to make sense of it."""
    usable = np.isfinite(x) & np.isfinite(y) & (np.abs(x) < _MOST_NUMBER) & (np.abs(y) < _MOST_NUMBER)
    return np.where(usable, x, np.nan), np.where(usable, y, np.nan)


def _within(x: Floats, y: Floats) -> NDArray[np.bool_]:
    west, south, east, north = _CITY_BOX
    return np.asarray((x >= west) & (x <= east) & (y >= south) & (y <= north))


def _require_known(crs: str) -> None:
    if crs not in CRS_NAMES:
        raise ValueError(f"unknown coordinate system {crs!r}; known: {', '.join(CRS_NAMES)}")


def _floats(values: ArrayLike) -> Floats:
    return np.atleast_1d(np.asarray(values, dtype=np.float64))


def _finite_or_nan(values: ArrayLike) -> Floats:
    found = _floats(values)
    return np.where(np.isfinite(found), found, np.nan)


def _gcj_shift(lon: Floats, lat: Floats) -> Pair:
    """How far GCJ-02 moves a WGS-84 point, in degrees."""
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    waves = 20.0 * (np.sin(6.0 * x * np.pi) + np.sin(2.0 * x * np.pi))
    north_m = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north_m += (waves + 20.0 * np.sin(y * np.pi) + 40.0 * np.sin(y / 3.0 * np.pi)) * 2.0 / 3.0
    north_m += (160.0 * np.sin(y / 12.0 * np.pi) + 320.0 * np.sin(y * np.pi / 30.0)) * 2.0 / 3.0
    east_m = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east_m += (waves + 20.0 * np.sin(x * np.pi) + 40.0 * np.sin(x / 3.0 * np.pi)) * 2.0 / 3.0
    east_m += (150.0 * np.sin(x / 12.0 * np.pi) + 300.0 * np.sin(x / 30.0 * np.pi)) * 2.0 / 3.0
    return _metres_to_degrees(east_m, north_m, np.radians(lat))


def _metres_to_degrees(east_m: Floats, north_m: Floats, lat_rad: Floats) -> Pair:
    curve = 1.0 - _ECCENTRICITY2 * np.sin(lat_rad) ** 2
    meridian_m = _AXIS_M * (1.0 - _ECCENTRICITY2) / (curve * np.sqrt(curve))
    parallel_m = _AXIS_M / np.sqrt(curve) * np.cos(lat_rad)
    return np.degrees(east_m / parallel_m), np.degrees(north_m / meridian_m)


def _gcj02_to_bd09(lon: Floats, lat: Floats) -> Pair:
    with np.errstate(all="ignore"):
        reach = np.hypot(lon, lat) + 0.00002 * np.sin(lat * _BD_TURN)
        angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * _BD_TURN)
        return reach * np.cos(angle) + _BD_LON, reach * np.sin(angle) + _BD_LAT


def _invert(forward: Callable[[Floats, Floats], Pair], lon: Floats, lat: Floats) -> Pair:
    """Fixed-point inverse of a small shift: each step takes off what the forward way is still wrong by.

    The shift hardly changes over its own length, so the error shrinks at least tenfold a step; it ends when no point
    moves by 1e-9 degrees (a tenth of a millimetre) or after 12 steps. For BD-09 this is exact where the published
    one-step inverse is 5e-7 degrees (5 cm) off.
    """
    x, y = lon.copy(), lat.copy()
    for _ in range(_MOST_STEPS):
        forward_x, forward_y = forward(x, y)
        with np.errstate(invalid="ignore"):
            wrong_x, wrong_y = lon - forward_x, lat - forward_y
        x, y = x + wrong_x, y + wrong_y
        if not np.any(np.maximum(np.abs(wrong_x), np.abs(wrong_y)) > _STEP_DEG):
            break
    return x, y


@cache
def _degrees_to_plane() -> Transformer:
    return Transformer.from_crs("EPSG:4490", "EPSG:4547", always_xy=True)


@cache
def _plane_to_degrees() -> Transformer:
    return Transformer.from_crs("EPSG:4547", "EPSG:4490", always_xy=True)
