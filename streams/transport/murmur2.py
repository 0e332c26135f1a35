"""The partition of a key, as Kafka's Java client computes it (murmur2, seed 0x9747b28c)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

_M = np.uint32(0x5BD1E995)
_SEED = 0x9747B28C
_M_INT, _MASK, _WORD = 0x5BD1E995, 0xFFFFFFFF, struct.Struct("<I")
FEW = 8  # keys that are hashed one by one: numpy would take longer to begin than to work
_R = np.uint32(24)


def murmur2(keys: Sequence[bytes]) -> np.ndarray:
    """Hash the keys; uint32 array of the same length. Keys of one length are hashed together."""
    out = np.empty(len(keys), np.uint32)
    lengths = np.fromiter(map(len, keys), np.int64, len(keys))
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        data = b"".join(keys[i] for i in rows.tolist())
        out[rows] = _hash(np.frombuffer(data, np.uint8).reshape(len(rows), int(length)))
    return out


def partitions(keys: Sequence[bytes], count: int) -> list[int]:
    """The partition of each key among `count`."""
    if len(keys) <= FEW:
        return [(_one(key) & 0x7FFFFFFF) % count for key in keys]
    return ((murmur2(keys) & np.uint32(0x7FFFFFFF)) % np.uint32(count)).tolist()  # type: ignore[no-any-return]


def _one(key: bytes) -> int:
    """The hash of one key, in plain Python."""
    whole = len(key) & ~3
    state = _SEED ^ len(key)
    for (word,) in _WORD.iter_unpack(key[:whole]):
        mixed = word * _M_INT & _MASK
        state = (state * _M_INT ^ (mixed ^ mixed >> 24) * _M_INT) & _MASK
    if whole < len(key):
        state = (state ^ int.from_bytes(key[whole:], "little")) * _M_INT & _MASK
    state = (state ^ state >> 13) * _M_INT & _MASK
    return state ^ state >> 15


def _hash(data: np.ndarray) -> np.ndarray:
    rows, length = data.shape
    words = length // 4
    state = np.full(rows, np.uint32(_SEED ^ length), np.uint32)
    if words:
        for k in np.ascontiguousarray(data[:, : words * 4]).view("<u4").T.astype(np.uint32):
            mixed = k * _M
            mixed ^= mixed >> _R
            state = (state * _M) ^ (mixed * _M)
    for i in range(length - 1, words * 4 - 1, -1):
        state ^= data[:, i].astype(np.uint32) << np.uint32(8 * (i - words * 4))
    if length % 4:
        state *= _M
    state ^= state >> np.uint32(13)
    state *= _M
    return state ^ (state >> np.uint32(15))
