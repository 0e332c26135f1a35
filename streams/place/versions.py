"""Which version of the grids was in force when: an event is located in the catalogue of its own time."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from gridhub.streams.place.source import FOREVER_MS, Source

BEGINNING_MS = -FOREVER_MS


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One set of files and the moment from which it is in force, ms since the epoch. It is the same only as itself."""

    begin_ms: int
    source: Source


Edition = TypeVar("Edition")


class Timeline(Generic[Edition]):
    """Versions in the order of time. Between two changes every moment has the same edition object."""

    def __init__(
        self, versions: Iterable[Version], make: Callable[[Source, int | None, Timeline[Edition]], Edition]
    ) -> None:
        """Of versions that begin together, the last one given counts. The first in time is valid before its begin too."""
        by_begin = {version.begin_ms: version for version in versions}
        self.versions = [by_begin[begin] for begin in sorted(by_begin)]
        self._begins = [version.begin_ms for version in self.versions]
        self._make = make
        self._made: dict[tuple[int, int], Edition] = {}

    def at(self, at_ms: int) -> Edition:
        """The edition of a moment."""
        number = max(0, bisect.bisect_right(self._begins, at_ms) - 1)
        source = self.versions[number].source
        key = (number, source.edition(at_ms))
        if key not in self._made:
            # made by two threads at once, the first one stays
            self._made.setdefault(key, self._make(source, at_ms, self))
        return self._made[key]

    def keep(self, source: Source, at_ms: int | None, edition: Edition) -> None:
        """Take an edition that was made outside as that of its version; of one version only."""
        numbers = [number for number, version in enumerate(self.versions) if version.source is source]
        if len(self.versions) == 1 and numbers:
            self._made.setdefault((numbers[0], source.edition(at_ms)), edition)

    def adopt(self, other: Timeline[Edition], renew: Callable[[Edition, Timeline[Edition]], Edition]) -> None:
        """Take over what another timeline has made of the same versions: `renew` gives it as one of this timeline."""
        numbers = {version: number for number, version in enumerate(self.versions)}
        for (number, edition), made in list(other._made.items()):
            own = numbers.get(other.versions[number])
            if own is not None:
                self._made[own, edition] = renew(made, self)
