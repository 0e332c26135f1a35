"""Times, templates and areas: from the departments' own forms to the hub's."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import orjson

from gridhub.connectors.sources.fields import FieldError, Getter, Record, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BEIJING = timezone(timedelta(hours=8))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEIJING_AHEAD_MS = 8 * 3_600_000
_MS = timedelta(milliseconds=1)
_COMPACT = re.compile(r"\d{8}(\d{4}(\d{2})?)?")
_MOST_CORNERS = 1000
_HOLE = re.compile(r"\{([^{}]*)\}")
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")


class WrongValueError(ValueError):
    """A value in a record that cannot be read; the text says what was expected and never repeats the value."""


def milliseconds(value: Any, form: str) -> int | None:
    """Milliseconds since the epoch from a value in `form`; None when it is empty, WrongValueError when it is no time.

    Text without a zone is Beijing time. ISO 8601 text and datetimes are read in every form: that is how the same
    record looks as JSON, or from a reader that makes datetimes.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise WrongValueError("a truth value is no time")
    if isinstance(value, int | float):
        return _counted(value, form)
    if isinstance(value, datetime):
        return _of(value)
    if not isinstance(value, str):
        raise WrongValueError(f"{type(value).__name__} is no time")
    return _written(value.strip(), form)


def _counted(value: float, form: str) -> int:
    """Any number is a time; whether it is a plausible one is the room's question."""
    if form not in {"epoch_ms", "epoch_s"}:
        raise WrongValueError("a number where a written time was expected")
    if not math.isfinite(value):
        raise WrongValueError("a number that is no time")
    return int(value * 1000) if form == "epoch_s" else int(value)


def _written(value: str, form: str) -> int | None:
    if not value:
        return None
    if form == "compact":
        if not _COMPACT.fullmatch(value) or not value.isascii():
            raise WrongValueError("the time must look like 20260920, 202609201403 or 20260920140322")
        value = value if len(value) == 8 else f"{value[:8]}T{value[8:]}"
    try:
        return _of(datetime.fromisoformat(value))
    except ValueError as error:
        raise WrongValueError("the time must look like 2026-09-20 14:03:22 or 2026-09-20T14:03:22+08:00") from error


def _of(moment: datetime) -> int:
    try:
        aware = moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)
        return (aware - EPOCH) // _MS
    except OverflowError as error:
        raise WrongValueError("the time is beyond the calendar") from error


def written(value: Any) -> str | None:
    """A time in a text for people, in Beijing: 9月20日14:03. None for what is no time: a text does without it."""
    try:
        ms = milliseconds(value, "epoch_ms")
        moment = None if ms is None else EPOCH + timedelta(milliseconds=ms + _BEIJING_AHEAD_MS)
    except (WrongValueError, OverflowError):
        return None
    return f"{moment.month}月{moment.day}日{moment.hour:02d}:{moment.minute:02d}" if moment else None


def template(words: str, getter: Callable[[str], Getter]) -> Callable[[Record], str]:
    """Compile a template: {field} is the field's text, [..] is left out when a field inside is empty.

    `getter` gives the reader of what stands in the braces; it raises FieldError for a field that may not be used.
    """
    _check_brackets(words)
    pieces: list[Callable[[Record], str]] = []
    end = 0
    for match in _OPTIONAL.finditer(words):
        pieces += [*_plain(words[end : match.start()], getter), _optional(match[1], getter)]
        end = match.end()
    pieces += _plain(words[end:], getter)
    return lambda record: "".join([piece(record) for piece in pieces])


def _check_brackets(words: str) -> None:
    rest = _HOLE.sub("", _OPTIONAL.sub(r"\1", words))
    if any(sign in rest for sign in "{}[]"):
        raise FieldError("a bracket in the template is not closed, or stands inside another")


def _plain(words: str, getter: Callable[[str], Getter]) -> list[Callable[[Record], str]]:
    parts = _HOLE.split(words)
    return [_hole(getter(part)) if number % 2 else _constant(part) for number, part in enumerate(parts) if part]


def _constant(words: str) -> Callable[[Record], str]:
    return lambda _record: words


def _hole(getter: Getter) -> Callable[[Record], str]:
    return lambda record: text(getter(record)) or ""


def _optional(words: str, getter: Callable[[str], Getter]) -> Callable[[Record], str]:
    parts = [(getter(part) if number % 2 else part) for number, part in enumerate(_HOLE.split(words))]
    if len(parts) == 3:
        return _around(*parts)

    def filled(record: Record) -> str:
        found = [part if isinstance(part, str) else text(part(record)) for part in parts]
        return "".join(map(str, found)) if None not in found else ""

    return filled


def _around(before: Any, getter: Any, after: Any) -> Callable[[Record], str]:
    """The usual optional piece, with one field in it: no lists needed."""

    def filled(record: Record) -> str:
        found = text(getter(record))
        return "" if found is None else f"{before}{found}{after}"

    return filled


def area_json(areas: Sequence[tuple[Sequence[str], str | None, str | None]], system: str | None) -> str | None:
    """The area_shape column for areas of (codes, polygon, circle): one shape, {"areas": [shapes]}, or None for none."""
    shapes = [shape for area in areas if (shape := _shape(*area, system))]
    if not shapes:
        return None
    if len(shapes) > 1 and all("codes" in shape for shape in shapes):
        shapes = [{"codes": [code for shape in shapes for code in shape["codes"]], "system": system}]
    return orjson.dumps(shapes[0] if len(shapes) == 1 else {"areas": shapes}).decode()


def _shape(codes: Sequence[str], polygon: str | None, circle: str | None, system: str | None) -> dict[str, Any] | None:
    if codes:
        return {"codes": list(codes), "system": system}
    if polygon:
        return {"type": "Polygon", "coordinates": [_ring(polygon)]}
    return {"circle": _circle(circle)} if circle else None


def _ring(words: str) -> list[list[float]]:
    pairs = words.split()
    if not 4 <= len(pairs) <= _MOST_CORNERS:
        raise WrongValueError(f"a polygon has 4 to {_MOST_CORNERS} points, not {len(pairs)}")
    ring = [_lon_lat(pair) for pair in pairs]
    return ring if ring[0] == ring[-1] else [*ring, ring[0]]


def _circle(words: str) -> list[float]:
    centre, _, radius = words.strip().partition(" ")
    return [*_lon_lat(centre), _float(radius)]


def _lon_lat(pair: str) -> list[float]:
    lat, _, lon = pair.partition(",")
    return [_float(lon), _float(lat)]


def _float(words: str) -> float:
    try:
        value = float(words)
    except ValueError as error:
        raise WrongValueError(
            "an area is written as latitude,longitude pairs, a circle with its radius in km"
        ) from error
    if not math.isfinite(value):
        raise WrongValueError("an area has a coordinate that is no number")
    return value
