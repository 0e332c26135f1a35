"""Which ground is taken by which matter, so that two matters are near each other only where that is meant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gridhub.connectors.simulator.land import COS_LAT, METRES_PER_DEGREE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridhub.connectors.simulator.land import Spot

Key = tuple[str, ...]
_APART = 1.5  # radii between matters of one group
_PRUNE_AT = 50_000


class Ground:
    """Until when each place is taken by a group of matters; forgets what is over, so it is bounded by what is open."""

    def __init__(self) -> None:
        self._until: dict[Key, int] = {}
        self._limit = _PRUNE_AT

    def take(self, group: str, spot: Spot, radius_m: float, at_ms: int, until_ms: int, reach_m: float = 0.0) -> bool:  # noqa: PLR0913  # a circle in space and time
        """Take the community and a circle of one and a half radii around a spot; False when any of it is taken.

        `radius_m` must always be the same for a group; `reach_m` widens the circle.
        """
        community, street = spot.grid[:12], spot.grid[:9]
        cell_m = max(_APART * radius_m, 1.0)
        steps = math.ceil(reach_m / cell_m)
        if not self._free(
            [(group, community), (group, "whole", street), *_cells(group, spot, cell_m, steps + 1)], at_ms
        ):
            return False
        self._mark([(group, community), (group, "any", street), *_cells(group, spot, cell_m, steps)], until_ms)
        return True

    def take_whole(self, group: str, codes: tuple[str, ...], at_ms: int, until_ms: int) -> bool:
        """Take whole streets (or wider): nothing of the group may lie in them."""
        wanted = [(group, word, code) for code in codes for word in ("whole", "any")]
        if not self._free(wanted, at_ms):
            return False
        self._mark([(group, "whole", code) for code in codes], until_ms)
        return True

    def take_subject(self, group: str, subject: str, at_ms: int, until_ms: int) -> bool:
        """Take a subject (a licence, a transformer): two matters of a group never name the same one at a time."""
        key = (group, "subject", subject)
        if not self._free([key], at_ms):
            return False
        self._mark([key], until_ms)
        return True

    def _free(self, keys: Sequence[Key], at_ms: int) -> bool:
        return all(self._until.get(key, 0) < at_ms for key in keys)

    def _mark(self, keys: Sequence[Key], until_ms: int) -> None:
        for key in keys:
            self._until[key] = max(until_ms, self._until.get(key, 0))

    def prune(self, now_ms: int) -> None:
        """Forget what ended before this moment; looked at only when there is much to look at."""
        if len(self._until) > self._limit:
            self._until = {key: until for key, until in self._until.items() if until >= now_ms}
            self._limit = max(_PRUNE_AT, 2 * len(self._until))


def _cells(group: str, spot: Spot, cell_m: float, steps: int) -> list[Key]:
    """The square cells so many steps around a spot."""
    x = int(spot.lon * METRES_PER_DEGREE * COS_LAT // cell_m)
    y = int(spot.lat * METRES_PER_DEGREE // cell_m)
    around = range(-steps, steps + 1)
    return [(group, "cell", str(x + dx), str(y + dy)) for dx in around for dy in around]
