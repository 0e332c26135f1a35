"""What a wrong department.yaml says, and the single pieces of a right one: times, templates, masking, areas, fields."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from gridhub.connectors.sources.departments import DepartmentError, Departments
from gridhub.connectors.sources.fields import FieldError, Schema, many, scalar, text
from gridhub.connectors.sources.masking import MASK, masked
from gridhub.connectors.sources.values import WrongValueError, area_json, milliseconds, template
from hypothesis import given
from hypothesis import strategies as st

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
    "type": "record", "name": "WaterNotice", "namespace": "city.water",
    "fields": [
        {"name": "no", "type": "string"},
        {"name": "kind", "type": "string"},
        {"name": "when", "type": "long"},
        {"name": "level", "type": ["null", "int"], "default": None},
        {"name": "where", "type": "string"},
        {"name": "pipes", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "who", "type": {"type": "record", "name": "Who", "fields": [
            {"name": "name", "type": "string", "personal": True},
            {"name": "note", "type": "string"},
        ]}},
    ],
}
RECORD = {
    "no": "W1", "kind": "爆管", "when": 5, "level": 1, "where": "某路", "pipes": ["a", "", "b", "a"],
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
    ("  - address: where\n", "  - address: where\n  - key: {path: no, table: licence}\n", "places: list the ways in the order"),
    ("  - address: where\n", "  - {address: where, area: {circle: where}}\n", "places.1: name exactly one way"),
    ("  - address: where\n", "  - area: {codes: pipes}\n", "codes and system go together"),
    ("  - address: where\n", "  - coordinates: {lon: level, lat: level, crs: Mars}\n", "places.1.coordinates.crs: Mars is not"),
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


# times

MOMENT = 1_789_884_202_000  # 2026-09-20T14:03:22+08:00


@pytest.mark.parametrize(
    ("value", "form", "ms"),
    [
        (MOMENT, "epoch_ms", MOMENT),
        (float(MOMENT), "epoch_ms", MOMENT),
        (MOMENT // 1000, "epoch_s", MOMENT),
        (1.5, "epoch_s", 1500),
        ("2026-09-20 14:03:22", "iso", MOMENT),
        ("2026-09-20T14:03:22+08:00", "iso", MOMENT),
        ("2026-09-20T06:03:22Z", "iso", MOMENT),
        ("2026-09-20T06:03:22.25Z", "epoch_ms", MOMENT + 250),
        ("20260920140322", "compact", MOMENT),
        ("202609201403", "compact", MOMENT - 22_000),
        ("20260920", "compact", MOMENT - 22_000 - 3 * 60_000 - 14 * 3_600_000),
        (datetime(2026, 9, 20, 6, 3, 22, tzinfo=UTC), "epoch_ms", MOMENT),
        ("", "iso", None),
        ("  ", "iso", None),
        (None, "compact", None),
    ],
)
def test_times(value: object, form: str, ms: int | None) -> None:
    """Each form of a time gives the same milliseconds; text without a zone is Beijing time."""
    assert milliseconds(value, form) == ms


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("soon", "iso"), ("2026-13-01", "iso"), ("20261301", "compact"), ("1999092", "compact"), ("２０２６０９２０", "compact"),
        (True, "epoch_ms"), ([], "iso"), (5, "iso"), (float("nan"), "epoch_ms"), ("0001-01-01T00:00:00+14:00x", "iso"),
    ],
)
def test_what_is_no_time(value: object, form: str) -> None:
    """What is no time is a WrongValueError, whose text does not repeat the value."""
    with pytest.raises(WrongValueError) as caught:
        milliseconds(value, form)
    assert not isinstance(value, str) or value not in str(caught.value)


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans(), st.sampled_from(["epoch_ms", "epoch_s", "iso", "compact"]))
def test_times_never_raise_anything_else(value: object, form: str) -> None:
    """Any value is a time, empty, or refused in our own words (a float too large for any integer by Python's)."""
    try:
        found = milliseconds(value, form)
    except (WrongValueError, OverflowError):
        return
    assert found is None or isinstance(found, int)


# templates


@pytest.mark.parametrize(
    ("words", "record", "result"),
    [
        ("{a}", {"a": " x "}, "x"),
        ("{a}-{b}", {"a": "x"}, "x-"),
        ("[{a}；]{b}", {"b": "y"}, "y"),
        ("[{a}；]{b}", {"a": "x", "b": "y"}, "x；y"),
        ("[{a}至{b}。]", {"a": "x"}, ""),
        ("[{a}至{b}。]", {"a": 0, "b": False}, "0至false。"),
        ("plain", {}, "plain"),
        ("[always]", {}, "always"),
    ],
)
def test_templates(words: str, record: dict, result: str) -> None:
    """Fields are put in; a piece in brackets is left out when a field in it is empty."""
    assert template(words, scalar)(record) == result


# masking


@pytest.mark.parametrize(
    "words",
    [
        "请拨13912345678", "电话：139 1234 5678", "+86-13912345678", "座机0714-6512345", "电话6512345", "身份证420202198001011234",
        "420202800101123", "卡号6222020200012345678", "a.b@example.com", "１３９１２３４５６７８", "42020219800101123X",
    ],
)
def test_numbers_are_masked(words: str) -> None:
    """Phone, identity and card numbers and mail addresses in any usual writing leave no digits behind."""
    result = masked(words)
    assert MASK in result
    assert not any(sign.isdigit() for sign in result.replace("+86", ""))
    assert "@" not in result


@pytest.mark.parametrize(
    ("words", "name"),
    [("报警人王建国称停电", "王建国"), ("联系人：欧阳明", "欧阳明"), ("李四，电话13912345678", "李四"), ("姓名 赵敏", "赵敏"), ("户主是钱多多", "钱多多")],
)
def test_names_with_a_sign_are_masked(words: str, name: str) -> None:
    """A name after a cue word or before a number does not pass."""
    assert name not in masked(words)


@pytest.mark.parametrize(
    "words",
    [
        "老人走失，身穿红色外套", "影响214户，预计11月20日21:00恢复", "3号楼2单元501室", "台区TQ00000001失电", "许可证JY14202020000495过期",
        "广场路18号路灯不亮", "网格420202005001001", "报警人匿名", "当事人已离开",
    ],
)
def test_ordinary_words_stay(words: str) -> None:
    """What only looks a little like personal data stays as it is."""
    assert masked(words) == words


@given(st.text(), st.lists(st.text(min_size=2), max_size=3))
def test_masking_takes_anything(words: str, personal: list[str]) -> None:
    """Any text can be masked; known personal values are gone afterwards, unless the mask itself looks like them."""
    result = masked(words, personal)
    assert all(value not in result or set(value) & set(MASK) for value in personal[-1:])


# areas


def test_areas_of_all_kinds_are_joined() -> None:
    """Of each area the first that is filled counts; all areas together are the event's."""
    areas = [(["420202"], "30.1,115.0 x", None), ([], "30,115 30,115.1 30.1,115.1 30,115", None), ([], None, "30.2,115 2.5"), ([], None, None)]
    shape = json.loads(area_json(areas, "nbs") or "")
    assert shape["areas"][0] == {"codes": ["420202"], "system": "nbs"}
    assert shape["areas"][1]["coordinates"] == [[[115, 30], [115.1, 30], [115.1, 30.1], [115, 30]]]
    assert shape["areas"][2] == {"circle": [115, 30.2, 2.5]}


def test_code_lists_become_one_list() -> None:
    """Several areas of codes are one list of codes."""
    assert json.loads(area_json([(["1"], None, None), (["2"], None, None)], "mca") or "") == {"codes": ["1", "2"], "system": "mca"}


def test_an_open_ring_is_closed() -> None:
    """A polygon whose last point is not its first gets its first again."""
    ring = json.loads(area_json([([], "30,115 30,116 31,116 31,115", None)], None) or "")["coordinates"][0]
    assert ring[0] == ring[-1]
    assert len(ring) == 5


def test_no_area_is_none() -> None:
    """Nothing filled is no area."""
    assert area_json([([], None, None)], "nbs") is None


@pytest.mark.parametrize(
    ("polygon", "circle"),
    [("30,115", None), ("a,b c,d e,f g,h", None), ("30,115 " * 6000, None), (None, "30,115"), (None, "nan,115 2"), ("30 115 30 115", None)],
)
def test_what_is_no_area(polygon: str | None, circle: str | None) -> None:
    """A polygon or circle that cannot be read is refused."""
    with pytest.raises(WrongValueError):
        area_json([([], polygon, circle)], None)


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
