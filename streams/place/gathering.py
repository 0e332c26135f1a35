"""All places of one edition: the divisions from their table, the grids from their polygons, and who lies in whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import shapely
from numpy.typing import NDArray

from gridhub.streams.place.answer import CITY, Place
from gridhub.streams.place.rows import Row
from gridhub.streams.place.source import Grids

_NOWHERE = (float("nan"), float("nan"))


def gathered(divisions: Iterable[Row], grids: Grids) -> dict[str, Place]:
    """Every place by its code. Its point lies in it: a grid's own, or that of the grid nearest to a wider place's middle."""
    points = shapely.get_coordinates(shapely.point_on_surface(grids.polygons))
    centres = shapely.get_coordinates(shapely.centroid(grids.polygons))
    text = grids.codes.astype(np.str_)
    places = {}
    for row in divisions:
        code = row["short_code"]
        lon, lat = _middle(_span(text, code), points, centres)
        parent = row["parent_code12"][: len(code) - 3] if len(code) > 6 else CITY if code != CITY else ""
        places[code] = Place(code, row["name"], row["level"], parent, lon, lat, row["level"])
    for code, kind, own, (lon, lat) in zip(grids.codes, grids.kinds, grids.names, points.tolist(), strict=True):
        name = own or (f"第{code[12:]}网格" if kind == "basic" else f"第{code[12:]}专属网格")
        places[code] = Place(code, name, "grid", code[:12], lon, lat, kind)
    return places


def children_of(places: Mapping[str, Place]) -> dict[str, tuple[str, ...]]:
    """The codes one level below each place, in order."""
    found: dict[str, list[str]] = {code: [] for code in places}
    for code, place in places.items():
        if place.parent:
            found[place.parent].append(code)
    return {code: tuple(sorted(children)) for code, children in found.items()}


def _span(text: NDArray[np.str_], code: str) -> slice:
    """Where a place's grids stand in the order of the codes."""
    lead = CITY[:4] if code == CITY else code
    start, end = np.searchsorted(text, [lead, lead + "~"])
    return slice(int(start), int(end))


def _middle(span: slice, points: NDArray[np.float64], centres: NDArray[np.float64]) -> tuple[float, float]:
    """The point of the grid nearest to the middle of these grids; NaN when there is none."""
    if span.start == span.stop:
        return _NOWHERE
    away = centres[span] - centres[span].mean(axis=0)
    lon, lat = points[span.start + int(np.argmin((away**2).sum(axis=1)))]
    return float(lon), float(lat)
