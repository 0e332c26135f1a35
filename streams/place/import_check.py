"""The checks of a city's own grid polygons before they are used: each by itself, between neighbours, against the districts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from gridhub.streams.place.datum import shift_against, wrong_datums
from gridhub.streams.place.drawing import Drawing, Pairs, metres2, neighbours, read_drawing, spot
from gridhub.streams.place.findings import Report
from gridhub.streams.place.gaps import gaps
from gridhub.streams.place.shapes import METRES_PER_DEGREE

_IGNORED_M2 = 1.0
_TINY_M2 = 100.0
_NARROW_M = 0.5
"""A strip narrower than this is the width of a drawn line: told, but no error."""
_OUTSIDE_SHARE = 0.2
_BORDER_SHARE = 0.02
_BORDER_M2 = 10_000.0
_NEAR_CITY_DEG = 0.05
_TOUCH_DEG = 1.0 / METRES_PER_DEGREE
_COMMON_MISTAKES = ("wrong_datum", "shifted_grids", "swapped_axes", "projected", "too_many_overlaps")
_MOST_OVERLAPS = 10_000


@dataclass(frozen=True)
class Ground:
    """What a drawing is judged by: the divisions, the districts' polygons, and the grids that are in force."""

    names: dict[str, str]  # canonical code to name, all levels
    mca: dict[str, str]  # the Ministry's street code to the canonical one
    districts: dict[str, Geometry]
    present: dict[str, Geometry]  # 15-digit code to polygon; may be empty

    def district(self, code: str) -> str:
        """The name of the district that a code lies in."""
        return self.names.get(code[:6], code[:6])


def check_grids(content: bytes, file: str, ground: Ground, report: Report) -> Drawing:
    """Judge a GeoJSON file of grids; the features that are sound by themselves and lie in the city."""
    drawing = read_drawing(content, file, ground.names, ground.mca, report)
    _duplicates(drawing, report)
    drawing = drawing.part(_inside_city(drawing, ground, report)) if len(drawing) else drawing
    if not len(drawing):
        return drawing
    _splinters(drawing, report)
    _overlaps(drawing, report)
    now = _newest(drawing)
    _datum(now, ground, report)
    if not report.has(*_COMMON_MISTAKES):  # they explain all that follows
        _districts(now, ground, report)
        _apart(now, ground, report)
        gaps(now, ground.names, ground.districts, report)
    return drawing


def polygons_by_code(content: bytes, column: str) -> dict[str, Geometry]:
    """The polygons of a sound GeoJSON file by one of their properties."""
    features = orjson.loads(content)["features"]
    shapes = shapely.from_geojson([orjson.dumps(feature["geometry"]) for feature in features])
    return {str(feature["properties"][column]): shape for feature, shape in zip(features, shapes, strict=True)}


def _duplicates(drawing: Drawing, report: Report) -> None:
    """One code may stand there again for another time only."""
    order = np.lexsort((drawing.valid_ms[:, 0], drawing.codes.astype(str)))
    for first, second in pairwise(order):
        same = drawing.codes[first] == drawing.codes[second]
        if same and drawing.valid_ms[second, 0] < drawing.valid_ms[first, 1]:
            number, other = sorted((int(drawing.numbers[first]), int(drawing.numbers[second])), reverse=True)
            report.add("duplicate_code", drawing.file, number, drawing.codes[first], other_feature=other)


def _inside_city(drawing: Drawing, ground: Ground, report: Report) -> NDArray[np.bool_]:
    """Which grids lie in the city's frame; the others are named by what is probably wrong with them."""
    west, south, east, north = shapely.total_bounds(np.array(list(ground.districts.values())))
    frame = shapely.box(west, south, east, north).buffer(_NEAR_CITY_DEG)
    inside: NDArray[np.bool_] = shapely.intersects(frame, drawing.polygons)
    for index in np.flatnonzero(~inside):
        shape = drawing.polygons[index]
        x, y = spot(shape)
        kind = "outside_city"
        if shapely.intersects_xy(frame, y, x):
            kind = "swapped_axes"
        elif abs(x) > 180 or abs(y) > 90:
            kind = "projected"
        report.add(kind, drawing.file, int(drawing.numbers[index]), drawing.codes[index], (x, y))
    return inside


def _splinters(drawing: Drawing, report: Report) -> None:
    """Grids that are smaller than a house."""
    area = metres2(drawing.polygons)
    for index in np.flatnonzero(area < _TINY_M2):
        number, code, at = int(drawing.numbers[index]), drawing.codes[index], spot(drawing.polygons[index])
        report.add("tiny", drawing.file, number, code, at, area_m2=round(float(area[index]), 1))


def _datum(drawing: Drawing, ground: Ground, report: Report) -> None:
    shift = shift_against(drawing, ground.present)
    if shift:
        count, metres, datum = shift
        report.add("shifted_grids", drawing.file, count=count, metres=metres, datum=datum)
        return
    clean = not report.has("overlap", "too_many_overlaps")
    for code, datum, before, after in wrong_datums(drawing, ground.districts, apart=clean):
        subject = report.about(drawing.file, None, code)
        name = ground.district(code)
        subject.add("wrong_datum", district=name, datum=datum, before_km2=before, after_km2=after)


def _newest(drawing: Drawing) -> Drawing:
    """The grids as they are after the last change that the file knows."""
    latest = drawing.valid_ms[:, 1] == drawing.valid_ms[:, 1].max()
    return drawing.part(latest)


def _overlaps(drawing: Drawing, report: Report) -> None:
    """Pairs that share land while both are valid, the largest first."""
    begin, end = drawing.valid_ms.T
    found: list[tuple[float, int, int, Geometry]] = []
    for one, two in neighbours(drawing.polygons):
        together = (one < two) & (np.maximum(begin[one], begin[two]) < np.minimum(end[one], end[two]))
        found += _shared(drawing, one[together][:_MOST_OVERLAPS], two[together][:_MOST_OVERLAPS])
        if max(together.sum(), len(found)) > _MOST_OVERLAPS:  # neighbours alone are a tenth of this in a portion
            report.add("too_many_overlaps", drawing.file, most=_MOST_OVERLAPS)
            break
    for area, left, right, land in sorted(found, key=lambda row: -row[0]):
        first, second = sorted((left, right), key=lambda i: int(drawing.numbers[i]))
        report.add(
            "narrow_overlap" if narrow(land, area) else "overlap",
            drawing.file, int(drawing.numbers[second]), drawing.codes[second], spot(land),
            other=drawing.codes[first], area_m2=round(area, 1),
        )  # fmt: skip


def _shared(drawing: Drawing, one: Pairs, two: Pairs) -> list[tuple[float, int, int, Geometry]]:
    """The land of more than a square metre that pairs of grids share; equal codes are told as duplicates."""
    # neighbours share lines; only pairs whose insides meet are worth an intersection
    meet = ~shapely.touches(drawing.polygons[one], drawing.polygons[two])
    meet &= drawing.codes[one] != drawing.codes[two]
    one, two = one[meet], two[meet]
    shared = shapely.intersection(drawing.polygons[one], drawing.polygons[two])
    area = metres2(shared)
    large = np.flatnonzero(area > _IGNORED_M2)
    return [(float(area[i]), int(one[i]), int(two[i]), shared[i]) for i in large]


def narrow(shape: Geometry, area_m2: float) -> bool:
    """Whether land is a strip: its mean width, twice the area by the outline, is below half a metre."""
    outline_m = float(shapely.length(shape)) * METRES_PER_DEGREE
    return 2 * area_m2 < _NARROW_M * outline_m


def _districts(drawing: Drawing, ground: Ground, report: Report) -> None:
    """Grids that lie outside the district of their code."""
    leads = np.array([code[:6] for code in drawing.codes])
    for lead in np.unique(leads):
        land = ground.districts.get(str(lead))
        if land is None:
            continue
        shapely.prepare(land)
        own = np.flatnonzero(leads == lead)
        own = own[~shapely.contains_properly(land, drawing.polygons[own])]
        outside = shapely.difference(drawing.polygons[own], land)
        beyond, whole = metres2(outside), metres2(drawing.polygons[own])
        for index, rest, area, total in zip(own, outside, beyond, whole, strict=True):
            if area > _OUTSIDE_SHARE * total:
                values: dict[str, Any] = {"percent": round(100 * area / total), "other_name": _elsewhere(rest, ground)}
                kind = "outside_district"
            elif area > _BORDER_M2 and area > _BORDER_SHARE * total:
                values, kind = {"area_m2": round(float(area))}, "over_border"
            else:
                continue
            number, code = int(drawing.numbers[index]), drawing.codes[index]
            report.add(kind, drawing.file, number, code, spot(rest), district=ground.district(code), **values)


def _elsewhere(land: Geometry, ground: Ground) -> str:
    """The district that most of this land lies in."""
    shares = {code: float(shapely.intersection(land, other).area) for code, other in ground.districts.items()}
    code = max(shares, key=lambda name: shares[name])
    return ground.district(code) if shares[code] > land.area / 2 else "市外 (outside the city)"


def _apart(drawing: Drawing, ground: Ground, report: Report) -> None:
    """Grids among those of other communities only, while their own community has further ones."""
    communities = np.array([code[:12] for code in drawing.codes])
    name, size = np.unique(communities, return_counts=True)
    sizes: Mapping[str, int] = dict(zip(name.tolist(), size.tolist(), strict=True))
    touched = np.zeros(len(drawing), dtype=bool)
    for one, two in neighbours(drawing.polygons, _TOUCH_DEG):
        touched[one[communities[one] == communities[two]]] = True
    alone = [i for i in np.flatnonzero(~touched) if sizes[str(communities[i])] > 1]
    tree = shapely.STRtree(drawing.polygons)
    for index in alone:
        beside = tree.query(drawing.polygons[index], predicate="dwithin", distance=_TOUCH_DEG)
        around = np.unique(communities[beside[beside != index]])
        if len(around):
            others = "、".join(ground.names.get(str(code), str(code)) for code in around[:3])
            number, code, lead = int(drawing.numbers[index]), drawing.codes[index], str(communities[index])
            at = spot(drawing.polygons[index])
            report.add("apart", drawing.file, number, code, at, community=ground.names.get(lead, lead), others=others)
