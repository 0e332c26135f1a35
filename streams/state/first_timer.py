"""Where a store's first timer lies: so that asking what is due costs nothing while nothing is.

Without it each question would walk over the tombstones of all timers that fired since RocksDB last tidied up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from gridhub.streams.timer_keys import LAST, PREFIX, behind

Scan = Callable[[bytes, bytes], Iterator[tuple[bytes, bytes]]]
"""Keys and values from the first up to but without the second, in key order."""


class FirstTimer:
    """A place before which no timer lies; in memory only, found again by the first question."""

    def __init__(self) -> None:
        self._place = PREFIX

    def note(self, written: Iterable[bytes]) -> None:
        """These keys are written: a timer before the place moves it back. A deleted one leaves it where it is."""
        place = self._place
        if place != PREFIX:
            self._place = min((key for key in written if PREFIX <= key < place), default=place)

    def due(self, scan: Scan, until_ms: int, limit: int) -> list[tuple[bytes, bytes]]:
        """The first timers that are due, in order."""
        end = behind(until_ms)
        if self._place >= end:
            return []
        found: list[tuple[bytes, bytes]] = []
        for key, value in scan(self._place, LAST):
            if len(found) == limit or key >= end:
                self._place = found[0][0] if found else key
                return found
            found.append((key, value))
        self._place = found[0][0] if found else LAST
        return found
