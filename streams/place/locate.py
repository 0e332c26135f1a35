"""One place from everything that was said about it: several ways, one answer, and the contract of `gridhub locate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridhub.streams.place.answer import CITY, Answer, Problem
from gridhub.streams.place.coordinates import crs_name, examine, to_wgs84

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gridhub.streams.place.catalogue import Catalogue

_POINT_CONFIDENCE = 0.95
# A point whose system is not named is read as WGS-84, as GeoJSON does; were it GCJ-02, it would be 500 m off.
_CRS_NOT_NAMED = 0.7
# A point this near to a place that another way names does not contradict it: receivers are no better than this.
_NEAR_M = 50.0


def combine(answers: Sequence[Answer]) -> Answer:
    """One answer from those of several ways, best way first; ValueError for none.

    The narrowest place wins when every other way's place contains it. Another way that was ambiguous must have it
    among its candidates. When they contradict, or a way says that it is in another city, nobody is right: the problem
    is `places_contradict`, with all places as candidates.
    """
    found = [answer for answer in answers if answer.code]
    if not found:
        said = [answer for answer in answers if answer.problem is not Problem.NOT_GIVEN]
        return (said or list(answers))[0]
    best = max(found, key=lambda answer: _depth(answer.code or ""))
    if all(_agrees(best.code or "", answer) for answer in answers):
        return best
    said_places = [place for answer in answers for place in (answer.code, *answer.candidates) if place]
    return Answer(best.method, problem=Problem.PLACES_CONTRADICT, candidates=tuple(dict.fromkeys(said_places)))


def locate_point(catalogue: Catalogue, lon: float, lat: float, crs: str | None = None) -> Answer:
    """The grid around a point of a coordinate system (None: not named); what is wrong with a point is its problem."""
    name = crs_name(crs or "WGS-84")
    if name is None:
        return Answer("coordinates", problem=Problem.UNKNOWN_CRS)
    x, y, problems = examine([lon], [lat], name)
    if problems[0]:
        return Answer("coordinates", problem=Problem(problems[0]))
    code = catalogue.locate_points(x, y)[0]
    if code is None:
        return Answer("coordinates", problem=Problem.OUTSIDE_CITY)
    return Answer("coordinates", code, _POINT_CONFIDENCE if crs else _CRS_NOT_NAMED)


def locate_line(catalogue: Catalogue, request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one request of `gridhub locate`: any of code (+ system), key_table + key_value, lon + lat (+ crs), address.

    What is found has grid_id (where it is a grid), code, name, method, confidence and candidates; what is not found,
    or ambiguous, has method, confidence 0, candidates and problem, and never a code.
    """
    try:
        answers = _ways(catalogue, request)
    except (TypeError, ValueError, OverflowError):
        return {"method": None, "confidence": 0.0, "candidates": [], "problem": "malformed_request"}
    if not answers:
        return {"method": None, "confidence": 0.0, "candidates": [], "problem": Problem.NOT_GIVEN.value}
    return as_line(catalogue, combine(answers))


def as_line(catalogue: Catalogue, answer: Answer) -> dict[str, Any]:
    """An answer in the form of `gridhub locate`."""
    shared = {"method": answer.method, "confidence": answer.confidence, "candidates": list(answer.candidates)}
    if answer.code is None:
        return shared | {"problem": str(answer.problem)}
    grid = {"grid_id": answer.code} if len(answer.code) == 15 else {}
    return grid | {"code": answer.code, "name": catalogue.name(answer.code)} | shared


def _ways(catalogue: Catalogue, request: Mapping[str, Any]) -> list[Answer]:
    """The answers of all ways that a request names, best way first."""
    answers = []
    if code := _text(request, "code"):
        answers += catalogue.resolve_codes([code], [_text(request, "system")])
    if key := _text(request, "key_value"):
        answers += catalogue.resolve_keys([_text(request, "key_table")], [key])
    named = list(answers)
    if address := _text(request, "address"):
        answers += catalogue.locate_addresses([address])
    if request.get("lon") is not None or request.get("lat") is not None:
        lon, lat = _number(request, "lon"), _number(request, "lat")
        point = locate_point(catalogue, lon, lat, _text(request, "crs"))
        if not _at_the_edge(catalogue, point, answers, (lon, lat), _text(request, "crs")):
            answers.insert(len(named), point)
    return answers


def _at_the_edge(
    catalogue: Catalogue, point: Answer, others: Sequence[Answer], lon_lat: tuple[float, float], crs: str | None
) -> bool:
    """Whether a point lies just outside what another way names: then it adds nothing and contradicts nothing."""
    codes = [answer.code for answer in others if answer.code]
    if not point.code or not codes or all(_contains(code, point.code) for code in codes):
        return False
    x, y = to_wgs84([lon_lat[0]], [lon_lat[1]], crs_name(crs or "WGS-84") or "WGS-84")
    return all(catalogue.is_near(code, float(x[0]), float(y[0]), _NEAR_M) for code in codes)


def _text(request: Mapping[str, Any], field: str) -> str:
    """A field as text; a whole number is taken as its digits, as spreadsheets write codes."""
    value = request.get(field)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{field} must be text")
    return value or ""


def _number(request: Mapping[str, Any], field: str) -> float:
    value = request.get(field)
    return float("nan") if value is None or isinstance(value, bool) else float(value)


def _depth(code: str) -> int:
    return 0 if code == CITY else len(code)


def _contains(wide: str, narrow: str) -> bool:
    return wide == CITY or narrow.startswith(wide)


def _agrees(code: str, answer: Answer) -> bool:
    """Whether a way's answer leaves room for `code`."""
    if answer.code:
        return _contains(answer.code, code)
    if answer.problem is Problem.OUTSIDE_CITY:
        return False
    either = answer.candidates
    return not either or any(_contains(place, code) or _contains(code, place) for place in either)
