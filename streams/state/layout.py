"""The layout of a store, as a number in it, and the steps from an older one to the present one.

A store whose layout is unknown (written by a later version, or damaged) is not migrated but rebuilt from its changelog.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from rocksdict import WriteBatch

from gridhub.streams.state import due

if TYPE_CHECKING:
    from gridhub.streams.state.rocks import RocksStore

LAYOUT = b"2"
"""1: keys and values. 2: and beside them, when they fall due (`due.py`)."""
CHUNK_KEYS = 5000
_FIRST, _LAST = b"\x01", b"\xff"  # the keys of the state: a zero byte begins the store's own


def note_what_falls_due(store: RocksStore) -> None:
    """1 to 2: one walk over all keys. Done again after a crash it writes the same rows."""
    keys = store.scan(_FIRST, _LAST)
    chunk = 0
    while part := list(islice(keys, CHUNK_KEYS)):
        batch = WriteBatch(raw_mode=True)
        for row, value in due.rows(part, store.stamp, -1 - chunk):
            batch.put(row, value)
        store.write(batch)
        chunk += 1


Step = Callable[["RocksStore"], None]
STEPS: Mapping[bytes, tuple[bytes, Step]] = {b"1": (b"2", note_what_falls_due)}
"""From a layout: to which one, and how."""


def steps_from(layout: bytes | None) -> list[tuple[bytes, Step]] | None:
    """The steps from this layout to the present one; None when there is no way."""
    steps: list[tuple[bytes, Step]] = []
    while layout != LAYOUT:
        if layout is None or layout not in STEPS:
            return None
        layout, step = STEPS[layout]
        steps.append((layout, step))
    return steps
