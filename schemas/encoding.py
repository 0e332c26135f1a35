"""Avro writers made for one schema each: Python source that writes its fields in order, compiled once per schema.

fastavro asks of every value which type it has and of every field how it is written, for each record anew; here that is
known beforehand, and a text that is the same as in the record before (tasks of one incident) is not written twice.
What such a writer cannot write as it stands, a wrong type as much as a schema form that it does not know, it leaves to
`slow`, the reference: so a writer never decides that a record is bad, and its bytes are fastavro's bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

Row = dict[str, Any]
Slow = Callable[[Row], bytes]
WriteRows = Callable[[Iterable[Row], Slow], list[bytes]]
WriteColumns = Callable[[Sequence[Sequence[Any]], Slow], list[bytes]]

_REMEMBERED = 16_384
_MOST_VALUES = 1_000
_DEEPEST = 8
_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1


class Unwritable(ValueError):  # noqa: N818  # says what the schema is
    """No writer is made for this schema: it has a form that is left to the reference."""


def varint(number: int) -> bytes:
    """A long as Avro writes it: zig-zag, seven bits a byte, the lowest first."""
    rest = (number << 1) ^ (number >> 63)
    if 1 << 35 <= rest < 1 << 42:  # times of this age in ms, written out because every record has several
        return bytes((
            rest & 127 | 128, rest >> 7 & 127 | 128, rest >> 14 & 127 | 128, rest >> 21 & 127 | 128,
            rest >> 28 & 127 | 128, rest >> 35,
        ))  # fmt: skip
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


class _Numbers(dict[int, bytes]):
    """Written numbers within the bounds of their type, bounded. Only asked with what is an int and nothing else."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__()
        self._least, self._most = least, most

    def __missing__(self, number: int) -> bytes:
        if not self._least <= number <= self._most:
            raise OverflowError(number)
        if len(self) >= _REMEMBERED:
            self.clear()
        made = self[number] = varint(number)
        return made


def _unfit(value: object) -> bytes:
    raise TypeError(type(value).__name__)


class _Source:
    """The source of one writer, and the names that it uses."""

    def __init__(self, head: bytes, named: dict[str, Any]) -> None:
        self.named = named
        self.values = 0
        self.memos: list[str] = []
        self.names: dict[str, Any] = {
            "HEAD": head, "JOIN": b"".join, "UNFIT": _unfit, "LIST": list, "DICT": dict, "INT": int, "FLOAT": float,
            "BYTES": bytes, "D": struct.Struct("<d").pack, "F": struct.Struct("<f").pack, "N": _Numbers(0, _LONG_MAX),
            "I": _Numbers(_INT_MIN, _INT_MAX), "L": _Numbers(_LONG_MIN, _LONG_MAX),
        }  # fmt: skip

    def name(self, letter: str) -> str:
        """A name that nothing else has."""
        self.values += 1
        if self.values > _MOST_VALUES:
            raise Unwritable("too many fields")
        return f"{letter}{self.values}"

    def constant(self, value: object) -> str:
        """The name of a value that the source needs."""
        name = self.name("c")
        self.names[name] = value
        return name

    def expression(self, kind: Any, value: str, depth: int = 0) -> str:  # noqa: PLR0911  # a plain table of types
        """An expression for the bytes of `value`, an expression that is written only once."""
        if depth > _DEEPEST:
            raise Unwritable("nested too deeply")
        if isinstance(kind, str) and kind in self.named:
            kind = self.named[kind]
        if isinstance(kind, list):
            return self._optional(kind, value, depth)
        word = kind if isinstance(kind, str) else kind["type"]
        if not isinstance(word, str):
            return self.expression(word, value, depth)
        if word in _SIMPLE:
            return _SIMPLE[word].format(value=value, v=self.name("v"))
        match word:
            case "string":
                return self._text(value, depth)
            case "record":
                return self._record(kind, value, depth)
            case "array" | "map":
                return self._many(kind, value, depth)
            case "enum":
                symbols = self.constant({symbol: varint(n) for n, symbol in enumerate(kind["symbols"])})
                return f"{symbols}[{value}]"
        raise Unwritable(word)

    def _text(self, value: str, depth: int) -> str:
        """A text. One that is the same object as the last row's, as most are between tasks of an incident, is kept."""
        v, data = self.name("v"), self.name("e")
        if depth:  # what is no text has no such method, and goes the slow way
            return f"N[len({data} := {value}.encode())] + {data}"
        last, done = self._memo()
        fresh = f"({done} := N[len({data} := {v}.encode())] + {data}, {last} := {v})[0]"
        return f"({done} if ({v} := {value}) is {last} else {fresh})"

    def _memo(self) -> tuple[str, str]:
        """Names of a value last seen and of its bytes, which are set first: a value counts only once it was written."""
        last, done = self.name("o"), self.name("b")
        self.memos.append(f"{last} = {done} = UNFIT")
        return last, done

    def _optional(self, branches: list[Any], value: str, depth: int) -> str:
        """A value that may be missing; other unions are left to the reference, which looks for the branch that fits."""
        if len(branches) != 2 or branches.count("null") != 1:
            raise Unwritable("a union of other than null and one type")
        null = branches.index("null")
        kind, lead = branches[1 - null], varint(1 - null)
        v = self.name("v")
        inner = self.expression(kind, v, depth + 1)
        return f"({varint(null)!r} if ({v} := {value}) is None else {lead!r} + {inner})"

    def _record(self, kind: Any, value: str, depth: int) -> str:
        v, fields = self.name("v"), kind["fields"]
        values = [(field["type"], f"{v}[{field['name']!r}]") for field in fields]
        parts = "".join(self.expression(inner, held, depth + 1) + ", " for inner, held in values)
        fits = f"({v} := {value}).__class__ is DICT and len({v}) == {len(fields)}"
        return f"(JOIN(({parts})) if {fits} else UNFIT({v}))"

    def _many(self, kind: Any, value: str, depth: int) -> str:
        """An array or map as one block, as fastavro writes it; one that is the same object as the last is written once."""
        v, item, key = self.name("v"), self.name("i"), self.name("k")
        if kind["type"] == "array":
            wanted, items, rounds = "LIST", self.expression(kind["items"], item, depth + 1), f"for {item} in {v}"
        else:
            wanted, rounds = "DICT", f"for {key}, {item} in {v}.items()"
            items = f"{self._text(key, depth + 1)} + {self.expression(kind['values'], item, depth + 1)}"
        made = f"(N[len({v})] + JOIN([{items} {rounds}]) + b'\\0' if {v} else b'\\0')"
        if depth:
            return f"({made} if ({v} := {value}).__class__ is {wanted} else UNFIT({v}))"
        last, done = self._memo()
        fresh = f"({done} := {made}, {last} := {v})[0] if {v}.__class__ is {wanted} else UNFIT({v})"
        return f"({done} if ({v} := {value}) is {last} else {fresh})"


_SIMPLE = {
    "null": "(b'' if {value} is None else UNFIT(0))",
    "boolean": "(b'\\1' if ({v} := {value}) is True else b'\\0' if {v} is False else UNFIT({v}))",
    "int": "(I[{v}] if ({v} := {value}).__class__ is INT else UNFIT({v}))",
    "long": "(L[{v}] if ({v} := {value}).__class__ is INT else UNFIT({v}))",
    "float": "(F({v}) if ({v} := {value}).__class__ is FLOAT else UNFIT({v}))",
    "double": "(D({v}) if ({v} := {value}).__class__ is FLOAT else UNFIT({v}))",
    "bytes": "(N[len({v})] + {v} if ({v} := {value}).__class__ is BYTES else UNFIT({v}))",
}

_ROWS = """
def write(rows, slow):
    {memos}
    out = []
    for row in rows:
        try:
            {check}
            out.append(JOIN((HEAD, {parts})))
        except Exception:
            out.append(slow(row))
    return out
"""

_COLUMNS = """
def write(columns, slow):
    {memos}
    out = []
    for {row} in zip(*columns, strict=True):
        try:
            out.append(JOIN((HEAD, {parts})))
        except Exception:
            out.append(slow(dict(zip(NAMES, ({row}), strict=True))))
    return out
"""


def rows_writer(parsed: dict[str, Any], named: dict[str, Any], head: bytes, *, exact: bool) -> WriteRows:
    """The writer of rows (dicts by field name); Unwritable where none is made.

    `head` stands before each body. With `exact` a row that has other keys beside the schema's goes the slow way, else
    those are left out.
    """
    source, fields = _Source(head, named), parsed["fields"]
    parts = "".join(source.expression(field["type"], _held(field, source, exact)) + ", " for field in fields)
    check = f"len(row) == {len(fields)} or UNFIT(row)" if exact else "pass"
    made: WriteRows = _made(_ROWS, source, parts=parts, check=check)
    return made


def _held(field: Any, source: _Source, exact: bool) -> str:  # noqa: FBT001  # as the caller was told
    """The expression for a field's value in a row; where rows need not be exact, its default stands for a missing one."""
    name = repr(field["name"])
    if exact or "default" not in field:
        return f"row[{name}]"
    return f"row.get({name}, {source.constant(field['default'])})"


def columns_writer(parsed: dict[str, Any], named: dict[str, Any], head: bytes) -> WriteColumns:
    """The writer of columns, one sequence per field in the schema's order; Unwritable where none is made."""
    source, fields = _Source(head, named), parsed["fields"]
    names = [source.name("f") for _ in fields]
    parts = "".join(source.expression(f["type"], name) + ", " for f, name in zip(fields, names, strict=True))
    source.names["NAMES"] = [field["name"] for field in fields]
    made: WriteColumns = _made(_COLUMNS, source, parts=parts, row="".join(f"{name}, " for name in names))
    return made


def _made(template: str, source: _Source, **filled: str) -> Any:
    """The function `write` of a source. Names of fields stand in it only as quoted text, so a schema can add no code."""
    text = template.format(memos="; ".join(source.memos) or "pass", **filled)
    try:
        exec(compile(text, "<avro writer>", "exec"), source.names)  # noqa: S102  # our own text, see above
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise Unwritable("too large to be compiled") from error
    return source.names["write"]


class Writers:
    """The writers of one schema, each made when it is asked for; None where the reference has to write.

    `exact` writes records, `rows` what has further keys beside the schema's, `columns` a sequence per field.
    """

    def __init__(self, parsed: dict[str, Any], named: dict[str, Any], head: bytes) -> None:
        self._given = parsed, named, head

    @cached_property
    def exact(self) -> WriteRows | None:
        """See the class."""
        with suppress(Unwritable):
            return rows_writer(*self._given, exact=True)
        return None

    @cached_property
    def rows(self) -> WriteRows | None:
        """See the class."""
        with suppress(Unwritable):
            return rows_writer(*self._given, exact=False)
        return None

    @cached_property
    def columns(self) -> WriteColumns | None:
        """See the class."""
        with suppress(Unwritable):
            return columns_writer(*self._given)
        return None
