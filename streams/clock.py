"""The worker's clock: the wall's, or in a rehearsal a file's."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from gridhub.streams.settings import SettingsError

MOST_BYTES = 32
Clock = Callable[[], int]
"""The time now, ms since 1970."""


def wall_ms() -> int:
    """The wall clock, ms."""
    return time.time_ns() // 1_000_000


class RehearsalClock:
    """The time as somebody writes it into a file, ms since 1970 as text; it never goes backwards.

    Write to another file and rename it: a file that is no number at this moment leaves the time as it was. SettingsError
    when it is none at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._now_ms = path, 0
        if (found := self._read()) is None:
            raise SettingsError(
                f"Setting GRIDHUB_CLOCK_FILE: {path} is no file with the time in it, ms since 1970 as text."
                " It is for rehearsals only; leave it unset for the wall clock."
            )
        self._now_ms = found

    def __call__(self) -> int:
        """The time now, ms."""
        self._now_ms = max(self._now_ms, self._read() or 0)
        return self._now_ms

    def _read(self) -> int | None:
        try:
            with self._path.open("rb") as file:
                text = file.read(MOST_BYTES).strip()
        except OSError:
            return None
        return int(text) if text.isdigit() and len(text) < MOST_BYTES else None


def chosen(path: Path | None) -> Clock:
    """The wall clock, or that of the file; SettingsError when there is no time in it."""
    return wall_ms if path is None else RehearsalClock(path)
