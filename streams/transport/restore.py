"""Bring a lane's local state up to the end of its changelog."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from faust.types import TP

from gridhub.streams.transport.plan import Options

CHUNK_RECORDS = 5000
PATIENCE_S = 30.0  # without progress


async def restore(store: Any, changelog: TP, options: Options) -> int:
    """Apply what the changelog holds beyond the store's position; gives the number of records applied.

    A store that is ahead of its changelog (the broker lost data), belongs to another changelog, or is too old for
    the changelog's tombstones is emptied and rebuilt, never trusted.
    """
    tp = TopicPartition(*changelog)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=list(options.bootstrap),
        client_id=f"restore-{changelog.topic}-{changelog.partition}",
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    try:
        consumer.assign([tp])
        begin = (await consumer.beginning_offsets([tp]))[tp]
        end = (await consumer.end_offsets([tp]))[tp]
        position = store.position(changelog)
        if position is None or position > end or position < begin:
            store.reset(changelog)
            position = begin
        return await _apply(consumer, tp, store, position, end)
    finally:
        await consumer.stop()


async def _apply(consumer: Any, tp: TopicPartition, store: Any, position: int, end: int) -> int:
    applied, progress_at = 0, time.monotonic()
    consumer.seek(tp, position)
    while position < end:
        records = (await consumer.getmany(tp, timeout_ms=200, max_records=CHUNK_RECORDS)).get(tp, [])
        if records:
            store.apply({record.key: record.value for record in records}, records[-1].offset + 1)
            applied += len(records)
            progress_at = time.monotonic()
        position = await consumer.position(tp)
        if time.monotonic() - progress_at > PATIENCE_S:
            raise TimeoutError(f"changelog {tp.topic}-{tp.partition} stands at {position} of {end}")
        await asyncio.sleep(0)
    store.apply({}, max(position, end))
    return applied
