"""From CAP areas to the areas of a WeatherWarning: shapes checked and closed, geocodes of China told from others."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import shapely

from gridhub.connectors.warnings.text_areas import areas_in
from gridhub.streams.place.answer import Answer, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridhub.connectors.warnings.message import Area
    from gridhub.streams.place.catalogue import Catalogue

Record = dict[str, Any]

MOST_CORNERS = 900
"""Corners of one polygon in a record; a longer one is simplified by at most _FINEST to _COARSEST degrees."""
MOST_CORNERS_READ = 200_000
_FINEST, _COARSEST = 1e-4, 2e-2
_CHINESE_CODE = re.compile(r"[1-8]\d{5}(?:\d{3}){0,3}")


@dataclass(slots=True)
class Ground:
    """The areas of a record (WeatherArea), and sentences on what could not be used."""

    areas: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Say it once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def ground(areas: Sequence[Area], catalogue: Catalogue, *, chinese: bool) -> Ground:
    """What a record says of these areas.

    The standard gives one area's shapes and codes as two descriptions of the same ground: shapes are the finer one and
    count where there are any that can be read; else codes; else, in a Chinese message, the names in its words.
    """
    found = Ground()
    corners = sum(text.count(",") for area in areas for text in area.polygons)
    if corners > MOST_CORNERS_READ:
        found.note(f"The polygons have {corners} corners together; at most {MOST_CORNERS_READ} are read.")
        return found
    for area in areas:
        shapes = [shape for text in area.polygons if (shape := _polygon(text, found))]
        circles = [shape for text in area.circles if (shape := _circle(text, found))]
        if shapes or circles:
            found.areas += [_area(area, polygon=shape) for shape in shapes] + [_area(area, circle=c) for c in circles]
        elif codes := _codes(area, catalogue, found, chinese=chinese):
            found.areas.append(_area(area, codes=codes))
        elif chinese and area.description and (codes := list(areas_in(area.description, "", catalogue).codes)):
            found.note(f"The area was found by its name: {area.description[:60]}.")
            found.areas.append(_area(area, codes=codes))
        elif area.description:
            found.note(f"No place of this city was found for the area {area.description[:60]!r}.")
    return found


def _area(area: Area, codes: list[str] | None = None, polygon: str | None = None, circle: str | None = None) -> Record:
    return {"areaDesc": area.description[:500], "codes": codes or [], "polygon": polygon, "circle": circle}


# shapes


def _polygon(text: str, found: Ground) -> str | None:
    """A polygon as `lat,lon lat,lon …`, closed; None, with a note, for what is no area."""
    points = []
    for pair in re.sub(r"\s*,\s*", ",", text).split():
        point = _point(pair, found)
        if point is None:
            return None
        points.append(point)
    if len(set(points)) < 3:
        found.note(f"A polygon has {len(set(points))} different points and encloses nothing.")
        return None
    if points[0] != points[-1]:
        found.note("A polygon was not closed; it was closed with its first point.")
        points.append(points[0])
    return " ".join(f"{lat:.7g},{lon:.8g}" for lat, lon in _fewer(points, found))


def _fewer(points: list[tuple[float, float]], found: Ground) -> list[tuple[float, float]]:
    """At most MOST_CORNERS points, leaving out those that move the border least."""
    if len(points) <= MOST_CORNERS:
        return points
    line, tolerance = shapely.LineString(points), _FINEST
    while tolerance <= _COARSEST:
        simple = shapely.simplify(line, tolerance, preserve_topology=False)
        if 4 <= shapely.get_num_coordinates(simple) <= MOST_CORNERS:
            found.note(
                f"A polygon of {len(points)} corners was simplified; its border moved by at most {tolerance * 111:.2g} km."
            )
            return [(float(lat), float(lon)) for lat, lon in shapely.get_coordinates(simple)]
        tolerance *= 2
    found.note(f"A polygon of {len(points)} corners is too detailed; its outline was taken.")
    outline = shapely.simplify(shapely.convex_hull(line), _FINEST)
    return [(float(lat), float(lon)) for lat, lon in shapely.get_coordinates(outline)][:MOST_CORNERS]


def _point(pair: str, found: Ground) -> tuple[float, float] | None:
    """Latitude and longitude of a pair; None, with a note, for what is none."""
    parts = pair.split(",")
    try:
        lat, lon = (float(part) for part in parts[:2])
    except ValueError:
        found.note(f"A shape has a point that is no latitude,longitude: {pair[:40]!r}.")
        return None
    if not (math.isfinite(lat) and math.isfinite(lon)) or len(parts) > 3:
        found.note(f"A shape has a point that is no latitude,longitude: {pair[:40]!r}.")
        return None
    if abs(lat) > 90 and abs(lon) <= 90:
        found.note(f"A shape has longitude before latitude ({pair[:40]}): swapped_axes; it is not used.")
        return None
    if abs(lat) > 90 or abs(lon) > 180:
        found.note(f"A shape has a point that is not on the earth: {pair[:40]!r}.")
        return None
    return lat, lon


def _circle(text: str, found: Ground) -> str | None:
    """A circle as `lat,lon radius`, radius in km; 0 is the point itself."""
    parts = re.sub(r"\s*,\s*", ",", text).split()
    if len(parts) == 1 and parts[0].count(",") == 2:
        head, _, tail = parts[0].rpartition(",")
        parts = [head, tail]
    point = _point(parts[0], found) if parts else None
    if point is None:
        return None
    try:
        radius_km = float(parts[1]) if len(parts) > 1 else 0.0
    except ValueError:
        radius_km = math.nan
    if not 0 <= radius_km <= 20_000:
        found.note(f"A circle has no radius in km: {text[:40]!r}.")
        return None
    return f"{point[0]:.7g},{point[1]:.8g} {radius_km:.7g}"


# codes


@lru_cache(maxsize=1)
def _systems() -> dict[str, str]:
    text = (files("gridhub.connectors.warnings") / "geocodes.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), strict=True)
    return {name: row["system"] for row in rows for name in row["names"].split("|")}


def _codes(area: Area, catalogue: Catalogue, found: Ground, *, chinese: bool) -> list[str]:
    """The codes of our catalogue that an area's geocodes mean; those of no place of ours stay, where all are such."""
    known: list[str] = []
    beyond: list[str] = []
    for name, value in area.geocodes:
        system = _systems().get(name.strip().lower(), "chinese" if chinese else "unknown")
        if system == "foreign" or (system == "unknown" and not _CHINESE_CODE.fullmatch(value)):
            found.note(f"Geocodes of the system {name[:60]!r} name no place of China.")
        elif system == "unknown":
            found.note(f"The geocode system {name[:60]!r} is not known; its codes are not used.")
        else:
            answer = catalogue.resolve_codes([value], [system if system in {"nbs", "mca"} else None])[0]
            known += _ours(answer, catalogue)
            beyond += [value] if answer.problem is Problem.OUTSIDE_CITY else []
            if sentence := _wrong(value, answer):
                found.note(sentence)
    return list(dict.fromkeys(known or beyond))


def _ours(answer: Answer, catalogue: Catalogue) -> list[str]:
    if answer.code:
        return [answer.code]
    wide = answer.problem in {Problem.SEVERAL_PLACES, Problem.WIDER_THAN_CITY}
    return list(answer.candidates or (catalogue.root,)) if wide else []


def _wrong(value: str, answer: Answer) -> str:
    """Why a code gives no place, in a sentence; empty where it gives one."""
    if answer.code or answer.problem in {Problem.SEVERAL_PLACES, Problem.WIDER_THAN_CITY}:
        return ""
    if answer.problem is Problem.AMBIGUOUS_CODE:
        return f"The geocode {value} means {' or '.join(answer.candidates)}: its code system is not named."
    if answer.problem is Problem.OUTSIDE_CITY:
        return f"The geocode {value} is outside the city."
    return f"The geocode {value[:40]!r} is not known ({answer.problem})."
