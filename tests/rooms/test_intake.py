"""The inbound stage's decisions in the journal: one line per event, read back as they were."""

from __future__ import annotations

from types import SimpleNamespace

import pyarrow as pa

from gridhub.streams.intake import MOST_LINES, Taken, intake_records, lines_of, taken
from gridhub.streams.messages import Origin
from gridhub.streams.records import LOCATED, REFUSAL, empty, table

FACTS = SimpleNamespace(
    admissions=SimpleNamespace(version="a1"), catalogue=SimpleNamespace(version="g1"),
    departments=SimpleNamespace(by_code={"power": SimpleNamespace(version="m1")}),
)  # fmt: skip
LOCATED_ROW = {
    "source": "power", "admission": "POWER-01", "area": "420202005", "category": "0402", "method": "key", "confidence": 0.9975
}  # fmt: skip
REFUSED_ROW = {"source": "power", "room": "admit", "reason": "not_admitted", "detail": "", "candidates": []}


def origin(topic, offset):
    """Where a message lay."""
    return Origin(topic, 3, offset, 0, None, b"")


def test_every_event_of_a_batch_has_its_line_and_is_read_back():
    """Located, refused and broken events, ids with spaces and none at all; offsets with a hole between them."""
    located = table(LOCATED, [LOCATED_ROW | {"row": 0, "event_id": "TD 1"}])
    refused = table(REFUSAL, [REFUSED_ROW | {"row": 1, "event_id": "TD2"}])
    bad = table(REFUSAL, [REFUSED_ROW | {"row": 2, "reason": "broken", "event_id": None}])
    origins = [origin("dept.power.events", offset) for offset in (41, 42, 45)]
    lines = lines_of([(0, located, refused)], bad, 3)
    (record,) = intake_records(lines, origins, FACTS, 77, "420200")
    at = ("dept.power.events", 3)
    assert list(taken(record)) == [
        Taken(*at, 41, "power", "TD 1", "located", "POWER-01", "420202005", "0402", "key", 0.9975),
        Taken(*at, 42, "power", "TD2", "refused", room="admit", reason="not_admitted"),
        Taken(*at, 45, "power", "", "refused", room="admit", reason="broken"),
    ]
    assert record["score"] == {"located": 1.0, "refused": 2.0}
    assert record["rules"] == {"admissions": "a1", "grids": "g1", "mapping": "m1"}
    assert (record["room"], record["outcome"], record["decided_at"]) == ("inbound", "taken", 77)


def test_a_record_stands_for_one_topic_and_a_bounded_number_of_events():
    """Another topic begins another record, and so does the line after the most that one may hold."""
    origins = [origin("dept.power.events", n) for n in range(MOST_LINES + 1)] + [origin("dept.nobody.events", 9)]
    rows = [REFUSED_ROW | {"row": n, "event_id": f"e{n}"} for n in range(len(origins))]
    lines = lines_of([], table(REFUSAL, rows), len(origins))
    records = intake_records(lines, origins, FACTS, 0, "420200")
    assert [(r["origin_topic"], r["origin_offset"], len(r["entries"])) for r in records] == [
        ("dept.power.events", 0, MOST_LINES), ("dept.power.events", MOST_LINES, 1), ("dept.nobody.events", 9, 1)
    ]  # fmt: skip
    assert "mapping" not in records[-1]["rules"]


def test_rows_of_a_later_part_keep_their_place():
    """A batch that was worked in parts after an event broke the rules gives every event its own line."""
    first = (0, table(LOCATED, [LOCATED_ROW | {"row": 0, "event_id": "a"}]), empty(REFUSAL))
    second = (2, table(LOCATED, [LOCATED_ROW | {"row": 0, "event_id": "c"}]), empty(REFUSAL))
    bad = pa.RecordBatch.from_pylist([REFUSED_ROW | {"row": 1, "event_id": "b"}], schema=REFUSAL)
    assert [line.rpartition(" ")[2] for line in lines_of([first, second], bad, 3)] == ["a", "b", "c"]
