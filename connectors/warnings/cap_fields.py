"""Single values of a CAP message: required, optional, one of a list, times, pairs; each with a sentence when wrong."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from gridhub.connectors.warnings.message import Area, Reference
from gridhub.connectors.warnings.text_times import BEIJING
from gridhub.connectors.warnings.xmltree import Node

STATUSES = ("Actual", "Exercise", "System", "Test", "Draft")
KINDS = ("Alert", "Update", "Cancel", "Ack", "Error")
SCOPES = ("Public", "Restricted", "Private")
URGENCIES = ("Immediate", "Expected", "Future", "Past", "Unknown")
SEVERITIES = ("Extreme", "Severe", "Moderate", "Minor", "Unknown")
COLOURS = ("Red", "Orange", "Yellow", "Blue", "White", "Unknown")
CERTAINTIES = ("Observed", "Likely", "Possible", "Unlikely", "Unknown", "Very Likely")
CATEGORIES = (
    "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other",
)  # fmt: skip
RESPONSES = ("Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None")

MOST_INFOS, MOST_AREAS, MOST_REFERENCES = 60, 1000, 200
_MOST_SIGNATURE = 16_384
_MOST_WORDS = 300
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?\s?(Z|[+-]\d\d:?\d\d)?")


class CapError(ValueError):
    """The input holds no CAP message that can be read; the text is a sentence for its sender."""


def optional(node: Node, name: str) -> str:
    """The text of a child; empty where there is none."""
    found = node.first(name)
    return found.text if found else ""


def required(node: Node, name: str, where: str = "") -> str:
    """The text of a child that must be there and not be empty; CapError otherwise."""
    found = node.first(name)
    if found is None:
        raise CapError(f"{where}the required element {name} is missing.")
    if not found.text:
        raise CapError(f"{where}the required element {name} is empty.")
    return found.text


def word(node: Node, name: str, known: Sequence[str], where: str = "") -> str:
    """A required child's text, which must be one of the known words."""
    return among(required(node, name, where), known, f"{where}{name}")


def among(said: str, known: Sequence[str], name: str) -> str:
    """The word, when it is one of those that the standard has; CapError otherwise."""
    if said not in known:
        raise CapError(f"{name} is {quoted(said)}, which is none of {', '.join(known)}.")
    return said


def time(node: Node, name: str, where: str = "", *, beijing: bool = False) -> datetime | None:
    """A time that may be missing or empty."""
    text = optional(node, name)
    return _moment(text, name, where, beijing=beijing) if text else None


def sent(node: Node, name: str = "sent", *, beijing: bool = False) -> datetime:
    """When the message was sent; it must be there."""
    return _moment(required(node, name), name, "", beijing=beijing)


def _moment(text: str, name: str, where: str, *, beijing: bool) -> datetime:
    """A time with its offset; `-00:00` is UTC. `beijing`: one without an offset is Beijing time."""
    matched = _TIME.fullmatch(text)
    if matched is None:
        raise CapError(f"{where}{name} is no time: {quoted(text)}; it must look like 2026-09-20T14:03:00+08:00.")
    if matched[1] is None and not beijing:
        raise CapError(f"{where}{name} has no offset from UTC: {quoted(text)}.")
    try:
        moment = datetime.fromisoformat(text.replace(" +", "+").replace(" Z", "Z"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)
        moment.astimezone(UTC)  # overflows at the ends of the calendar
    except (ValueError, OverflowError) as error:
        raise CapError(f"{where}{name} is no time of the calendar: {quoted(text)}.") from error
    return moment


def quoted(text: str) -> str:
    """A short form of what was said, for a sentence."""
    short = text if len(text) <= 60 else f"{text[:60]}…"
    return repr(short)


def texts(node: Node, name: str) -> tuple[str, ...]:
    """The texts of all children of this name that are not empty."""
    return tuple(child.text for child in node.all(name) if child.text)


def pairs(node: Node, name: str) -> tuple[tuple[str, str], ...]:
    """Names and values (valueName, value of each; `name=value` as plain text (CAP 1.0), and a bare value, are read too."""
    found = []
    for child in node.all(name):
        if child.children:
            found.append((optional(child, "valueName"), optional(child, "value")))
        elif child.text:
            left, is_pair, right = child.text.partition("=")
            found += [(left.strip(), right.strip())] if is_pair else [("", part) for part in listed(child.text)]
    return tuple(pair for pair in found if pair[1])


def listed(text: str) -> list[str]:
    """The codes in a text that holds several."""
    return [part for part in re.split(r"[\s,，、;；]+", text) if part]


def identifier(node: Node) -> str:
    """The message's identifier, of bounded length."""
    found = required(node, "identifier")
    if len(found) > _MOST_WORDS or re.search(r"[\x00-\x1f]", found):
        raise CapError("The identifier is too long, or has control characters.")
    return found


def area_of(node: Node, where: str) -> Area:
    """An area; CapError when it has no description at all (an empty one is common)."""
    description = node.first("areaDesc")
    if description is None:
        raise CapError(f"{where}the required element areaDesc is missing.")
    return Area(
        description=description.text,
        polygons=texts(node, "polygon"),
        circles=texts(node, "circle"),
        geocodes=pairs(node, "geocode"),
    )


def references(text: str) -> Iterator[Reference]:
    """`sender,identifier,sent` triples between spaces; a bare identifier is one too (12379, and older senders)."""
    for number, part in enumerate(text.split()):
        if number >= MOST_REFERENCES:
            raise CapError(f"It references more than {MOST_REFERENCES} messages.")
        pieces = part.split(",")
        if len(pieces) >= 3:
            yield Reference(",".join(pieces[1:-1]), pieces[0], pieces[-1])
        else:
            yield from (Reference(piece) for piece in pieces if piece)


def signature(node: Node) -> str | None:
    """The digital signature as XML, not verified; of one too long for a record, its digest."""
    found = next((child for child in node.children if child.name == "Signature"), None)
    if found is None:
        return None
    text = _written(found, "")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return text if len(text) <= _MOST_SIGNATURE else f"<Signature sha256='{digest}'/>"


def _written(node: Node, around: str) -> str:
    space = f' xmlns="{_escaped(node.space)}"' if node.space != around else ""
    attributes = "".join(f' {name.rpartition("}")[2]}="{_escaped(value)}"' for name, value in node.attributes.items())
    inner = _escaped(node.text) + "".join(_written(child, node.space) for child in node.children)
    return f"<{node.name}{space}{attributes}>{inner}</{node.name}>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


class Words(NamedTuple):
    """What an info says to people."""

    sender_name: str
    headline: str
    description: str
    instruction: str


def words(node: Node) -> Words:
    """The words of an info."""
    return Words(*(optional(node, name) for name in ("senderName", "headline", "description", "instruction")))
