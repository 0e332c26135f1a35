"""Play the script: move the clock, let everybody do what stands there, and wait for what must come of it."""

from __future__ import annotations

import difflib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from gridhub.connectors.demo.day.lines import Names, Published, in_order, told
from gridhub.connectors.demo.day.messages import Senders, Sent, event_names
from gridhub.connectors.demo.day.script import Script, Step, lines_of
from gridhub.connectors.sources.departments import Departments

Say = Callable[[str], None]
_PAUSE_S = 0.02


class Hub(Protocol):
    """What the script is played on: a hub in memory, or a running one."""

    def set_clock(self, now_ms: int) -> None:
        """Let the hub's clock stand here; it never goes backwards."""

    def send(self, sent: Sent) -> None:
        """Send one message as an ordinary client does; it is on its way when this returns."""

    def published(self) -> list[Published]:
        """Every record of tasks, incidents and journal that is there by now, committed ones only."""


@dataclass
class Timeline:
    """What came, beside what was to come."""

    expected: list[str] = field(default_factory=list)
    actual: list[str] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """Lines that did not come."""
        return (Counter(self.expected) - Counter(self.actual)).total()

    @property
    def extra(self) -> int:
        """Lines that nobody expected, or came more often."""
        return (Counter(self.actual) - Counter(self.expected)).total()

    @property
    def right(self) -> bool:
        """Whether both are the same, each line as often."""
        return not (self.missing or self.extra)

    def differences(self, around: int = 2) -> Iterator[str]:
        """The differences for a person: `-` expected and not there, `+` there and not expected."""
        yield from difflib.unified_diff(self.expected, self.actual, "expected", "actual", lineterm="", n=around)


class Player:
    """Plays one script on one hub."""

    def __init__(self, script: Script, departments: Departments, hub: Hub, patience_s: float = 60.0) -> None:
        self.script, self._hub, self._patience_s = script, hub, patience_s
        self.names = Names(event_names(script, departments))
        self._senders = Senders(script, departments, self.names)
        self._shown = 0

    def play(
        self,
        say: Say,
        on_step: Callable[[int, Step], None] = lambda _number, _step: None,
        settle: Callable[[], None] = lambda: None,
    ) -> Timeline:
        """Play all of it; stops at the first step after which something else came than was expected.

        `on_step` is called when what falls due at a step, or else its message, is on its way, before what comes of it
        is waited for; `settle` at the end, before it is looked for what nobody expected.
        """
        whole = Timeline()
        for number, step in enumerate(self.script.steps):
            say(f"── {step.at}  {step.tells}")
            for part in self._play(number, step, on_step):
                whole.expected += part.expected
                whole.actual += part.actual
                for text in part.actual:
                    say(f"   {text}")
                if not part.right:
                    return whole
        settle()
        whole.actual += self._take()
        return whole

    def rehearse(self) -> Iterator[tuple[list[str], list[str]]]:
        """Play it on a hub that does everything at once; for each step what fell due before it and what came of it."""
        for step in self.script.steps:
            self._hub.set_clock(self.script.ms(step.at))
            before = self._take()
            message = self._senders.message(step)
            if message is not None:
                self._hub.send(message)
            yield before, self._take()

    def _take(self) -> list[str]:
        new = self._new()
        self._shown += len(new)
        return new

    def _play(self, number: int, step: Step, on_step: Callable[[int, Step], None]) -> Iterator[Timeline]:
        self._hub.set_clock(self.script.ms(step.at))
        rings = bool(step.before.strip())
        if rings:
            on_step(number, step)
        yield self._await(lines_of(step.before))
        message = self._senders.message(step)
        if message is not None:
            self._hub.send(message)
        if not rings:
            on_step(number, step)
        yield self._await(lines_of(step.then))

    def _await(self, expected: list[str]) -> Timeline:
        """Wait until all of it is there; give up when it is not in time, or when something else is there instead."""
        deadline = time.monotonic() + self._patience_s
        while True:
            new = self._new()
            wanting = Counter(expected) - Counter(new)
            if not wanting or len(new) >= len(expected) or time.monotonic() > deadline:
                self._shown += len(new)
                return Timeline(expected, new)
            time.sleep(_PAUSE_S)

    def _new(self) -> list[str]:
        """Lines of the records that came since the last step."""
        records = told(self._hub.published())[self._shown :]
        self.names.learn(records)
        return in_order(records, self.names)
