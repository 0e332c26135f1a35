"""Forget what is past its time, a little with each batch: ids beyond the retention, statuses, closed matters."""

from __future__ import annotations

import struct
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

_MS = struct.Struct(">q")
_KINDS = (b"s|", b"q|", b"i|", b"t|")
_ENDED = {"closed", "cancelled", "returned"}
DAY_MS = 86_400_000


@dataclass
class Sweeper:
    """Looks at `keys_per_turn` keys of a lane at most every `every_s` seconds and gives back those to delete.

    An event id is forgotten after `retention_ms`, a status id and an ended incident or task after `ended_ms`.
    """

    retention_ms: int
    ended_ms: int = 30 * DAY_MS
    every_s: float = 10.0
    keys_per_turn: int = 2000
    _turns: dict[int, tuple[float, bytes]] = field(default_factory=dict)

    def expired(self, lane: int, state: Any, touched: Collection[bytes], now_ms: int) -> dict[bytes, bytes | None]:
        """Deletions of this turn: empty when it is not time, or the state cannot be scanned; never a touched key."""
        at, start = self._turns.get(lane, (0.0, _KINDS[0]))
        if time.monotonic() - at < self.every_s or not hasattr(state, "scan"):
            return {}
        keys = list(islice(state.scan(start, b"u"), self.keys_per_turn))
        after = keys[-1][0] + b"\x00" if len(keys) == self.keys_per_turn else b""
        self._turns[lane] = (time.monotonic(), after)
        return {key: None for key, value in keys if key not in touched and self._old(key, value, now_ms)}

    def _old(self, key: bytes, value: bytes, now_ms: int) -> bool:
        if key[:2] not in _KINDS:
            return False
        if key[:2] in {b"s|", b"q|"}:
            keep_ms = self.retention_ms if key[:1] == b"s" else self.ended_ms
            return now_ms - int(_MS.unpack_from(value)[0]) > keep_ms
        row = orjson.loads(value)
        ended_at = row.get("closed_at") or row.get("stage_since")
        return (row.get("state") or row.get("stage")) in _ENDED and bool(ended_at) and now_ms - ended_at > self.ended_ms
