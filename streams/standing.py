"""Standing data: the city's files at the start, and on top of them what operators publish while the hub runs.

Each topic of standing data has a shelf. A shelf takes every message, and settles when a batch of them is over: what is
whole and right is applied, what is wrong is told and never applied. Nothing here speaks to Kafka.
"""

from __future__ import annotations

from collections.abc import Iterable

from gridhub.streams import topics
from gridhub.streams.city import City
from gridhub.streams.shelf import Shelf, Told
from gridhub.streams.standing_grids import GridShelf
from gridhub.streams.standing_rules import AdmissionShelf, RuleShelf

_DAY_MS = 86_400_000
__all__ = ["Standing", "Told", "settled"]


class Standing:
    """The city as it is now. One thread takes and settles; `city` may be read by any."""

    def __init__(self, city: City, max_age_ms: int = 30 * _DAY_MS) -> None:
        """`city` as its files say; versions of the grids that ended longer than `max_age_ms` ago are let go."""
        self.city = city
        self.shelves: dict[str, Shelf] = {
            topics.CONFIG.name: RuleShelf(city),
            topics.ADMISSIONS.name: AdmissionShelf(city),
            topics.GRIDS.name: GridShelf(max_age_ms),
        }

    def take(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Take a message of one of the topics; one without a key has no item, and is left out."""
        if key is not None:
            self.shelves[topic].take(key, value)

    def settle(self, now_ms: int) -> list[Told]:
        """Put in force what is whole and right; what became of each change."""
        city, told = self.city, []
        for shelf in self.shelves.values():
            city, more = shelf.settle(city, now_ms)
            told += more
        self.city = city
        return told


def settled(standing: Standing, messages: Iterable[tuple[str, bytes, bytes | None]], now_ms: int) -> list[Told]:
    """Take messages of (topic, key, value) and settle; what became of them."""
    for topic, key, value in messages:
        standing.take(topic, key, value)
    return standing.settle(now_ms)
