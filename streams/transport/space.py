"""Room for the local state: a worker stops with a clear sentence before its disk, or the space it was given, is full."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from gridhub.streams.transport.errors import StateError

COUNT_S = 10.0  # how often the files are added up
CURE = "Free space, or move the state folder to a larger disk, then start again: nothing is lost."


class Space:
    """The folder of all lanes' states: `min_free_bytes` of its disk stay free, and it takes `max_bytes` at most; 0: all."""

    def __init__(self, folder: Path, min_free_bytes: int, max_bytes: int = 0) -> None:
        self.folder, self.min_free_bytes, self.max_bytes = folder, min_free_bytes, max_bytes
        self._counted_at = float("-inf")

    def check(self) -> None:
        """StateError when there is no more room."""
        free = shutil.disk_usage(self.folder).free
        if free < self.min_free_bytes:
            raise StateError(
                f"Only {free >> 20} MB are free under {self.folder}, the limit is {self.min_free_bytes >> 20} MB: the "
                f"state could not be kept. {CURE}"
            )
        if self.max_bytes and time.monotonic() - self._counted_at > COUNT_S:
            self._check_size()

    def _check_size(self) -> None:
        taken = _bytes_in(self.folder)
        if taken > self.max_bytes:
            raise StateError(
                f"The state under {self.folder} takes {taken >> 20} MB, the limit is {self.max_bytes >> 20} MB "
                f"(state_max_mb). Raise the limit or add workers; a shorter retention of ids takes less. {CURE}"
            )
        self._counted_at = time.monotonic()


def _bytes_in(folder: Path) -> int:
    """Bytes of all files below; one that RocksDB removes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
