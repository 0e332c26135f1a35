"""What every way out promises; each passes the same tests (tests/contract/sinks/)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Task = dict[str, Any]


class Fate(StrEnum):
    """What a target's answer means for the message."""

    TAKEN = "taken"  # the target has it
    REFUSED = "refused"  # the target will never take it as it is: parked, for a person
    LATER = "later"  # the target, or the way to it, is in trouble: tried again


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt."""

    fate: Fate
    detail: str = ""  # for a person; never holds the message
    code: int = 0  # HTTP or SMTP status, 0 when there was no answer
    wait_s: float | None = None  # how long the target asked to be left alone


@dataclass(frozen=True, slots=True)
class Message:
    """One version of a task on its way to one target."""

    task: Task

    @property
    def key(self) -> str:
        """The same at every attempt, another for every version: the target drops what it has seen (idempotency key)."""
        return f"{self.task['task_id']}.{self.task['version']}"


class Sink(Protocol):
    """One way to one target."""

    async def send(self, message: Message) -> Answer:
        """One attempt. Raises only for our own bugs: what the world does wrong is an Answer.

        Bounded in time. Messages of one task come one after another, others at the same time.
        """

    async def close(self) -> None:
        """End the connections."""
