"""What a wrong department.yaml says, and how fields of a record are found and read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gridhub.connectors.sources.departments import DepartmentError, Departments
from gridhub.connectors.sources.fields import FieldError, Schema, many, scalar, text
from gridhub.connectors.sources.masking import MASK

RIGHT = """
code: water
names: {zh: 供水, en: Water supply}
record: city.water.WaterNotice
fields: {event_id: no, type: kind, occurred_at: {path: when}}
category: {table: {爆管: water_main_burst}}
severity: {path: level, table: {"1": 1}}
title: "{:category}"
text: "{who.note}"
subject_keys: [{kind: pipe, path: pipes}]
places:
  - key: {path: no, table: licence}
  - address: where
"""
SCHEMA = {
    "type": "record",
    "name": "WaterNotice",
    "namespace": "city.water",
    "fields": [
        {"name": "no", "type": "string"},
        {"name": "kind", "type": "string"},
        {"name": "when", "type": "long"},
        {"name": "level", "type": ["null", "int"], "default": None},
        {"name": "where", "type": "string"},
        {"name": "pipes", "type": {"type": "array", "items": "string"}, "default": []},
        {
            "name": "who",
            "type": {
                "type": "record",
                "name": "Who",
                "fields": [
                    {"name": "name", "type": "string", "personal": True},
                    {"name": "note", "type": "string"},
                ],
            },
        },
    ],
}
RECORD = {
    "no": "W1",
    "kind": "爆管",
    "when": 5,
    "level": 1,
    "where": "某路",
    "pipes": ["a", "", "b", "a"],
    "who": {"name": "王小二", "note": "王小二报修"},
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A department's folder with its schema; the tests write the mapping."""
    folder = tmp_path / "water"
    folder.mkdir()
    (folder / "WaterNotice.avsc").write_text(json.dumps(SCHEMA), "utf-8")
    return folder


def load(place: Path, words: str) -> Departments:
    """The departments of a folder with this mapping."""
    (place / "department.yaml").write_text(words, "utf-8")
    return Departments.load(place)


def test_the_right_one_loads(place: Path) -> None:
    """The mapping that the cases below spoil is right, and reads lists, tables and nested fields."""
    event = load(place, RIGHT).by_code["water"].event(RECORD)
    assert (event["event_id"], event["category"], event["severity"]) == ("W1", "water_main_burst", 1)
    assert event["subject_keys"] == ["pipe:a", "pipe:b"]
    assert (event["key_table"], event["key_value"], event["address"]) == ("licence", "W1", "某路")
    assert event["text"] == f"{MASK}报修"


WRONG = [
    ("code: water", "code: Water!", "water/department.yaml: code: "),
    ("code: water", "kode: water", "kode: Extra inputs"),
    ("event_id: no", "event_id: nr", "fields.event_id: the record has no field nr"),
    ("event_id: no, ", "", "fields.event_id: Field required"),
    ("event_id: no", "event_id: who", "who is a group of fields"),
    ("event_id: no", "event_id: pipes", "pipes is a list where one value is needed"),
    ("path: when", "path: when, form: roman", "fields.occurred_at.form: "),
    ("water_main_burst", "water_hammer", "category: water_hammer is no category"),
    ('{"1": 1}', '{"1": 5}', "severity.table.1: "),
    ('{"1": 1}', "{1: 1}", "put the key 1 in quotes"),
    ('{path: level, table: {"1": 1}}', '{table: {"1": 1}}', "severity: path is missing"),
    ("{who.note}", "{who.name}", "text: who.name is personal data"),
    ("path: pipes", "path: who.name", "subject_keys.0.path: who.name is personal data"),
    ("{who.note}", "{who.note|roman}", "the only form is |time"),
    ("{who.note}", "{who.note", "text: a bracket in the template is not closed"),
    ("{who.note}", "[{who.note}[{no}]]", "text: a bracket"),
    (
        "  - address: where\n",
        "  - address: where\n  - key: {path: no, table: licence}\n",
        "places: list the ways in the order",
    ),
    ("  - address: where\n", "  - {address: where, area: {circle: where}}\n", "places.1: name exactly one way"),
    ("  - address: where\n", "  - area: {codes: pipes}\n", "codes and system go together"),
    (
        "  - address: where\n",
        "  - coordinates: {lon: level, lat: level, crs: Mars}\n",
        "places.1.coordinates.crs: Mars is not",
    ),
    ("record: city.water.WaterNotice", "record: city.water.Other", "record: no .avsc file"),
    ("code: water", "code: water\ncode: water", "the key code stands there twice"),
    ("code: water", "code: &a water\naliases: [*a]", "references (*) are not read here"),
    ("code: water", "code: [", "line "),
    ("code: water", "code: !!python/object:os.system water", "line 2"),
]


@pytest.mark.parametrize(("old", "new", "sentence"), WRONG)
def test_a_wrong_mapping_stops_the_load(old: str, new: str, sentence: str, place: Path) -> None:
    """Each slip is a DepartmentError that names the file and what is wrong."""
    assert old in RIGHT
    with pytest.raises(DepartmentError) as caught:
        load(place, RIGHT.replace(old, new))
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("water/department.yaml")


@pytest.mark.parametrize("content", [b"", b"- a", b"\xff\xfe", b"x" * 300_000, b"[" * 5000])
def test_a_file_that_is_no_mapping(content: bytes, place: Path) -> None:
    """What is not a YAML mapping at all is refused with a sentence, whatever it is."""
    (place / "department.yaml").write_bytes(content)
    with pytest.raises(DepartmentError, match=r"department\.yaml"):
        Departments.load(place)


def test_a_schema_that_is_none(place: Path) -> None:
    """A schema file that is no Avro is named."""
    (place / "WaterNotice.avsc").write_text("{}", "utf-8")
    with pytest.raises(DepartmentError, match=r"WaterNotice\.avsc: it is not an Avro record schema"):
        load(place, RIGHT)


# fields


def test_paths_of_a_schema() -> None:
    """A path is found through records, unions and lists; it knows whether it crosses a list and whether it is personal."""
    schema = Schema(SCHEMA)
    assert schema.field("pipes").listed
    assert schema.field("who.name").personal
    assert not schema.field("who.note").personal
    assert [field.path for field in schema.personal()] == ["who.name"]
    for path in ("nothing", "who.nothing", "no.deeper", "who"):
        with pytest.raises(FieldError):
            schema.field(path)


def test_readers_of_values() -> None:
    """Empty groups on the way give nothing; lists give all their filled values."""
    record = {"a": None, "b": {"c": {"d": 1}}, "l": [{"x": "1"}, {"x": None}, {"x": ["2", ""]}]}
    assert scalar("a.c.d")(record) is None
    assert scalar("b.c.d")(record) == 1
    assert many("l.x")(record) == ["1", "2"]
    assert many("nothing.x")(record) == []


def test_text_of_values() -> None:
    """Values become trimmed text; groups of fields and bytes are no text."""
    assert [text(value) for value in ("  x ", "", None, True, 5, 0.5)] == ["x", None, None, "true", "5", "0.5"]
    for value in ({}, [], b"x"):
        with pytest.raises(TypeError):
            text(value)
