"""Where each microsecond goes: the processor time of the parts of a worker at the benchmark's job.

    make bench ONLY=gridhub-1 MODES=throughput EVENTS=600000 REPEATS=1 SET=BENCH_PARTS=/tmp/parts.json

Each part is a function, timed by its thread's own clock without what it calls of the other parts; the clocks themselves cost
about a tenth. The file has one JSON object: µs an event from the first event on, `rest` is what belongs to no part: the event
loops, coroutines, the interpreter between the parts, RocksDB's and the codec's own threads.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import threading
import time
from collections import defaultdict
from pathlib import Path
from selectors import EpollSelector
from typing import Any

import columns
import work
from aiokafka.conn import AIOKafkaConnection
from aiokafka.producer.message_accumulator import BatchBuilder

from gridhub.streams.place.shapes import GridMap
from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.transport import consumer, fetch, producer, queue

PARTS: tuple[tuple[str, Any, str], ...] = (
    ("fetch: checksum and parsing of record batches", fetch, "_next_part"),
    ("fetch: taking what is buffered", fetch, "drain"),
    ("fetch: by lane, cut", consumer.Consumer, "_batches"),
    ("fetch: joining what waits", queue, "merge"),
    ("job: which schema", columns, "by_shape"),
    ("job: Avro to Arrow", columns, "read"),
    ("job: places of addresses", work.Stages, "_places"),
    ("job: point in polygon", GridMap, "locate"),
    ("job: locate, the rest", work.Stages, "locate"),
    ("job: keys of ids", columns, "prefixed"),
    ("job: rules, event by event", work, "_decide"),
    ("job: merge, the rest", work.Stages, "merge"),
    ("job: Arrow to Avro", columns, "write"),
    ("state: multi-get", RocksStore, "get_many"),
    ("state: write batch", RocksStore, "apply"),
    ("produce: outputs by partition", producer, "place"),
    ("produce: records into batches, changelog included", producer, "fill"),
    ("produce: checksum of batches", BatchBuilder, "_build"),
    ("requests: encoding and sending", AIOKafkaConnection, "send"),
    ("requests: decoding answers", AIOKafkaConnection, "_handle_frame"),
    ("waiting for the network", EpollSelector, "select"),
)


class Clocks:
    """Time and calls of each part, and of nested parts apart."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self.events = 0
        self.begun_s = 0.0
        self._mine = threading.local()

    def time(self, name: str, owner: Any, function: str) -> None:
        """From now on, time this function."""
        timed = getattr(owner, function)

        @functools.wraps(timed)
        def clocked(*args: Any, **kwargs: Any) -> Any:
            inner = self._mine.__dict__.setdefault("inner", [])
            begun_s = time.thread_time()
            inner.append(0.0)
            try:
                return timed(*args, **kwargs)
            finally:
                took_s = time.thread_time() - begun_s
                self.seconds[name] += took_s - inner.pop()
                self.calls[name] += 1
                if inner:
                    inner[-1] += took_s

        setattr(owner, function, clocked)

    def collecting(self, phase: str, _info: Any) -> None:
        """The garbage collector's own call."""
        sign = -1 if phase == "start" else 1
        self.seconds["garbage collector (also in the others)"] += sign * time.thread_time()

    def count(self, events: int) -> None:
        """So many events came into the first stage; with the first of them the clocks begin anew."""
        if not self.events:
            self.seconds.clear()
            self.calls.clear()
            self.begun_s = time.process_time()
        self.events += events

    def told(self) -> dict[str, Any]:
        """µs an event and calls of each part, largest first."""
        total_s, known_s = time.process_time() - self.begun_s, sum(self.seconds.values())
        parts = {**self.seconds, "rest": total_s - known_s}
        per_event = {name: round(s / self.events * 1e6, 3) for name, s in sorted(parts.items(), key=lambda p: -p[1])}
        return {"events": self.events, "us_per_event": round(total_s / self.events * 1e6, 2), "parts": per_event,
                "calls": dict(self.calls)}  # fmt: skip


def measure(file: Path) -> Clocks:
    """Time all parts, and write the sums into the file when the worker ends."""
    clocks = Clocks()
    for name, owner, function in PARTS:
        clocks.time(name, owner, function)
    gc.callbacks.append(clocks.collecting)
    atexit.register(lambda: file.write_text(json.dumps(clocks.told(), indent=1) + "\n", encoding="utf-8"))
    return clocks
