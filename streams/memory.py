"""State in a dict: for `gridhub try`, for tests and for small sites; and the overlay that rooms see during a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

Changes = Mapping[bytes, bytes | None]
"""What a room wants written: a value, or None to delete the key."""


class State(Protocol):
    """The one thing a room asks of state: many values at once."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """One value per key, in order; None where the key is not there."""


class MemoryState(dict[bytes, bytes]):
    """State in memory. A worker has RocksDB in its place; the rooms cannot tell the difference."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """One value per key, in order; None where the key is not there."""
        return [self.get(key) for key in keys]

    def apply(self, changes: Changes) -> None:
        """Write what a room decided, after its output is safe; None deletes."""
        for key, value in changes.items():
            if value is None:
                self.pop(key, None)
            else:
                self[key] = value


class Overlay:
    """A state as it will be: pending changes lie over it, and the state itself stays untouched."""

    def __init__(self, state: State, *pending: Changes) -> None:
        self._state = state
        self.changes: dict[bytes, bytes | None] = {}
        for changes in pending:
            self.changes.update(changes)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """One value per key, in order: the pending one, else the state's."""
        missing = [key for key in keys if key not in self.changes]
        found = dict(zip(missing, self._state.get_many(missing), strict=True)) if missing else {}
        return [self.changes[key] if key in self.changes else found[key] for key in keys]

    def apply(self, changes: Changes) -> None:
        """Lay further changes on top."""
        self.changes.update(changes)
