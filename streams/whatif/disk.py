"""A side's state on the disk: what is open in a week of a city need not fit into memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gridhub.streams.memory import Changes
from gridhub.streams.state.budget import Budget
from gridhub.streams.state.rocks import RocksStore

SIDES = 2


class DiskState:
    """A worker's store, written to at once; the rooms cannot tell it from a dict."""

    def __init__(self, folder: Path, budget: Budget) -> None:
        self._store = RocksStore(folder, budget)
        self._position = 0

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """One value per key, in order; None where the key is not there."""
        return self._store.get_many(keys)

    def due(self, until_ms: int, limit: int) -> list[tuple[bytes, bytes]]:
        """The first timers that are due, in order."""
        return self._store.due(until_ms, limit)

    def apply(self, changes: Changes) -> None:
        """Write what a room decided; None deletes."""
        if changes:
            self._position += 1
            self._store.apply(changes, self._position)

    def close(self) -> None:
        """Let the store go; its folder is its owner's to remove."""
        self._store.close()


@contextmanager
def disk_states(memory_mb: int) -> Iterator[tuple[DiskState, DiskState]]:
    """Two empty states in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="gridhub-whatif-") as folder:
        budget = Budget(memory_mb, SIDES)
        states = DiskState(Path(folder) / "live", budget), DiskState(Path(folder) / "proposed", budget)
        try:
            yield states
        finally:
            for state in states:
                state.close()
