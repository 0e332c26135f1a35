"""aiokafka's sender, that asks a busy coordinator again sooner.

A lane's next transaction begins right after the last one, while the coordinator still writes that one's end to the
partitions; it answers "concurrent transactions" to the first request. That takes a few milliseconds, aiokafka waits 20 or more.

What else was tried: announcing or committing the offsets while the records are on their way saves a round trip, but the
broker asks the coordinator about each side, and refuses one of them ("not enough replicas") when the two questions
meet: one request in ten, or one in four, was sent again, after 50 ms.
"""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

from aiokafka.client import CoordinationType
from aiokafka.errors import (
    ConcurrentTransactions,
    GroupAuthorizationFailedError,
    IllegalGenerationError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.producer.sender import (
    AddOffsetsToTxnHandler,
    AddPartitionsToTxnHandler,
    Sender,
    SendProduceReqHandler,
    TxnOffsetCommitHandler,
)

from gridhub.streams.transport.errors import FencedMember
from gridhub.streams.transport.requests import ANYBODY, FENCED_INSTANCE, Member, Produce, TxnOffsetCommit

PAUSES_S = (0.002, 0.004, 0.008, 0.016, 0.032)  # from question to question


class LaneSender(Sender):  # type: ignore[misc]  # the library has no types
    """aiokafka's sender; what an answer means, sequence numbers and repeating are left as they are."""

    refused = 0  # times in a row that the coordinator was busy
    member: Member = ANYBODY  # whose offsets these are

    def pause_s(self, codes: set[int], theirs: float | None) -> float | None:
        """How long to wait before the request is sent again, None when it need not; `theirs` is what aiokafka waits."""
        if theirs is None or ConcurrentTransactions not in {for_code(code) for code in codes}:
            self.refused = 0
            return theirs
        self.refused += 1
        return PAUSES_S[min(self.refused, len(PAUSES_S)) - 1]

    async def _send_produce_req(self, node_id: int, batches: Any) -> None:
        await _SendBatches(self, batches).do(node_id)
        self._in_flight.remove(node_id)
        self._muted_partitions.difference_update(batches)

    async def _do_add_partitions_to_txn(self, tps: Any) -> bool:
        node_id = await self._transaction_coordinator()
        return await _AddPartitions(self, tps).do(node_id)  # type: ignore[no-any-return]

    async def _do_add_offsets_to_txn(self, group_id: str) -> bool:
        node_id = await self._transaction_coordinator()
        return await _AddOffsets(self, group_id).do(node_id)  # type: ignore[no-any-return]

    async def _do_txn_offset_commit(self, offsets: Any, group_id: str) -> None:
        try:
            node_id = await self._find_coordinator(CoordinationType.GROUP, group_id)
        except GroupAuthorizationFailedError as error:
            self._txn_manager.error_transaction(error)
            return
        await _CommitOffsets(self, offsets, group_id).do(node_id)

    async def _transaction_coordinator(self) -> Any:
        return await self._find_coordinator(CoordinationType.TRANSACTION, self._txn_manager.transactional_id)


class _SendBatches(SendProduceReqHandler):  # type: ignore[misc]  # the library has no types
    def create_request(self) -> Produce:
        topics = defaultdict(list)
        for tp, batch in self._batches.items():
            topics[tp.topic].append((tp.partition, batch.get_data_buffer()))
        sender = self._sender
        who, acks, limit_ms = sender._txn_manager.transactional_id, sender._acks, sender._request_timeout_ms  # noqa: SLF001  # as aiokafka's own does
        return Produce(who, acks, limit_ms, list(topics.items()))


class _AddPartitions(AddPartitionsToTxnHandler):  # type: ignore[misc]  # the library has no types
    def handle_response(self, resp: Any) -> float | None:
        codes = {code for _, partitions in resp.errors for _, code in partitions}
        pause_s: float | None = self._sender.pause_s(codes, super().handle_response(resp))
        return pause_s


class _AddOffsets(AddOffsetsToTxnHandler):  # type: ignore[misc]  # the library has no types
    def handle_response(self, resp: Any) -> float | None:
        pause_s: float | None = self._sender.pause_s({resp.error_code}, super().handle_response(resp))
        return pause_s


class _CommitOffsets(TxnOffsetCommitHandler):  # type: ignore[misc]  # the library has no types
    def create_request(self) -> TxnOffsetCommit:
        manager, topics = self._sender._txn_manager, defaultdict(list)  # noqa: SLF001  # as aiokafka's own does
        for tp, mark in sorted(self._offsets.items()):
            topics[tp.topic].append((tp.partition, mark.offset, mark.metadata))
        producer = (manager.producer_id, manager.producer_epoch)
        return TxnOffsetCommit(manager.transactional_id, self._group_id, producer, self._sender.member, topics.items())

    def handle_response(self, resp: Any) -> float | None:
        """A member that the group has gone on without can only give its transaction up."""
        errors = [(topic, [row[:2] for row in rows]) for topic, rows, _ in resp.errors]
        codes = {code for _, rows in errors for _, code in rows}
        left = FencedMember if FENCED_INSTANCE in codes else next((e for e in map(for_code, codes) if e in _LEFT), None)
        if left is not None:
            self._sender._txn_manager.error_transaction(left())  # noqa: SLF001  # as aiokafka's own does
            return None
        return super().handle_response(SimpleNamespace(errors=errors))  # type: ignore[no-any-return]  # no types


_LEFT = (IllegalGenerationError, UnknownMemberIdError)
