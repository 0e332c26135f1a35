"""Between Kafka's records and the road's tables: nothing is changed on the way, and what cannot be read keeps its bytes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from gridhub.schemas.registry import local_codec
from gridhub.streams import messages
from gridhub.streams.messages import SUBJECTS, Origin
from gridhub.streams.records import LOCATED, RAW, REFUSAL, Reason, table
from gridhub.streams.rooms.outbound import STATUS
from gridhub.streams.transport.records import Records

CODEC = local_codec()
NOW = 1_790_000_000_000


def origin(value, offset=5, topic="dept.power.events", key=b"k"):
    """A message that lay there."""
    return Origin(topic, 2, offset, NOW - 1000, key, value)


def refusal(row, **changes):
    """A REFUSAL row that leads to this message."""
    fields = {
        "row": row, "source": None, "event_id": None, "room": "admit", "reason": Reason.BAD_BYTES.value,
        "detail": None, "candidates": None,
    }  # fmt: skip
    return fields | changes


@given(st.lists(st.tuples(st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=30)), max_size=10))
def test_kafka_records_become_the_raw_table(pairs):
    """Topic, partition, offset, time, key and bytes are kept; a tombstone has empty bytes."""
    records = [
        SimpleNamespace(topic="dept.power.events", partition=1, offset=i, timestamp=NOW + i, key=key, value=value)
        for i, (key, value) in enumerate(pairs)
    ]
    batch = messages.raw_table(messages.origins(records))
    assert batch.schema == RAW
    assert [(row["offset"], row["timestamp_ms"], row["key"], row["value"]) for row in batch.to_pylist()] == [
        (i, NOW + i, key, value or b"") for i, (key, value) in enumerate(pairs)
    ]


def test_columns_and_rows_of_kafka_have_the_same_origins():
    """What the transport fetched as columns leads to the same origins as its records one by one."""
    records = Records(TP("hub.located", 3), [b"a", None], [b"x", None], [7, 9], [NOW, NOW + 1])
    assert messages.origins(records) == messages.origins(list(records))
    assert [origin.offset for origin in messages.origins(records)] == [7, 9]


def test_located_rows_make_the_round_trip(tools):
    """LOCATED rows as records of hub.located and back: the same table, with where each message lay in the record."""
    rows = [tools.event("e1"), tools.event("e2", lon=None, lat=None, subject_keys=["transformer:T-1"], text="没有电")]
    located = tools.located(rows)
    records = messages.located_records(located, messages.raw_table([origin(b"a", 5), origin(b"b", 9)]))
    assert [(r["origin_topic"], r["origin_partition"], r["origin_offset"]) for r in records] == [
        ("dept.power.events", 2, 5), ("dept.power.events", 2, 9),
    ]  # fmt: skip
    values = CODEC.encode_many(SUBJECTS["LocatedEvent"], records)
    readable = messages.read_located([origin(value, topic="hub.located") for value in values], CODEC)
    assert readable.table == located
    assert readable.refused == []


def test_a_status_and_a_command_become_rows():
    """Reports and commands in the order of the topic, each with its kind."""
    status = {
        "status_id": "s1",
        "task_id": "t1",
        "stage": "accepted",
        "actor": "wang",
        "at": NOW,
        "note": "到",
        "sender": "x",
    }
    command = {"command_id": "c1", "kind": "cancel", "incident_id": "i1", "actor": "op", "at": NOW, "reason": "误报"}
    values = [
        CODEC.encode(SUBJECTS["Command"], command), b"garbage", CODEC.encode(SUBJECTS["TaskStatus"], status),
    ]  # fmt: skip
    readable = messages.read_status([origin(value, topic="hub.status") for value in values], CODEC)
    assert readable.table.schema == STATUS
    first, second = readable.table.to_pylist()
    assert first == {
        "row": 0, "kind": "command", "status_id": "c1", "incident_id": "i1", "stage": "cancel",
        "actor": "op", "at": NOW, "note": "误报", "sender": "command", "event": "", "other_incident_id": "",
        "notice": None, "task_id": "", "recipient": "", "cause": "", "until": None,
    }  # fmt: skip
    blank = {"incident_id": None, "event": None, "other_incident_id": None, "notice": None, "recipient": None}
    blank |= {"cause": "", "until": None}
    assert second == status | blank | {"row": 2, "kind": "status"}
    assert [row["row"] for row in readable.refused] == [1]


@pytest.mark.parametrize(("read", "room"), [(messages.read_located, "deduplicate"), (messages.read_status, "track")])
def test_what_cannot_be_read_is_refused_and_the_rest_is_read(read, room):
    """Tombstones, garbage, and a record that belongs elsewhere: each refused with its row; no exception."""
    stranger = CODEC.encode(
        SUBJECTS["Decision"],
        {
            "source": "", "event_id": "", "area": "", "room": "", "outcome": "", "reason": "", "incident_id": "",
            "task_ids": [], "score": {}, "rules": {}, "origin_topic": "", "origin_partition": 0, "origin_offset": 0,
            "decided_at": 0, "chain": "", "seq": 1, "prev": "", "hash": "",
        },
    )  # fmt: skip
    readable = read([origin(value) for value in (None, b"", b"\x00\x00", stranger)], CODEC)
    assert readable.table.num_rows == 0
    assert [(row["row"], row["room"], row["reason"]) for row in readable.refused] == [
        (row, room, Reason.BAD_BYTES.value) for row in range(4)
    ]
    assert "gridhub.hub.Decision does not belong" in readable.refused[3]["detail"]
    table(REFUSAL, readable.refused)  # they fit the layout


@given(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=20))
def test_a_refusal_keeps_the_original_bytes(value, key):
    """Whatever was sent comes back out of hub.quarantine byte for byte."""
    (record,) = messages.refusal_records(table(REFUSAL, [refusal(0)]), [origin(value, key=key)], NOW)
    found = CODEC.decode(CODEC.encode(SUBJECTS["Refusal"], record)).record
    assert found == record
    assert (found["value"], found["key"], found["source_offset"]) == (value, key, 5)
    assert (found["received_at"], found["refused_at"]) == (NOW - 1000, NOW)


@pytest.mark.parametrize(
    ("value", "schema_id"),
    [
        (None, None), (b"", None), (b"\x00\x00\x00\x00", None), (b"\x00\x00\x00\x00\x07", 7),
        (b"\x01\x00\x00\x00\x07x", None), (b"\x00\xff\xff\xff\xff", None),
    ],
)  # fmt: skip
def test_the_schema_id_of_framed_bytes_is_told(value, schema_id):
    """Only where there is a frame, and only a number that can be an id."""
    (record,) = messages.refusal_records(table(REFUSAL, [refusal(0)]), [origin(value)], NOW)
    assert record["schema_id"] == schema_id


def test_the_department_of_a_refusal():
    """The record's own source, else the department that owns the topic, else none."""
    rows = [refusal(0, source="police"), refusal(0), refusal(1)]
    lay = [origin(b"x"), origin(b"x", topic="hub.status")]
    records = messages.refusal_records(table(REFUSAL, rows), lay, NOW)
    assert [record["source"] for record in records] == ["police", "power", None]


def test_a_decision_says_where_its_message_lay():
    """The row gives way to topic, partition and offset."""
    (record,) = messages.decision_records([{"row": 1, "outcome": "opened"}], [origin(b"a"), origin(b"b", 8)])
    assert record == {
        "outcome": "opened", "origin_topic": "dept.power.events", "origin_partition": 2, "origin_offset": 8,
    }  # fmt: skip


def test_empty_tables_make_no_records():
    """Nothing in, nothing out."""
    assert messages.located_records(table(LOCATED, []), messages.raw_table([])) == []
    assert messages.raw_table([]).num_rows == 0
