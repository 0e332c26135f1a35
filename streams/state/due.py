"""What falls due when: rows of keys in the order of their time, so that forgetting never looks at what stays.

A row is one RocksDB key: the store's own mark, the kind (the first two bytes of the keys in it), the minute of their
times, and the changelog position that wrote it; its value is the keys, each behind its length. Rows lie beside the keys
in the same store and are written in the same write batch. They are not in the changelog: whoever restores makes them
anew. A row may name a key that was deleted or written again since: who forgets looks at the value as it is now.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Stamp = Callable[[bytes, bytes], int | None]
"""The time in ms by which a key with this value may be forgotten one day; None: never."""

MARK = b"\x00due"
KIND_BYTES = 2
MINUTE_MS = 60_000
LAST_MINUTE = 0xFFFF_FFFF
ROW_KEYS = 2000
_PLACE = struct.Struct(">IqH")  # minute, position, number of the row within one write
_LENGTH = struct.Struct(">H")


def rows(changes: Iterable[tuple[bytes, bytes | None]], stamp: Stamp, position: int) -> Iterator[tuple[bytes, bytes]]:
    """The rows (key, value) that note when these changes fall due."""
    groups: dict[tuple[bytes, int], list[bytes]] = defaultdict(list)
    for key, value in changes:
        if value is not None and (at_ms := stamp(key, value)) is not None:
            groups[key[:KIND_BYTES], _minute(at_ms)].append(key)
    for (kind, minute), keys in groups.items():
        for number, first in enumerate(range(0, len(keys), ROW_KEYS)):
            place = _PLACE.pack(minute, position, number)
            yield MARK + kind + place, packed(keys[first : first + ROW_KEYS])


def begin(kind: bytes) -> bytes:
    """The place before all rows of this kind."""
    return MARK + kind


def end(kind: bytes, before_ms: int) -> bytes:
    """The place behind the rows of this kind whose minute lies wholly before that time."""
    return MARK + kind + _PLACE.pack(_minute(before_ms), 0, 0)


def kind_of(row: bytes) -> bytes:
    """The kind of the keys in this row."""
    return row[len(MARK) : len(MARK) + KIND_BYTES]


def _minute(at_ms: int) -> int:
    """Whatever time an event claims, a minute that a row can hold."""
    return min(max(0, at_ms) // MINUTE_MS, LAST_MINUTE)


def packed(keys: list[bytes]) -> bytes:
    """The keys in one value."""
    return b"".join([part for key in keys for part in (_LENGTH.pack(len(key)), key)])


def unpacked(value: bytes) -> list[bytes]:
    """The keys of one value."""
    keys, at = [], 0
    while at < len(value):
        (length,) = _LENGTH.unpack_from(value, at)
        at += _LENGTH.size + length
        keys.append(value[at - length : at])
    return keys


def no_stamp(_key: Any, _value: Any) -> None:
    """The Stamp by which nothing is ever forgotten."""
