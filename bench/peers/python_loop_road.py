"""A plain loop over the hub's own rooms: confluent-kafka, one process, no transactions, state in memory and lost with it."""

import os
import time
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiokafka import ConsumerRecord
from confluent_kafka import Consumer, Producer
from faust.types import TP
from prometheus_client import CollectorRegistry

from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.registry import connect, load_codec
from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.memory import MemoryState
from gridhub.streams.metrics import Metrics
from gridhub.streams.rooms.organisation import ROLES
from gridhub.streams.settings import Settings
from gridhub.streams.stage_inbound import InboundStage
from gridhub.streams.stage_outbound import OutboundStage
from gridhub.streams.sweep import Sweeper
from gridhub.streams.transport import Batch, Effects, Output, Outputs
from gridhub.streams.transport.murmur2 import partitions

BROKER, COMMIT_S = os.environ["BENCH_BROKER"], float(os.environ["BENCH_COMMIT_S"])
Row = tuple[str, int, bytes | None, bytes | None]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _unwatched(_room: str) -> Any:
    return _NOTHING


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


_NOTHING = _Nothing()


class Road:
    """Both stages, and the state of each lane."""

    def __init__(self) -> None:
        data, settings = city_data.load(), Settings()
        schemas = connect(os.environ["BENCH_REGISTRY"], Path(os.environ["BENCH_STATE"]) / "loop-schemas")
        codec = load_codec(schemas, catalogue(data.further), data.further, topics.HUB_BYTES)
        groups = sorted({row.matter_group for row in data.categories.values()})
        metrics = Metrics(
            CollectorRegistry(), list(data.departments.by_code), districts=data.districts, roles=list(ROLES),
            matter_groups=groups,
        )  # fmt: skip
        self.count = settings.partitions
        self.inputs = sorted(department.topic.name for department in data.departments)
        self._inbound = InboundStage(
            city_data.inbound_facts(data, settings, codec.decode_many), codec, metrics, _now_ms, _unwatched,
            settings.partitions, settings.max_broken_in_row,
        )  # fmt: skip
        self._outbound = OutboundStage(
            city_data.outbound_facts(data, settings), codec, metrics,
            Sweeper(int(settings.duplicate_retention_h * 3_600_000)), _now_ms, _unwatched, settings.max_broken_in_row,
        )  # fmt: skip
        self._states = [MemoryState() for _ in range(self.count)]
        self._located = [0] * self.count  # nobody else writes there, and no transaction: where the next one will lie

    def run(self, messages: list[Any]) -> list[Row]:
        """Everything that these messages cause."""
        parts: dict[TP, list[Any]] = defaultdict(list)
        for m in messages:
            parts[TP(m.topic(), m.partition())].append(
                _record(m.topic(), m.partition(), m.offset(), m.key(), m.value())
            )
        out = self._rows(self._inbound.work(_batch(0, dict(parts)), MemoryState()))
        lanes: dict[int, list[Any]] = defaultdict(list)
        for topic, partition, key, value in out:
            if topic == topics.LOCATED.name:
                lanes[partition].append(_record(topic, partition, self._located[partition], key, value))
                self._located[partition] += 1
        for lane, records in lanes.items():
            state = self._states[lane]
            effects = self._outbound.work(_batch(lane, {TP(topics.LOCATED.name, lane): records}), state)
            state.apply(effects.changes)
            out += self._rows(effects)
        return out

    def _rows(self, effects: Effects) -> list[Row]:
        rows: list[Row] = []
        for output in effects.outputs:
            if isinstance(output, Output):
                place = output.partition if output.partition >= 0 else partitions([output.key or b""], self.count)[0]
                rows.append((output.topic, int(place), output.key, output.value))
            else:
                rows += _many(output, self.count)
        assert effects.committed is not None
        effects.committed()
        return rows


def _many(output: Outputs, count: int) -> list[Row]:
    place = output.partition
    if isinstance(place, int):
        alone = [place] * len(output.keys)
        place = alone if place >= 0 else [int(p) for p in partitions([key or b"" for key in output.keys], count)]
    return [(output.topic, *row) for row in zip(place, output.keys, output.values, strict=True)]


def _record(topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None) -> Any:
    return ConsumerRecord(
        topic, partition, offset, _now_ms(), 0, key, value, None, len(key or b""), len(value or b""), ()
    )


def _batch(partition: int, parts: dict[TP, list[Any]]) -> Batch:
    return Batch(SimpleNamespace(partition=partition), 0, parts)


def main() -> None:
    """Work until killed."""
    road = Road()
    options = {"bootstrap.servers": BROKER, "group.id": Settings().group, "auto.offset.reset": "earliest"}
    consumer = Consumer({**options, "enable.auto.commit": False, "fetch.wait.max.ms": 20})
    producer = Producer(
        {
            "bootstrap.servers": BROKER, "linger.ms": 10, "queue.buffering.max.messages": 1_000_000,
            "enable.idempotence": True,
        }
    )  # fmt: skip
    consumer.subscribe(road.inputs)
    commit_at, pending = time.time() + COMMIT_S, False
    while True:
        if messages := consumer.consume(1000, 0.02):
            pending = True
            for topic, partition, key, value in road.run(messages):
                producer.produce(topic, value, key, partition=partition)
            producer.poll(0)
        if pending and time.time() >= commit_at:
            producer.flush()
            consumer.commit(asynchronous=False)
            commit_at, pending = time.time() + COMMIT_S, False


main()
