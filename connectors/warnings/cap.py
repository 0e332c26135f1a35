"""CAP 1.2, 1.1 and 1.0 messages from bytes: the standard's rules, with patience for what is common and harmless.

Rules: OASIS Common Alerting Protocol 1.2 (2010), §3.2. Required elements and enumerations are insisted on; the order of
elements, empty optional elements, `Z` and fractions of seconds in times are not. Alerts may lie in an envelope (Atom,
EDXL-DE, SOAP, a plain list). The message form of the national warning centre (12379) is read as well: no namespace,
`sendTime`, `eventType`, colours as severity, division codes as plain geocodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gridhub.connectors.warnings import cap_fields as read
from gridhub.connectors.warnings.cap_fields import (
    CATEGORIES,
    CERTAINTIES,
    KINDS,
    MOST_AREAS,
    MOST_INFOS,
    RESPONSES,
    SCOPES,
    SEVERITIES,
    STATUSES,
    URGENCIES,
    CapError,
)
from gridhub.connectors.warnings.cap_forms import index_entry, national
from gridhub.connectors.warnings.message import Alert, Info
from gridhub.connectors.warnings.xmltree import Node, XmlError, read_xml

MOST_ALERTS = 500
_SPACES = {
    "urn:oasis:names:tc:emergency:cap:1.2": "1.2",
    "urn:oasis:names:tc:emergency:cap:1.1": "1.1",
    "http://www.incident.com/cap/1.0": "1.0",
    "urn:oasis:names:tc:emergency:cap:1.0": "1.0",
    "": "",
}
_CAP_SPACE = re.compile(r"urn:oasis:names:tc:emergency:cap:|http://www\.incident\.com/cap/")


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
    found = [
        node for node in root.walk() if node.name == "alert" and (node.space == "" or _CAP_SPACE.match(node.space))
    ]
    yield from found
    if not found:
        for node in root.walk():
            if node.name == "entry" and any(_CAP_SPACE.match(child.space) for child in node.children):
                yield node


def _nothing(root: Node) -> str:
    said = read.quoted(root.name)
    if root.name == "alert":
        return f"The alert is of a form that is not known: its namespace is {read.quoted(root.space)}."
    if root.name == "feed":
        return "The message is an Atom feed without CAP alerts in it: fetch the alerts that it links to."
    return f"There is no CAP alert in the message: its root element is {said}."


def _alert(node: Node) -> Alert:
    if node.name == "entry":
        return index_entry(node)
    if node.space not in _SPACES:
        raise CapError(f"The alert is of a version of CAP that is not known: {read.quoted(node.space)}.")
    if node.first("sendTime") or node.first("senderCode"):
        return national(node)
    version = _SPACES[node.space] or "1.2"
    infos = node.all("info")
    if len(infos) > MOST_INFOS:
        raise CapError(f"The alert has more than {MOST_INFOS} info blocks.")
    references = tuple(read.references(read.optional(node, "references")))
    kind = read.word(node, "msgType", KINDS)
    notes = () if kind == "Alert" or references else (f"It is an {kind}, but references no earlier message.",)
    return Alert(
        version=version,
        identifier=read.identifier(node),
        sender=read.required(node, "sender"),
        sent=read.sent(node),
        status=read.word(node, "status", STATUSES),
        kind=kind,
        scope=read.word(node, "scope", SCOPES),
        note=read.optional(node, "note"),
        references=references,
        infos=tuple(_info(info, number, version) for number, info in enumerate(infos, 1)),
        signature=read.signature(node),
        notes=notes,
    )


def _info(node: Node, number: int, version: str) -> Info:
    where = f"info {number}: "
    areas = node.all("area")
    if len(areas) > MOST_AREAS:
        raise CapError(f"{where}there are more than {MOST_AREAS} areas.")
    categories = [read.among(child.text, CATEGORIES, f"{where}category") for child in node.all("category")]
    if not categories and version != "1.0":  # became required with 1.1
        raise CapError(f"{where}the required element category is missing.")
    words = read.words(node)
    expires, onset = (
        read.time(node, "expires", where),
        read.time(node, "onset", where) or read.time(node, "effective", where),
    )
    return Info(
        language=read.optional(node, "language") or "en-US",
        event=read.required(node, "event", where),
        categories=tuple(categories),
        urgency=read.word(node, "urgency", URGENCIES, where),
        severity=read.word(node, "severity", SEVERITIES, where),
        certainty=read.word(node, "certainty", CERTAINTIES, where),
        responses=tuple(
            read.among(c.text, RESPONSES, f"{where}responseType") for c in node.all("responseType") if c.text
        ),
        event_codes=read.pairs(node, "eventCode"),
        parameters=read.pairs(node, "parameter"),
        onset=onset,
        expires=expires,
        sender_name=words.sender_name,
        headline=words.headline,
        description=words.description,
        instruction=words.instruction,
        areas=tuple(read.area_of(area, f"{where}area {place}: ") for place, area in enumerate(areas, 1)),
        resources=len(node.all("resource")),
    )


__all__ = ["MOST_ALERTS", "CapError", "read_cap"]
