"""Anchors: where each chain of the journal ended at some moment, signed, to be kept elsewhere.

A hash chain alone does not show that its end was cut off, nor that everything after some record was written anew. Who
holds an anchor sees both. The signature is HMAC-SHA256 with a key that the hub's machines need not hold.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

LEAST_KEY_BYTES = 32
_MOST_BYTES = 64 << 20
Known = dict[str, dict[int, str]]
"""By chain, hashes by number."""


class AnchorError(Exception):
    """An anchor or its key cannot be used; the message says which line and why."""


class Anchor(BaseModel):
    """The end of one chain at one moment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chain: Annotated[str, Field(max_length=100)]
    partition: Annotated[int, Field(ge=0)]
    seq: Annotated[int, Field(ge=0)]
    hash: Annotated[str, Field(max_length=64)]
    at: int
    signature: str = ""

    def signed(self, key: bytes) -> Anchor:
        """The same, signed."""
        return self.model_copy(update={"signature": _signature(self, key)})

    def to_line(self) -> bytes:
        """As one line of JSON."""
        return orjson.dumps(self.model_dump())


def read_key(path: Path) -> bytes:
    """The key in a file, without white space around it; AnchorError when it is too short to protect anything."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise AnchorError(f"The key cannot be read: {error}.") from error
    if len(key) < LEAST_KEY_BYTES:
        raise AnchorError(f"The key in {path} has {len(key)} bytes; it needs {LEAST_KEY_BYTES} at least.")
    return key


def read_anchors(path: Path, key: bytes | None) -> list[Anchor]:
    """The anchors in a file, a line each; with a key, each must be signed with it. AnchorError names the line."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise AnchorError(f"{path} is larger than {_MOST_BYTES >> 20} MB.")
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise AnchorError(f"The anchors cannot be read: {error}.") from error
    return [_read(line, f"{path} line {number}", key) for number, line in enumerate(lines, start=1) if line.strip()]


def known(anchors: Iterable[Anchor], heads: Mapping[str, tuple[int, str]]) -> Known:
    """What anchors and the state remember. Where they contradict each other, the anchor counts."""
    found: Known = {}
    for chain, (seq, hash_) in heads.items():
        found.setdefault(chain, {})[seq] = hash_
    for anchor in anchors:
        found.setdefault(anchor.chain, {})[anchor.seq] = anchor.hash
    return found


def _read(line: bytes, where: str, key: bytes | None) -> Anchor:
    try:
        anchor = Anchor.model_validate_json(line)
    except ValidationError as error:
        raise AnchorError(f"{where} is no anchor: {error.errors()[0]['msg']}.") from error
    if key is not None and not hmac.compare_digest(anchor.signature, _signature(anchor, key)):
        raise AnchorError(f"{where}: the signature is not one of this key. Somebody wrote this line, or changed it.")
    return anchor


def _signature(anchor: Anchor, key: bytes) -> str:
    bare: dict[str, Any] = anchor.model_dump(exclude={"signature"})
    return hmac.new(key, orjson.dumps(bare, option=orjson.OPT_SORT_KEYS), hashlib.sha256).hexdigest()
