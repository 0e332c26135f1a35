"""The bench's broker, its topics, and what is put into them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import data
import job
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from gridhub.connectors.broker import Broker, free_port

HEAP_MB = 512
RETRIES = 50
QUIET = 2  # librdkafka's log: only what is critical
TOPIC_SETTINGS = {"retention.ms": "-1", "file.delete.delay.ms": "1000"}  # a run's files go soon after its topics


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """A broker of the bench's own, its data in a new folder; ended and removed in any case."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = Broker(folder, free_port(), free_port(), heap_mb=HEAP_MB)
    started.start()
    try:
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Cluster:
    """What the bench does with its broker."""

    def __init__(self, bootstrap: str, partitions: int = job.PARTITIONS) -> None:
        self.bootstrap, self._partitions = bootstrap, partitions
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": QUIET})
        self._loaded: dict[int, list[str]] = {}

    def create(self, topics: Sequence[str], **settings: str) -> None:
        """Make topics with the job's number of partitions."""
        wanted = [NewTopic(topic, job.PARTITIONS, 1, config={**TOPIC_SETTINGS, **settings}) for topic in topics]
        for answer in self.admin.create_topics(wanted).values():
            answer.result()

    def preloaded(self, columns: data.Columns) -> list[str]:
        """The input topics with these messages in them; filled once for each count."""
        count = len(columns)
        if count not in self._loaded:
            topics = [f"in-{count}.{name}" for name in job.DEPARTMENTS]
            self.create(topics)
            self._fill(topics, columns)
            self._loaded[count] = topics
        return self._loaded[count]

    def _fill(self, topics: list[str], columns: data.Columns) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap, "linger.ms": 20, "enable.idempotence": True, "log_level": QUIET,
                "batch.size": 262_144, "batch.num.messages": 10_000, "queue.buffering.max.messages": 1_000_000,
            }
        )  # fmt: skip
        for number, (department, partition, key, value) in enumerate(data.messages(columns)):
            while True:
                try:
                    producer.produce(topics[department], value, key, partition=partition)
                    break
                except BufferError:
                    producer.poll(0.1)
            if number % 1000 == 0:
                producer.poll(0)
        producer.flush()
        if (found := sum(self.ends(topics).values())) != len(columns):
            raise RuntimeError(f"{found} of {len(columns)} messages are in {topics}")

    def ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """The offset after the last committed record of each partition; marks of transactions count."""
        places = {TopicPartition(t, p): OffsetSpec.latest() for t in topics for p in range(self._partitions)}
        for _ in range(RETRIES):
            answers = self.admin.list_offsets(places, isolation_level=IsolationLevel.READ_COMMITTED)
            try:
                return {(place.topic, place.partition): answer.result().offset for place, answer in answers.items()}
            except KafkaException as error:  # a topic's first moments, or a broker with other things to do
                if not error.args[0].retriable() and error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                    raise
            time.sleep(0.2)
        raise TimeoutError(f"Kafka does not tell where {topics} end")

    def forget(self, run: str) -> None:
        """Delete all topics of a run."""
        topics = [topic for topic in self.admin.list_topics(timeout=30).topics if run in topic]
        if topics:
            for answer in self.admin.delete_topics(topics).values():
                answer.result()
        time.sleep(1)
