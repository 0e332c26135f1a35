"""What several ways say together about one event's place: one place, a contradiction, or nothing.

The first way that succeeds gives the place. The next of coordinates and address that succeeds is its witness (of code and
key only the first is used: both are looked up in tables):

- The witness lies inside the first place: it is more precise, so it gives the place, and `method` is the witness's. A
  community's code with a point in that community is a grid by `coordinates`. They confirm each other: the confidence
  is 1 - (1 - a)(1 - b).
- The first place lies inside the witness: the first stays, confirmed in the same way.
- Both are in one district, or within 200 m of each other: the first stays, less sure (times 0.8).
- Otherwise they contradict, and a person has to look: `places_contradict` with both as candidates. A point that is
  soundly outside the city contradicts a place inside it. An address that is not sure (below 0.75) contradicts nothing.

An unusable point (zero, exchanged axes, no number) beside a good code is left out of account.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import shapely

from gridhub.streams.place.answer import Problem
from gridhub.streams.place.shapes import METRES_PER_DEGREE
from gridhub.streams.records import Reason
from gridhub.streams.rooms.finding import Found, Missed, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridhub.streams.place.catalogue import Catalogue

NEAR_M = 200.0
_WITNESS_LEAST = 0.75
_DISAGREE = 0.8
_MOST_CANDIDATES = 20

_WORDS = {
    Problem.NOT_GIVEN: "is empty",
    Problem.MALFORMED_CODE: "is no division or grid code",
    Problem.UNKNOWN_CODE: "is not in the catalogue",
    Problem.UNKNOWN_SYSTEM: "is of an unknown code system",
    Problem.AMBIGUOUS_CODE: "means different places in the two official code systems, and the record does not say which",
    Problem.SEVERAL_PLACES: "means several places",
    Problem.WIDER_THAN_CITY: "is wider than the city",
    Problem.OUTSIDE_CITY: "lies outside the city",
    Problem.UNKNOWN_TABLE: "belongs to a key table that the hub does not have",
    Problem.UNKNOWN_KEY: "is not in its key table",
    Problem.UNKNOWN_CRS: "has an unknown coordinate system",
    Problem.NOT_A_NUMBER: "is not a number, or half of it is missing",
    Problem.ZERO: "is zero, the usual sign of a point that was not filled in",
    Problem.SWAPPED_AXES: "would lie in the city with its axes exchanged",
    Problem.OUT_OF_RANGE: "is out of range",
    Problem.NO_PLACE_NAMED: "names no place that the gazetteer knows well enough",
    Problem.AMBIGUOUS_NAME: "names a place that exists more than once",
    Problem.BAD_SHAPE: "is no shape that can be read",
    Problem.PLACES_CONTRADICT: "names places that do not lie in each other",
}
_WAYS = {"code": "code", "key": "department key", "coordinates": "point", "address": "address", "area": "area"}


class Placed(NamedTuple):
    """Where an event is, and whether its own point may be used."""

    found: Found
    own_point: bool


class Unplaced(NamedTuple):
    """Why an event is nowhere."""

    reason: Reason
    detail: str
    candidates: tuple[str, ...]


def first_of_tables(pair: tuple[Result, Result]) -> Found | None:
    """What code and key found, the code before the key."""
    return next((result for result in pair if isinstance(result, Found)), None)


def needs_address(first: Found | None, point: Result) -> bool:
    """Whether the address is still needed: not where a table and a point have spoken, be it against each other."""
    spoken = isinstance(point, Found) or (isinstance(point, Missed) and point.problem is Problem.OUTSIDE_CITY)
    return first is None or not spoken


def weigh(first: Found | None, results: list[Result], point: tuple[float, float], near: Nearness) -> Placed | Unplaced:
    """What the ways say together; `results` in the order code, key, coordinates, address, area."""
    _, _, at_point, address, area = results
    witnesses = [at_point, address]
    if first is None:
        first = next((result for result in (*witnesses, area) if isinstance(result, Found)), None)
    if first is None:
        return _unplaced(results)
    if first.method in {"code", "key"} and _outside(at_point):
        if not near(first, point):
            return _contradiction(first, "the point lies outside the city", ())
        return Placed(_less_sure(first), own_point=False)
    others = (other for other in witnesses if isinstance(other, Found) and other.method != first.method)
    witness = next(others, None)
    own = isinstance(at_point, Found)
    if witness is None or first.method == "area":
        return Placed(first, own_point=own)
    agreed = _agreed(first, witness, point, near)
    return Placed(agreed, own_point=own) if isinstance(agreed, Found) else agreed


def _outside(result: Result) -> bool:
    return isinstance(result, Missed) and result.problem is Problem.OUTSIDE_CITY


def _agreed(first: Found, witness: Found, point: tuple[float, float], near: Nearness) -> Found | Unplaced:
    together = round(1 - (1 - first.confidence) * (1 - witness.confidence), 4)
    if first.holds(witness):
        return (
            witness._replace(confidence=together)
            if first.codes != witness.codes
            else first._replace(confidence=together)
        )
    if witness.holds(first):
        return first._replace(confidence=together)
    if first.districts & witness.districts or witness.confidence < _WITNESS_LEAST:
        return _less_sure(first)
    # The point is one of the two unless a table's place stands against an address.
    place = witness if first.method == "coordinates" else first
    if "coordinates" in {first.method, witness.method} and near(place, point):
        return _less_sure(first)
    words = f"the {_WAYS[first.method]} and the {_WAYS[witness.method]} lead to different districts"
    return _contradiction(first, words, witness.codes)


def _less_sure(found: Found) -> Found:
    return found._replace(confidence=round(found.confidence * _DISAGREE, 4))


class Nearness:
    """Whether a point is at most 200 m from a place: borders on two maps, and addresses across a street, differ so far."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._land: dict[str, Any] = {}

    def __call__(self, found: Found, point: tuple[float, float]) -> bool:
        """Whether any of the codes' land is near; the union of grids is made once per code and batch."""
        if not all(map(math.isfinite, point)):
            return False
        return any(
            shapely.dwithin(self._of(code), shapely.Point(point), NEAR_M / METRES_PER_DEGREE) for code in found.codes
        )

    def _of(self, code: str) -> Any:
        if code not in self._land:
            self._land[code] = self._catalogue.polygon(code)
        return self._land[code]


def _contradiction(first: Found, words: str, others: Sequence[str]) -> Unplaced:
    candidates = tuple(dict.fromkeys((*first.codes, *others)))[:_MOST_CANDIDATES]
    return Unplaced(Reason.PLACES_CONTRADICT, f"{words[0].upper()}{words[1:]}.", candidates)


def _unplaced(results: Sequence[Result]) -> Unplaced:
    missed = [result for result in results if isinstance(result, Missed)]
    if not missed:
        return Unplaced(Reason.NOT_LOCATED, "The event says nothing about its place.", ())
    detail = " ".join(f"The {_WAYS[miss.method]} {_WORDS[miss.problem]}." for miss in missed)
    candidates = tuple(dict.fromkeys(code for miss in missed for code in miss.candidates))[:_MOST_CANDIDATES]
    problems = {miss.problem for miss in missed}
    if Problem.PLACES_CONTRADICT in problems:
        return Unplaced(Reason.PLACES_CONTRADICT, detail, candidates)
    return Unplaced(Reason.OUTSIDE_CITY if Problem.OUTSIDE_CITY in problems else Reason.NOT_LOCATED, detail, candidates)
