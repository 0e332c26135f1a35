"""The canonical event of a warning: the department's mapping makes the columns, the catalogue the codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import shapely

from gridhub.streams.place.answer import Problem
from gridhub.streams.rooms.finding import Found, by_area

if TYPE_CHECKING:
    from gridhub.connectors.sources.departments import Department
    from gridhub.connectors.warnings.records import Converted
    from gridhub.streams.place.catalogue import Catalogue

Event = dict[str, Any]

DEPARTMENT = "meteorology"
_CLIPPED = 0.005


def canonical(converted: Converted, department: Department, catalogue: Catalogue) -> Event:
    """One event: the columns of EVENT, the codes that cover its area, what was said, and notes on what was left out.

    `grid_ids` is empty where the area is outside the city or was not found; `place_problem` then says why.
    """
    row = department.event(converted.record)
    shape = row.pop("area_shape", None)
    notes = list(converted.notes)
    if not converted.publish:
        row["message"] = None
        notes.append("It acknowledges or refuses a message, and is no warning: it is not published.")
    if row["category"] is None:
        notes.append(f"There is no category for {converted.record['signal']['typeName']!r}: on the road it is refused.")
    return {
        **row,
        "subject": converted.record["signal"],
        **_place(shape, catalogue, notes),
        "published": converted.publish,
        "said": converted.said,
        "notes": notes,
    }


def _place(shape: str | None, catalogue: Catalogue, notes: list[str]) -> Event:
    blank: Event = {
        "grid_ids": [],
        "area": None,
        "method": None,
        "confidence": 0.0,
        "place_name": "",
        "place_problem": None,
    }
    if shape is None:
        return blank | {"place_problem": Problem.NOT_GIVEN.value}
    result = by_area([shape], catalogue)[0]
    if not isinstance(result, Found):
        problem = result.problem.value if result else Problem.NOT_GIVEN.value
        if problem == Problem.OUTSIDE_CITY:
            notes.append("The area is outside the city: it gives no codes.")
        return blank | {"place_problem": problem}
    outside = _share_outside(shape, catalogue)
    if outside > _CLIPPED:
        notes.append(f"{outside:.0%} of the area is outside the city and was left out.")
    return {
        "grid_ids": list(result.codes),
        "area": catalogue.common_area(result.codes),
        "method": result.method,
        "confidence": result.confidence,
        "place_name": "、".join(catalogue.name(code) for code in result.codes[:3])
        + (f"等{len(result.codes)}处" if len(result.codes) > 3 else ""),
        "place_problem": None,
    }


def _share_outside(shape: str, catalogue: Catalogue) -> float:
    """How much of a drawn area lies outside the city, 0 to 1; codes lie inside."""
    from gridhub.streams.place.shapes import area_of_shape

    tree = orjson.loads(shape)
    parts = [part for part in tree.get("areas", [tree]) if "codes" not in part]
    if not parts:
        return 0.0
    drawn = shapely.union_all([area_of_shape(part) for part in parts])
    if drawn.area == 0:
        return 0.0
    inside = shapely.intersection(drawn, catalogue.polygon(catalogue.root))
    return max(0.0, 1 - float(inside.area) / float(drawn.area))
