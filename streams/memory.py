"""State in a dict: for `gridhub try`, for tests and for small sites; and the overlay that rooms see during a batch."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import Protocol

from gridhub.streams import timer_keys

Changes = Mapping[bytes, bytes | None]
"""What a room wants written: a value, or None to delete the key."""


class State(Protocol):
    """What rooms ask of state: many values at once, and which timers are due."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """One value per key, in order; None where the key is not there."""

    def due(self, until_ms: int, limit: int) -> list[tuple[bytes, bytes]]:
        """The first `limit` timers that are due at `until_ms` or earlier, key and value, in the order of their keys."""


class OwnState(State, Protocol):
    """A state that is also written to here and now, outside of any transaction."""

    def apply(self, changes: Changes) -> None:
        """Write what a room decided, after its output is safe; None deletes."""


class MemoryState(dict[bytes, bytes]):
    """State in memory. A worker has RocksDB in its place; the rooms cannot tell the difference."""

    _timers: list[bytes] | None = None  # their keys in order, once somebody asked for them

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """One value per key, in order; None where the key is not there."""
        return [self.get(key) for key in keys]

    def due(self, until_ms: int, limit: int) -> list[tuple[bytes, bytes]]:
        """The first timers that are due, in order. Timers are written by `apply` or before the first question."""
        if self._timers is None:
            self._timers = sorted(key for key in self if key.startswith(timer_keys.PREFIX))
        first = self._timers[: min(limit, bisect_left(self._timers, timer_keys.behind(until_ms)))]
        return [(key, self[key]) for key in first]

    def apply(self, changes: Changes) -> None:
        """Write what a room decided, after its output is safe; None deletes."""
        for key, value in changes.items():
            if self._timers is not None and key.startswith(timer_keys.PREFIX):
                self._note(self._timers, key, there=value is not None)
            if value is None:
                self.pop(key, None)
            else:
                self[key] = value

    def _note(self, timers: list[bytes], key: bytes, *, there: bool) -> None:
        if there and key not in self:
            insort(timers, key)
        elif not there and key in self:
            del timers[bisect_left(timers, key)]


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

    def due(self, until_ms: int, limit: int) -> list[tuple[bytes, bytes]]:
        """The first timers that are due when the pending changes are in the state, in order."""
        end = timer_keys.behind(until_ms)
        pending = {key: value for key, value in self.changes.items() if timer_keys.PREFIX <= key < end}
        below = self._state.due(until_ms, limit + len(pending))
        found: dict[bytes, bytes | None] = {**dict(below), **pending}
        return [(key, value) for key in sorted(found) if (value := found[key]) is not None][:limit]

    def apply(self, changes: Changes) -> None:
        """Lay further changes on top."""
        self.changes.update(changes)
