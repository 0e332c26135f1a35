"""CAP in two other forms: messages of the national warning centre (12379), and the entries of an index feed."""

from __future__ import annotations

from gridhub.connectors.warnings import cap_fields as read
from gridhub.connectors.warnings.cap_fields import (
    CATEGORIES,
    CERTAINTIES,
    COLOURS,
    KINDS,
    MOST_AREAS,
    MOST_INFOS,
    SCOPES,
    SEVERITIES,
    STATUSES,
    URGENCIES,
)
from gridhub.connectors.warnings.message import Alert, Area, Info
from gridhub.connectors.warnings.xmltree import Node


def national(node: Node) -> Alert:
    """12379: the sender has a name and a code, codes stand bare, the colour is the severity, times may lack a zone."""
    references = tuple(read.references(read.optional(node, "references").replace(";", " ")))
    name, code = read.optional(node, "sender"), read.optional(node, "senderCode")
    return Alert(
        version="12379",
        identifier=read.identifier(node),
        sender=code or name or read.required(node, "senderCode"),
        sent=read.sent(node, "sendTime", beijing=True),
        status=read.word(node, "status", STATUSES),
        kind=read.word(node, "msgType", KINDS),
        scope=read.word(node, "scope", SCOPES) if read.optional(node, "scope") else "Public",
        note=read.optional(node, "note"),
        references=references,
        infos=tuple(_national_info(info, name, number) for number, info in enumerate(node.all("info")[:MOST_INFOS], 1)),
        signature=read.signature(node),
    )


def _national_info(node: Node, sender: str, number: int) -> Info:
    where = f"info {number}: "
    kind = read.optional(node, "eventType") or read.required(node, "event", where)
    words = read.words(node)
    onset = read.time(node, "onset", where, beijing=True) or read.time(node, "effective", where, beijing=True)
    return Info(
        language=read.optional(node, "language") or "zh-CN",
        event=read.optional(node, "event") or kind,
        categories=(),
        urgency=read.optional(node, "urgency") or "Unknown",
        severity=read.among(
            read.optional(node, "severity").title() or "Unknown", (*COLOURS, *SEVERITIES), f"{where}severity"
        ),
        certainty=read.optional(node, "certainty") or "Unknown",
        event_codes=(("12379", kind),),
        onset=onset,
        expires=read.time(node, "expires", where, beijing=True),
        sender_name=sender or words.sender_name,  # their senderName is the clerk on duty
        headline=words.headline,
        description=words.description,
        instruction=words.instruction,
        areas=tuple(
            read.area_of(area, f"{where}area {place}: ") for place, area in enumerate(node.all("area")[:MOST_AREAS], 1)
        ),
    )


def index_entry(node: Node) -> Alert:
    """An entry of an index feed (NWS, MeteoAlarm): the alert in short, as far as the index tells it."""
    said = {child.name: child.text for child in node.children if child.text}
    author = node.first("author")
    sender = (
        said.get("sender")
        or (read.optional(author, "name") or read.optional(author, "email") if author else "")
        or "feed"
    )
    identifier = said.get("identifier") or said.get("id") or read.required(node, "id")
    sent = next((name for name in ("sent", "published", "updated") if said.get(name)), "sent")
    kind = said.get("msgType") or said.get("message_type") or "Alert"
    area = Area(said.get("areaDesc", ""), read.texts(node, "polygon"), read.texts(node, "circle"), _feed_geocodes(node))
    info = Info(
        language="en-US",
        event=said.get("event") or read.required(node, "event"),
        categories=tuple(read.among(c.text, CATEGORIES, "category") for c in node.all("category") if c.text),
        urgency=read.among(said.get("urgency", "Unknown"), URGENCIES, "urgency"),
        severity=read.among(said.get("severity", "Unknown"), SEVERITIES, "severity"),
        certainty=read.among(said.get("certainty", "Unknown"), CERTAINTIES, "certainty"),
        onset=read.time(node, "onset") or read.time(node, "effective"),
        expires=read.time(node, "expires"),
        headline=said.get("title", ""),
        description=said.get("summary", ""),
        areas=(area,),
    )
    return Alert(
        "feed", identifier, sender, read.sent(node, sent), read.among(said.get("status", "Actual"), STATUSES, "status"),
        read.among(kind, KINDS, "msgType"), "Public", infos=(info,), notes=("It is an index entry, not the whole message.",),
    )  # fmt: skip


def _feed_geocodes(node: Node) -> tuple[tuple[str, str], ...]:
    """In an index, names and values stand side by side, several pairs in one geocode."""
    found: list[tuple[str, str]] = []
    for geocode in node.all("geocode"):
        name = ""
        for child in geocode.children:
            if child.name == "valueName":
                name = child.text
            elif child.name == "value":
                found += [(name, part) for part in read.listed(child.text)]
    return tuple(found)
