"""What the tests of the transport share: topics and records on the session's broker, and a lane without Faust."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient, NewTopic
from faust.types import TP

from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.transport import Batch, LaneGroup, Options, Plan
from gridhub.streams.transport.convoy import Convoy, carry
from gridhub.streams.transport.lane import Lane
from gridhub.streams.transport.pace import Pace
from gridhub.streams.transport.requests import ANYBODY, Member

_numbers = itertools.count(1)


class Cluster:
    """Topics and records on a broker, through clients that are not ours."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def name(self, stem: str) -> str:
        """A name that nobody else has on this broker."""
        return f"{stem}-{next(_numbers)}"

    def topic(self, stem: str, partitions: int = 1, **config: str) -> str:
        """Make a topic; its name. Settings with _ for a dot."""
        name = self.name(stem)
        settings = {key.replace("_", "."): value for key, value in config.items()}
        for future in self.admin.create_topics([NewTopic(name, partitions, 1, config=settings)]).values():
            future.result(30)
        return name

    def write(self, topic: str, pairs, partition: int = 0, *, end: str = "") -> None:
        """Write (key, value) pairs; `end` "commit" or "abort" makes them one transaction that ends so."""
        settings = {"bootstrap.servers": self.bootstrap, "linger.ms": 5, "log_level": 0}
        producer = Producer(settings | ({"transactional.id": self.name("writer")} if end else {}))
        if end:
            producer.init_transactions(30)
            producer.begin_transaction()
        for key, value in pairs:
            producer.produce(topic, key=key, value=value, partition=partition, on_delivery=_delivered)
            producer.poll(0)
        producer.flush(30)
        if end:
            getattr(producer, f"{end}_transaction")(30)

    def read(self, topic: str, partitions: int = 1, *, wanted: int = 0, limit_s: float = 30.0) -> list[Any]:
        """Committed messages in order per partition: to the end as it is now, and on until there are `wanted`."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )
        consumer.assign([Place(topic, number, 0) for number in range(partitions)])
        found, ended, until = [], set(), time.monotonic() + limit_s
        while time.monotonic() < until and (len(ended) < partitions or len(found) < wanted):
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                found.append(message)
            elif message is not None and message.error().name() == "_PARTITION_EOF":
                ended.add(message.partition())
        consumer.close()
        return found


def _delivered(error: Any, _message: Any) -> None:
    assert error is None, error


@pytest.fixture
def cluster(broker):
    """The session's broker as a cluster to write to and read from."""
    return Cluster(broker.bootstrap)


@dataclass
class Seen:
    """An Observer that remembers."""

    results: list[str] = field(default_factory=list)
    restores: list[int] = field(default_factory=list)

    def transaction(self, lane, partition, result, seconds, events):
        """Note the result."""
        self.results.append(result)

    def restored(self, lane, partition, keys, seconds):
        """Note the number of keys."""
        self.restores.append(keys)

    def rebalanced(self, lanes):
        """Not noted."""


class Feed:
    """In Faust's place: gives a lane the records of a list from its committed offset on, whenever it is rewound."""

    def __init__(self, bootstrap: str, group: str, records: list[Any], work: Any, size: int = 3) -> None:
        self.app = SimpleNamespace(conf=SimpleNamespace(id=group))
        self.bootstrap, self.group, self.records, self.work, self.size = bootstrap, group, records, work, size
        self.broken: BaseException | None = None
        self.rewinds = 0
        self.pace = Pace(1 << 20)
        self.convoys = {"count": Convoy(0.005, carry)}

    async def committed(self, tp: TP) -> int:
        """The group's committed offset, 0 when there is none."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=self.group, enable_auto_commit=False, auto_offset_reset="none"
        )
        await consumer.start()
        try:
            return await consumer.committed(TopicPartition(*tp)) or 0
        finally:
            await consumer.stop()

    async def settled(self, tps: set[TP]) -> Member:
        """Nobody in particular: who is fenced is fenced by the transactional id alone."""
        return ANYBODY

    async def rewind_lane(self, lane: Lane) -> None:
        """Rewind; what follows the committed offset is delivered soon."""
        (tp,) = lane.tps
        start = await self.committed(tp)
        lane.rewound({tp: start})
        self.rewinds += 1
        for first in range(start, len(self.records), self.size):
            part = {tp: self.records[first : first + self.size]}
            asyncio.get_running_loop().call_soon(lane.take, Batch(lane, lane.epoch, part), self.work)

    def lane_has_room(self) -> None:
        """Nobody waits for it."""

    def lane_broke(self, lane: Lane, error: BaseException) -> None:
        """Remember it."""
        self.broken = error


@dataclass
class Desk:
    """Everything a lane needs; `lane()` makes one more of the same identity, as a second worker would."""

    cluster: Cluster
    folder: Path
    records: list[Any]
    group: str
    topic: str
    out: str
    changelog: str
    lanes: list[Lane] = field(default_factory=list)

    def lane(self, work, tick=None, **options) -> tuple[Lane, Feed, Seen]:
        """A started lane with its feed and observer; with `tick`, the work of ticks, it ticks all the time."""
        feed = Feed(self.cluster.bootstrap, self.group, self.records, work)
        folder = self.folder / f"worker-{len(self.lanes)}"
        folder.mkdir()
        settings = {"heartbeat_s": 0.1, "transaction_timeout_s": 10.0, "batch_events": 3} | options
        limits = Options((self.cluster.bootstrap,), folder, {self.out: 1}, **settings)
        group, seen = LaneGroup("count", (self.topic,), self.changelog, 0.01 if tick else 0.0, tick), Seen()
        lane = Lane(feed, group, 0, Plan((group,), limits, seen, structlog.get_logger(), RocksStore))
        self.lanes.append(lane)
        lane.start({TP(self.topic, 0)})
        return lane, feed, seen

    async def until(self, condition: Callable[[], bool], limit_s: float = 60.0) -> None:
        """Look again and again until it is so."""
        async with asyncio.timeout(limit_s):
            while not condition():  # noqa: ASYNC110  # what lanes do has no event that tests could wait for
                await asyncio.sleep(0.005)

    async def until_done(self, limit_s: float = 60.0) -> None:
        """Wait until everything is committed."""
        feed, tp = self.lanes[0].consumer, TP(self.topic, 0)
        until = time.monotonic() + limit_s
        while await feed.committed(tp) < len(self.records):
            assert time.monotonic() < until, "not everything was committed in time"

    def results(self) -> list[bytes]:
        """The values in the output topic."""
        return [message.value() for message in self.cluster.read(self.out)]


@pytest.fixture
async def desk(cluster, tmp_path):
    """Thirty records to work on, their topics, and the lanes that were started, which are stopped at the end."""
    topic = cluster.topic("lane-in")
    records = [
        SimpleNamespace(offset=i, key=b"k%d" % (i % 4), value=b"%d" % i, timestamp=0, topic=topic, partition=0)
        for i in range(30)
    ]
    desk = Desk(
        cluster, tmp_path, records, cluster.name("group"), topic, cluster.topic("lane-out"),
        cluster.topic("lane-state", cleanup_policy="compact"),
    )  # fmt: skip
    yield desk
    for lane in desk.lanes:
        await lane.stop(0.0)
    gc.collect()  # clients that were given up in the middle complain now, not while a later module is compiled
