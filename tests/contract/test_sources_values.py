"""The single pieces of a mapping: times, templates, masking, areas."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridhub.connectors.sources.fields import scalar
from gridhub.connectors.sources.masking import MASK, masked
from gridhub.connectors.sources.values import WrongValueError, area_json, milliseconds, template, written

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
        ("soon", "iso"),
        ("2026-13-01", "iso"),
        ("20261301", "compact"),
        ("1999092", "compact"),
        ("２０２６０９２０", "compact"),
        (True, "epoch_ms"),
        ([], "iso"),
        (5, "iso"),
        (float("nan"), "epoch_ms"),
        ("0001-01-01T00:00:00+14:00x", "iso"),
    ],
)
def test_what_is_no_time(value: object, form: str) -> None:
    """What is no time is a WrongValueError, whose text does not repeat the value."""
    with pytest.raises(WrongValueError) as caught:
        milliseconds(value, form)
    assert not isinstance(value, str) or value not in str(caught.value)


@given(
    st.text() | st.integers() | st.floats() | st.none() | st.booleans(),
    st.sampled_from(["epoch_ms", "epoch_s", "iso", "compact"]),
)
def test_times_never_raise_anything_else(value: object, form: str) -> None:
    """Any value is a time, empty, or refused in our own words (a float too large for any integer by Python's)."""
    try:
        found = milliseconds(value, form)
    except (WrongValueError, OverflowError):
        return
    assert found is None or isinstance(found, int)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (MOMENT, "9月20日14:03"),
        ("2026-09-20T14:03:22", "9月20日14:03"),
        (None, None),
        ("soon", None),
        (2**62, None),
        (-(2**46), None),
    ],
)
def test_times_in_texts(value: object, words: str | None) -> None:
    """A time in a text is written for people; one that cannot be read is left out, and never costs the event."""
    assert written(value) == words


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
        "请拨13912345678",
        "电话：139 1234 5678",
        "+86-13912345678",
        "座机0714-6512345",
        "电话6512345",
        "身份证420202198001011234",
        "420202800101123",
        "卡号6222020200012345678",
        "a.b@example.com",
        "１３９１２３４５６７８",
        "42020219800101123X",
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
    [
        ("报警人王建国称停电", "王建国"),
        ("联系人：欧阳明", "欧阳明"),
        ("李四，电话13912345678", "李四"),
        ("姓名 赵敏", "赵敏"),
        ("户主是钱多多", "钱多多"),
    ],
)
def test_names_with_a_sign_are_masked(words: str, name: str) -> None:
    """A name after a cue word or before a number does not pass."""
    assert name not in masked(words)


@pytest.mark.parametrize(
    "words",
    [
        "老人走失，身穿红色外套",
        "影响214户，预计11月20日21:00恢复",
        "3号楼2单元501室",
        "台区TQ00000001失电",
        "许可证JY14202020000495过期",
        "广场路18号路灯不亮",
        "网格420202005001001",
        "报警人匿名",
        "当事人已离开",
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
    areas = [
        (["420202"], "30.1,115.0 x", None),
        ([], "30,115 30,115.1 30.1,115.1 30,115", None),
        ([], None, "30.2,115 2.5"),
        ([], None, None),
    ]
    shape = json.loads(area_json(areas, "nbs") or "")
    assert shape["areas"][0] == {"codes": ["420202"], "system": "nbs"}
    assert shape["areas"][1]["coordinates"] == [[[115, 30], [115.1, 30], [115.1, 30.1], [115, 30]]]
    assert shape["areas"][2] == {"circle": [115, 30.2, 2.5]}


def test_code_lists_become_one_list() -> None:
    """Several areas of codes are one list of codes."""
    assert json.loads(area_json([(["1"], None, None), (["2"], None, None)], "mca") or "") == {
        "codes": ["1", "2"],
        "system": "mca",
    }


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
    [
        ("30,115", None),
        ("a,b c,d e,f g,h", None),
        ("30,115 " * 6000, None),
        (None, "30,115"),
        (None, "nan,115 2"),
        ("30 115 30 115", None),
    ],
)
def test_what_is_no_area(polygon: str | None, circle: str | None) -> None:
    """A polygon or circle that cannot be read is refused."""
    with pytest.raises(WrongValueError):
        area_json([([], polygon, circle)], None)
