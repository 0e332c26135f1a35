"""What each room costs: the worker's own stages on the simulator's messages, in memory, in microseconds of CPU an event.

    python bench/rooms.py [--events 5000] [--batches 20,200,2000] [--best-of 3] [--status-percent 40]

One line of JSON per room and batch size: {"measure": "room", "room", "batch", "us_per_event"}. Rooms inside a stage are
`admit`, `normalise`, `deduplicate`, `dispatch`, `track`; `decode <record>` and `encode <record>` are the codec's; `count`
is what follows the commit; `stage inbound`, `stage outbound`, `stage status` are the whole of the work (the rest is moving
between records, tables and outputs); `road` is all of it. Everything is divided by the events that came in, so that the
lines can be added; the department's decoding lies inside `admit`.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import ConsumerRecord
from faust.types import TP
from prometheus_client import CollectorRegistry

from gridhub.connectors.simulator import City as Simulated
from gridhub.connectors.simulator.ticketing import chosen, statuses
from gridhub.schemas.codec import Codec
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.memory import MemoryState
from gridhub.streams.messages import SUBJECTS
from gridhub.streams.metrics import Metrics
from gridhub.streams.rooms.organisation import ROLES
from gridhub.streams.settings import Settings
from gridhub.streams.stage_inbound import InboundStage
from gridhub.streams.stage_outbound import OutboundStage
from gridhub.streams.sweep import Sweeper
from gridhub.streams.transport import Batch, Effects

NOW_MS = 1_795_410_000_000
PARTITION = 0
Record = Any
Work = Callable[[Batch, Any], Effects]


class Meter:
    """CPU seconds by name; what runs inside a measured step is counted in both."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the CPU time of the block to `name`."""
        start = time.process_time()
        try:
            yield
        finally:
            self.seconds[name] += time.process_time() - start


class Metered(Codec):
    """The codec with a meter on it."""

    meter: Meter

    def encode_many(self, subject: str, records: Sequence[Any]) -> list[bytes]:
        """As the codec's own, measured."""
        with self.meter(f"encode {_record_of(subject)}"):
            return super().encode_many(subject, records)

    def encode_rows(self, subject: str, rows: Sequence[Any]) -> list[bytes]:
        """As the codec's own, measured."""
        with self.meter(f"encode {_record_of(subject)}"):
            return super().encode_rows(subject, rows)

    def encode_columns(self, subject: str, columns: Sequence[Sequence[Any]]) -> list[bytes]:
        """As the codec's own, measured."""
        with self.meter(f"encode {_record_of(subject)}"):
            return super().encode_columns(subject, columns)

    def decode_many(self, messages: Any) -> list[Any]:
        """As the codec's own, measured."""
        with self.meter("decode"):
            return super().decode_many(messages)


def _record_of(subject: str) -> str:
    return next((name for name, known in SUBJECTS.items() if known == subject), subject)


def department_records(events: int, codec: Codec, data: city_data.City) -> list[Record]:
    """The simulator's messages as Kafka's client would hand them over, in publishing order."""
    city = Simulated(data.catalogue, data.departments, 1)
    made = city.generate(events, 1, NOW_MS)
    return [record(m.topic, offset, m.key, m.encoded(codec)) for offset, m in enumerate(made)]


def record(topic: str, offset: int, key: bytes | None, value: bytes) -> Record:
    """A record of Kafka's client."""
    return ConsumerRecord(topic, PARTITION, offset, NOW_MS, 0, key, value, None, len(key or b""), len(value), ())


def batches(records: Sequence[Record], size: int) -> Iterator[Batch]:
    """The records in batches as the transport makes them."""
    for first in range(0, len(records), size):
        parts: dict[TP, list[Record]] = {}
        for one in records[first : first + size]:
            parts.setdefault(TP(one.topic, PARTITION), []).append(one)
        yield Batch(SimpleNamespace(partition=PARTITION), 0, parts)


class Road:
    """The stages of one worker, with a meter in place of its watch and a dict in place of its store."""

    def __init__(self, data: city_data.City, codec: Metered) -> None:
        settings, meter = Settings(), codec.meter
        metrics = Metrics(
            CollectorRegistry(), list(data.departments.by_code), districts=data.districts, roles=list(ROLES),
            matter_groups=sorted({row.matter_group for row in data.categories.values()}),
        )  # fmt: skip
        self.data, self.codec, self.meter, self.state = data, codec, meter, MemoryState()
        self.inbound = InboundStage(
            city_data.inbound_facts(data, settings, codec.decode_many), codec, metrics, _now, meter,
            settings.partitions, settings.max_broken_in_row,
        )  # fmt: skip
        self.outbound = OutboundStage(
            city_data.outbound_facts(data, settings), codec, metrics, Sweeper(settings.duplicate_retention_h * 3_600_000),
            _now, meter, settings.max_broken_in_row,
        )  # fmt: skip

    def run(self, stage: str, work: Work, records: Sequence[Record], size: int) -> list[tuple[str, bytes, bytes]]:
        """Everything that a stage sends for these records; its work and its counting are measured."""
        sent: list[tuple[str, bytes, bytes]] = []
        for batch in batches(records, size):
            with self.meter(f"stage {stage}"):
                effects = work(batch, self.state)
            self.state.apply(effects.changes)
            with self.meter(f"count {stage}"):
                assert effects.committed is not None
                effects.committed()
            for many in effects.outputs:
                sent += [(many.topic, key, value) for key, value in zip(many.keys, many.values, strict=True)]
        return sent


def _now() -> int:
    return NOW_MS


def metered_codec() -> Metered:
    """A codec without a registry, as `local_codec` gives it, with a meter."""
    codec: Any = local_codec()
    codec.__class__, codec.meter = Metered, Meter()
    return cast("Metered", codec)


def once(road: Road, records: Sequence[Record], size: int, percent: int) -> dict[str, float]:
    """CPU seconds by room for one run of the whole road by a worker that has been running for a while."""
    road.state.clear()
    road.meter.seconds.clear()
    located = _of(topics.LOCATED.name, road.run("inbound", road.inbound.work, records, size))
    tasks = _of(topics.TASKS.name, road.run("outbound", road.outbound.work, located, size))
    road.run("status", road.outbound.work, reports(tasks, road.codec, percent), size)
    seconds = dict(road.meter.seconds)
    seconds["road"] = sum(value for name, value in seconds.items() if name.startswith(("stage ", "count ")))
    return seconds


def _of(topic: str, sent: Sequence[tuple[str, bytes, bytes]]) -> list[Record]:
    return [record(topic, offset, key, value) for offset, (name, key, value) in enumerate(sent) if name == topic]


def reports(tasks: Sequence[Record], codec: Codec, percent: int) -> list[Record]:
    """What ticketing systems would report on the chosen incidents' tasks, step after step."""
    found = (codec.decode(task.value).record for task in tasks)
    chosen_tasks = [
        t for t in found if t["version"] == 1 and t["action"] == "handle" and chosen(t["incident_id"], percent)
    ]
    rows = [status for task in chosen_tasks for status in statuses(task, NOW_MS)]
    subject = SUBJECTS["TaskStatus"]
    return [record(topics.STATUS.name, n, b"", Codec.encode(codec, subject, row)) for n, row in enumerate(rows)]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--batches", default="20,200,2000")
    parser.add_argument("--best-of", type=int, default=3)
    parser.add_argument("--status-percent", type=int, default=40)
    asked = parser.parse_args(argv)
    data = city_data.load()
    records = department_records(asked.events, local_codec(), data)
    road = Road(data, metered_codec())
    once(road, records, 500, asked.status_percent)  # what a worker remembers is there before it counts
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the worker does
    for size in map(int, asked.batches.split(",")):
        runs = [once(road, records, size, asked.status_percent) for _ in range(asked.best_of)]
        for room in runs[0]:
            us = min(run[room] for run in runs) / len(records) * 1e6
            line = {"measure": "room", "room": room, "batch": size, "us_per_event": round(us, 2)}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
