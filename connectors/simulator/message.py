"""What the simulator hands out: a message as a department would publish it, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import orjson

if TYPE_CHECKING:
    from gridhub.streams.records import Reason

Kind = Literal["valid", "duplicate", "refused"]
Damage = Literal["", "wrong_magic", "truncated", "trailing"]
_TRAILING = b"\x00\x17\x2a"


class Encoder(Protocol):
    """What a codec must be able to do here: gridhub.schemas.codec.Codec is one."""

    def encode(self, subject: str, record: dict[str, Any]) -> bytes:
        """The framed bytes of a record."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is so about one message, whatever the hub makes of it.

    `true_grid` is the 15-digit grid in which it happened (None for a wide event); `true_codes` is the narrowest place
    that the message says, which is what a perfect hub would find; `place_way` is the way that says it. `partition` and
    `offset` are -1 until Kafka has it.
    """

    seq: int
    topic: str
    department: str
    source: str
    event_id: str
    kind: Kind
    true_grid: str | None = None
    true_codes: tuple[str, ...] = ()
    place_way: str = ""
    true_matter: str | None = None
    twin: str = ""  # another matter: nothing in the reports tells the two apart
    expected_reason: Reason | None = None
    fault: str = ""
    duplicate_of: int | None = None
    late: bool = False
    partition: int = -1
    offset: int = -1

    def line(self) -> bytes:
        """One line of JSON with its line end."""
        return orjson.dumps(self, option=orjson.OPT_APPEND_NEWLINE)

    def placed(self, partition: int, offset: int) -> Truth:
        """The same truth, with where Kafka put the message."""
        return replace(self, partition=partition, offset=offset)


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Either `record` (to be encoded under `subject`, then damaged where asked) or `raw`."""

    topic: str
    key: bytes
    record: dict[str, Any] | None
    subject: str
    raw: bytes | None
    truth: Truth
    damage: Damage = ""

    def encoded(self, codec: Encoder) -> bytes:
        """The bytes to publish. Damage is applied to good bytes, so that only the named flaw is in them."""
        if self.raw is not None:
            return self.raw
        assert self.record is not None
        good = codec.encode(self.subject, self.record)
        if self.damage == "wrong_magic":
            return b"\x01" + good[1:]
        if self.damage == "truncated":
            return good[: 5 + (len(good) - 5) * 2 // 3]
        return good + _TRAILING if self.damage == "trailing" else good


def truth_of(line: bytes) -> Truth:
    """The truth from one line of JSON; ValueError or TypeError when it is none."""
    row = orjson.loads(line)
    row["true_codes"] = tuple(row["true_codes"])
    return Truth(**row)
