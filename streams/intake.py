"""The inbound stage's decisions, for the journal: one record per batch and topic, one line in it per event.

A line, its parts apart by spaces, the event's own id last since it may hold spaces:

    <offset behind the record's> located <admission> <area> <category> <way> <confidence> <event id>
    <offset behind the record's> refused <room> <reason> <event id, where it could be read>
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from gridhub.streams import topics

if TYPE_CHECKING:
    import pyarrow as pa

    from gridhub.streams.messages import Origin
    from gridhub.streams.rooms.admit import InboundFacts

ROOM, OUTCOME = "inbound", "taken"
MOST_LINES = 500
"""Of one record: with the longest event ids it stays well below what a broker takes."""
_LOCATED = ("row", "admission", "area", "category", "method", "confidence", "event_id")
_REFUSED = ("row", "room", "reason", "event_id")
Record = dict[str, Any]


class Taken(NamedTuple):
    """One line of a record, read back. What a located event has not is empty, and the other way round."""

    topic: str
    partition: int
    offset: int
    source: str
    event_id: str
    outcome: str  # located | refused
    admission: str = ""
    area: str = ""
    category: str = ""
    method: str = ""
    confidence: float = 0.0
    room: str = ""
    reason: str = ""


def intake_records(
    lines: Sequence[str], origins: Sequence[Origin], facts: InboundFacts, now_ms: int, area: str
) -> list[Record]:
    """Decisions, before they are on the chain, for events with these lines, in order; `area` is the city's code."""
    return [
        _record(lines[first:last], origins[first:last], facts, now_ms, area)
        for first, last in _pieces(origins)
    ]  # fmt: skip


def located_lines(located: pa.RecordBatch) -> Iterator[tuple[int, str]]:
    """(row, line without its offset) of LOCATED rows."""
    columns = (located.column(name).to_pylist() for name in _LOCATED)
    for row, admission, area, category, method, sure, event_id in zip(*columns, strict=True):
        yield row, f"located {admission} {area} {category} {method} {sure:.6g} {event_id}"


def refused_lines(refused: pa.RecordBatch) -> Iterator[tuple[int, str]]:
    """(row, line without its offset) of REFUSAL rows."""
    columns = (refused.column(name).to_pylist() for name in _REFUSED)
    for row, room, reason, event_id in zip(*columns, strict=True):
        yield row, f"refused {room} {reason} {event_id or ''}"


def taken(record: Record) -> Iterator[Taken]:
    """The lines of such a Decision, read back; nothing of any other Decision."""
    place = record["origin_topic"], record["origin_partition"]
    for line in record["entries"]:
        behind, outcome, rest = line.split(" ", 2)
        at = (*place, record["origin_offset"] + int(behind), record["source"])
        if outcome == "located":
            admission, area, category, method, sure, event_id = rest.split(" ", 5)
            yield Taken(*at, event_id, outcome, admission, area, category, method, float(sure))
        else:
            room, reason, event_id = rest.split(" ", 2)
            yield Taken(*at, event_id, outcome, room=room, reason=reason)


def _pieces(origins: Sequence[Origin]) -> Iterator[tuple[int, int]]:
    """From and to of runs of one topic, of MOST_LINES at most."""
    first = 0
    for _, run in groupby(origins, key=lambda origin: origin.topic):
        end = first + sum(1 for _ in run)
        for begin in range(first, end, MOST_LINES):
            yield begin, min(begin + MOST_LINES, end)
        first = end


def _record(lines: Sequence[str], origins: Sequence[Origin], facts: InboundFacts, now_ms: int, area: str) -> Record:
    start = origins[0]
    code = topics.department_of(start.topic) or ""
    located = sum(line.startswith("located") for line in lines)
    return {
        "source": code, "event_id": "", "area": area, "room": ROOM, "outcome": OUTCOME, "reason": "", "incident_id": "",
        "task_ids": [], "score": {"located": float(located), "refused": float(len(lines) - located)},
        "rules": rules_of(facts, code), "origin_topic": start.topic, "origin_partition": start.partition,
        "origin_offset": start.offset, "decided_at": now_ms, "parent_id": "", "actor": "", "note": "",
        "entries": [f"{o.offset - start.offset} {line}" for o, line in zip(origins, lines, strict=True)],
    }  # fmt: skip


def rules_of(facts: InboundFacts, code: str) -> dict[str, str]:
    """The versions of what decided about this department's events."""
    department = facts.departments.by_code.get(code)
    mapping = {"mapping": department.version} if department is not None else {}
    return {"admissions": facts.admissions.version, "grids": facts.catalogue.version, **mapping}


def lines_of(parts: Iterable[tuple[int, pa.RecordBatch, pa.RecordBatch]], bad: pa.RecordBatch, count: int) -> list[str]:
    """The line of each of `count` events: from parts (first row, LOCATED, REFUSAL) and what broke our rules (REFUSAL)."""
    lines = [""] * count
    for first, located, refused in parts:
        for row, line in located_lines(located):
            lines[first + row] = line
        for row, line in refused_lines(refused):
            lines[first + row] = line
    for row, line in refused_lines(bad):
        lines[row] = line
    return lines
