"""What the registry asks of the place where its records are kept, and the simplest such place."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridhub.connectors.registry.records import Record


class StoreDown(Exception):  # noqa: N818  # a state of the world, not a mistake
    """Kafka cannot take or confirm the write now: nothing is known to be registered, try again."""


class Log(Protocol):
    """Where the registry's records are kept."""

    def write(self, decide: Callable[[], Sequence[Record]]) -> None:
        """Run `decide` on the newest state and keep the records it returns, all or none, before returning.

        `decide` may run more than once; what it raises passes through and nothing is written. StoreDown when the
        records could not be kept.
        """

    @property
    def loaded(self) -> bool:
        """Whether everything that was there at the start has been applied."""


class Fold(Protocol):
    """What the records add up to."""

    def apply(self, record: Record) -> None:
        """Take in the next record."""

    def clear(self) -> None:
        """Forget all records: the topic was replaced by another one."""


class MemoryLog:
    """Keeps nothing beyond the process: for tests, and for looking at the registry without Kafka."""

    loaded = True

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._lock = threading.Lock()

    def write(self, decide: Callable[[], Sequence[Record]]) -> None:
        """See Log.write."""
        with self._lock:
            for record in decide():
                self._fold.apply(record)
