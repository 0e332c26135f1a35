"""One lane's transactional producer: everything that a batch causes, or several lanes' batches, in one Kafka transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.types import TP

from gridhub.streams.transport.columns import Column, fill, place
from gridhub.streams.transport.errors import assertions_as_trouble
from gridhub.streams.transport.plan import Options
from gridhub.streams.transport.requests import ANYBODY, Member
from gridhub.streams.transport.sender import LaneSender

MAX_BATCH_BYTES = 1 << 20
RETRY_BACKOFF_MS = 50
Sent = tuple[asyncio.Future[Any], int]  # a record batch on its way, and the number of its records


@dataclass(slots=True)
class Load:
    """What one lane has to commit: all of it, or nothing.

    `outputs` (Output and Outputs) is emptied when it is sent: what is on its way need not be held twice. `note` is kept
    beside each of the offsets.
    """

    outputs: list[Any]
    offsets: Mapping[TP, int]
    changelog: TP | None = None
    changes: Mapping[bytes, bytes | None] = field(default_factory=dict)
    note: str = ""


class LaneProducer:
    """A producer with the lane's transactional id; starting it fences every earlier owner of that id."""

    def __init__(self, transactional_id: str, group_id: str, options: Options) -> None:
        self.group_id = group_id
        self.options = options
        self._sender: Any = None
        self._kafka = AIOKafkaProducer(
            bootstrap_servers=list(options.bootstrap),
            client_id=transactional_id,
            transactional_id=transactional_id,
            transaction_timeout_ms=int(options.transaction_timeout_s * 1000),
            request_timeout_ms=int(options.transaction_timeout_s * 1000),
            max_batch_size=MAX_BATCH_BYTES,
            compression_type=options.compression,
            max_request_size=16 << 20,
            retry_backoff_ms=RETRY_BACKOFF_MS,
            linger_ms=0,
        )
        self._hurry()

    def _hurry(self) -> None:
        """Put our sender in the place of aiokafka's, which was just made and has not started."""
        kafka: Any = self._kafka
        theirs = kafka._sender  # noqa: SLF001  # there is no other way to choose one
        self._sender = kafka._sender = LaneSender(  # noqa: SLF001
            kafka.client,
            acks=theirs._acks,  # noqa: SLF001
            txn_manager=theirs._txn_manager,  # noqa: SLF001
            message_accumulator=theirs._message_accumulator,  # noqa: SLF001
            retry_backoff_ms=RETRY_BACKOFF_MS,
            request_timeout_ms=theirs._request_timeout_ms,  # noqa: SLF001
        )

    async def start(self) -> None:
        """Connect and bump the epoch: a pending transaction of an earlier owner is ended first."""
        with assertions_as_trouble():
            await self._kafka.start()

    async def close(self) -> None:
        """Give the producer up, in whatever state it is; never waits long."""
        try:
            await asyncio.wait_for(self._kafka.stop(), 2.0)
        except Exception:  # noqa: BLE001  # it is given up: a broken producer may fail in any way
            await asyncio.gather(self._abandon(), return_exceptions=True)

    async def _abandon(self) -> None:
        sender: Any = self._kafka._sender  # noqa: SLF001  # aiokafka has no public way to drop a stuck producer
        if sender is not None:
            await asyncio.wait_for(sender.close(), 2.0)
        await asyncio.wait_for(self._kafka.client.close(), 2.0)

    async def commit(self, loads: Sequence[Load], member: Member = ANYBODY) -> list[int | None]:
        """Send all of it and the offsets in one transaction; gives the last changelog offset written for each load, if any.

        The coordinator refuses the offsets, and with them all of it, when the group has gone on without this member.
        """
        columns = place([output for load in loads for output in load.outputs], self.options.partition_counts)
        marks = {}
        for load in loads:
            load.outputs.clear()
            marks.update({TopicPartition(*tp): OffsetAndMetadata(at, load.note) for tp, at in load.offsets.items()})
        self._sender.member = member
        with assertions_as_trouble():
            return await self._commit(columns, loads, marks)

    async def _commit(
        self, columns: dict[TP, Column], loads: Sequence[Load], marks: dict[TopicPartition, OffsetAndMetadata]
    ) -> list[int | None]:
        await self._kafka.begin_transaction()
        sent = []
        for tp in list(columns):
            sent += await self._send(tp, columns.pop(tp))
        logged = [await self._log(load) for load in loads]
        await asyncio.gather(*(future for future, _ in chain(sent, *logged)))
        await self._kafka.send_offsets_to_transaction(marks, self.group_id)
        await self._kafka.commit_transaction()
        return [max((future.result().offset + count - 1 for future, count in part), default=None) for part in logged]

    async def _log(self, load: Load) -> list[Sent]:
        """Send the changes of a lane's state to its changelog."""
        if load.changelog is None or not load.changes:
            return []
        return await self._send(load.changelog, Column(list(load.changes), list(load.changes.values())))

    async def _send(self, tp: TP, column: Column) -> list[Sent]:
        """Send the records as few record batches; gives (future of the batch, its count) in order."""
        sent: list[Sent] = []
        first, total = 0, len(column.keys)
        while first < total:
            batch = self._kafka.create_batch()
            first += fill(batch, column, first)
            batch.close()
            future = await self._kafka.send_batch(batch, tp.topic, partition=tp.partition)
            sent.append((asyncio.ensure_future(future), batch.record_count()))
        return sent
