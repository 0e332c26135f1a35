"""Any bytes either decode or are refused, and what is written comes back: property tests of the codec."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridhub.schemas.codec import BadRecord, Codec, Decoded, frame

EVERYTHING = json.dumps({
    "type": "record",
    "name": "city.Everything",
    "fields": [
        {"name": "flag", "type": "boolean"},
        {"name": "small", "type": "int"},
        {"name": "large", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "ratio", "type": "double"},
        {"name": "raw", "type": "bytes"},
        {"name": "text", "type": "string"},
        {"name": "word", "type": {"type": "enum", "name": "Word", "symbols": ["A", "B", "C"]}},
        {"name": "four", "type": {"type": "fixed", "name": "Four", "size": 4}},
        {"name": "names", "type": {"type": "array", "items": "string"}},
        {"name": "nothings", "type": {"type": "array", "items": "null"}},
        {"name": "scores", "type": {"type": "map", "values": ["null", "double"]}},
        {"name": "next", "type": ["null", "city.Everything"]},
    ],
})  # fmt: skip

CODEC = Codec([EVERYTHING])
CODEC.add(1, EVERYTHING, "s")

INT, LONG = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def everything(following: st.SearchStrategy) -> st.SearchStrategy:
    """Records that fit the schema."""
    return st.fixed_dictionaries(
        {
            "flag": st.booleans(),
            "small": INT,
            "large": LONG,
            "ratio": st.floats(allow_nan=False),
            "raw": st.binary(max_size=20),
            "text": TEXT,
            "word": st.sampled_from("ABC"),
            "four": st.binary(min_size=4, max_size=4),
            "names": st.lists(TEXT, max_size=5),
            "nothings": st.lists(st.none(), max_size=5),
            "scores": st.dictionaries(TEXT, st.none() | st.floats(allow_nan=False), max_size=4),
            "next": following,
        }
    )


RECORDS = st.recursive(everything(st.none()), everything, max_leaves=3)


def decoded_or_refused(data: bytes) -> Decoded | BadRecord:
    """The only two outcomes that there are; any other exception fails the test."""
    (outcome,) = CODEC.decode_many([data])
    return outcome


@given(RECORDS)
def test_what_is_written_comes_back(record):
    """Decoding undoes encoding, for every type."""
    assert CODEC.decode(CODEC.encode("s", record)).record == record


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_are_refused(body):
    """Framed noise has one of the two outcomes, and what decodes can be written again."""
    outcome = decoded_or_refused(frame(1, body))
    if isinstance(outcome, Decoded):
        assert CODEC.decode(CODEC.encode("s", outcome.record)).record.keys() == outcome.record.keys()
    assert isinstance(outcome, Decoded | BadRecord)


@given(RECORDS, st.data())
@settings(max_examples=300)
def test_damaged_bytes_decode_or_are_refused(record, data):
    """A flipped byte, a cut, an inserted piece: no other exception, and a cut is always refused."""
    body = bytearray(CODEC.encode("s", record)[5:])
    at = data.draw(st.integers(0, len(body) - 1))
    assert isinstance(decoded_or_refused(frame(1, bytes(body[:at]))), BadRecord)
    assert isinstance(decoded_or_refused(frame(1, bytes(body) + b"\x00")), BadRecord)
    body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=12))
    assert isinstance(decoded_or_refused(frame(1, bytes(body))), Decoded | BadRecord)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6), st.binary(max_size=20))
def test_absurd_counts_decode_or_are_refused(counts, tail):
    """Whatever counts, sizes and lengths a message claims, it costs no more than its bytes."""
    body = b"".join(varint(count) for count in counts) + tail
    for kind in ({"type": "array", "items": "null"}, {"type": "map", "values": "bytes"}, "string", "bytes"):
        codec = Codec()
        codec.add(1, json.dumps({"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]}))
        (outcome,) = codec.decode_many([frame(1, body)])
        assert isinstance(outcome, Decoded | BadRecord)


def varint(value: int) -> bytes:
    """Avro's zig-zag encoding of a long."""
    rest, out = (value << 1) ^ (value >> 63), bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


@pytest.mark.parametrize("piece", [b"\x00", b"\x02", b"\xff", b"\x80", b"\x01", b"\x7f"])
def test_long_repetitions_are_refused(piece):
    """A megabyte of one byte has an outcome as well."""
    assert isinstance(decoded_or_refused(frame(1, piece * 1_000_000)), BadRecord)
