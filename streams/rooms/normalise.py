"""normalise: onto the grid, by the first way that succeeds, checked against the second.

The ways in order: code, key, coordinates, address, area (rooms/finding.py, each for the whole batch). What they say together
about one event is weighed in rooms/weighing.py.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from gridhub.streams.records import EVENT, LOCATED, REFUSAL, Split, table
from gridhub.streams.rooms.finding import Found, Points, by_address, by_area, by_code, by_key, by_point
from gridhub.streams.rooms.weighing import Nearness, Placed, Unplaced, first_of_tables, needs_address, weigh

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gridhub.streams.place.catalogue import Catalogue
    from gridhub.streams.rooms.admit import InboundFacts

ROOM = "normalise"
_NAMED_PLACES = 3
_CARRIED = [name for name in LOCATED.names if name in EVENT.names and name not in {"lon", "lat"}]


def normalise(batch: pa.RecordBatch, facts: InboundFacts, now_ms: int) -> Split:  # noqa: ARG001  # every room's form
    """Locate EVENT rows in the catalogue of their own time, or refuse them; each row is in exactly one, in order."""
    verdicts: list[Placed | Unplaced | None] = [None] * batch.num_rows
    located: list[dict[str, Any] | None] = [None] * batch.num_rows
    for catalogue, rows in _editions(batch, facts.catalogue):
        part = batch if len(rows) == batch.num_rows else batch.take(pa.array(rows, pa.int32()))
        points = by_point(part, catalogue)
        for position, verdict in enumerate(_verdicts(part, points, catalogue)):
            verdicts[rows[position]] = verdict
            if isinstance(verdict, Placed):
                point = (float(points.lon[position]), float(points.lat[position]))
                located[rows[position]] = _place(verdict, point, catalogue)
    return _split(batch, verdicts, located)


def _editions(batch: pa.RecordBatch, catalogue: Catalogue) -> Iterator[tuple[Catalogue, list[int]]]:
    """The rows of each edition of the catalogue. Editions are intervals of time: equal ends mean equal all between."""
    times = batch.column("occurred_at").to_pylist()
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


def _place(verdict: Placed, point: tuple[float, float], catalogue: Catalogue) -> dict[str, Any]:
    """The columns that locating adds to a row."""
    method, codes, confidence = verdict.found
    area = catalogue.common_area(codes)
    middle = catalogue.place(codes[0] if len(codes) == 1 else area)
    lon, lat = point if verdict.own_point else (middle.lon, middle.lat) if middle else (math.nan, math.nan)
    more = f"等{len(codes)}处" if len(codes) > _NAMED_PLACES else ""
    return {
        "area": area,
        "grid_ids": list(codes),
        "method": method,
        "confidence": confidence,
        "lon": None if math.isnan(lon) else lon,
        "lat": None if math.isnan(lat) else lat,
        "exact_point": verdict.own_point,
        "place_name": "、".join(map(catalogue.name, codes[:_NAMED_PLACES])) + more,
        "catalogue": catalogue.version,
    }


def _split(
    batch: pa.RecordBatch, verdicts: Sequence[Placed | Unplaced | None], located: Sequence[dict[str, Any] | None]
) -> Split:
    places = [place for place in located if place is not None]
    rows = pa.array([number for number, place in enumerate(located) if place is not None], pa.int32())
    carried = batch.select(_CARRIED).take(rows)
    columns = dict(zip(_CARRIED, carried.columns, strict=True))
    for field in LOCATED:
        if field.name not in columns:
            columns[field.name] = pa.array([place[field.name] for place in places], field.type)
    kept = pa.RecordBatch.from_arrays([columns[name] for name in LOCATED.names], schema=LOCATED)
    return Split(kept, table(REFUSAL, list(_refusals(batch, verdicts))))


def _refusals(batch: pa.RecordBatch, verdicts: Sequence[Placed | Unplaced | None]) -> Iterator[dict[str, Any]]:
    names = ("row", "source", "event_id")
    for number, verdict in enumerate(verdicts):
        if isinstance(verdict, Unplaced):
            row = {name: batch.column(name)[number].as_py() for name in names}
            yield row | {
                "room": ROOM,
                "reason": verdict.reason.value,
                "detail": verdict.detail,
                "candidates": list(verdict.candidates),
            }
