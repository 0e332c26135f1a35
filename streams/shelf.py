"""What a topic of standing data is to the hub: a shelf that takes messages and settles."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pydantic import ValidationError

from gridhub.streams.city import City


class Told(NamedTuple):
    """What became of a change: of which topic, which item, whether it is in force, and a sentence."""

    topic: str
    item: str
    applied: bool
    detail: str


class Shelf(Protocol):
    """The changes of one topic."""

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take a message; None for its value withdraws the item."""

    def settle(self, city: City, now_ms: int) -> tuple[City, list[Told]]:
        """The city with everything that is whole and right, and what became of each change since the last time."""


def item_text(key: bytes) -> str:
    """A key for a person, bounded."""
    return key[:200].decode("utf-8", "replace")


def first_line(error: Exception) -> str:
    """What is wrong, in one line."""
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
    return str(error).partition("\n")[0] or type(error).__name__
