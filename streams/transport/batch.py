"""What travels between the transport and an agent: a batch of records in, its effects out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import faust
from aiokafka import ConsumerRecord
from faust.events import Event
from faust.types import TP


class Output(NamedTuple):
    """One record to send; a partition of -1 is chosen from the key as the Java client would."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


class State(Protocol):
    """A lane's local state as its work may read it."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Give the values of these keys, None where there is none."""
        ...


@dataclass(slots=True)
class Effects:
    """Everything a batch causes; committed as a whole or not at all."""

    outputs: list[Output] = field(default_factory=list)
    changes: dict[bytes, bytes | None] = field(default_factory=dict)
    committed: Callable[[], None] | None = None  # called once, after the transaction is committed


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition number, from one or several topics, each topic's in offset order.

    `number` counts the batches of a lane since its last rewind: one that is missing was dropped on the way. None is
    not checked.
    """

    lane: Any
    epoch: int
    parts: Mapping[TP, list[ConsumerRecord[bytes, bytes]]]
    number: int | None = None

    @property
    def partition(self) -> int:
        """The partition number that all parts share."""
        return int(self.lane.partition)

    def __len__(self) -> int:
        return sum(map(len, self.parts.values()))

    def hand_over(self, work: Work) -> None:
        """Queue the batch on its lane, which runs `work` on it and commits what it returns."""
        self.lane.take(self, work)


Work = Callable[[Batch, State], Effects]


def cut(
    parts: Mapping[TP, list[ConsumerRecord[bytes, bytes]]], limit_bytes: int
) -> Iterator[dict[TP, list[ConsumerRecord[bytes, bytes]]]]:
    """The same records in the same order, in pieces that end with the record that reaches `limit_bytes`."""
    piece: dict[TP, list[ConsumerRecord[bytes, bytes]]] = {}
    size = 0
    for tp, records in parts.items():
        first = 0
        for index, record in enumerate(records, 1):
            size += max(record.serialized_key_size, 0) + max(record.serialized_value_size, 0)
            if size >= limit_bytes:
                yield {**piece, tp: records[first:index]}
                piece, size, first = {}, 0, index
        if first < len(records):
            piece[tp] = records[first:]
    if piece:
        yield piece


class BatchSchema(faust.Schema[Any, Any]):
    """A schema for topics of this transport: the message's value is the batch, nothing is decoded."""

    def compile(self, app: Any, **_: Any) -> Any:
        """Give Faust a decoder that wraps the batch in an event."""

        async def decode(message: Any, propagate: bool = False) -> Event:  # Faust's signature
            return Event(app, None, message.value, {}, message)

        return decode
