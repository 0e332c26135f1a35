"""What travels between the transport and an agent: a batch of records in, its effects out."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

import faust
from faust.events import Event
from faust.types import TP

from gridhub.streams.transport.records import Headers, columns, first_offset, join, last_offset, sizes
from gridhub.streams.transport.records import size as size_of


class Output(NamedTuple):
    """One record to send; a partition of -1 is chosen from the key as the Java client would."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Outputs:
    """Many records for one topic, column by column: what bulk work sends, without an object per record.

    `partition` is that of all of them, or a sequence with one for each; -1 is chosen from the key as the Java client would.
    """

    topic: str
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    partition: int | Sequence[int] = -1
    headers: Sequence[Headers] | None = None


class State(Protocol):
    """A lane's local state as its work may read it."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Give the values of these keys, None where there is none."""
        ...

    def due(self, until_ms: int, limit: int) -> list[tuple[bytes, bytes]]:
        """Give the first timers (keys that begin with `d|` and 8 bytes of ms, big-endian) up to this time, in order."""
        ...


@dataclass(slots=True)
class Effects:
    """Everything a batch causes; committed as a whole or not at all. `outputs` are Output and Outputs, in order."""

    outputs: list[Any] = field(default_factory=list)
    changes: dict[bytes, bytes | None] = field(default_factory=dict)
    committed: Callable[[], None] | None = None  # called once, after the transaction is committed
    again: bool = False  # there is more to do than what came: let the lane tick at once

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.outputs or self.changes)


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition number, from one or several topics, each topic's in offset order.

    A part is a sequence of Kafka's records; what was fetched is `Records`, whose columns bulk work takes as they are.
    `number` counts the batches of a lane since its last rewind: one that is missing was dropped on the way. None is
    not checked. `size` is the bytes of its keys and values.
    """

    lane: Any
    epoch: int
    parts: Mapping[TP, Sequence[Any]]
    number: int | None = None
    size: int = 0

    @property
    def partition(self) -> int:
        """The partition number that all parts share."""
        return int(self.lane.partition)

    def __len__(self) -> int:
        return sum(map(len, self.parts.values()))

    def columns(self, topic: str) -> tuple[list[bytes | None], list[bytes | None]]:
        """Keys and values of this topic's records, in offset order; two empty lists where there are none."""
        return columns(self.parts.get(TP(topic, self.partition), ()))

    @property
    def starts(self) -> dict[TP, int]:
        """The offset of each part's first record."""
        return {tp: first_offset(records) for tp, records in self.parts.items()}

    @property
    def ends(self) -> dict[TP, int]:
        """The offset behind each part's last record: what is committed with the batch."""
        return {tp: last_offset(records) + 1 for tp, records in self.parts.items()}

    def hand_over(self, work: Work) -> None:
        """Queue the batch on its lane, which runs `work` on it and commits what it returns."""
        self.lane.take(self, work)


Work = Callable[[Batch, State], Effects]


class Piece(NamedTuple):
    """Records of a lane that are worked on together, and the bytes of their keys and values."""

    parts: dict[TP, Sequence[Any]]
    size: int


def cut(parts: Mapping[TP, Sequence[Any]], limit_bytes: int, limit_events: int = sys.maxsize) -> Iterator[Piece]:
    """The same records in the same order, in pieces that end with the record that reaches one of the limits."""
    whole = sum(map(size_of, parts.values()))
    if 0 < sum(map(len, parts.values())) <= limit_events and whole < limit_bytes:
        yield Piece({tp: records for tp, records in parts.items() if len(records)}, whole)
        return
    piece: dict[TP, Sequence[Any]] = {}
    size = events = 0
    for tp, records in parts.items():
        first = 0
        ends = list(accumulate(sizes(records), initial=0))  # ends[i]: bytes before record i
        while first < len(records):
            most = min(len(records), first + limit_events - events)
            last = min(bisect_left(ends, ends[first] + limit_bytes - size, first + 1), most)
            piece[tp] = records[first:last] if last - first < len(records) else records
            size, events, first = size + ends[last] - ends[first], events + last - first, last
            if size >= limit_bytes or events >= limit_events:
                yield Piece(piece, size)
                piece, size, events = {}, 0, 0
    if piece:
        yield Piece(piece, size)


def merge(batches: Sequence[Batch]) -> Batch:
    """Batches of one lane that follow one another, as one."""
    if len(batches) == 1:
        return batches[0]
    parts: dict[TP, list[Sequence[Any]]] = {}
    for batch in batches:
        for tp, records in batch.parts.items():
            parts.setdefault(tp, []).append(records)
    joined = {tp: join(pieces) for tp, pieces in parts.items()}
    return Batch(batches[0].lane, batches[0].epoch, joined, None, sum(batch.size for batch in batches))


class BatchSchema(faust.Schema[Any, Any]):
    """A schema for topics of this transport: the message's value is the batch, nothing is decoded."""

    def compile(self, app: Any, **_: Any) -> Any:
        """Give Faust a decoder that wraps the batch in an event."""

        async def decode(message: Any, propagate: bool = False) -> Event:  # Faust's signature
            return Event(app, None, message.value, {}, message)

        return decode
