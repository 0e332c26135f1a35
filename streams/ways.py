"""What each way to a place said about one event: the numbers behind a located or refused event, without its texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridhub.streams.messages import Origin, raw_table
from gridhub.streams.rooms.admit import InboundFacts, admit
from gridhub.streams.rooms.finding import Found, Result, by_address, by_area, by_code, by_key, by_point

if TYPE_CHECKING:
    import pyarrow as pa

    from gridhub.streams.place.catalogue import Catalogue

Told = dict[str, Any]


def ways_of(origin: Origin, facts: InboundFacts) -> list[Told]:
    """Each way that the record gives, best first; empty when it is not admitted (any more). Judged as when it came."""
    admitted = admit(raw_table([origin]), facts, origin.timestamp_ms).kept
    if not admitted.num_rows:
        return []
    at_ms = admitted.column("occurred_at")[0].as_py()
    return told_ways(admitted, facts.catalogue.at(at_ms))


def told_ways(event: pa.RecordBatch, catalogue: Catalogue) -> list[Told]:
    """The same for one EVENT row. A way: `way`, `codes` and `confidence`, or `problem` and `candidates`."""
    addresses, shapes = event.column("address").to_pylist(), event.column("area_shape").to_pylist()
    points = by_point(event, catalogue)
    results = [
        by_code(event, catalogue)[0],
        by_key(event, catalogue)[0],
        points.results[0],
        by_address(addresses, catalogue)[0],
        by_area(shapes, catalogue)[0],
    ]
    row = {name: event.column(name)[0].as_py() for name in ("code", "code_system", "key_table", "lon", "lat", "crs")}
    return [_told(result, row) for result in results if result is not None]


def _told(result: Result, row: Told) -> Told:
    """One way, with what it started from where that is nobody's home: a code, a table's name, a coordinate system."""
    assert result is not None
    given = {"code": ("code", "code_system"), "key": ("key_table",), "coordinates": ("crs",)}.get(result.method, ())
    start = {name: row[name] for name in given if row[name] is not None}
    if isinstance(result, Found):
        return {"way": result.method, **start, "codes": list(result.codes), "confidence": result.confidence}
    return {"way": result.method, **start, "problem": result.problem.value, "candidates": list(result.candidates)}
