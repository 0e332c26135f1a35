"""What is replayed: the kept records of all partitions in the order in which Kafka took them, cut into steps.

A window of time is read after the other, each so short that it holds a bounded number of records; so memory does not
grow with what is kept. A step is what a lane would take as one batch: events, then reports, at one moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from gridhub.schemas.codec import Codec, Decoded
from gridhub.streams import messages, topics
from gridhub.streams.messages import Origin

STEP_MS = 10_000
MOST_EVENTS = 500
REPORTS = ("gridhub.hub.TaskStatus", "gridhub.hub.Command")
"""What people and ticketing systems wrote to hub.status. What the hub wrote there itself, the replay writes anew."""


@dataclass(slots=True)
class Step:
    """Records of a short while. `at_ms` is when the last of them came."""

    begin_ms: int
    at_ms: int
    events: list[Origin] = field(default_factory=list)  # of departments' topics, or of hub.located
    reports: list[Origin] = field(default_factory=list)
    decided: list[Origin] = field(default_factory=list)  # of hub.journal: what really happened

    def __len__(self) -> int:
        return len(self.events) + len(self.reports)


def steps(records: Iterator[list[Origin]], step_ms: int = STEP_MS, most: int = MOST_EVENTS) -> Iterator[Step]:
    """Records in the order of time, window after window, cut into steps of at most so many ms and records.

    What the journal says goes along with them, and cuts nothing: with or without it the steps are the same.
    """
    step: Step | None = None
    decided: list[Origin] = []
    for window in records:
        for origin in window:
            if origin.topic == topics.JOURNAL.name:
                decided.append(origin)
                continue
            if step is not None and (origin.timestamp_ms - step.begin_ms >= step_ms or len(step) >= most):
                step.decided, decided = decided, []
                yield step
                step = None
            if step is None:
                step = Step(origin.timestamp_ms, origin.timestamp_ms)
            step.at_ms = max(step.at_ms, origin.timestamp_ms)
            (step.reports if origin.topic == topics.STATUS.name else step.events).append(origin)
    if step is not None:
        step.decided = decided
        yield step


def reports_of(origins: Sequence[Origin], codec: Codec) -> pa.RecordBatch:
    """The STATUS table of what people and ticketing systems reported."""
    decoded = codec.decode_many(origin.value or b"" for origin in origins)
    kept = [
        origin
        for origin, found in zip(origins, decoded, strict=True)
        if isinstance(found, Decoded) and found.name in REPORTS
    ]
    return messages.read_status(kept, codec).table
