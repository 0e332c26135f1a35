"""The journal's hash chain: each Decision names the hash of the one before, so that a changed or missing one shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from gridhub.streams.memory import State

HEAD_KEY = b"j|head"
_ADDED = {"parent_id", "actor", "note", "entries"}
"""Fields that came later: left out of the hash where they are empty, so that older records keep theirs."""


def digest(record: Mapping[str, Any]) -> str:
    """BLAKE2b-128, hex, of the record without its own hash: JSON with sorted keys, UTF-8, times in ms."""
    bare = dict(record)
    bare.pop("hash", None)
    for name in _ADDED:
        if not bare.get(name, "-"):
            del bare[name]
    return blake2b(orjson.dumps(bare, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


class Chain:
    """The chain of one lane, continued from the state's head."""

    def __init__(self, name: str, state: State) -> None:
        self.name = name
        head = state.get_many([HEAD_KEY])[0]
        seq, prev = orjson.loads(head) if head else (0, "")
        self.seq, self.prev = int(seq), str(prev)

    def extend(self, records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The same records, which are given chain, seq, prev and hash."""
        return [self._next(record) for record in records]

    def _next(self, record: dict[str, Any]) -> dict[str, Any]:
        self.seq += 1
        record["chain"], record["seq"], record["prev"] = self.name, self.seq, self.prev
        self.prev = record["hash"] = digest(record)
        return record

    def head(self) -> dict[bytes, bytes | None]:
        """The state change that remembers the chain's end."""
        return {HEAD_KEY: orjson.dumps([self.seq, self.prev])}
