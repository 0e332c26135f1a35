"""The readers and writers made for one schema against the reference: fastavro behind the walker. Equal, or left to it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridhub.schemas.codec import BadRecord, Codec, Decoded, frame
from gridhub.schemas.encoding import varint
from gridhub.schemas.registry import local_codec

FORMS = json.dumps({
    "type": "record",
    "name": "city.Forms",
    "fields": [
        {"name": "flag", "type": "boolean"},
        {"name": "small", "type": "int"},
        {"name": "large", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "half", "type": "float"},
        {"name": "ratio", "type": "double"},
        {"name": "raw", "type": "bytes"},
        {"name": "text", "type": "string"},
        {"name": "it's {\"odd\"}", "type": ["null", "string"], "default": None},
        {"name": "last", "type": ["long", "null"]},
        {"name": "word", "type": {"type": "enum", "name": "Word", "symbols": ["A", "B", "C"]}},
        {"name": "names", "type": {"type": "array", "items": "string"}},
        {"name": "scores", "type": {"type": "map", "values": ["null", "double"]}},
        {"name": "inner", "type": {"type": "record", "name": "Inner", "fields": [
            {"name": "id", "type": "string"},
            {"name": "places", "type": {"type": "array", "items": {"type": "map", "values": "int"}}},
        ]}},
        {"name": "again", "type": ["null", "city.Inner"]},
        {"name": "words", "type": {"type": "array", "items": "city.Word"}},
    ],
})  # fmt: skip
ODD = 'it\'s {"odd"}'
QUICK = Codec([FORMS])
QUICK.add(1, FORMS, "s")
HUB = local_codec()

INT, LONG = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
DOUBLE = st.floats(allow_nan=False)
INNER = st.fixed_dictionaries({"id": TEXT, "places": st.lists(st.dictionaries(TEXT, INT, max_size=3), max_size=3)})
RECORDS = st.fixed_dictionaries(
    {
        "flag": st.booleans(),
        "small": INT,
        "large": LONG,
        "half": st.floats(width=32, allow_nan=False),
        "ratio": DOUBLE,
        "raw": st.binary(max_size=80),
        "text": TEXT,
        ODD: st.none() | TEXT,
        "last": st.none() | LONG,
        "word": st.sampled_from("ABC"),
        "names": st.lists(TEXT, max_size=70),
        "scores": st.dictionaries(TEXT, st.none() | DOUBLE, max_size=4),
        "inner": INNER,
        "again": st.none() | INNER,
        "words": st.lists(st.sampled_from("ABC"), max_size=3),
    }
)
JUNK = (
    st.none()
    | st.booleans()
    | INT
    | st.just(2**63)
    | DOUBLE
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.lists(INT)
)


def reference(codec: Codec, data: bytes) -> Decoded | BadRecord:
    """What the walker and fastavro make of a message."""
    try:
        return codec.decode(data)
    except BadRecord as refusal:
        return refusal


def alike(one: Decoded | BadRecord, other: Decoded | BadRecord) -> bool:
    """Whether two outcomes are the same, a refusal's words and a NaN included."""
    if isinstance(one, BadRecord):
        return isinstance(other, BadRecord) and (type(one), one.detail) == (type(other), other.detail)
    return repr(one) == repr(other)


def written(codec: Codec, subject: str, record: dict) -> bytes | str:
    """The reference's bytes, or its refusal's words."""
    try:
        return codec._write(codec.ids[subject], record)
    except BadRecord as refusal:
        return refusal.detail


def quickly(codec: Codec, subject: str, record: dict) -> bytes | str:
    """The same from the writers, by record and by columns, which must agree."""
    try:
        (data,) = codec.encode_many(subject, [record])
    except BadRecord as refusal:
        return refusal.detail
    if record.keys() == set(codec.fields(subject)):
        assert codec.encode_columns(subject, [[record[name]] for name in codec.fields(subject)]) == [data]
    return data


def test_the_quick_ways_are_there():
    """Every schema of the hub and of its departments has a reader and writers of its own, as has the one below."""
    for codec in (HUB, QUICK):
        quick = {schema_id for schema_id, _, _ in codec._quick.values()}
        assert quick == set(codec.ids.values())
        for schema_id in quick:
            ways = codec._writers_of(schema_id)
            assert None not in (ways.exact, ways.rows, ways.columns)


@given(RECORDS)
def test_equal_for_every_valid_record(record):
    """Writers give fastavro's bytes, readers its record, for every type that they know."""
    data = written(QUICK, "s", record)
    assert quickly(QUICK, "s", record) == data
    assert isinstance(data, bytes)
    (found,) = QUICK.decode_many([data])
    assert repr(found) == repr(QUICK.decode(data))


@given(RECORDS, st.data())
def test_equal_for_damaged_bytes(record, data):
    """Cut, changed and lengthened messages: taken or refused exactly as by the reference, in the same words."""
    good = QUICK.encode("s", record)
    at = data.draw(st.integers(0, len(good)))
    cut = data.draw(st.integers(0, 3))
    damaged = good[:at] + data.draw(st.binary(max_size=3)) + good[at + cut :]
    (found,) = QUICK.decode_many([damaged])
    assert alike(found, reference(QUICK, damaged))


@settings(max_examples=40)
@given(st.sampled_from(sorted(HUB.ids)), st.binary(max_size=200))
def test_equal_for_noise(subject, noise):
    """Noise under every schema that we have."""
    data = frame(HUB.ids[subject], noise)
    (found,) = HUB.decode_many([data])
    assert alike(found, reference(HUB, data))


@settings(max_examples=40)
@given(RECORDS, st.sampled_from(json.loads(FORMS)["fields"]), JUNK)
def test_equal_for_wrong_values(record, field, junk):
    """A value of another type is written as the reference writes it (2 as a double) or refused in its words."""
    changed = {**record, field["name"]: junk}
    assert quickly(QUICK, "s", changed) == written(QUICK, "s", changed)


@settings(max_examples=40)
@given(RECORDS, st.sampled_from(json.loads(FORMS)["fields"]))
def test_equal_for_missing_and_further_fields(record, field):
    """A missing field has its default or is refused, a further one is refused, as by the reference."""
    missing = {name: value for name, value in record.items() if name != field["name"]}
    for changed in (missing, {**record, "more": 1}, {**missing, "more": 1}):
        assert quickly(QUICK, "s", changed) == written(QUICK, "s", changed)


@settings(max_examples=40)
@given(RECORDS)
def test_rows_may_know_more(record):
    """Rows with further keys are written without them, rows that lack a field as the reference writes them."""
    assert QUICK.encode_rows("s", [{**record, "more": object()}]) == [QUICK.encode("s", record)]
    less = {name: value for name, value in record.items() if name != ODD}
    assert QUICK.encode_rows("s", [{**less, "more": 1}]) == [QUICK.encode("s", less)]


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 2**31, -(2**31) - 1])
def test_a_remembered_number_does_not_stand_for_what_is_equal_to_it(value):
    """After 1 was written as an int, True and 1.0 are still no ints."""
    record = {"status_id": "1", "task_id": "t", "stage": "s", "actor": "a", "at": 1, "note": "", "sender": "s"}
    HUB.encode(HUB_STATUS, record)
    assert quickly(HUB, HUB_STATUS, {**record, "at": value}) == written(HUB, HUB_STATUS, {**record, "at": value})


HUB_STATUS = "hub.status-gridhub.hub.TaskStatus"


def test_a_list_that_changes_between_batches_is_written_anew():
    """What is remembered by identity holds for one call only."""
    names = ["a"]
    record = dict(RECORD, names=names)
    before = QUICK.encode("s", record)
    names.append("b")
    assert QUICK.encode("s", record) != before
    assert QUICK.decode(QUICK.encode("s", record)).record["names"] == ["a", "b"]


RECORD = {
    "flag": True, "small": 1, "large": 2, "half": 0.5, "ratio": 1.5, "raw": b"r", "text": "水", ODD: None, "last": None,
    "word": "A", "names": [], "scores": {}, "inner": {"id": "", "places": []}, "again": None, "words": [],
}  # fmt: skip


def test_one_bad_message_stops_no_other():
    """In a batch of many the refused ones are named one by one, the others read."""
    good = QUICK.encode("s", RECORD)
    batch = [good, good[:-1], good, b"", good + b"\0", frame(9, b""), good]
    found = QUICK.decode_many(batch)
    assert [isinstance(item, Decoded) for item in found] == [True, False, True, False, False, False, True]


def test_long_words_and_many_items_are_read_by_the_reference_too():
    """Over 63 items, over 8,191 bytes of text, over 65,536 bytes in all: the same as the reference."""
    for names, text in ((["x"] * 500, ""), ([], "水" * 5000), (["y" * 300] * 300, "z" * 70_000)):
        record = {**RECORD, "names": names, "text": text}
        data = QUICK.encode("s", record)
        assert data == written(QUICK, "s", record)
        assert [QUICK.decode(data)] == QUICK.decode_many([data])


@given(LONG)
def test_varints_are_avros(number):
    """Seven bits a byte, zig-zag, never longer than ten bytes."""
    assert QUICK.decode(QUICK.encode("s", {**RECORD, "large": number})).record["large"] == number
    assert 1 <= len(varint(number)) <= 10
