"""CAP 1.2, 1.1 and 1.0 messages from bytes: the standard's rules, with patience for what is common and harmless.

Rules: OASIS Common Alerting Protocol 1.2 (2010), §3.2. Required elements and enumerations are insisted on; the order of
elements, empty optional elements, `Z` and fractions of seconds in times are not. Alerts may lie in an envelope (Atom,
EDXL-DE, SOAP, a plain list). The message form of the national warning centre (12379) is read as well: no namespace,
`sendTime`, `eventType`, colours as severity, division codes as plain geocodes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone

from gridhub.connectors.warnings.message import Alert, Area, Info, Reference
from gridhub.connectors.warnings.xmltree import Node, XmlError, read_xml

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

MOST_ALERTS, MOST_INFOS, MOST_AREAS, MOST_REFERENCES = 500, 60, 1000, 200
_MOST_SIGNATURE = 16_384
_MOST_WORDS = 300
_SPACES = {
    "urn:oasis:names:tc:emergency:cap:1.2": "1.2",
    "urn:oasis:names:tc:emergency:cap:1.1": "1.1",
    "http://www.incident.com/cap/1.0": "1.0",
    "urn:oasis:names:tc:emergency:cap:1.0": "1.0",
    "": "",
}
_CAP_SPACE = re.compile(r"urn:oasis:names:tc:emergency:cap:|http://www\.incident\.com/cap/")
_BEIJING = timezone(timedelta(hours=8))
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?\s?(Z|[+-]\d\d:?\d\d)?")


class CapError(ValueError):
    """The input holds no CAP message that can be read; the text is a sentence for its sender."""


def read_cap(data: bytes) -> tuple[list[Alert], list[str]]:
    """The alerts in these bytes, and a sentence for each that could not be read.

    CapError when the bytes are no XML, hold no CAP message at all, or hold too many.
    """
    try:
        root = read_xml(data)
    except XmlError as error:
        raise CapError(str(error)) from error
    nodes = list(_alerts(root))
    if not nodes:
        raise CapError(_nothing(root))
    if len(nodes) > MOST_ALERTS:
        raise CapError(f"There are more than {MOST_ALERTS} alerts in one message.")
    alerts, refused = [], []
    for number, node in enumerate(nodes, 1):
        try:
            alerts.append(_alert(node))
        except CapError as error:
            which = f"Alert {number} of {len(nodes)}: " if len(nodes) > 1 else ""
            refused.append(f"{which}{error}")
    return alerts, refused


def _alerts(root: Node) -> Iterator[Node]:
    """Every alert of the tree, wherever the envelope has it; else the entries of an index feed."""
    found = [node for node in root.walk() if node.name == "alert" and (node.space == "" or _CAP_SPACE.match(node.space))]
    yield from found
    if not found:
        for node in root.walk():
            if node.name == "entry" and any(_CAP_SPACE.match(child.space) for child in node.children):
                yield node


def _nothing(root: Node) -> str:
    said = _quoted(root.name)
    if root.name == "alert":
        return f"The alert is of a form that is not known: its namespace is {_quoted(root.space)}."
    if root.name == "feed":
        return "The message is an Atom feed without CAP alerts in it: fetch the alerts that it links to."
    return f"There is no CAP alert in the message: its root element is {said}."


def _alert(node: Node) -> Alert:
    if node.name == "entry":
        return _entry(node)
    if node.space not in _SPACES:
        raise CapError(f"The alert is of a version of CAP that is not known: {_quoted(node.space)}.")
    if node.first("sendTime") or node.first("senderCode"):
        return _national(node)
    version = _SPACES[node.space] or "1.2"
    infos = node.all("info")
    if len(infos) > MOST_INFOS:
        raise CapError(f"The alert has more than {MOST_INFOS} info blocks.")
    references = tuple(_references(_optional(node, "references")))
    kind = _word(node, "msgType", KINDS)
    notes = () if kind == "Alert" or references else (f"It is an {kind}, but references no earlier message.",)
    return Alert(
        version=version,
        identifier=_identifier(node),
        sender=_required(node, "sender"),
        sent=_time(node, "sent", needed=True),
        status=_word(node, "status", STATUSES),
        kind=kind,
        scope=_word(node, "scope", SCOPES),
        note=_optional(node, "note"),
        references=references,
        infos=tuple(_info(info, number) for number, info in enumerate(infos, 1)),
        signature=_signature(node),
        notes=notes,
    )


def _identifier(node: Node) -> str:
    found = _required(node, "identifier")
    if len(found) > _MOST_WORDS or re.search(r"[\x00-\x1f]", found):
        raise CapError("The identifier is too long, or has control characters.")
    return found


def _info(node: Node, number: int) -> Info:
    where = f"info {number}: "
    areas = node.all("area")
    if len(areas) > MOST_AREAS:
        raise CapError(f"{where}there are more than {MOST_AREAS} areas.")
    categories = [_among(child.text, CATEGORIES, f"{where}category") for child in node.all("category")]
    if not categories:
        raise CapError(f"{where}the required element category is missing.")
    expires, onset = _time(node, "expires", where), _time(node, "onset", where) or _time(node, "effective", where)
    return Info(
        language=_optional(node, "language") or "en-US",
        event=_required(node, "event", where),
        categories=tuple(categories),
        urgency=_word(node, "urgency", URGENCIES, where),
        severity=_word(node, "severity", SEVERITIES, where),
        certainty=_word(node, "certainty", CERTAINTIES, where),
        responses=tuple(_among(c.text, RESPONSES, f"{where}responseType") for c in node.all("responseType") if c.text),
        event_codes=_pairs(node, "eventCode"),
        parameters=_pairs(node, "parameter"),
        onset=onset,
        expires=expires,
        **_words(node),
        areas=tuple(_area(area, f"{where}area {place}: ") for place, area in enumerate(areas, 1)),
        resources=len(node.all("resource")),
    )


def _words(node: Node) -> dict[str, str]:
    names = {"sender_name": "senderName", "headline": "headline", "description": "description", "instruction": "instruction"}
    return {ours: _optional(node, theirs) for ours, theirs in names.items()}


def _area(node: Node, where: str) -> Area:
    description = node.first("areaDesc")
    if description is None:
        raise CapError(f"{where}the required element areaDesc is missing.")
    return Area(
        description=description.text,
        polygons=_texts(node, "polygon"),
        circles=_texts(node, "circle"),
        geocodes=_pairs(node, "geocode"),
    )


def _texts(node: Node, name: str) -> tuple[str, ...]:
    return tuple(child.text for child in node.all(name) if child.text)


def _pairs(node: Node, name: str) -> tuple[tuple[str, str], ...]:
    """valueName and value of each; `name=value` as plain text (CAP 1.0), and a bare value, are read too."""
    found = []
    for child in node.all(name):
        if child.children:
            found.append((_optional(child, "valueName"), _optional(child, "value")))
        elif child.text:
            left, is_pair, right = child.text.partition("=")
            found += [(left.strip(), right.strip())] if is_pair else [("", part) for part in _listed(child.text)]
    return tuple(pair for pair in found if pair[1])


def _listed(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,，、;；]+", text) if part]


def _references(text: str) -> Iterator[Reference]:
    """`sender,identifier,sent` triples between spaces; a bare identifier is one too (12379, and older senders)."""
    for number, part in enumerate(text.split()):
        if number >= MOST_REFERENCES:
            raise CapError(f"It references more than {MOST_REFERENCES} messages.")
        pieces = part.split(",")
        if len(pieces) >= 3:
            yield Reference(",".join(pieces[1:-1]), pieces[0], pieces[-1])
        else:
            yield from (Reference(piece) for piece in pieces if piece)


def _signature(node: Node) -> str | None:
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


# the form of the national warning centre


def _national(node: Node) -> Alert:
    """12379: the sender has a name and a code, codes stand bare, the colour is the severity, times may lack a zone."""
    references = tuple(_references(_optional(node, "references").replace(";", " ")))
    name, code = _optional(node, "sender"), _optional(node, "senderCode")
    return Alert(
        version="12379",
        identifier=_identifier(node),
        sender=code or name or _required(node, "senderCode"),
        sent=_time(node, "sendTime", needed=True, beijing=True),
        status=_word(node, "status", STATUSES),
        kind=_word(node, "msgType", KINDS),
        scope=_word(node, "scope", SCOPES) if _optional(node, "scope") else "Public",
        note=_optional(node, "note"),
        references=references,
        infos=tuple(_national_info(info, name, number) for number, info in enumerate(node.all("info")[:MOST_INFOS], 1)),
        signature=_signature(node),
    )


def _national_info(node: Node, sender: str, number: int) -> Info:
    where = f"info {number}: "
    kind = _optional(node, "eventType") or _required(node, "event", where)
    words = _words(node)
    words["sender_name"] = sender or words["sender_name"]  # their senderName is the clerk on duty
    onset = _time(node, "onset", where, beijing=True) or _time(node, "effective", where, beijing=True)
    return Info(
        language=_optional(node, "language") or "zh-CN",
        event=_optional(node, "event") or kind,
        categories=(),
        urgency=_optional(node, "urgency") or "Unknown",
        severity=_among(_optional(node, "severity").title() or "Unknown", (*COLOURS, *SEVERITIES), f"{where}severity"),
        certainty=_optional(node, "certainty") or "Unknown",
        event_codes=(("12379", kind),),
        onset=onset,
        expires=_time(node, "expires", where, beijing=True),
        **words,
        areas=tuple(_area(area, f"{where}area {place}: ") for place, area in enumerate(node.all("area")[:MOST_AREAS], 1)),
    )


# entries of an index feed


def _entry(node: Node) -> Alert:
    """An entry of an index feed (NWS, MeteoAlarm): the alert in short, as far as the index tells it."""
    said = {child.name: child.text for child in node.children if child.text}
    author = node.first("author")
    sender = said.get("sender") or (_optional(author, "name") or _optional(author, "email") if author else "") or "feed"
    identifier = said.get("identifier") or said.get("id") or _required(node, "id")
    sent = next((name for name in ("sent", "published", "updated") if said.get(name)), "sent")
    kind = said.get("msgType") or said.get("message_type") or "Alert"
    area = Area(said.get("areaDesc", ""), _texts(node, "polygon"), _texts(node, "circle"), _feed_geocodes(node))
    info = Info(
        language="en-US",
        event=said.get("event") or _required(node, "event"),
        categories=tuple(_among(c.text, CATEGORIES, "category") for c in node.all("category") if c.text),
        urgency=_among(said.get("urgency", "Unknown"), URGENCIES, "urgency"),
        severity=_among(said.get("severity", "Unknown"), SEVERITIES, "severity"),
        certainty=_among(said.get("certainty", "Unknown"), CERTAINTIES, "certainty"),
        onset=_time(node, "onset") or _time(node, "effective"),
        expires=_time(node, "expires"),
        headline=said.get("title", ""),
        description=said.get("summary", ""),
        areas=(area,),
    )
    return Alert(
        "feed", identifier, sender, _time(node, sent, needed=True), _among(said.get("status", "Actual"), STATUSES, "status"),
        _among(kind, KINDS, "msgType"), "Public", infos=(info,), notes=("It is an index entry, not the whole message.",),
    )  # fmt: skip


def _feed_geocodes(node: Node) -> tuple[tuple[str, str], ...]:
    """In an index, names and values stand side by side: <valueName>, <value>, <valueName>, <value> …"""
    found: list[tuple[str, str]] = []
    for geocode in node.all("geocode"):
        name = ""
        for child in geocode.children:
            if child.name == "valueName":
                name = child.text
            elif child.name == "value":
                found += [(name, part) for part in _listed(child.text)]
    return tuple(found)


# single values


def _optional(node: Node, name: str) -> str:
    found = node.first(name)
    return found.text if found else ""


def _required(node: Node, name: str, where: str = "") -> str:
    found = node.first(name)
    if found is None:
        raise CapError(f"{where}the required element {name} is missing.")
    if not found.text:
        raise CapError(f"{where}the required element {name} is empty.")
    return found.text


def _word(node: Node, name: str, known: Sequence[str], where: str = "") -> str:
    return _among(_required(node, name, where), known, f"{where}{name}")


def _among(said: str, known: Sequence[str], name: str) -> str:
    if said not in known:
        raise CapError(f"{name} is {_quoted(said)}, which is none of {', '.join(known)}.")
    return said


def _time(node: Node, name: str, where: str = "", *, needed: bool = False, beijing: bool = False) -> datetime:
    """A time with its offset; None where it is missing or empty and not needed. `-00:00` is UTC."""
    text = _required(node, name, where) if needed else _optional(node, name)
    if not text:
        return None  # type: ignore[return-value]
    matched = _TIME.fullmatch(text)
    if matched is None:
        raise CapError(f"{where}{name} is no time: {_quoted(text)}; it must look like 2026-09-20T14:03:00+08:00.")
    if matched[1] is None and not beijing:
        raise CapError(f"{where}{name} has no offset from UTC: {_quoted(text)}.")
    try:
        moment = datetime.fromisoformat(text.replace(" +", "+").replace(" Z", "Z"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=_BEIJING)
        moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise CapError(f"{where}{name} is no time of the calendar: {_quoted(text)}.") from error
    return moment


def _quoted(text: str) -> str:
    short = text if len(text) <= 60 else f"{text[:60]}…"
    return repr(short)
