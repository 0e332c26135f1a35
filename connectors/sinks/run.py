"""One target's work: read tasks, carry them out, write down what became of them. Targets know nothing of each other."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced
from aiokafka.structs import TopicPartition
from prometheus_client import CollectorRegistry

from gridhub.connectors.sinks.contract import Answer, Fate, Message
from gridhub.connectors.sinks.courier import Delivered
from gridhub.connectors.sinks.log import Log, Place, group, parked
from gridhub.connectors.sinks.metrics import SinkMetrics
from gridhub.schemas.codec import Codec, Decoded
from gridhub.streams import topics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridhub.connectors.sinks.courier import Courier

MOST_AT_ONCE = 200
POLL_MS = 500
PAUSE_S = 2.0
Found = tuple[Place, Message]


class Desk:
    """The work of one target. Runs until it is cancelled; Kafka's troubles are waited out, our bugs are not."""

    def __init__(
        self, bootstrap: str, courier: Courier, codec: Codec, log: Any, metrics: SinkMetrics | None = None
    ) -> None:
        self._bootstrap, self._courier, self._codec = bootstrap, courier, codec
        self._target = courier.target
        self._log = log.bind(target=self._target.name)
        self._slots = asyncio.Semaphore(self._target.parallel)
        self._behind: set[str] = set()  # tasks of which a version is parked until the target is well again
        self._in_hand: dict[Place, int] = {}  # what is being carried, and when it was published
        self._parked: dict[str, int] = {}  # what is parked, and since when
        self._metrics = metrics or SinkMetrics(CollectorRegistry())
        self._metrics.watch(self._target.name, lambda: courier.circuit_open, self._oldest_ms)

    async def run(self) -> None:
        """Begin anew after each trouble with Kafka, from the offsets that are committed."""
        while True:
            try:
                await self._work()
            except ProducerFenced:
                self._log.error("another process took this target over; this one ends its part")
                return
            except (KafkaError, OSError) as error:
                self._log.warning("Kafka does not answer as it should; trying again", error=repr(error))
                await asyncio.sleep(PAUSE_S)

    async def _work(self) -> None:
        book = Log(self._bootstrap, self._target.name, self._codec)
        consumer = self._consumer()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(_quietly, book.stop)
            await book.start()
            stack.push_async_callback(_quietly, consumer.stop)
            await consumer.start()
            await self._look_back()
            again = asyncio.get_running_loop().time() + self._target.redeliver_s
            while True:
                await self._carry(await consumer.getmany(timeout_ms=POLL_MS, max_records=MOST_AT_ONCE), book)
                if asyncio.get_running_loop().time() >= again:
                    await self.redeliver(book, await self._look_back())
                    again = asyncio.get_running_loop().time() + self._target.redeliver_s * random.uniform(1, 1.2)

    async def _look_back(self) -> dict[str, dict[str, Any]]:
        """What is parked, as Kafka has it."""
        waiting = await parked(self._bootstrap, self._codec, self._target.name)
        self._behind = {row["task_id"] for row in waiting.values() if row["fate"] == Fate.LATER}
        self._parked = {name: row["at"] for name, row in waiting.items()}
        self._metrics.parked(self._target.name, len(waiting))
        return waiting

    def _oldest_ms(self) -> int | None:
        return min([*self._in_hand.values(), *self._parked.values()], default=None)

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            topics.TASKS.name, bootstrap_servers=self._bootstrap.split(","), group_id=group(self._target.name),
            isolation_level="read_committed", auto_offset_reset="earliest", enable_auto_commit=False,
            group_instance_id=group(self._target.name),  # who comes back after a crash has its partitions at once
            max_poll_interval_ms=24 * 3600 * 1000,  # a target that is away for long is no reason to lose the partitions
        )  # fmt: skip

    async def _carry(self, records: dict[Any, list[Any]], book: Log) -> None:
        rows = [row for part in records.values() for row in part]
        if not rows:
            return
        offsets = {tp.partition: part[-1].offset + 1 for tp, part in records.items()}
        found = self._wanted(rows)
        published = {(row.partition, row.offset): row.timestamp for row in rows}
        self._in_hand = {place: published[place] for place, _ in found}
        fates = await self.deliver(found)
        await book.write(fates, offsets)
        self._note(fates)

    def _note(self, fates: Iterable[tuple[Place, Delivered]], gone: Iterable[str] = ()) -> None:
        """Count what was written down."""
        for _, delivered in fates:
            name = f"{self._target.name}/{delivered.message.key}"
            self._metrics.count(self._target.name, delivered)
            self._parked.pop(name, None)
            if delivered.parked:
                self._parked[name] = time.time_ns() // 1_000_000
        for name in gone:
            self._parked.pop(name, None)
        self._metrics.parked(self._target.name, len(self._parked))

    def _wanted(self, records: list[Any]) -> list[Found]:
        kept = [record for record in records if record.value is not None]
        decoded = self._codec.decode_many([record.value for record in kept])
        return [
            (Place(record.partition, record.offset), Message(item.record))
            for record, item in zip(kept, decoded, strict=True)
            if isinstance(item, Decoded) and self._target.tasks.fits(item.record)
        ]

    async def deliver(self, found: Iterable[Found]) -> list[tuple[Place, Delivered]]:
        """Messages of one task one after another, of different tasks at the same time."""
        lines: dict[str, list[Found]] = defaultdict(list)
        for place, message in found:
            lines[message.task["task_id"]].append((place, message))
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._line(line)) for line in lines.values()]
        return [fate for task in running for fate in task.result()]

    async def _line(self, line: list[Found]) -> list[tuple[Place, Delivered]]:
        async with self._slots:
            return [(place, self._told(await self._one(place, message))) for place, message in line]

    async def _one(self, place: Place, message: Message) -> Delivered:
        """Carry a message; while an earlier version of its task waits, it waits behind it: the target sees them in order."""
        task_id = message.task["task_id"]
        if task_id in self._behind:
            delivered = Delivered(message, Answer(Fate.LATER, "an earlier version waits"), 0)
        else:
            delivered = await self._courier.deliver(message)
        self._in_hand.pop(place, None)
        if delivered.answer.fate == Fate.LATER:
            self._behind.add(task_id)
        return delivered

    def _told(self, delivered: Delivered) -> Delivered:
        if delivered.parked:
            answer = delivered.answer
            self._log.warning(
                "delivery parked", key=delivered.message.key, fate=answer.fate.value, code=answer.code,
                detail=answer.detail, attempts=delivered.attempts,
            )  # fmt: skip
        return delivered

    async def redeliver(self, book: Log, waiting: dict[str, dict[str, Any]], *, refused_too: bool = False) -> int:
        """Carry parked deliveries once more; those the target refused only when asked to. How many it has now."""
        rows = [row for row in waiting.values() if refused_too or row["fate"] == Fate.LATER]
        if not rows:
            return 0
        self._behind -= {row["task_id"] for row in rows}
        pairs = [(row, await self._again(row)) for row in sorted(rows, key=lambda row: row["version"])]
        fates = await self.deliver([found for _, found in pairs if found])
        gone = [row["delivery_id"] for row, found in pairs if not found]
        await book.write(fates, {}, gone)
        self._note(fates, gone)
        return sum(not delivered.parked for _, delivered in fates)

    async def _again(self, row: dict[str, Any]) -> Found | None:
        """The task's version as hub.tasks still has it, or None: compaction left only a later version, sent since."""
        tp = TopicPartition(topics.TASKS.name, row["partition"])
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap.split(","), isolation_level="read_committed")
        await consumer.start()
        try:
            consumer.assign([tp])
            consumer.seek(tp, row["offset"])
            records = (await consumer.getmany(tp, timeout_ms=10 * POLL_MS, max_records=1)).get(tp, [])
        finally:
            await consumer.stop()
        same = [record for record in records if record.offset == row["offset"]]
        return next(iter(self._wanted(same)), None)


async def _quietly(stop: Any) -> None:
    """Close a client that may be in any state: the trouble that ended its work is told already."""
    with contextlib.suppress(KafkaError, OSError, IllegalOperation, TimeoutError):
        await asyncio.wait_for(stop(), 10)
