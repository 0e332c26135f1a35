"""The same-matter score and its rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridhub.streams.matching import Matching, MatchingError
from gridhub.streams.rooms.matter import Matter, Reach, common_digits, distance_m, gate, likeness, score

RULES = Matching.load()
REACH = Reach(radius_m=400, window_ms=14_400_000)
FILE = Path(__file__).parents[2] / "config" / "matching.yaml"


def matter(**changes):
    """An outage at a point, unless `changes` say otherwise."""
    row = Matter("i", "power_outage", "actual", 0, 0, 115.0, 30.2, True, ["420202005001001"], [], "小区停电")
    return row._replace(**changes)


@pytest.mark.parametrize(
    ("codes", "others", "digits"),
    [
        (["420202005001001"], ["420202005001001"], 15),
        (["420202005001001"], ["420202005001"], 12),
        (["420202005001001"], ["420202005"], 9),
        (["420202005001001"], ["420202"], 6),
        (["420202005001001"], ["420200"], 6),
        (["420281"], ["420200"], 6),
        (["420202005001001"], ["420202005001002"], 0),
        (["420202"], ["420203"], 0),
        (["420203", "420202005001"], ["420202005001001", "420203001001001"], 12),
    ],
)
def test_common_digits_are_those_of_the_containing_place(codes, others, digits):
    """A place and one inside it have the wider one's digits in common; neighbours have none; order is no matter."""
    assert common_digits(codes, others) == common_digits(others, codes) == digits


def test_distance_is_right_to_a_metre_within_a_city():
    """One thousandth of a degree of latitude is 111.2 m; of longitude at 30.2 degrees 96.1 m."""
    assert distance_m(matter(), matter(lat=30.201)) == pytest.approx(111.2, abs=0.2)
    assert distance_m(matter(), matter(lon=115.001)) == pytest.approx(96.1, abs=0.2)


def test_a_matter_without_a_point_is_at_no_distance():
    """No point, no radius."""
    assert distance_m(matter(), matter(lon=None)) == float("inf")
    assert gate(matter(), matter(lon=None, lat=None), REACH, RULES) == "place"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"status": "test"}, "status"),
        ({"first_at": 14_400_001, "last_at": 14_400_001}, "time"),
        ({"first_at": -80_000_000, "last_at": 10_000_000}, "time"),
        ({"keys": ["transformer:T2"]}, "keys"),
        ({"keys": ["report:T2"]}, ""),
        ({"lon": 115.01}, "place"),
        ({"exact": False, "codes": ["420202005001002"]}, "place"),
        ({"exact": False, "codes": ["420202005001"]}, ""),
    ],
)
def test_gates_name_the_first_hard_reason(changes, reason):
    """Each gate by itself; keys of a neutral kind part nothing."""
    event = matter(keys=["transformer:T1", "report:R1"])
    assert gate(event, matter(**changes), REACH, RULES) == reason


def test_the_score_is_the_weighted_mean_of_its_parts():
    """Each part counts by its weight; a part that does not apply is left out."""
    other = matter(category="dark_street", lat=30.2 + 200 / 111_195, first_at=7_200_000, last_at=7_200_000, words="")
    parts = score(matter(), other, REACH, RULES)
    assert set(parts) == {"place", "time", "category", "total"}
    assert parts["place"] == pytest.approx(0.5, abs=0.001)
    assert (parts["time"], parts["category"]) == (0.5, 0.8)
    assert parts["total"] == pytest.approx((0.35 * 0.5 + 0.2 * 0.5 + 0.25 * 0.8) / 0.8, abs=0.001)


def test_a_shared_key_is_nearly_proof():
    """At the edge of space and time, the same transformer still decides."""
    key = {"keys": ["transformer:T1"]}
    other = matter(lat=30.2 + 390 / 111_195, first_at=14_000_000, last_at=14_000_000, **key)
    parts = score(matter(**key), other, REACH, RULES)
    assert parts["keys"] == 1.0
    assert parts["total"] >= RULES.merge


@pytest.mark.parametrize(
    ("words", "others", "least", "most"),
    [
        ("小区停电", "小区停电", 1, 1),
        ("桂花湾小区三栋停电了", "桂花湾小区停电", 0.7, 1),
        ("路灯不亮", "疑似食物中毒", 0, 0),
        ("power outage in Main Street", "Main Street: power outage", 0.9, 1),
        ("停", "停电", 0, 0),
        ("", "停电", 0, 0),
    ],
)
def test_likeness_reads_chinese_by_pairs_and_english_by_words(words, others, least, most):
    """Word order matters little, other words say little, and a single character says nothing."""
    assert least <= likeness(words, others) <= most


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("merge: 0.66", "merge: 0.40", "possible is above merge"),
        ("merge: 0.66", "merge: 1.70", "less than or equal to 1"),
        ("merge: 0.66", "merge: high", "merge"),
        ("merge: 0.66", "merge: 0.66\nmarge: 1", "marge"),
        ("merge: 0.66", "merge: [", "line [0-9]+: "),
        ("pair: [power_outage, dark_street]", "pair: [power_outage, dark]", "no such category: dark"),
        ("pair: [power_outage, dark_street]", "pair: [power_outage]", "affinities"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence(before, after, message):
    """A slip of the pen stops the load and is named."""
    content = FILE.read_text(encoding="utf-8").replace(before, after).encode()
    with pytest.raises(MatchingError, match=message):
        Matching.parse(content, ["power_outage", "dark_street", *_named()])


def _named():
    return [category for affinity in RULES.affinities for category in affinity.pair]


def test_the_version_changes_with_the_bytes():
    """Two files with the same version line are still two versions in the journal."""
    content = FILE.read_bytes()
    one, two = Matching.parse(content), Matching.parse(content + b"\n# changed\n")
    assert one.version == two.version
    assert one.digest != two.digest
