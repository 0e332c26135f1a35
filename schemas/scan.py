"""Walk an Avro body by its schema before anything is decoded, so that no byte string can hurt the decoder.

fastavro reads a negative enum or union index from the end of the list, takes any byte for a boolean, ints wider than
32 bits and endless varints, loops over any block count, and recurses as deep as the data says. What passes here is
valid Avro 1.12 (chapter "Binary Encoding"), nested and counted within limits; what does not, names the field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAX_DEPTH = 64
MAX_ITEMS = 65_536
_LONGEST_VARINT = 10
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1


class Malformed(ValueError):  # noqa: N818  # says what the bytes are
    """The bytes are not what the schema says; the text names the field and the fault, never the data."""

    def __init__(self, fault: str, *path: str) -> None:
        super().__init__(fault)
        self.fault = fault
        self.path = list(path)  # innermost field first

    def __str__(self) -> str:
        return f"{'.'.join(reversed(self.path)) or 'record'}: {self.fault}"


class Allowance:
    """What one message may still use: array and map items, and levels of nested records."""

    __slots__ = ("depth", "items")

    def __init__(self, items: int = MAX_ITEMS, depth: int = MAX_DEPTH) -> None:
        self.items = items
        self.depth = depth


Scan = Callable[[bytes, int, Allowance], int]
"""From a position to the position after the value; raises Malformed, or IndexError where the bytes end too early."""


def scan(step: Scan, data: bytes, start: int, allowance: Allowance) -> None:
    """Check that one value fills `data` from byte `start` to its end; Malformed otherwise."""
    try:
        end = step(data, start, allowance)
    except IndexError as error:
        raise Malformed("the bytes end too early") from error
    if end != len(data):
        raise Malformed(f"{len(data) - end} bytes too many")


def compile_scan(schema: Any, named: dict[str, Any]) -> Scan:
    """The walker of one schema, as fastavro's parse_schema gives it, with its named types by full name."""
    return _compile(schema, named, {})


def _compile(schema: Any, named: dict[str, Any], known: dict[str, Scan]) -> Scan:  # noqa: PLR0911  # a plain table of types
    if isinstance(schema, list):
        return _union([_compile(branch, named, known) for branch in schema])
    if isinstance(schema, str):
        return _PRIMITIVES.get(schema) or _by_name(schema, named, known)
    match schema["type"]:
        case "record" | "error":
            return _record(schema, named, known)
        case "array":
            return _blocks(_compile(schema["items"], named, known), keyed=False)
        case "map":
            return _blocks(_compile(schema["values"], named, known), keyed=True)
        case "enum":
            return _enum(len(schema["symbols"]))
        case "fixed":
            return _fixed(schema["size"])
        case other:
            return _compile(other, named, known)


def _by_name(name: str, named: dict[str, Any], known: dict[str, Scan]) -> Scan:
    """A named type; one that is still being compiled (a recursive schema) is looked up when it is reached."""
    if name not in known:
        known[name] = _later(name, known)
        known[name] = _compile(named[name], named, known)
    return known[name]


def _later(name: str, known: dict[str, Scan]) -> Scan:
    def later(data: bytes, at: int, allowance: Allowance) -> int:
        return known[name](data, at, allowance)

    return later


def _record(schema: Any, named: dict[str, Any], known: dict[str, Scan]) -> Scan:
    name = schema["name"]
    known.setdefault(name, _later(name, known))
    fields = [(field["name"], _compile(field["type"], named, known)) for field in schema["fields"]]

    def record(data: bytes, at: int, allowance: Allowance) -> int:
        allowance.depth -= 1
        if allowance.depth < 0:
            raise Malformed("nested too deeply")
        field = ""
        try:
            for field, step in fields:  # noqa: B007  # the handlers below name the field that was being read
                at = step(data, at, allowance)
        except Malformed as fault:
            fault.path.append(field)
            raise
        except IndexError as error:
            raise Malformed("the bytes end too early", field) from error
        allowance.depth += 1
        return at

    known[name] = record
    return record


def _union(branches: list[Scan]) -> Scan:
    count = len(branches)

    def union(data: bytes, at: int, allowance: Allowance) -> int:
        index, at = read_long(data, at)
        if not 0 <= index < count:
            raise Malformed(f"no branch {index} in this union")
        return branches[index](data, at, allowance)

    return union


def _blocks(item: Scan, *, keyed: bool) -> Scan:
    """Arrays and maps: blocks of counted items; a negative count is followed by the block's size in bytes."""

    def blocks(data: bytes, at: int, allowance: Allowance) -> int:
        count, at = read_long(data, at)
        while count:
            size = None
            if count < 0:
                count = -count
                size, at = read_long(data, at)
            start = at
            allowance.items -= count
            if allowance.items < 0:
                raise Malformed("too many items")
            for _ in range(count):
                at = item(data, _text(data, at, allowance) if keyed else at, allowance)
            if size is not None and at - start != size:
                raise Malformed("a block is not as long as it says")
            count, at = read_long(data, at)
        return at

    return blocks


def _enum(count: int) -> Scan:
    def enum(data: bytes, at: int, _: Allowance) -> int:
        index, at = read_long(data, at)
        if not 0 <= index < count:
            raise Malformed(f"no symbol {index} in this enum")
        return at

    return enum


def _fixed(size: int) -> Scan:
    def fixed(data: bytes, at: int, _: Allowance) -> int:
        if at + size > len(data):
            raise Malformed("the bytes end too early")
        return at + size

    return fixed


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """A zig-zag varint of at most 64 bits and the position after it; IndexError when it is cut."""
    byte = data[at]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at + 1
    value, shift, end = byte & 0x7F, 7, at + _LONGEST_VARINT
    while byte >= 0x80:
        at += 1
        if at == end:
            raise Malformed("a number is longer than 64 bits")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
    if value >= 2**64:
        raise Malformed("a number is longer than 64 bits")
    return (value >> 1) ^ -(value & 1), at + 1


def _long(data: bytes, at: int, _: Allowance) -> int:
    return read_long(data, at)[1]


def _int(data: bytes, at: int, _: Allowance) -> int:
    value, at = read_long(data, at)
    if not _INT_MIN <= value <= _INT_MAX:
        raise Malformed("an int is wider than 32 bits")
    return at


def _bytes(data: bytes, at: int, _: Allowance) -> int:
    length, at = read_long(data, at)
    if length < 0 or at + length > len(data):
        raise Malformed(f"a length of {length} with {len(data) - at} bytes left")
    return at + length


def _text(data: bytes, at: int, allowance: Allowance) -> int:
    length, start = read_long(data, at)
    end = _bytes(data, at, allowance) if length < 0 or start + length > len(data) else start + length
    try:
        data[start:end].decode()
    except UnicodeDecodeError as error:
        raise Malformed("not valid UTF-8") from error
    return end


def _boolean(data: bytes, at: int, _: Allowance) -> int:
    if data[at] > 1:
        raise Malformed("a boolean is neither 0 nor 1")
    return at + 1


def _null(_data: bytes, at: int, _: Allowance) -> int:
    return at


_PRIMITIVES: dict[str, Scan] = {
    "null": _null,
    "boolean": _boolean,
    "int": _int,
    "long": _long,
    "float": _fixed(4),
    "double": _fixed(8),
    "bytes": _bytes,
    "string": _text,
}
