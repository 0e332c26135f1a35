"""How fast a lost state comes back: keys a second from a changelog in a real Kafka into an empty store.

    python bench/engine/restore.py                    a million keys on one lane, three times
    python bench/engine/restore.py --keys 200000 --rounds 1

The changelog is written as lanes write it: transactions, ids with an incident and a task for one in five. The store is
checked key by key afterwards. One JSON object per round on stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from faust.types import TP
from state_scale import INCIDENT, OPENS, key_of, value_of

from gridhub.connectors.broker import Broker, free_port
from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.sweep import stamp
from gridhub.streams.transport import Options
from gridhub.streams.transport.restore import restore

TOPIC = "bench.state"
PER_TRANSACTION = 4000


def main() -> int:
    """Write the changelog, restore it so many times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gridhub-restore-"))
    broker = Broker(folder / "broker", free_port(), free_port())
    broker.start()
    try:
        write(broker.bootstrap, chosen.keys)
        for number in range(chosen.rounds):
            line = asyncio.run(measured(broker.bootstrap, folder / f"state-{number}", chosen.keys))
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
    finally:
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def entries(keys: int) -> Iterator[tuple[bytes, bytes]]:
    """So many keys and values of a state."""
    for number in range(keys):
        key = key_of(number)
        if number % (OPENS + 1) < OPENS:
            yield key, value_of(number)
        else:
            yield b"i|420202001-" + key[-16:], INCIDENT


def write(bootstrap: str, keys: int) -> None:
    """Fill the changelog."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(TOPIC, 1, 1, config={"cleanup.policy": "compact"})])[TOPIC].result(30)
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "bench", "linger.ms": 5})
    producer.init_transactions(30)
    rows = entries(keys)
    left = keys
    while left > 0:
        producer.begin_transaction()
        for key, value in (next(rows) for _ in range(min(left, PER_TRANSACTION))):
            producer.produce(TOPIC, value, key, partition=0)
        producer.commit_transaction(60)
        left -= PER_TRANSACTION


async def measured(bootstrap: str, folder: Path, keys: int) -> dict[str, float | int]:
    """One restore into a new store."""
    process = psutil.Process()
    before = process.memory_info().rss
    store = RocksStore(folder, stamp=stamp)
    begun, cpu = time.perf_counter(), sum(process.cpu_times()[:2])
    restored = await restore(store, TP(TOPIC, 0), Options((bootstrap,), folder, {}))
    seconds, cpu = time.perf_counter() - begun, sum(process.cpu_times()[:2]) - cpu
    rss_mb = (process.memory_info().rss - before) >> 20
    wrong = sum(store.get_many([key]) != [value] for key, value in entries(keys))
    store.close()
    return {
        "keys": restored, "seconds": round(seconds, 2), "keys_per_s": round(restored / seconds),
        "cpu_s": round(cpu, 2), "rss_mb": rss_mb, "wrong": wrong,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
