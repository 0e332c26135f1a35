"""Reads the topics of standing data in a thread of its own: no lane waits for it, and each sees a change between batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from gridhub.streams.city import City
from gridhub.streams.standing import Standing, Told

POLL_S = 2.0
_PAUSE_S = 5.0
_FETCH_WAIT_MS = 10_000  # the broker answers at once when something comes; asking less often costs nothing


class StandingReader(threading.Thread):
    """Follows hub.grids, hub.admissions and hub.config, and tells each change."""

    def __init__(
        self,
        bootstrap: str,
        standing: Standing,
        now_ms: Callable[[], int],
        listen: Callable[[City, list[Told]], None],
        complain: Callable[[str], None],
    ) -> None:
        """In this thread `listen` is called whenever the city changed or something was refused, `complain` with trouble."""
        super().__init__(name="standing", daemon=True)
        self.standing, self.listen, self.complain, self.now_ms = standing, listen, complain, now_ms
        self._servers = bootstrap.split(",")
        self._stopping = threading.Event()
        self._consumer: Any = None
        self._read: dict[TopicPartition, int] = {}  # where to go on after trouble

    def caught_up(self, limit_s: float = 60.0) -> str | None:
        """Read to the end as it is now, before a worker's first batch; why it could not be read in time, else None."""
        deadline = time.monotonic() + limit_s
        try:
            consumer = self._opened()
            ends = consumer.end_offsets(list(consumer.assignment()))
            while any(consumer.position(tp) < end for tp, end in ends.items()):
                self._take(consumer, POLL_S / 10)
                if time.monotonic() > deadline:
                    return f"not read to their end within {limit_s:.0f} s"
        except KafkaError as error:
            self._close()
            self._stopping.wait(POLL_S)
            return repr(error)
        self._settle()
        return None

    def run(self) -> None:
        """Follow until stopped; trouble with Kafka is waited out, what is in force stays in force."""
        while not self._stopping.is_set():
            try:
                self._take(self._opened(), POLL_S)
                self._settle()
            except Exception as error:  # noqa: BLE001  # a thread that ends in silence would leave old boundaries in force
                self.complain(repr(error))
                self._close()
                self._stopping.wait(_PAUSE_S)
        self._close()

    def stop(self, limit_s: float = 5.0) -> None:
        """End the thread, waiting for it at most so long."""
        self._stopping.set()
        if self.is_alive():
            self.join(limit_s)

    def _opened(self) -> Any:
        if self._consumer is None:
            consumer = KafkaConsumer(
                bootstrap_servers=self._servers,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                fetch_max_wait_ms=_FETCH_WAIT_MS,
                metadata_max_age_ms=300_000,
            )
            places = [
                TopicPartition(*place) for topic in self.standing.shelves for place in _partitions(consumer, topic)
            ]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            for tp, offset in self._read.items():
                consumer.seek(tp, offset)
            self._consumer = consumer
        return self._consumer

    def _take(self, consumer: Any, wait_s: float) -> None:
        for tp, records in consumer.poll(timeout_ms=int(wait_s * 1000)).items():
            for record in records:
                self.standing.take(tp.topic, record.key, record.value)
                self._read[tp] = record.offset + 1

    def _settle(self) -> None:
        before = self.standing.city
        told = self.standing.settle(self.now_ms())
        if told or self.standing.city is not before:
            self.listen(self.standing.city, told)

    def _close(self) -> None:
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            consumer.close(timeout_ms=1000)


def _partitions(consumer: Any, topic: str) -> list[tuple[str, int]]:
    """The partitions of a topic; KafkaError while the broker does not know it, as for a moment after a restart."""
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        consumer.close()
        raise KafkaError(f"{topic} has no partitions")
    return [(topic, number) for number in sorted(numbers)]
