"""One lane's transactional producer: everything that a batch causes goes out in one Kafka transaction."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.types import TP

from gridhub.streams.transport.batch import Output
from gridhub.streams.transport.murmur2 import partitions
from gridhub.streams.transport.plan import Options

MAX_BATCH_BYTES = 1 << 20


class LaneProducer:
    """A producer with the lane's transactional id; starting it fences every earlier owner of that id."""

    def __init__(self, transactional_id: str, group_id: str, options: Options) -> None:
        self.group_id = group_id
        self.options = options
        self._kafka = AIOKafkaProducer(
            bootstrap_servers=list(options.bootstrap),
            client_id=transactional_id,
            transactional_id=transactional_id,
            transaction_timeout_ms=int(options.transaction_timeout_s * 1000),
            request_timeout_ms=int(options.transaction_timeout_s * 1000),
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=16 << 20,
            retry_backoff_ms=50,
            linger_ms=0,
        )

    async def start(self) -> None:
        """Connect and bump the epoch: a pending transaction of an earlier owner is ended first."""
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

    async def commit(
        self,
        outputs: Iterable[Output],
        changelog: TP | None,
        changes: Mapping[bytes, bytes | None],
        offsets: Mapping[TP, int],
    ) -> int | None:
        """Send all of it and the offsets in one transaction; gives the last changelog offset written, if any."""
        await self._kafka.begin_transaction()
        sent = [await self._send(tp, records) for tp, records in self._by_partition(outputs).items()]
        logged = []
        if changelog is not None and changes:
            logged = await self._send(changelog, list(changes.items()))
        for futures in sent:
            await asyncio.gather(*(future for future, _ in futures))
        last = None
        for future, count in logged:
            last = (await future).offset + count - 1
        marks = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        await self._kafka.send_offsets_to_transaction(marks, self.group_id)
        await self._kafka.commit_transaction()
        return last

    def _by_partition(self, outputs: Iterable[Output]) -> dict[TP, list[tuple[bytes | None, bytes | None]]]:
        table: dict[TP, list[tuple[bytes | None, bytes | None]]] = defaultdict(list)
        unplaced: dict[str, list[Output]] = defaultdict(list)
        for output in outputs:
            if output.partition < 0:
                unplaced[output.topic].append(output)
            else:
                table[TP(output.topic, output.partition)].append((output.key, output.value))
        for topic, waiting in unplaced.items():
            places = partitions([output.key or b"" for output in waiting], self.options.partition_counts[topic])
            for output, place in zip(waiting, places, strict=True):
                table[TP(topic, place)].append((output.key, output.value))
        return table

    async def _send(self, tp: TP, records: list[tuple[bytes | None, bytes | None]]) -> list[tuple[Any, int]]:
        """Send the records as few record batches; gives (future of the batch, its count) in order."""
        futures = []
        batch = self._kafka.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                futures.append(await self._submit(batch, tp))
                batch = self._kafka.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        if batch.record_count():
            futures.append(await self._submit(batch, tp))
        return futures

    async def _submit(self, batch: Any, tp: TP) -> tuple[Any, int]:
        batch.close()
        return await self._kafka.send_batch(batch, tp.topic, partition=tp.partition), batch.record_count()
