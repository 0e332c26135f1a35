"""Lines of warning texts, as feeds give them: plain text or JSON, each to its records or to a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from gridhub.connectors.warnings.records import Converted
from gridhub.connectors.warnings.text import MOST_CHARACTERS, WarningTextError
from gridhub.connectors.warnings.text_records import Told, from_text
from gridhub.connectors.warnings.text_times import BEIJING

if TYPE_CHECKING:
    from gridhub.streams.place.catalogue import Catalogue

Record = dict[str, Any]

_FEED_ID = re.compile(r"(?P<sender>\d{14})_(?P<time>\d{14})")


def moment(words: str | None) -> datetime:
    """A moment from ISO 8601 text, Beijing time where it names no offset; now for None; ValueError for what is none."""
    if words is None:
        return datetime.now(tz=BEIJING)
    found = datetime.fromisoformat(words)
    return found if found.tzinfo else found.replace(tzinfo=BEIJING)


def convert_lines(lines: Iterable[bytes], at: datetime, catalogue: Catalogue) -> Iterator[tuple[list[Converted], str]]:
    """For each line that is not blank its records, or none and a sentence that names the line.

    A later word on a warning of the same body and hazard that names no place (解除, as a rule) has the places of the
    line before it.
    """
    series: dict[str, list[Record]] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found = _line(line, at, catalogue)
            except (WarningTextError, ValueError) as error:
                yield [], f"Line {number}: {error}"
                continue
            for one in found:
                _follow(one, series)
            yield found, ""


def _follow(one: Converted, series: dict[str, list[Record]]) -> None:
    key, record = one.record["series"], one.record
    if key and record["msgType"] != "Alert" and one.by_issuer and key in series:
        record["areas"] = series[key]
        one.notes[:] = [note for note in one.notes if not note.startswith("The text names no area")]
        one.notes.append("The text names no area: taken from the warning that it speaks of.")
    if key:
        series[key] = record["areas"]


def _line(line: bytes, at: datetime, catalogue: Catalogue) -> list[Converted]:
    if len(line) > MOST_CHARACTERS * 3:
        raise WarningTextError("The line is too long.")
    try:
        words = line.decode().strip()
    except UnicodeDecodeError as error:
        raise WarningTextError("The line is not UTF-8.") from error
    if not words.startswith("{"):
        return from_text(Told(words, at), catalogue)
    try:
        asked = orjson.loads(words)
    except orjson.JSONDecodeError as error:
        raise WarningTextError("The line is no JSON object.") from error
    said = {name: _text(asked, *names) for name, names in _NAMES.items()}
    feed = _FEED_ID.fullmatch(said["id"])
    if said["sent"]:
        at = moment(said["sent"])
    elif feed:
        at = datetime.strptime(feed["time"], "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    sender = said["sender"] or (feed["sender"] if feed else "")
    return from_text(Told(said["text"], at, said["title"], said["id"], sender), catalogue)


_NAMES = {"text": ("text", "content"), "title": ("title", "headline"), "id": ("id", "alertid"),
          "sent": ("sent", "issued", "issued_local"), "sender": ("sender",)}  # fmt: skip


def _text(asked: dict[str, Any], *names: str) -> str:
    for name in names:
        value = asked.get(name)
        if value is not None and not isinstance(value, str):
            raise WarningTextError(f"{name} must be text.")
        if value:
            return value.strip()
    return ""
