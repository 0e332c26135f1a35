"""Forget what is past its time, a little with each batch: ids beyond the retention, statuses, closed matters."""

from __future__ import annotations

import struct
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import orjson

_MS = struct.Struct(">q")
_ENDED = {"closed", "cancelled", "merged", "returned"}
_SURELY_OPEN = {b"i|": b'"state":"open"', b"t|": b'"stage":"dispatched"'}  # most values by far: not worth parsing
DAY_MS = 86_400_000


def stamp(key: bytes, value: bytes) -> int | None:
    """The time, ms, from which on a key's age counts: an id's or status's arrival, the end of a matter; None: it stays."""
    kind = key[:2]
    if kind in {b"s|", b"q|", b"e|"}:
        return int(_MS.unpack_from(value)[0])
    sign = _SURELY_OPEN.get(kind)
    if sign is None or sign in value:
        return None
    row = orjson.loads(value)
    ended = (row.get("state") or row.get("stage")) in _ENDED
    at_ms = row.get("closed_at") or row.get("stage_since")
    return int(at_ms) if ended and at_ms else None


@dataclass
class Sweeper:
    """Gives back the keys of a lane to delete, about `keys_per_turn` at most.

    It looks with every batch while something is due, else every `every_s` seconds. An event id is forgotten after
    `retention_ms`, what an event told after `told_ms` (so long a person may split it off), a status id and an ended
    incident or task after `ended_ms`. The state
    notes by `stamp` what falls due; one that does not (a dict) is left alone.
    """

    retention_ms: int
    ended_ms: int = 30 * DAY_MS
    told_ms: int = 7 * DAY_MS
    every_s: float = 10.0
    keys_per_turn: int = 2000
    _looked_at: dict[int, float] = field(default_factory=dict)

    def expired(self, lane: int, state: Any, touched: Collection[bytes], now_ms: int) -> dict[bytes, bytes | None]:
        """Deletions of this turn, never of a touched key. They are forgotten once these deletions are in the state."""
        if time.monotonic() - self._looked_at.get(lane, -self.every_s) < self.every_s or not hasattr(state, "expired"):
            return {}
        found: dict[bytes, bytes | None] = {}
        rows = 0
        for kind, keep_ms in self._kinds().items():
            due = state.expired(kind, now_ms - keep_ms, self.keys_per_turn - len(found))
            rows += len(due)
            found |= _deletions(state, due, now_ms - keep_ms)
            if len(found) >= self.keys_per_turn:
                break
        if not rows:
            self._looked_at[lane] = time.monotonic()
        return {key: None for key in found if key not in touched}

    def _kinds(self) -> dict[bytes, int]:
        return {
            b"s|": self.retention_ms,
            b"e|": self.told_ms,
            b"q|": self.ended_ms,
            b"i|": self.ended_ms,
            b"t|": self.ended_ms,
        }


def _deletions(state: Any, due: list[tuple[bytes, list[bytes]]], before_ms: int) -> dict[bytes, bytes | None]:
    """Keys that are as old as their rows say; rows without any such key are forgotten."""
    keys = [key for _, row in due for key in row]
    now_there = dict(zip(keys, state.get_many(keys), strict=True))
    old = {key: None for key, value in now_there.items() if value is not None and _before(key, value, before_ms)}
    done = 0
    while done < len(due) and not any(key in old for key in due[done][1]):
        done += 1
    state.forget_rows([row for row, _ in due[:done]])
    return dict(old)


def _before(key: bytes, value: bytes, before_ms: int) -> bool:
    at_ms = stamp(key, value)
    return at_ms is not None and at_ms < before_ms
