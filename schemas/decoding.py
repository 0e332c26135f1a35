"""Avro readers made for one schema each: Python source that checks and reads the fields in order, in one pass.

A reader takes what the walker (scan.py) takes and gives what fastavro gives, in a third of the time of the two. On
anything unusual it raises and decides nothing: damaged bytes, but also numbers written longer than needed and arrays in
several forms. The caller then asks the walker and fastavro, so that every refusal still names its field.

Why no length is checked on the way: a slice past the end is short and moves the position past the end; nothing moves it
back, reading there raises IndexError, and at the end it must be the end.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

Read = Callable[[bytes], dict[str, Any]]

FAULTS = (IndexError, UnicodeDecodeError, struct.error, ValueError)
"""What a reader raises on bytes that it does not read."""

_MOST_FIELDS = 1_000
_DEEPEST = 8
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_LONGEST = 10


class Unreadable(ValueError):  # noqa: N818  # says what the schema is
    """No reader is made for this schema: it has a form that is left to the reference."""


def _unusual() -> None:
    raise ValueError("left to the reference")


def long_rest(data: bytes, at: int, first: int) -> tuple[int, int]:
    """A zig-zag varint whose first byte, which has a successor at `at`, was read; the number and the position after it."""
    second = data[at]
    if second < 0x80:  # a length over 63, the usual case
        value = first & 0x7F | second << 7
        return (value >> 1) ^ -(value & 1), at + 1
    value, shift, end = first & 0x7F | (second & 0x7F) << 7, 14, at + _LONGEST - 1
    at += 1
    byte = data[at]
    while byte >= 0x80:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if at >= end:
            _unusual()
        byte = data[at]
    value |= byte << shift
    if value >= 2**64:
        _unusual()
    return (value >> 1) ^ -(value & 1), at + 1


class _Source:
    """The source of one reader, line by line, and the constants that it uses."""

    def __init__(self, named: dict[str, Any]) -> None:
        self.named = named
        self.lines: list[str] = []
        self.count = 0
        self.names: dict[str, Any] = {
            "REST": long_rest, "UNUSUAL": _unusual, "D": struct.Struct("<d").unpack_from,
            "F": struct.Struct("<f").unpack_from,
        }  # fmt: skip

    def name(self) -> str:
        """A name that nothing else has."""
        self.count += 1
        if self.count > _MOST_FIELDS:
            raise Unreadable("too many fields")
        return f"v{self.count}"

    def put(self, depth: int, text: str, **filled: object) -> None:
        """Add lines, indented by `depth`; words in capitals of the text stand for `filled`."""
        for line in text.strip("\n").split("\n"):
            for word, value in filled.items():
                line = line.replace(f"${word}", str(value))  # noqa: PLW2901  # the line as it is filled
            self.lines.append("    " * depth + line)

    def read(self, kind: Any, depth: int) -> str:  # noqa: PLR0911  # a plain table of types
        """Add the lines that read one value from `at` on; the name or expression that then holds it."""
        if depth > _DEEPEST:
            raise Unreadable("nested too deeply")
        if isinstance(kind, str) and kind in self.named:
            kind = self.named[kind]
        if isinstance(kind, list):
            return self._union(kind, depth)
        word = kind if isinstance(kind, str) else kind["type"]
        if not isinstance(word, str):
            return self.read(word, depth)
        if word == "null":
            return "None"
        if word in _LINES:
            value = self.name()
            self.put(depth, _LINES[word], v=value)
            return value
        match word:
            case "record":
                return self.record(kind, depth)
            case "array" | "map":
                return self._many(kind, depth)
            case "enum":
                return self._enum(kind["symbols"], depth)
            case _:
                raise Unreadable(word)

    def record(self, kind: Any, depth: int) -> str:
        """The record as a dict display of what its fields are held in."""
        fields = [(field["name"], self.read(field["type"], depth)) for field in kind["fields"]]
        value = self.name()
        self.put(depth, f"{value} = {{{', '.join(f'{name!r}: {held}' for name, held in fields)}}}")
        return value

    def _union(self, branches: list[Any], depth: int) -> str:
        """The branch's number is one small byte; written longer, it is unusual."""
        value = self.name()
        self.put(depth, "k = data[at]; at += 1")
        for number, branch in enumerate(branches):
            self.put(depth, f"{'el' if number else ''}if k == {2 * number}:")
            held = self.read(branch, depth + 1)
            self.put(depth + 1, f"{value} = {held}")
        self.put(depth, "else: UNUSUAL()")
        return value

    def _many(self, kind: Any, depth: int) -> str:
        """Arrays and maps: blocks of up to 63 items; longer ones and those that say their size are unusual."""
        value, key, add = self.name(), "", f"{self.name()}"
        array = kind["type"] == "array"
        self.put(depth, f"{value} = {'[]' if array else '{}'}")
        if array:
            self.put(depth, f"{add} = {value}.append")
        count = self.name()
        self.put(depth, "$n = data[at]; at += 1\nwhile $n:", n=count)
        self.put(depth + 1, "if $n & 129: UNUSUAL()\nfor _ in range($n >> 1):", n=count)
        if not array:
            key = self.read("string", depth + 2)
        item = self.read(kind["items" if array else "values"], depth + 2)
        self.put(depth + 2, f"{add}({item})" if array else f"{value}[{key}] = {item}")
        self.put(depth + 1, "$n = data[at]; at += 1", n=count)
        return value

    def _enum(self, symbols: list[str], depth: int) -> str:
        value, table = self.name(), self.name()
        self.names[table] = tuple(symbols)
        self.put(depth, "k = data[at]; at += 1\nif k & 129: UNUSUAL()\n$v = $t[k >> 1]", v=value, t=table)
        return value


_LINES = {
    "string": """
k = data[at]; at += 1
if k > 127:
    k, at = REST(data, at, k)
    if k < 0: UNUSUAL()
    end = at + k
elif k & 1: UNUSUAL()
else: end = at + (k >> 1)
$v = data[at:end].decode()
at = end
""",
    "bytes": """
k = data[at]; at += 1
if k > 127:
    k, at = REST(data, at, k)
    if k < 0: UNUSUAL()
    end = at + k
elif k & 1: UNUSUAL()
else: end = at + (k >> 1)
$v = data[at:end]
at = end
""",
    "long": """
k = data[at]; at += 1
if k > 127: $v, at = REST(data, at, k)
else: $v = (k >> 1) ^ -(k & 1)
""",
    "int": f"""
k = data[at]; at += 1
if k > 127:
    $v, at = REST(data, at, k)
    if not {_INT_MIN} <= $v <= {_INT_MAX}: UNUSUAL()
else: $v = (k >> 1) ^ -(k & 1)
""",
    "boolean": """
k = data[at]; at += 1
if k > 1: UNUSUAL()
$v = k == 1
""",
    "double": """
$v, = D(data, at); at += 8
""",
    "float": """
$v, = F(data, at); at += 4
""",
}


def reader(parsed: dict[str, Any], named: dict[str, Any], start: int) -> Read:
    """The reader of a record's body from byte `start` of a message to its end; Unreadable where none is made.

    Only for schemas whose array items take bytes: then a message cannot say more items than it has bytes.
    """
    source = _Source(named)
    value = source.record(parsed, 1)
    body = "\n".join(source.lines)
    text = f"def read(data):\n    at = {start}\n{body}\n    if at != data.__len__(): UNUSUAL()\n    return {value}\n"
    try:
        # Our own text: names of fields stand in it only as quoted text, so a schema can add no code.
        exec(compile(text, "<avro reader>", "exec"), source.names)  # noqa: S102
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise Unreadable("too large to be compiled") from error
    made: Read = source.names["read"]
    return made
