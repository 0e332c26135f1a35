"""A state that takes its time: remembered ids in the changelog before the workers start."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from confluent_kafka import Producer

from gridhub.streams import topics

if TYPE_CHECKING:
    from hub import Cell

PER_TRANSACTION = 4000


def fill(cell: Cell, keys: int) -> None:
    """Write so many remembered ids to the changelog, over all lanes, as lanes write them."""
    producer = Producer({"bootstrap.servers": cell.kafka, "transactional.id": "fill", "linger.ms": 5, "log_level": 0})
    producer.init_transactions(60)
    now_ms, lanes = time.time_ns() // 1_000_000, cell.town.settings.partitions
    for first in range(0, keys, PER_TRANSACTION):
        producer.begin_transaction()
        for number in range(first, min(first + PER_TRANSACTION, keys)):
            key = b"s|public-security|FILL-%016x" % (number * 0x9E3779B97F4A7C15 & 0xFFFF_FFFF_FFFF_FFFF)
            value = now_ms.to_bytes(8, "big") + b"420202001-%016x" % number
            producer.produce(topics.STATE.name, value, key, partition=number % lanes)
        producer.commit_transaction(60)
    cell.say(f"{keys} keys are in the changelog")
