"""The five ways to a place, each made from its entry in `places:` into a function from record to EVENT columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gridhub.connectors.sources.fields import Record, many, scalar
from gridhub.connectors.sources.values import WrongValueError, area_json

if TYPE_CHECKING:
    from gridhub.connectors.sources.mapping import AreaPlace, CodePlace, CoordinatesPlace, KeyPlace, Place
    from gridhub.connectors.sources.readers import Readers

Row = dict[str, Any]
Way = Callable[[Record], Row | None]


def ways(read: Readers, places: Sequence[Place]) -> Callable[[Record, Row], None]:
    """The writer of the place columns: of each way the first entry of the list that has a value."""
    makers: dict[str, Callable[[Readers, Any, str], Way]] = {
        "code": _code,
        "key": _key,
        "coordinates": _coordinates,
        "address": _address,
        "area": _area,
    }
    groups: dict[str, list[Way]] = {}
    for number, place in enumerate(places):
        (way,) = place.ways()
        groups.setdefault(way, []).append(makers[way](read, getattr(place, way), f"places.{number}.{way}"))

    def write(record: Record, row: Row) -> None:
        for group in groups.values():
            for reader in group:
                if columns := reader(record):
                    row.update(columns)
                    break

    return write


def _code(read: Readers, asked: CodePlace, key: str) -> Way:
    value = read.first(asked.path, f"{key}.path")
    system = read.choice(asked.system, f"{key}.system")
    return lambda record: {"code": found, "code_system": system(record)} if (found := value(record)) else None


def _key(read: Readers, asked: KeyPlace, key: str) -> Way:
    value = read.first(asked.path, f"{key}.path")
    table = read.choice(asked.table, f"{key}.table")

    def columns(record: Record) -> Row | None:
        found = value(record)
        name = table(record) if found else None
        return {"key_table": name, "key_value": found} if name else None

    return columns


def _coordinates(read: Readers, asked: CoordinatesPlace, key: str) -> Way:
    lon, lat = read.one(asked.lon, f"{key}.lon"), read.one(asked.lat, f"{key}.lat")
    crs = read.choice(asked.crs, f"{key}.crs")
    if asked.unless:
        read.schema.field(asked.unless, group=True)
    unless = many(asked.unless) if asked.unless else None

    def point(record: Record) -> Row | None:
        x, y = lon(record), lat(record)
        if (x is None and y is None) or (unless and unless(record)):
            return None
        return {"lon": _number(x), "lat": _number(y), "crs": crs(record)}

    return point


def _address(read: Readers, asked: Sequence[str], key: str) -> Way:
    value = read.first(asked, key)
    return lambda record: {"address": found} if (found := value(record)) else None


def _area(read: Readers, asked: AreaPlace, key: str) -> Way:
    for name in ("codes", "polygon", "circle"):
        if path := getattr(asked, name):
            read.allowed(asked.full(path), f"{key}.{name}", lists=True)
    each = many(asked.each) if asked.each else None
    codes = many(asked.codes) if asked.codes else lambda _record: []
    polygon = scalar(asked.polygon) if asked.polygon else lambda _record: None
    circle = scalar(asked.circle) if asked.circle else lambda _record: None
    system = asked.system

    def area(record: Record) -> Row | None:
        groups = each(record) if each else (record,)
        areas = [([str(code) for code in codes(group)], polygon(group), circle(group)) for group in groups]
        shape = area_json(areas, system)
        return {"area_shape": shape} if shape else None

    return area


def _number(value: Any) -> float:
    """A coordinate as a float; an empty one is NaN, so that the next room can say that half of the point is missing."""
    if value is None:
        return float("nan")
    if isinstance(value, bool):
        raise WrongValueError("a coordinate is a number")
    return float(value)
