"""Read untrusted XML into a small tree: no document type, no entities, no network, and bounds on everything.

What refuses entities and document types is defusedxml; what bounds bytes, depth, elements and single tokens is here,
while the text is read, so that an attack is refused before it has cost memory or time.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

MOST_BYTES = 8 << 20
MOST_DEPTH = 40
MOST_ELEMENTS = 60_000
MOST_ATTRIBUTES = 64
MOST_TOKEN = 256 << 10
"""Bytes of one tag, comment or processing instruction. Text comes in pieces and is not bounded by this."""
_CHUNK = 64 << 10
_DROPPED = frozenset({"derefUri"})
"""Elements whose text is not kept: an embedded resource is hundreds of kB that nobody here reads."""
_DECLARED = re.compile(rb"""^<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z][\w.:-]{0,39})["']""")
_CODECS = frozenset(
    [
        "ascii",
        "utf-8",
        "utf-8-sig",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "gb18030",
        "big5",
        "big5hkscs",
        "shift_jis",
        "euc_jp",
        "euc_kr",
        "koi8-r",
        "iso8859-1",
        "iso8859-2",
        "iso8859-3",
        "iso8859-4",
        "iso8859-5",
        "iso8859-6",
        "iso8859-7",
        "iso8859-8",
        "iso8859-9",
        "iso8859-10",
        "iso8859-13",
        "iso8859-14",
        "iso8859-15",
        "iso8859-16",
        "cp1250",
        "cp1251",
        "cp1252",
        "cp1253",
        "cp1254",
        "cp1255",
        "cp1256",
        "cp1257",
        "cp1258",
    ]
)


class XmlError(ValueError):
    """The bytes are not XML that is read here; the text is a sentence that says why."""


@dataclass(slots=True)
class Node:
    """One element: local name, namespace (empty for none), own text, children in order."""

    name: str
    space: str
    attributes: dict[str, str]
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, name: str) -> list[Node]:
        """The children of this local name."""
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> Node | None:
        """The first child of this local name."""
        return next((child for child in self.children if child.name == name), None)

    def walk(self) -> Iterator[Node]:
        """This element and everything below it, in the order of the text."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)


def read_xml(data: bytes) -> Node:
    """The root of the tree in these bytes; XmlError for what is no XML, has a document type, or is over a bound."""
    if len(data) > MOST_BYTES:
        raise XmlError(f"The message has more than {MOST_BYTES} bytes; that much is not read.")
    if not data.strip():
        raise XmlError("The message is empty.")
    build = _Build()
    parser = DefusedXMLParser(target=build, forbid_dtd=True)
    try:
        for text in _chunks(data.lstrip(b" \t\r\n")):
            build.fed += len(text.encode())
            parser.feed(text)
            if build.fed - max(parser.parser.CurrentByteIndex, 0) > MOST_TOKEN:
                raise XmlError(f"One tag or comment is longer than {MOST_TOKEN} bytes.")
        root: Node = parser.close()
    except DefusedXmlException as error:
        raise XmlError(
            "The message has a document type declaration (DOCTYPE); those, and entities, are not read."
        ) from error
    except ParseError as error:
        raise XmlError(f"The message is not well-formed XML: {error}.") from error
    return root


def _chunks(data: bytes) -> Iterator[str]:
    """The text in pieces, decoded strictly by the byte order mark, the declaration, or as UTF-8."""
    name = _encoding(data)
    decoder = codecs.getincrementaldecoder(name)("strict")
    view = memoryview(data)
    try:
        for start in range(0, len(view), _CHUNK):
            yield decoder.decode(bytes(view[start : start + _CHUNK]))
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise XmlError(f"The message is not in the encoding that it names ({name}): {error.reason}.") from error


def _encoding(data: bytes) -> str:
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return name
    if data[:4] in (b"<\0?\0", b"\0<\0?"):
        return "utf-16-le" if data[0] else "utf-16-be"
    declared = _DECLARED.match(data)
    said = declared[1].decode("ascii") if declared else "utf-8"
    try:
        name = codecs.lookup(said).name
    except LookupError as error:
        raise XmlError(f"The message names an encoding that is not known: {said}.") from error
    name = "gb18030" if name in {"gb2312", "gbk", "cp936"} else name
    if name not in _CODECS:
        raise XmlError(f"The message names an encoding that is not read: {said}.")
    return name


class _Build:
    """What the parser calls: builds the tree and counts."""

    def __init__(self) -> None:
        self.fed = 0
        self._open: list[Node] = []
        self._pieces: list[list[str]] = []
        self._root: Node | None = None
        self._elements = 0

    def start(self, tag: str, attributes: dict[str, Any]) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise XmlError(f"The message has more than {MOST_ELEMENTS} elements.")
        if len(self._open) >= MOST_DEPTH:
            raise XmlError(f"Elements are nested deeper than {MOST_DEPTH}.")
        if len(attributes) > MOST_ATTRIBUTES:
            raise XmlError(f"An element has more than {MOST_ATTRIBUTES} attributes.")
        space, _, name = tag[1:].rpartition("}") if tag.startswith("{") else ("", "", tag)
        node = Node(name, space, dict(attributes))
        if self._open:
            self._open[-1].children.append(node)
        else:
            self._root = node
        self._open.append(node)
        self._pieces.append([])

    def data(self, text: str) -> None:
        if self._open and self._open[-1].name not in _DROPPED:
            self._pieces[-1].append(text)

    def end(self, _tag: str) -> None:
        self._open.pop().text = "".join(self._pieces.pop()).strip()

    def close(self) -> Node:
        if self._root is None:
            raise XmlError("The message has no element.")
        return self._root
