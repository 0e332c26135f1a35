"""Bytes that are no event, put between the events of a simulated city, with the truth about each."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from gridhub.connectors.simulator.message import Message, Truth
from gridhub.streams.records import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from gridhub.schemas.codec import Codec

FIRST_SEQ = 10_000_000
UNGIVEN_IDS = (0x6000_0000, 0x6FFF_FFFF)
MOST_BYTES = 3000
LONGEST_BURST = 40


def among(messages: Iterator[Message], codec: Codec, draw: Random) -> Iterator[Message]:
    """The messages in their order, with garbage before, after and between them: single ones and bursts."""
    seq = FIRST_SEQ
    for message in messages:
        count = draw.choice((0, 0, 1, 1, 2)) if draw.random() > 0.01 else draw.randint(5, LONGEST_BURST)
        for _ in range(count):
            seq += 1
            yield _garbage(message, codec, draw, seq)
        yield message


def _garbage(near: Message, codec: Codec, draw: Random, seq: int) -> Message:
    """One piece, on the topic and mostly on the partition of a real message."""
    kind = draw.choice(("noise", "noise", "empty", "short", "unknown", "framed", "varints"))
    raw, reason = _bytes(kind, near, codec, draw)
    key = near.key if draw.random() < 0.8 else draw.randbytes(draw.randint(0, 40))
    truth = Truth(seq, near.topic, near.truth.department, "", "", "refused", expected_reason=reason, fault=kind)
    return Message(near.topic, key, None, "", raw, truth)


def _bytes(kind: str, near: Message, codec: Codec, draw: Random) -> tuple[bytes, Reason]:
    noise = draw.randbytes(draw.randint(1, MOST_BYTES))
    if kind == "noise":
        return bytes([draw.randint(1, 255)]) + noise, Reason.BAD_BYTES
    if kind == "unknown":
        return struct.pack(">bI", 0, draw.randint(*UNGIVEN_IDS)) + noise, Reason.UNKNOWN_SCHEMA
    if kind in {"framed", "varints"} and near.record is not None:
        body = noise if kind == "framed" else b"\xff" * draw.randint(8, 64)
        return codec.encode(near.subject, near.record)[:5] + body, Reason.BAD_BYTES
    return (b"" if kind == "empty" else bytes(draw.randint(1, 4))), Reason.BAD_BYTES
