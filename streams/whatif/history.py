"""The kept topics as one stream: windows of time over all partitions, each of a bounded number of records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from gridhub.streams.kept import PASSING, READING, end_of_partition, time_of
from gridhub.streams.messages import Origin

MOST_RECORDS = 20_000
"""Of one window; more only where so many came in one millisecond."""
_ASK_S = 30.0
_POLL_S = 1.0
_SILENT_S = 60.0
Place = tuple[str, int]


class History:
    """Topics from a moment to another. It reads and asks; there is nothing in it that could write."""

    def __init__(self, bootstrap: str, names: Sequence[str], most: int = MOST_RECORDS) -> None:
        """KafkaException when Kafka does not answer; topics that there are not are left out."""
        self._consumer = Consumer(READING | {"bootstrap.servers": bootstrap})
        self._most = most
        known = self._consumer.list_topics(timeout=_ASK_S).topics
        self.places: list[Place] = [
            (name, number) for name in names if name in known for number in sorted(known[name].partitions)
        ]

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def begin_ms(self) -> int | None:
        """When the oldest record that is kept came; None when nothing is."""
        firsts = [self._first_time(place) for place in self.places]
        return min((at for at in firsts if at is not None), default=None)

    def windows(self, from_ms: int, to_ms: int) -> Iterator[list[Origin]]:
        """Committed records that came in [from, to), in the order of time; ties by topic, partition and offset."""
        here, here_ms, width_ms = self.offsets(from_ms), from_ms, to_ms - from_ms
        while here_ms < to_ms:
            there_ms, there = self._window(here, here_ms, min(to_ms, here_ms + width_ms), to_ms)
            yield self._between(here, there)
            width_ms = max(1, 2 * (there_ms - here_ms))
            here, here_ms = there, there_ms

    def offsets(self, at_ms: int) -> dict[Place, int]:
        """In each partition, the first offset whose record came at this moment or later."""
        asked = [TopicPartition(*place, at_ms) for place in self.places]
        found = self._consumer.offsets_for_times(asked, timeout=_ASK_S)
        return {
            (tp.topic, tp.partition): tp.offset if tp.offset >= 0 else self._end((tp.topic, tp.partition))
            for tp in found
        }

    def _window(self, here: dict[Place, int], here_ms: int, try_ms: int, to_ms: int) -> tuple[int, dict[Place, int]]:
        """The end of a window that begins here, and its offsets: half as long until it holds few enough."""
        while True:
            there = self.offsets(try_ms)
            count = sum(max(0, there[place] - here[place]) for place in here)
            if count == 0 and try_ms < to_ms:
                try_ms = min(to_ms, here_ms + 2 * (try_ms - here_ms))
            elif count <= self._most or try_ms - here_ms <= 1:
                return try_ms, there
            else:
                try_ms = here_ms + (try_ms - here_ms) // 2

    def _between(self, here: dict[Place, int], there: dict[Place, int]) -> list[Origin]:
        wanted = {place: there[place] for place in here if there[place] > here[place]}
        if not wanted:
            return []
        self._consumer.assign([TopicPartition(*place, here[place]) for place in wanted])
        found: list[Origin] = []
        silent_s = 0.0
        while wanted:
            batch = self._consumer.consume(5000, _POLL_S)
            silent_s = 0.0 if batch else silent_s + _POLL_S
            if silent_s > _SILENT_S:
                raise TimeoutError(f"Kafka gave nothing of {min(wanted)} for {_SILENT_S:.0f} s.")
            self._take(batch, wanted, found)
        self._consumer.unassign()
        order = {name: number for number, name in enumerate(dict.fromkeys(name for name, _ in self.places))}
        return sorted(found, key=lambda o: (o.timestamp_ms, order[o.topic], o.partition, o.offset))

    def _take(self, batch: Sequence[Message], wanted: dict[Place, int], found: list[Origin]) -> None:
        for message in batch:
            place = (message.topic() or "", message.partition() or 0)
            error = message.error()
            if error is None:
                offset = message.offset() or 0
                if offset < wanted.get(place, 0):
                    found.append(Origin(*place, offset, time_of(message), message.key(), message.value()))
                if offset >= wanted.get(place, 0) - 1:
                    wanted.pop(place, None)
            elif end_of_partition(error):
                wanted.pop(place, None)  # what is left are the marks of transactions
            elif not error.retriable() and error.code() not in PASSING:
                raise KafkaException(error)

    def _end(self, place: Place) -> int:
        return int(self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=_ASK_S)[1])

    def _first_time(self, place: Place) -> int | None:
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=_ASK_S)
        if low >= high:
            return None
        self._consumer.assign([TopicPartition(*place, low)])
        (message,) = self._consumer.consume(1, _ASK_S) or (None,)
        self._consumer.unassign()
        return time_of(message) if message is not None and message.error() is None else None
