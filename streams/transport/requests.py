"""Requests of Kafka that aiokafka does not speak, or speaks dearly, made with its own building blocks.

TxnOffsetCommit 3 names the group's member and generation, so that the coordinator refuses the offsets of a worker that the
group has gone on without; OffsetFetch 7 is told when a transaction may still change the answer (KIP-447). Field by field
as in Kafka's message definitions.

A produce request is joined once: aiokafka's own writing copies the records for each level of its schema, for the header and
for the size, eight times in all, which cost as much as making them.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, NamedTuple

from aiokafka.protocol import produce
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean as Bool
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, String, TaggedFields

_TEXT = CompactString("utf-8")
_TAGS = ("tags", TaggedFields)


class Member(NamedTuple):
    """Who a worker is in its group, from one rebalance to the next."""

    generation: int
    id: str


ANYBODY = Member(-1, "")  # the coordinator takes the offsets of whoever says so


class TxnOffsetCommitResponse_v3(Response):  # type: ignore[misc]  # noqa: N801  # aiokafka has no types; named as its own are
    """An error code per partition."""

    API_KEY = 28
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "errors",
            CompactArray(
                ("topic", _TEXT),
                ("partition_errors", CompactArray(("partition", Int32), ("error_code", Int16), _TAGS)),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class TxnOffsetCommitRequest_v3(RequestStruct):  # type: ignore[misc]  # noqa: N801  # as above
    """The offsets of a transaction, and whose they are."""

    FLEXIBLE_VERSION = True
    API_KEY = 28
    API_VERSION = 3
    RESPONSE_TYPE = TxnOffsetCommitResponse_v3
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("group_id", _TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation_id", Int32),
        ("member_id", _TEXT),
        ("group_instance_id", _TEXT),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32), ("offset", Int64), ("leader_epoch", Int32), ("metadata", _TEXT), _TAGS
                    ),
                ),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class TxnOffsetCommit(Request[TxnOffsetCommitRequest_v3]):  # type: ignore[misc]  # as above
    """`topics`: rows of (topic, rows of (partition, offset, metadata))."""

    API_KEY = 28

    def __init__(
        self, transactional_id: str, group_id: str, producer: tuple[int, int], member: Member, topics: Any
    ) -> None:
        self._head = (transactional_id, group_id, *producer, *member, None)
        self._topics: list[Any] = [
            (topic, [(p, offset, -1, note, {}) for p, offset, note in rows], {}) for topic, rows in topics
        ]

    def build(self, request_struct_class: Any) -> Any:
        """The request as aiokafka sends it."""
        return request_struct_class(*self._head, self._topics, {})


class _Pieces:
    """Bytes that are joined once, when the last piece comes: aiokafka puts a header in front, and then the size of it all."""

    def __init__(self, pieces: list[bytes], missing: int = 2) -> None:
        self._pieces, self._missing = pieces, missing

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def __radd__(self, front: bytes) -> bytes | _Pieces:
        pieces = [front, *self._pieces]
        return b"".join(pieces) if self._missing == 1 else _Pieces(pieces, self._missing - 1)


class ProduceRequest_v7(produce.ProduceRequest_v7):  # type: ignore[misc]  # noqa: N801  # as above
    """aiokafka's request, the same bytes."""

    def encode(self) -> _Pieces:
        """As on the wire, still in pieces."""
        who = String("utf-8").encode(self.transactional_id)
        pieces = [who, _ACKS.pack(self.required_acks, self.timeout, len(self.topics))]
        for topic, partitions in self.topics:
            name = topic.encode()
            pieces.append(_COUNT.pack(len(name)) + name + _SIZE.pack(len(partitions)))
            for number, records in partitions:
                pieces += (_PLACE.pack(number, len(records)), records)
        return _Pieces(pieces)


_ACKS, _COUNT, _SIZE, _PLACE = Struct(">hii"), Struct(">h"), Struct(">i"), Struct(">ii")


class Produce(Request[ProduceRequest_v7]):  # type: ignore[misc]  # as above
    """`topics`: rows of (topic, rows of (partition, batch of records))."""

    API_KEY = 0

    def __init__(self, transactional_id: str, required_acks: int, timeout: int, topics: list[Any]) -> None:
        self.required_acks = required_acks  # aiokafka asks for it
        self._fields = (transactional_id, required_acks, timeout, topics)

    def build(self, request_struct_class: Any) -> Any:
        """The request as aiokafka sends it."""
        return request_struct_class(*self._fields)


class OffsetFetchResponse_v7(Response):  # type: ignore[misc]  # noqa: N801  # as above
    """Offset, note and error code per partition, and the group's own error."""

    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", _TEXT),
                        ("error_code", Int16),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        ("error_code", Int16),
        _TAGS,
    )


class OffsetFetchRequest_v7(RequestStruct):  # type: ignore[misc]  # noqa: N801  # as above
    """Which partitions; `require_stable` asks not to be answered while a transaction holds offsets of them."""

    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = OffsetFetchResponse_v7
    SCHEMA = Schema(
        ("group_id", _TEXT),
        ("topics", CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), _TAGS)),
        ("require_stable", Bool),
        _TAGS,
    )


class StableOffsetFetch(Request[OffsetFetchRequest_v7]):  # type: ignore[misc]  # as above
    """`wanted`: rows of (topic, partition numbers). Partitions with offsets under way are answered with UNSTABLE."""

    API_KEY = 9

    def __init__(self, group_id: str, wanted: list[tuple[str, list[int]]]) -> None:
        self._group_id = group_id
        self._wanted: list[Any] = [(topic, numbers, {}) for topic, numbers in wanted]

    def build(self, request_struct_class: Any) -> Any:
        """The request as aiokafka sends it."""
        return request_struct_class(self._group_id, self._wanted, True, {})


UNSTABLE = 88  # UNSTABLE_OFFSET_COMMIT: a transaction that holds offsets of this partition has not ended yet
FENCED_INSTANCE = 82  # FENCED_INSTANCE_ID
