"""What remembered ids cost: µs per event and memory of a worker's state, by how many ids are in it.

    python bench/engine/state_scale.py                      10 thousand to 10 million ids
    python bench/engine/state_scale.py --ids 10000 --rounds 50

Six lanes as a worker has them, one budget. Per round a batch of 500 events on one lane: one multi-get of the ids (four in
five of them new, one told before), one write batch with what a new event changes (its id; an incident and a task for one in
five). One JSON object per size on stdout: `us_per_event` is CPU time of the main thread, `us_all_threads` counts RocksDB's
own threads too, `wall_us` is by the wall clock, all three with repeats within some thousand events, as retries are;
`us_repeats_any_age` has repeats of any id ever, each of them a block from the disk; `rss_mb` what the process takes more than before its stores were open, `disk_mb` the folders.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from gridhub.streams.state.budget import CACHE_MB, Budget
from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.sweep import stamp

LANES = 6
BATCH = 500
LOAD_BATCH = 2000
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
TOLD_AGAIN = 5  # one event in so many
OPENS = 5
LATELY = 24_000
NEW = BATCH - BATCH // TOLD_AGAIN
INCIDENT = (
    b'{"incident_id":"420202001-0123456789abcdef","state":"open","area":"420202001","title":"' + b"x" * 500 + b'"}'
)
START_MS = 1_790_000_000_000
Row = dict[str, Any]


def main() -> int:
    """Measure each size in one growing set of stores; one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", type=int, nargs="*", default=SIZES)
    parser.add_argument("--rounds", type=int, default=600, help="batches that are measured at each size")
    parser.add_argument("--cache-mb", type=int, default=CACHE_MB)
    parser.add_argument("--folder", type=Path, help="where the stores lie; unset: a temporary folder")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gridhub-state-", dir=chosen.folder))
    before = psutil.Process().memory_info().rss
    budget = Budget(chosen.cache_mb)
    stores = [RocksStore(folder / f"outbound-{lane}", budget, stamp) for lane in range(LANES)]
    try:
        for lane, store in enumerate(stores):
            store.reset(("hub.state", lane))
        held = 0
        for size in sorted(chosen.ids):
            held += load(stores, held, size)
            line = {"ids": held} | measured(stores, held, chosen.rounds, LATELY)
            held += chosen.rounds * NEW
            line["us_repeats_any_age"] = measured(stores, held, chosen.rounds, held)["us_per_event"]
            held += chosen.rounds * NEW
            line |= {"cache_mb": chosen.cache_mb, "rss_mb": (psutil.Process().memory_info().rss - before) >> 20}
            line["disk_mb"] = sum(store.size_bytes() for store in stores) >> 20
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
    finally:
        for store in stores:
            store.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def load(stores: list[RocksStore], held: int, wanted: int) -> int:
    """Add ids up to `wanted`; how many were added."""
    for first in range(held, wanted, LOAD_BATCH):
        lane = (first // LOAD_BATCH) % LANES
        numbers = range(first, min(first + LOAD_BATCH, wanted))
        stores[lane].apply({key_of(number): value_of(number) for number in numbers}, first)
    return max(0, wanted - held)


def measured(stores: list[RocksStore], held: int, rounds: int, lately: int) -> Row:
    """So many batches, with repeats of the last `lately` ids."""
    draw = random.Random(held)
    process = psutil.Process()
    plans = list(batches(draw, held, rounds, lately))
    begun, begun_thread, begun_all = time.perf_counter(), time.thread_time(), sum(process.cpu_times()[:2])
    for lane, keys, changes, position in plans:
        stores[lane].get_many(keys)
        stores[lane].apply(changes, position)
    events = rounds * BATCH
    return {
        "us_per_event": round((time.thread_time() - begun_thread) / events * 1e6, 2),
        "us_all_threads": round((sum(process.cpu_times()[:2]) - begun_all) / events * 1e6, 2),
        "wall_us": round((time.perf_counter() - begun) / events * 1e6, 2),
    }


def batches(
    draw: random.Random, held: int, rounds: int, lately: int
) -> Iterator[tuple[int, list[bytes], dict[bytes, bytes | None], int]]:
    """Lane, keys asked for, changes and position of each batch."""
    for turn in range(rounds):
        lane = turn % LANES
        first = held + turn * NEW
        numbers = range(first, first + NEW)
        told = [key_of(told_before(draw, held, lane, lately)) for _ in range(BATCH - NEW)]
        new = [key_of(number) for number in numbers]
        changes: dict[bytes, bytes | None] = {key: value_of(first) for key in new}
        for key in new[::OPENS]:
            changes[b"i|420202001-" + key[-16:]] = changes[b"t|420202001-" + key[-16:]] = INCIDENT
        yield lane, new + told, changes, first


def told_before(draw: random.Random, held: int, lane: int, lately: int) -> int:
    """The number of an id that this lane holds, of the last `lately` of all lanes."""
    turns = held // (LOAD_BATCH * LANES)
    first = max(0, turns - max(1, lately // (LOAD_BATCH * LANES)))
    return (draw.randrange(first, max(1, turns)) * LANES + lane) * LOAD_BATCH + draw.randrange(LOAD_BATCH)


def key_of(number: int) -> bytes:
    """An id as departments give them: no order in them."""
    mixed = (number * 0x9E3779B97F4A7C15) & 0xFFFF_FFFF_FFFF_FFFF
    return b"s|public-security|PS-%016x" % mixed


def value_of(number: int) -> bytes:
    """When it was seen, and its incident."""
    return (START_MS + number // 10).to_bytes(8, "big") + b"420202001-%016x" % number


if __name__ == "__main__":
    sys.exit(main())
