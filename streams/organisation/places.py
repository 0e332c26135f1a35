"""units.csv: units that the catalogue does not tell of, or of which the city knows more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.streams.organisation.charter import UnitLine
from gridhub.streams.organisation.roles import parse, problem_of
from gridhub.streams.organisation.tables import Line, Problems, Read, lines_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gridhub.streams.rooms.outbound import Places

_MOST_DEGREES = 2.0
"""A unit so far from the middle of the place that it belongs to is a slip: axes swapped, or another city."""


def units_of(
    files: Read, places: Places, capabilities: Collection[str], clocks: Collection[str], problems: Problems
) -> dict[str, UnitLine]:
    """The lines of units.csv by the unit's id; what is wrong becomes problems."""
    found: dict[str, UnitLine] = {}
    for line in lines_of(files, "units.csv", problems):
        wrong = list(_wrong(line, places, capabilities, clocks))
        if line["id"] in found:
            wrong.append(f"the unit {line['id']} stands there twice; number a further one .2")
        for sentence in wrong:
            problems.add(line.name, line.number, sentence)
        if not wrong:
            found[line["id"]] = _unit(line)
    return found


def unit_problem(unit: str, places: Places) -> str | None:
    """What is wrong with a unit that a line names, or None."""
    wrong = problem_of(unit)
    if wrong is None and places.place(parse(unit).place) is None:
        return f"the catalogue has no place {parse(unit).place}"
    return wrong


def _wrong(line: Line, places: Places, capabilities: Collection[str], clocks: Collection[str]) -> Iterator[str]:
    if (wrong := unit_problem(line["id"], places)) is not None:
        yield f"{line['id']!r}: {wrong}"
    if line["parent"] and (wrong := unit_problem(line["parent"], places)) is not None:
        yield f"the parent {line['parent']!r}: {wrong}"
    for code in line.words("area"):
        if places.place(code) is None:
            yield f"the catalogue has no place {code}; codes of an area are separated by spaces"
    for name in line.words("capabilities"):
        if name not in {*capabilities, "none"}:
            yield f"there is no capability {name}; organisation.yaml has them, several are separated by spaces"
    if line["clock"] and line["clock"] not in clocks:
        yield f"there is no clock {line['clock']}; organisation.yaml has them"
    if (wrong := _point_problem(line, places)) is not None:
        yield wrong


def _point_problem(line: Line, places: Places) -> str | None:
    if not line["lon"] and not line["lat"]:
        return None
    try:
        lon, lat = float(line["lon"]), float(line["lat"])
    except ValueError:
        return "lon and lat want two numbers in degrees (WGS-84), or both nothing"
    place = places.place(parse(line["id"]).place)
    if place is None or place.lon is None or place.lat is None:
        return None
    near = abs(lon - place.lon) <= _MOST_DEGREES and abs(lat - place.lat) <= _MOST_DEGREES
    return None if near else f"{lon}, {lat} lies far from {place.name}; are lon and lat swapped?"


def _unit(line: Line) -> UnitLine:
    words = line.words("capabilities")
    return UnitLine(
        recipient=parse(line["id"]),
        name=line["name"],
        parent=line["parent"],
        area=line.words("area"),
        capabilities=frozenset(words) - {"none"} if words else None,
        lon=float(line["lon"]) if line["lon"] else None,
        lat=float(line["lat"]) if line["lat"] else None,
        clock=line["clock"],
        line=line.number,
    )
