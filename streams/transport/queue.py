"""What a lane holds before it is worked on: counted from the fetch on, bounded in bytes, taken together."""

from __future__ import annotations

import time
from collections import deque

from gridhub.streams.transport.batch import Batch, Work, merge
from gridhub.streams.transport.plan import Options

ALONE_SHARE, ALONE_LEAST = (
    4,
    3,
)  # a quarter of the events of the largest batch is enough to go alone, one or two never are


class BatchQueue:
    """Batches of one lane since its last rewind, each with the work that its agent wants done."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.fetched = 0  # batches that were sent on their way to the lane
        self.taken = 0  # batches that came
        self.held_bytes = 0  # of both, until they are worked on
        self._counted_at = 0.0
        self._waiting: deque[tuple[Batch, Work]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether more may be fetched."""
        return self.held_bytes < self.options.queue_bytes

    @property
    def is_long(self) -> bool:
        """Whether so much waits that a transaction of its own costs little of it."""
        enough = max(self.options.batch_events // ALONE_SHARE, ALONE_LEAST)
        return sum(len(batch) for batch, _ in self._waiting) >= enough

    @property
    def last_work(self) -> Work:
        """The work of the batch that came last."""
        return self._waiting[-1][1]

    def clear(self) -> None:
        """Drop what waits; it will be fetched again."""
        self._waiting.clear()

    def restart(self) -> None:
        """Begin to count anew: the consumer was rewound."""
        self.fetched = self.taken = self.held_bytes = 0
        self.clear()

    def count(self, batch: Batch) -> None:
        """A batch is on its way."""
        self.fetched += 1
        self.held_bytes += batch.size
        self._counted_at = time.monotonic()

    def misses(self, limit_s: float) -> bool:
        """Whether a batch is on its way for longer than this: then it will not come, and no later one may tell of it."""
        return self.fetched != self.taken and time.monotonic() - self._counted_at > limit_s

    def put(self, batch: Batch, work: Work) -> None:
        """The next batch has come."""
        self.taken += 1
        self._waiting.append((batch, work))

    def next(self) -> tuple[Batch, Work]:
        """What waits for the same work, as one batch: the more there is to do, the fewer transactions per event."""
        batches, events, size, work = list[Batch](), 0, 0, self._waiting[0][1]
        while self._waiting and self._waiting[0][1] == work:
            batch = self._waiting[0][0]
            events, size = events + len(batch), size + batch.size
            if batches and (events > self.options.batch_events or size > self.options.batch_bytes):
                break
            batches.append(self._waiting.popleft()[0])
            self.held_bytes -= batch.size
        return merge(batches), work
