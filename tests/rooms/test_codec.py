"""The codec: framing, limits, evolution. No registry, no broker."""

from __future__ import annotations

import io
import json
import struct

import fastavro
import pytest

from gridhub.schemas.codec import BadFrame, BadRecord, Codec, Decoded, TooLarge, UnknownSchema, frame, unframe
from gridhub.schemas.form import BadSchema
from gridhub.schemas.registry import local_codec, local_id
from gridhub.streams.records import Reason


def record(*fields: dict, name: str = "city.R", **more: object) -> str:
    """The text of a record schema."""
    return json.dumps({"type": "record", "name": name, "fields": list(fields)} | more)


def field(name: str, kind: object, **more: object) -> dict:
    """A field of a record schema."""
    return {"name": name, "type": kind} | more


def codec_of(*texts: str, **limits: int) -> Codec:
    """A codec that knows these schemas as ids 1, 2, …, the last one being the newest."""
    codec = Codec(texts[-1:], **limits)
    for number, text in enumerate(texts, 1):
        codec.add(number, text, f"v{number}")
    return codec


def only(kind: object, body: bytes) -> object:
    """The one field's value of a message with this body."""
    return codec_of(record(field("x", kind))).decode(frame(1, body)).record["x"]


def refused(kind: object, body: bytes) -> str:
    """Why a message with this body is refused."""
    with pytest.raises(BadRecord) as caught:
        only(kind, body)
    assert type(caught.value) is BadRecord
    assert caught.value.schema_id == 1
    return caught.value.detail


class TestFraming:
    """Byte 0, the id as four bytes big-endian, the body."""

    def test_frame_and_unframe_are_inverse(self):
        """The layout is Confluent's, and reading it copies nothing."""
        data = frame(0x01020304, b"body")
        assert data == b"\x00\x01\x02\x03\x04body"
        schema_id, body = unframe(data)
        assert (schema_id, bytes(body)) == (0x01020304, b"body")
        assert isinstance(body, memoryview)

    @pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x00\x00\x00"])
    def test_too_short_is_refused(self, data):
        """Fewer than five bytes are no frame."""
        with pytest.raises(BadFrame, match="too short"):
            unframe(data)

    @pytest.mark.parametrize("data", [b"\x01\x00\x00\x00\x01", b'{"a":1}', b"\xff\x00\x00\x00\x01x"])
    def test_another_first_byte_is_refused(self, data):
        """JSON and other formats are told apart by the first byte."""
        with pytest.raises(BadFrame, match=f"first byte is {data[0]}"):
            unframe(data)

    def test_the_largest_id_is_unsigned(self):
        """Ids use all 32 bits."""
        assert unframe(frame(2**32 - 1, b""))[0] == 2**32 - 1


class TestRefusals:
    """What fastavro would take, or die of."""

    @pytest.mark.parametrize(
        ("kind", "body", "why"),
        [
            ("string", b"\x05abc", "length of -3"),
            ("bytes", b"\x01", "length of -1"),
            ("string", b"\x0aabc", "length of 5 with 3 bytes left"),
            ("string", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", "length of 9223372036854775807"),
            ("string", b"\x04\xff\xfe", "not valid UTF-8"),
            ("string", b"\x06\xed\xa0\x80", "not valid UTF-8"),
            ({"type": "map", "values": "int"}, b"\x02\x02\xff\x02\x00", "not valid UTF-8"),
            ("boolean", b"\x02", "neither 0 nor 1"),
            ("int", b"\x80\x80\x80\x80\x10", "wider than 32 bits"),
            ("long", b"\xff" * 9 + b"\x02", "longer than 64 bits"),
            ("long", b"\x80" * 30 + b"\x01", "longer than 64 bits"),
            ("long", b"", "end too early"),
            ("long", b"\x80", "end too early"),
            ("double", b"\x00" * 7, "end too early"),
            ("float", b"\x00" * 3, "end too early"),
            ("null", b"\x00", "1 bytes too many"),
            ("int", b"\x02\x02", "1 bytes too many"),
            (["null", "int"], b"\x01", "no branch -1"),
            (["null", "int"], b"\x04", "no branch 2"),
            ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, b"\x01", "no symbol -1"),
            ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, b"\x04", "no symbol 2"),
            ({"type": "fixed", "name": "F", "size": 4}, b"\x00" * 3, "end too early"),
            ({"type": "array", "items": "int"}, b"\x04\x02", "end too early"),
            ({"type": "array", "items": "int"}, b"\x03\x08\x02\x02\x00", "not as long as it says"),
            ({"type": "array", "items": "null"}, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", "too many items"),
            ({"type": "array", "items": "null"}, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00", "too many items"),
            ({"type": "map", "values": "null"}, b"\x80\x80\x80\x80\x80\x01", "too many items"),
        ],
    )
    def test_what_is_not_valid_avro_is_refused(self, kind, body, why):
        """The field and the fault are named."""
        assert refused(kind, body).startswith(("city.R: x: ", "city.R: record: "))
        assert why in refused(kind, body)

    def test_items_are_counted_over_the_whole_message(self):
        """Many small arrays are as bad as one large one."""
        text = record(field("x", {"type": "array", "items": {"type": "array", "items": "null"}}))
        body = b"\x14" + b"\x14\x00" * 10 + b"\x00"
        assert codec_of(text, max_items=110).decode(frame(1, body)).record == {"x": [[None] * 10] * 10}
        with pytest.raises(BadRecord, match="too many items"):
            codec_of(text, max_items=109).decode(frame(1, body))

    def test_depth_is_bounded(self):
        """A recursive schema cannot make the decoder recurse without end."""
        text = record(field("next", ["null", "city.R"]))
        codec = codec_of(text)
        depth = 0
        node = codec.decode(frame(1, b"\x02" * 63 + b"\x00")).record
        while node := node["next"]:
            depth += 1
        assert depth == 63
        for levels in (64, 1_000, 500_000):
            with pytest.raises(BadRecord, match="nested too deeply"):
                codec.decode(frame(1, b"\x02" * levels + b"\x00"))

    def test_deep_records_are_refused_when_written(self):
        """A value nested far too deeply is refused before a library recurses into it."""
        codec = codec_of(record(field("next", ["null", "city.R"], default=None)))
        deep: dict = {}
        for _ in range(200_000):
            deep = {"next": deep}
        with pytest.raises(BadRecord, match="nested too deeply"):
            codec.encode("v1", deep)

    def test_siblings_are_not_depth(self):
        """The limit is on nesting: a long list of records is not deep."""
        inner = {"type": "record", "name": "city.I", "fields": [field("n", "int")]}
        text = record(field("x", {"type": "array", "items": inner}))
        assert len(codec_of(text).decode(frame(1, b"\x90\x03" + b"\x02" * 200 + b"\x00")).record["x"]) == 200

    def test_size_is_bounded_both_ways(self):
        """Nothing larger than the limit is read or written; the limit itself is."""
        codec = codec_of(record(field("x", "string")), max_bytes=100)
        data = codec.encode("v1", {"x": "a" * 93})
        assert len(data) == 100
        assert codec.decode(data).record == {"x": "a" * 93}
        with pytest.raises(TooLarge):
            codec.encode("v1", {"x": "a" * 94})
        with pytest.raises(TooLarge):
            codec.decode(data + b"a")

    def test_negative_block_counts_are_valid_avro(self):
        """Writers may give a block's size: such arrays and maps are read."""
        assert only({"type": "array", "items": "int"}, b"\x03\x04\x02\x04\x02\x06\x00") == [1, 2, 3]
        assert only({"type": "map", "values": "int"}, b"\x01\x06\x02a\x02\x00") == {"a": 1}

    def test_an_unknown_id_is_refused(self):
        """There is nothing to read it with."""
        with pytest.raises(UnknownSchema) as caught:
            codec_of(record(field("x", "int"))).decode(frame(77, b""))
        assert caught.value.schema_id == 77

    def test_reasons_are_words_of_the_hub(self):
        """Each refusal carries a reason from the closed list."""
        assert {kind.reason for kind in (BadRecord, BadFrame, TooLarge, UnknownSchema)} == {
            Reason.BAD_BYTES.value,
            Reason.TOO_LARGE.value,
            Reason.UNKNOWN_SCHEMA.value,
        }

    def test_one_bad_message_never_stops_the_others(self):
        """Each message has its own outcome, in order."""
        codec = codec_of(record(field("x", "int")))
        found = codec.decode_many([frame(1, b"\x02"), b"", frame(9, b""), frame(1, b"\x02\x02"), frame(1, b"\x04")])
        assert [type(outcome) for outcome in found] == [Decoded, BadFrame, UnknownSchema, BadRecord, Decoded]
        assert [found[0].record, found[4].record] == [{"x": 1}, {"x": 2}]


class TestEncoding:
    """Only what fits is written, and what is written can be read."""

    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({}, "field n is missing"),
            ({"n": 1, "more": 2}, "no such field: more"),
            ({"n": "13800000000"}, "field n does not take this str"),
            ({"n": True}, "field n does not take this bool"),
            ({"n": 1, "b": "no"}, "field b does not take this str"),
            ({"n": 1.5}, "field n does not take this float"),
            ({"n": None}, "field n does not take this NoneType"),
            ({"n": 1, "s": 5}, "field s does not take this int"),
            ({"n": 2**31}, "field n does not take this int"),
            ({"n": 2**70}, "field n"),
            ({"n": 1, "s": "\ud800"}, "does not fit"),
            ([], "a record is a dict, not list"),
            (None, "a record is a dict, not NoneType"),
        ],
    )
    def test_what_does_not_fit_is_refused_without_its_value(self, given, why):
        """The field and the type are named; the value may be personal data and is not."""
        codec = codec_of(
            record(field("n", "int"), field("s", "string", default=""), field("b", "boolean", default=False))
        )
        with pytest.raises(BadRecord, match=why) as caught:
            codec.encode("v1", given)
        assert "13800000000" not in str(caught.value)

    def test_defaults_are_filled_in(self):
        """A field with a default may be left out."""
        codec = codec_of(
            record(field("n", "int"), field("s", "string", default="x"), field("l", ["null", "int"], default=None))
        )
        assert codec.decode(codec.encode("v1", {"n": 1})).record == {"n": 1, "s": "x", "l": None}

    def test_an_unknown_subject_is_our_mistake(self):
        """A KeyError, not a refusal of the data."""
        with pytest.raises(KeyError):
            codec_of(record(field("n", "int"))).encode("other", {"n": 1})

    def test_times_are_plain_ints(self):
        """Milliseconds in, milliseconds out; days for dates; the same bytes as with datetime objects."""
        at = {"type": "long", "logicalType": "timestamp-millis"}
        day = {"type": "int", "logicalType": "date"}
        text = record(field("at", at), field("day", ["null", day]))
        codec = codec_of(text)
        given = {"at": 1_700_000_000_123, "day": 19_000}
        data = codec.encode("v1", given)
        assert codec.decode(data).record == given
        theirs = fastavro.schemaless_reader(io.BytesIO(data[5:]), json.loads(text))
        assert theirs["at"].timestamp() == 1_700_000_000.123
        assert theirs["day"].isoformat() == "2022-01-08"

    def test_many_are_written_in_order(self):
        """One message per record."""
        codec = codec_of(record(field("n", "int")))
        assert codec.encode_many("v1", [{"n": 1}, {"n": 2}]) == [frame(1, b"\x02"), frame(1, b"\x04")]


class TestEvolution:
    """Old bytes are handed out with the newest fields."""

    def test_old_bytes_get_the_newest_fields(self):
        """A field that came later has its default, one that went is left out, a renamed one is found by its alias."""
        old = record(field("a", "int"), field("gone", "string"), field("old", "int"))
        new = record(field("a", "long"), field("new", "int", aliases=["old"]), field("more", "string", default="d"))
        codec = codec_of(old, new)
        data = codec.encode("v1", {"a": 1, "gone": "g", "old": 5})
        assert codec.decode(data) == Decoded(1, "city.R", {"a": 1, "new": 5, "more": "d"})

    def test_newer_bytes_than_ours_are_read(self):
        """A publisher may be ahead of the hub: fields that we do not know are left out."""
        ours = record(field("a", "int"))
        codec = Codec([ours])
        codec.add(9, record(field("a", "int"), field("b", "string")), "theirs")
        assert codec.decode(codec.encode("theirs", {"a": 1, "b": "x"})).record == {"a": 1}

    def test_bad_text_in_a_field_that_is_left_out_is_refused_too(self):
        """Fastavro does not look at what it skips; we do."""
        codec = codec_of(record(field("a", "string")), record(field("b", "int", default=0)))
        with pytest.raises(BadRecord, match="UTF-8"):
            codec.decode(frame(1, b"\x02\xff"))

    def test_defaults_are_not_shared_between_records(self):
        """Whoever changes one record does not change the next one."""
        text = record(
            field("a", "int"),
            field("list", {"type": "array", "items": "string"}, default=[]),
            field("table", {"type": "map", "values": "int"}, default={"k": 1}),
        )
        codec = codec_of(record(field("a", "int")), text)
        first = codec.decode(frame(1, b"\x02")).record
        first["list"].append("x")
        first["table"]["k"] = 9
        assert codec.decode(frame(1, b"\x02")).record == {"a": 1, "list": [], "table": {"k": 1}}

    def test_defaults_are_values_not_json(self):
        """A default of bytes is bytes, and a nested record's default has all its fields."""
        inner = {"type": "record", "name": "city.I", "fields": [field("n", "int"), field("s", "string", default="x")]}
        text = record(
            field("a", "int"), field("raw", "bytes", default="\u00ff\u0000"), field("inner", inner, default={"n": 3})
        )
        codec = codec_of(record(field("a", "int")), text)
        expected = {"a": 1, "raw": b"\xff\x00", "inner": {"n": 3, "s": "x"}}
        assert codec.decode(frame(1, b"\x02")).record == expected
        assert codec.decode(codec.encode("v2", {"a": 1})).record == expected

    def test_schemas_that_do_not_meet_refuse_the_record(self):
        """No default and never written: BadRecord, not an exception of the library."""
        codec = codec_of(record(field("a", "int")), record(field("a", "int"), field("b", "string")))
        with pytest.raises(BadRecord, match="does not lead to our newest"):
            codec.decode(frame(1, b"\x02"))

    def test_an_enum_symbol_that_we_do_not_know_becomes_the_default(self):
        """A publisher's new word does not stop the hub where the enum has a default."""
        newer = record(field("e", {"type": "enum", "name": "E", "symbols": ["A", "B", "C"], "default": "A"}))
        ours = record(field("e", {"type": "enum", "name": "E", "symbols": ["A", "B"], "default": "A"}))
        assert codec_of(newer, ours).decode(frame(1, b"\x04")).record == {"e": "A"}


class TestLookup:
    """Schemas that are not known yet."""

    def test_an_id_is_asked_for_once(self):
        """The text is kept."""
        asked = []

        def lookup(schema_id: int) -> str:
            asked.append(schema_id)
            return record(field("n", "int"))

        codec = Codec(lookup=lookup)
        assert codec.unknown([frame(5, b"\x02"), b"", b"x" * 9]) == {5}
        assert [codec.decode(frame(5, b"\x02")).record for _ in range(3)] == [{"n": 1}] * 3
        assert asked == [5]
        assert codec.unknown([frame(5, b"\x02")]) == set()

    @pytest.mark.parametrize("text", ['"string"', "{}", "syntax = proto3", '{"type":"record","name":"R"}'])
    def test_what_is_no_record_schema_is_an_unknown_schema(self, text):
        """The registry may hold other things; they are asked for once and refused."""
        asked = []

        def lookup(schema_id: int) -> str:
            asked.append(schema_id)
            return text

        codec = Codec(lookup=lookup)
        assert [type(outcome) for outcome in codec.decode_many([frame(5, b"")] * 3)] == [UnknownSchema] * 3
        assert asked == [5]

    def test_an_outage_passes_through(self):
        """It is no fault of the message: nothing is refused, the caller tries again later."""

        def lookup(_: int) -> str:
            raise ConnectionError

        with pytest.raises(ConnectionError):
            Codec(lookup=lookup).decode_many([frame(5, b"")])


class TestSchemas:
    """Texts are bounded before anything looks at them."""

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[" * 100_000,
            json.dumps({"type": "record", "name": "R", "fields": [], "doc": "x" * 300_000}),
            '{"type":"record","name":"R","fields":[{"name":"a","type":'
            + '{"type":"array","items":' * 80
            + '"int"'
            + "}" * 80
            + "}]}",
            record(field("a", "nothing")),
            record(field("a", "int"), field("a", "int")),
            record(field("a", {"type": "enum", "name": "E"})),
            '["null", "int"]',
        ],
    )
    def test_what_is_no_usable_record_schema_is_bad(self, text):
        """BadSchema, and no other exception."""
        with pytest.raises(BadSchema):
            Codec([text])

    def test_a_record_that_contains_itself_ends(self):
        """Its bytes would be endless: every message is refused."""
        codec = codec_of(record(field("self", "city.R")))
        with pytest.raises(BadRecord, match="nested too deeply"):
            codec.decode(frame(1, b""))


def test_the_local_codec_is_the_same_everywhere():
    """Its ids are derived from the names, so golden bytes do not depend on what else there is."""
    codec = local_codec()
    assert codec.ids["gridhub.hub.Task"] == codec.ids["hub.tasks-value"] == local_id("gridhub.hub.Task") == 128_447_285
    assert len(set(map(local_id, {name for name in codec.ids if "-" not in name}))) == len(codec.schemas)


def test_struct_agrees_with_the_header():
    """The header is five bytes in network order."""
    assert frame(7, b"") == struct.pack("!BI", 0, 7)
