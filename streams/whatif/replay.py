"""Replays a history on both sides and gives what differs; and compares the live side with what really happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gridhub.schemas.codec import Codec
from gridhub.streams import messages
from gridhub.streams.records import LOCATED, empty
from gridhub.streams.whatif.difference import Differences
from gridhub.streams.whatif.reality import Reality
from gridhub.streams.whatif.side import NO_REPORTS, Happened, Side
from gridhub.streams.whatif.steps import Step, reports_of

Tell = Callable[[int, int], None]
"""Told now and then how many records were taken, and the moment that was reached, ms."""
_TELL_EVERY = 5000


@dataclass(slots=True)
class Result:
    """What a what-if found. Moments in ms; `events` and `reports` are those that were compared, `warmed` those before."""

    from_ms: int
    to_ms: int
    differences: Differences = field(default_factory=Differences)
    reality: Reality | None = None
    events: int = 0
    reports: int = 0
    warmed: int = 0
    seconds: float = 0.0


class Replay:
    """Both sides, step by step. What came before `from_ms` fills the states and is not compared."""

    def __init__(self, live: Side, proposed: Side, codec: Codec, result: Result) -> None:
        self.live, self.proposed, self.codec, self.result = live, proposed, codec, result
        self._begun = False

    def run(self, steps: Iterator[Step], tell: Tell = lambda _count, _at_ms: None) -> Result:
        """Take all steps, then let the time come to the end of what is compared."""
        started, told = time.process_time(), 0
        for step in steps:
            self._take(step)
            done = self.result.events + self.result.reports + self.result.warmed
            if done - told >= _TELL_EVERY:
                told = done
                tell(done, step.at_ms)
        if not self._begun:
            self._begin()
        self._compare(self.result.to_ms, self.live.until(self.result.to_ms), self.proposed.until(self.result.to_ms))
        self.result.seconds = time.process_time() - started
        return self.result

    def _begin(self) -> None:
        """What fell due before is not compared."""
        self._begun = True
        for side in (self.live, self.proposed):
            side.until(self.result.from_ms - 1)

    def _take(self, step: Step) -> None:
        located, result = empty(LOCATED), self.result
        if self.live.facts.inbound is None and step.events:
            located = messages.read_located(step.events, self.codec).table
        reports = reports_of(step.reports, self.codec) if step.reports else NO_REPORTS
        compared = step.begin_ms >= result.from_ms
        if compared and not self._begun:
            self._begin()
        live, proposed = (side.take(step.events, located, reports, step.at_ms) for side in (self.live, self.proposed))
        if not compared:
            result.warmed += len(step)
            return
        result.events += len(step.events)
        result.reports += reports.num_rows
        self._compare(step.at_ms, live, proposed)
        if result.reality is not None and step.decided:
            result.reality.decided(step.decided)

    def _compare(self, at_ms: int, live: Happened, proposed: Happened) -> None:
        self.result.differences.add(live, proposed, at_ms)
        if self.result.reality is not None:
            self.result.reality.replayed(live)
