"""What timers cost: 100,000 open tasks with a timer each, in one real worker on a real broker.

    python bench/engine/timers.py
    python bench/engine/timers.py --timers 10000 --spread 20

The tasks are in the changelog before the worker starts; it restores them, once without their timers and once with them, and
then reminds the recipient of each task at its time, spread evenly over `--spread` seconds: a new version of the task, a
line of the journal, the timer of the limit. One JSON object on stdout:
`memory_bytes_per_timer` is what the worker takes more than without timers (its own pages; tens of MB come and go with what
Python and RocksDB have read), `state_bytes_per_timer` keys and values;
`cpu_us_per_timer_set` is that of the rooms and the store in this process, `cpu_us_per_timer_fired` the worker's own, Kafka's
client and all that a reminder writes with it; `cpu_percent_waiting` the worker's while all timers wait; `late_*` from a timer's
time to the moment at which a reader of hub.tasks (read committed) has the new version; `fired_once` tasks that were reminded exactly
once. Exit code 1 when a timer fired twice, not at all or stamped with another time, or `late_p99_s` is a second or more.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from confluent_kafka import Consumer, Producer, TopicPartition
from meter import Meter, used
from timer_tasks import Lane, tasks_of, templates

from gridhub.connectors.broker import free_port
from gridhub.connectors.demo.parts import Part
from gridhub.connectors.demo.show import say
from gridhub.connectors.demo.town import Town, make_town
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import Decoded
from gridhub.schemas.registry import connect, load_codec
from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.memory import Overlay
from gridhub.streams.rooms import timers
from gridhub.streams.rooms.ledger import Ledger
from gridhub.streams.settings import load
from gridhub.streams.state.budget import Budget
from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.sweep import stamp

PER_TRANSACTION = 4000
START_S, PATIENCE_S, WAITING_S, SETTLE_S = 180.0, 30.0, 10.0, 5.0
MOST_LATE_S = 1.0
SET_BATCH = 500
Record = dict[str, Any]


def main() -> int:
    """Measure once; 1 when a timer was lost, doubled or late."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timers", type=int, default=100_000)
    parser.add_argument("--spread", type=float, default=60.0, help="seconds over which they fall due")
    parser.add_argument("--lead", type=float, help="seconds to the first one, to fill the state and start in")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends us ends the hub too
    folder = Path(tempfile.mkdtemp(prefix="gridhub-timers-"))
    try:
        line = {"case": "timers", "timers": chosen.timers, "spread_s": chosen.spread}
        line |= {"cpu_us_per_timer_set": set_us(folder / "store", chosen.timers)}
        line |= Run(folder, chosen.timers, chosen.spread, chosen.lead or 60 + chosen.timers / 750).measured()
    finally:
        if not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps(line) + "\n")
    good = line["fired_once"] == chosen.timers and not line["fired_wrong"] and line["late_p99_s"] < MOST_LATE_S
    return 0 if good else 1


def set_us(folder: Path, number: int) -> float:
    """Processor time, µs, to set one timer: the room's part, JSON, and the write to the store with so many in it."""
    store = RocksStore(folder, Budget(), stamp)
    store.reset(("hub.state", 0))
    begun = time.process_time()
    for first in range(0, number, SET_BATCH):
        overlay = Overlay(store)
        ledger = Ledger(overlay)
        names = [f"420202001-{at:016x}-handle-grid-420202001001" for at in range(first, min(first + SET_BATCH, number))]
        timers.fetch(ledger, (("remind", name) for name in names))
        for at, name in enumerate(names):
            timers.put(ledger, "remind", name, first + at)
        overlay.apply(ledger.changes())
        store.apply(overlay.changes, first)
    spent = time.process_time() - begun
    store.close()
    return round(spent / number * 1e6, 1)


class Run:
    """One hub, one worker without timers and one with them, and what a reader sees."""

    def __init__(self, folder: Path, number: int, spread_s: float, lead_s: float) -> None:
        self.folder, self.number, self.spread_s, self.lead_s = folder, number, spread_s, lead_s
        given = load(
            data_dir=folder, kafka="", registry_url="", broker_port=free_port(), broker_controller_port=free_port(),
            registry_port=free_port(), metrics_port=free_port(),
        )  # fmt: skip
        self.town: Town = make_town(given, folder, say)
        self.lanes = self.town.settings.partitions

    def measured(self) -> Record:
        """Everything that is measured; all parts are ended."""
        try:
            self.town.start(0, city_data.load(None))
            found = templates(time.time_ns() // 1_000_000)
            first_ms = time.time_ns() // 1_000_000 + round(self.lead_s * 1000)
            due = [first_ms + round(at * self.spread_s * 1000 / self.number) for at in range(self.number)]
            rows, _ = self._fill(lane for lane, _ in tasks_of(found, due, self.lanes))
            without = self._memory_without()
            _, size = self._fill(timers for _, timers in tasks_of(found, due, self.lanes))
            line = self._rung(first_ms)
            return {
                "tasks_and_incidents": rows, "state_bytes_per_timer": round(size / self.number, 1),
                "memory_bytes_per_timer": round((line.pop("own") - without) / self.number, 1),
                "memory_mb_without": without >> 20, **line,
            }  # fmt: skip
        finally:
            self.town.stop()

    def _fill(self, lanes: Iterable[Lane]) -> tuple[int, int]:
        """Write rows to the changelog, as lanes write them; how many, and their bytes."""
        settings = {"bootstrap.servers": self.town.settings.bootstrap, "transactional.id": "fill", "log_level": 0}
        producer = Producer(settings | {"linger.ms": 5})
        producer.init_transactions(60)
        open_rows = rows = size = 0
        for lane in lanes:
            if not open_rows:
                producer.begin_transaction()
            for key, value in lane.rows.items():
                producer.produce(topics.STATE.name, value, key, partition=lane.partition)
                rows, size, open_rows = rows + 1, size + len(key) + len(value), open_rows + 1
            if open_rows > PER_TRANSACTION:
                producer.commit_transaction(60)
                open_rows = 0
        if open_rows:
            producer.commit_transaction(60)
        return rows, size

    def _worker(self) -> Part:
        part = self.town.add_worker()
        deadline = time.monotonic() + START_S
        while part.last_words(10_000).count("lane opened") < 2 * self.lanes:
            if not part.running or time.monotonic() > deadline:
                raise TimeoutError(f"the worker did not open its lanes: {part.last_words()}")
            time.sleep(0.2)
        return part

    def _memory_without(self) -> int:
        """Memory of a worker that restored the tasks without timers."""
        part = self._worker()
        time.sleep(WAITING_S)
        own = int(psutil.Process(part.pid).memory_full_info().uss)
        self.town.remove_worker(part)
        return own

    def _rung(self, first_ms: int) -> Record:
        """Let the timers of a second worker fire, and look at what comes out."""
        reader = self._reader()
        part = self._worker()
        process = psutil.Process(part.pid)
        assert self.town.broker is not None
        left_s = first_ms / 1000 - time.time()
        if left_s < SETTLE_S + WAITING_S:
            raise TimeoutError(f"the worker was ready {left_s:.0f} s before the first timer: take a longer --lead")
        time.sleep(left_s - WAITING_S)
        own, resting = int(process.memory_full_info().uss), process.cpu_times()
        time.sleep(max(0.0, first_ms / 1000 - time.time()))
        waited = process.cpu_times()
        meter = Meter([process], self.town.broker.status().pid)
        begun, restored_mb = meter.read(), meter.peak_mb()
        came = self._read(reader)
        cost = used(begun, meter.read(), self.number)
        waiting = (waited.user + waited.system - resting.user - resting.system) / WAITING_S
        return {
            "own": own, "memory_mb": own >> 20, "restore_peak_mb": restored_mb, "peak_mb": meter.peak_mb(), "cpu_percent_waiting": round(waiting * 100, 2),
            "cpu_us_per_timer_fired": round(float(cost["cpu_s_per_100k"]) * 10, 1), "cpu_percent": cost["cpu_percent"],
            "disturbed": cost["disturbed"], "other_cpu_s": cost["other_cpu_s"], **self._judged(came),
        }  # fmt: skip

    def _reader(self) -> Consumer:
        reader = Consumer({
            "bootstrap.servers": self.town.settings.bootstrap, "group.id": "timers", "isolation.level": "read_committed",
            "enable.auto.commit": False, "fetch.wait.max.ms": 20, "log_level": 0,
        })  # fmt: skip
        reader.assign([TopicPartition(topics.TASKS.name, number, 0) for number in range(self.lanes)])
        return reader

    def _read(self, reader: Consumer) -> list[tuple[float, bytes]]:
        """(when it came, value) of every version of a task until all have come, or none for long."""
        came: list[tuple[float, bytes]] = []
        newest = time.time()
        while len(came) < self.number and time.time() - newest < PATIENCE_S:
            found = reader.consume(1000, 0.05)
            newest = time.time() if found else newest
            came += [(newest, message.value()) for message in found if message.error() is None]
        came += [
            (time.time(), message.value()) for message in reader.consume(1000, SETTLE_S) if message.error() is None
        ]
        reader.close()
        return came

    def _judged(self, came: list[tuple[float, bytes]]) -> Record:
        """How often each task was reminded, and how late."""
        codec = load_codec(connect(self.town.settings.registry, self.folder / "schemas"), catalogue())
        reminded: Counter[str] = Counter()
        late, wrong = [], 0
        for (at_s, _), found in zip(came, codec.decode_many([value for _, value in came]), strict=True):
            assert isinstance(found, Decoded)
            task = found.record
            reminded[task["task_id"]] += 1
            wrong += task["changed_by"] != f"timer/remind/{task['reminded_at']}"
            late.append(at_s - task["reminded_at"] / 1000)
        p50, p99 = np.percentile(late, [50, 99]) if late else (float("inf"), float("inf"))
        return {
            "fired_once": sum(times == 1 for times in reminded.values()),
            "fired_more": sum(times > 1 for times in reminded.values()), "fired_wrong": wrong,
            "late_p50_s": round(float(p50), 3), "late_p99_s": round(float(p99), 3),
            "late_max_s": round(max(late, default=float("inf")), 3),
        }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
