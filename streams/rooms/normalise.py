"""normalise: onto the grid, by the first way that succeeds, checked against the second.

The ways in order: code, key, coordinates, address, area (rooms/finding.py, each for the whole batch). What they say together
about one event is weighed in rooms/weighing.py.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from gridhub.streams.records import EVENT, LOCATED, REFUSAL, Split, table
from gridhub.streams.rooms.finding import Found, Points, by_address, by_area, by_code, by_key, by_point
from gridhub.streams.rooms.weighing import Nearness, Placed, Unplaced, first_of_tables, needs_address, weigh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gridhub.streams.place.catalogue import Catalogue
    from gridhub.streams.rooms.admit import InboundFacts

ROOM = "normalise"
_NAMED_PLACES = 3
_CARRIED = [name for name in LOCATED.names if name in EVENT.names and name not in {"lon", "lat"}]


def normalise(batch: pa.RecordBatch, facts: InboundFacts, now_ms: int) -> Split:  # noqa: ARG001  # every room's form
    """Locate EVENT rows in the catalogue of their own time, or refuse them; each row is in exactly one, in order."""
    located: dict[int, _Place] = {}
    lost: dict[int, Unplaced] = {}
    for catalogue, rows in _editions(batch, facts.catalogue):
        part = batch if len(rows) == batch.num_rows else batch.take(pa.array(rows, pa.int32()))
        points = by_point(part, catalogue)
        lon, lat = points.lon.tolist(), points.lat.tolist()
        named = _named(catalogue)
        for row, verdict, x, y in zip(rows, _verdicts(part, points, catalogue), lon, lat, strict=True):
            if isinstance(verdict, Unplaced):
                lost[row] = verdict
            else:
                located[row] = _place(verdict, x, y, named(verdict.found.codes), catalogue.version)
    return _split(batch, located, lost)


def _editions(batch: pa.RecordBatch, catalogue: Catalogue) -> Iterator[tuple[Catalogue, list[int]]]:
    """The rows of each edition of the catalogue. Editions are intervals of time: equal ends mean equal all between."""
    times = batch.column("occurred_at").to_pylist()
    if times and (only := catalogue.at(min(times))) is catalogue.at(max(times)):
        yield only, list(range(len(times)))
        return
    order = sorted(range(len(times)), key=times.__getitem__)
    spans = [order] if order else []
    while spans:
        span = spans.pop()
        first = catalogue.at(times[span[0]])
        if first is catalogue.at(times[span[-1]]):
            yield first, sorted(span)
        else:
            spans += [span[: len(span) // 2], span[len(span) // 2 :]]


def _verdicts(batch: pa.RecordBatch, points: Points, catalogue: Catalogue) -> list[Placed | Unplaced]:
    tables = list(zip(by_code(batch, catalogue), by_key(batch, catalogue), strict=True))
    firsts = [first_of_tables(pair) for pair in tables]
    texts, shapes = batch.column("address").to_pylist(), batch.column("area_shape").to_pylist()
    open_rows = [needs_address(first, point) for first, point in zip(firsts, points.results, strict=True)]
    addresses = by_address([text if still else None for text, still in zip(texts, open_rows, strict=True)], catalogue)
    ways = [[*pair, point, address] for pair, point, address in zip(tables, points.results, addresses, strict=True)]
    nowhere = [not any(isinstance(result, Found) for result in results) for results in ways]
    areas = by_area([shape if lost else None for shape, lost in zip(shapes, nowhere, strict=True)], catalogue)
    near = Nearness(catalogue)
    rows = zip(firsts, ways, areas, points.lon, points.lat, strict=True)
    return [weigh(first, [*results, area], (lon, lat), near) for first, results, area, lon, lat in rows]


class _Named(NamedTuple):
    """What a person calls the place of these codes, the area it lies in, and a point in it."""

    area: str
    name: str
    lon: float | None
    lat: float | None


@lru_cache(maxsize=4)
def _named(catalogue: Catalogue) -> Callable[[tuple[str, ...]], _Named]:
    """The names of this edition's places, remembered: most events happen where others did."""

    @lru_cache(maxsize=65_536)
    def named(codes: tuple[str, ...]) -> _Named:
        area = catalogue.common_area(codes)
        middle = catalogue.place(codes[0] if len(codes) == 1 else area)
        more = f"等{len(codes)}处" if len(codes) > _NAMED_PLACES else ""
        name = "、".join(map(catalogue.name, codes[:_NAMED_PLACES])) + more
        return _Named(area, name, middle.lon if middle else None, middle.lat if middle else None)

    return named


class _Place(NamedTuple):
    """The columns that locating adds to a row."""

    area: str
    grid_ids: tuple[str, ...]
    method: str
    confidence: float
    lon: float | None
    lat: float | None
    exact_point: bool
    place_name: str
    catalogue: str


def _place(verdict: Placed, lon: float, lat: float, named: _Named, version: str) -> _Place:
    (method, codes, confidence), own = verdict
    x, y = (lon, lat) if own else (named.lon, named.lat)
    x, y = (None if value is None or math.isnan(value) else value for value in (x, y))
    return _Place(named.area, codes, method, confidence, x, y, own, named.name, version)


def _split(batch: pa.RecordBatch, located: dict[int, _Place], lost: dict[int, Unplaced]) -> Split:
    carried = batch.select(_CARRIED)
    if lost:
        carried = carried.take(pa.array(sorted(located), pa.int32()))
    columns = dict(zip(_CARRIED, carried.columns, strict=True))
    places = [located[row] for row in sorted(located)]
    values = zip(*places, strict=True) if places else [()] * len(_Place._fields)
    for name, value in zip(_Place._fields, values, strict=True):
        columns[name] = pa.array(value, LOCATED.field(name).type)
    kept = pa.RecordBatch.from_arrays([columns[name] for name in LOCATED.names], schema=LOCATED)
    return Split(kept, table(REFUSAL, [_refusal(batch, row, lost[row]) for row in sorted(lost)]))


def _refusal(batch: pa.RecordBatch, row: int, verdict: Unplaced) -> dict[str, Any]:
    said = {name: batch.column(name)[row].as_py() for name in ("row", "source", "event_id")}
    return said | {
        "room": ROOM,
        "reason": verdict.reason.value,
        "detail": verdict.detail,
        "candidates": list(verdict.candidates),
    }
