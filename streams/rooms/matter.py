"""Are two reports the same matter? Hard gates first, then a weighted score whose parts go to the journal."""

from __future__ import annotations

from functools import lru_cache
from math import cos, hypot, radians
from typing import TYPE_CHECKING, NamedTuple

from rapidfuzz import fuzz

if TYPE_CHECKING:
    from gridhub.streams.matching import Matching

METRES_PER_DEGREE = 111_195.0
_CITY_DIGITS, _STREET_DIGITS, _COMMUNITY_DIGITS = 6, 9, 12
_GRID_DIGITS = 15


class Matter(NamedTuple):
    """What the score looks at: one event, or an open incident among the candidates. Times in ms, WGS-84 degrees.

    The same fields, as a JSON array, are one entry of a candidate list; the place, category and words are the first
    event's, so that an incident does not wander by small steps.
    """

    incident_id: str
    category: str
    status: str
    first_at: int
    last_at: int
    lon: float | None
    lat: float | None
    exact: bool
    codes: list[str]
    keys: list[str]
    words: str


class Reach(NamedTuple):
    """How far a pair of categories reaches: metres and ms, and what kind of group it is of."""

    radius_m: float
    window_ms: float
    wide: bool = False  # warnings for whole areas
    keyed: bool = False  # matters of one person, shop or case


def gate(event: Matter, other: Matter, reach: Reach, matching: Matching) -> str:
    """The first hard reason why the two cannot be the same matter, in a word; empty when there is none."""
    if event.status != other.status:
        return "status"
    if _span_ms(event, other) > reach.window_ms * matching.most_windows or gap_ms(event, other) > reach.window_ms:
        return "time"
    shared, conflict = _keys(event.keys, other.keys, matching)
    if reach.wide:
        same_area = event.category == other.category and sorted(event.codes) == sorted(other.codes)
        return "" if shared or same_area else "area"
    if conflict or (reach.keyed and not shared):
        return "keys"
    return "" if _near(event, other, reach.radius_m * (matching.key_reach if shared else 1.0)) else "place"


def score(event: Matter, other: Matter, reach: Reach, matching: Matching) -> dict[str, float]:
    """The parts of the score, each 0 to 1, and `total`; parts that one side cannot speak to are left out.

    A wide matter that passed the gate (a shared key, or the same category for the same codes) scores 1.
    """
    if reach.wide:
        return {"area": 1.0, "total": 1.0}
    weights = matching.weights
    parts = {
        "place": (weights.place, _place(event, other, reach.radius_m, matching)),
        "time": (weights.time, 1 - gap_ms(event, other) / reach.window_ms if reach.window_ms else 1.0),
        "category": (weights.category, matching.alike(event.category, other.category)),
    }
    if _keys(event.keys, other.keys, matching)[0]:
        parts["keys"] = (weights.keys, 1.0)
    if event.words and other.words:
        parts["words"] = (weights.words, likeness(event.words, other.words))
    total = sum(weight * part for weight, part in parts.values()) / sum(weight for weight, _ in parts.values())
    return {name: round(part, 4) for name, (_, part) in parts.items()} | {"total": round(total, 4)}


def shared_key(event: Matter, other: Matter, matching: Matching) -> bool:
    """Whether the two name the same subject."""
    return _keys(event.keys, other.keys, matching)[0]


def gap_ms(event: Matter, other: Matter) -> int:
    """Time between two spans; 0 when they overlap."""
    return max(0, other.first_at - event.last_at, event.first_at - other.last_at)


def _span_ms(event: Matter, other: Matter) -> int:
    return max(event.last_at, other.last_at) - min(event.first_at, other.first_at)


def distance_m(event: Matter, other: Matter) -> float:
    """Metres between the two points, on a plane: right to a metre within a city; infinite without a point."""
    if event.lon is None or event.lat is None or other.lon is None or other.lat is None:
        return float("inf")
    east = (event.lon - other.lon) * cos(radians(event.lat))
    return hypot(east, event.lat - other.lat) * METRES_PER_DEGREE


def _near(event: Matter, other: Matter, radius_m: float) -> bool:
    if event.exact and other.exact:
        return distance_m(event, other) <= radius_m
    return common_digits(event.codes, other.codes) > 0


def _place(event: Matter, other: Matter, radius_m: float, matching: Matching) -> float:
    if event.exact and other.exact:
        return max(0.0, 1 - distance_m(event, other) / radius_m) if radius_m else 0.0
    digits = common_digits(event.codes, other.codes)
    if digits >= _GRID_DIGITS:
        return matching.places.grid
    if digits >= _COMMUNITY_DIGITS:
        return matching.places.community
    return matching.places.street if digits >= _STREET_DIGITS else matching.places.wider


def common_digits(codes: list[str], others: list[str]) -> int:
    """Digits of the widest place of a pair where one is the other or contains it, the narrowest such pair; else 0."""
    best = 0
    for code in codes:
        for other in others:
            if other.startswith(_stem(code)):
                best = max(best, len(code))
            elif code.startswith(_stem(other)):
                best = max(best, len(other))
    return best


def _stem(code: str) -> str:
    """What every code inside this place begins with: the city's six digits end in 00."""
    return code[:4] if len(code) == _CITY_DIGITS and code.endswith("00") else code


def _keys(keys: list[str], others: list[str], matching: Matching) -> tuple[bool, bool]:
    """Whether the two share a key, and whether one kind has only different values (then they are two matters)."""
    if not keys or not others:
        return False, False
    mine, theirs = _by_kind(tuple(keys)), _by_kind(tuple(others))
    kinds = (mine.keys() & theirs.keys()).difference(matching.neutral_kinds)
    apart = [mine[kind].isdisjoint(theirs[kind]) for kind in kinds]
    return not all(apart), any(apart)


@lru_cache(maxsize=4096)
def _by_kind(keys: tuple[str, ...]) -> dict[str, frozenset[str]]:
    kinds: dict[str, set[str]] = {}
    for key in keys:
        kind, _, value = key.partition(":")
        kinds.setdefault(kind, set()).add(value)
    return {kind: frozenset(values) for kind, values in kinds.items()}


def likeness(words: str, others: str) -> float:
    """How alike two texts are, 0 to 1: pairs of neighbouring characters for Chinese, words for the rest.

    Chinese has no spaces, so a comparison by words would see each sentence as one word.
    """
    if words.isascii() and others.isascii():
        return fuzz.token_set_ratio(words.lower(), others.lower()) / 100
    mine, theirs = _pairs(words), _pairs(others)
    smaller = min(len(mine), len(theirs))
    return len(mine & theirs) / smaller if smaller else 0.0


@lru_cache(maxsize=4096)
def _pairs(text: str) -> frozenset[str]:
    letters = "".join(filter(str.isalnum, text.lower()))
    return frozenset(letters[at : at + 2] for at in range(len(letters) - 1))
