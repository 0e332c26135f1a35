"""Who can do something and can walk there in time (十五分钟服务圈): distances to all units of a capability at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from gridhub.streams.organisation.charter import Walking
    from gridhub.streams.organisation.units import Unit

METRES_PER_DEGREE = 111_195.0


class Near(NamedTuple):
    """A unit and the minutes of the walk from it."""

    unit: Unit
    minutes: float


class Responders:
    """Units that have a place and a capability, as arrays: metres east and north of the middle of them all.

    On the some 70 km of a city the plane's distances are wrong by less than a metre in a kilometre.
    """

    def __init__(self, units: Iterable[Unit], walking: Walking) -> None:
        able = [unit for unit in units if unit.capabilities and unit.lon is not None]
        self.units: Sequence[Unit] = sorted(
            able, key=lambda unit: unit.id
        )  # by id: of two at one distance always the same comes first
        self._walking = walking
        lon = np.array([unit.lon for unit in self.units], dtype=np.float64)
        lat = np.array([unit.lat for unit in self.units], dtype=np.float64)
        self._east = METRES_PER_DEGREE * float(np.cos(np.radians(lat.mean()))) if len(lat) else METRES_PER_DEGREE
        self._xy = self._plane(lon, lat)
        self._able = self._by_capability()
        self._asked: dict[frozenset[str], tuple[NDArray[np.intp], NDArray[np.float64]]] = {}

    def near(self, capabilities: Iterable[str], lon: float, lat: float, minutes: float) -> list[Near]:
        """The units with any of these capabilities within a walk of so many minutes, nearest first."""
        able, xy = self._who(frozenset(capabilities))
        away = xy - self._plane(np.array([lon]), np.array([lat]))
        metres = np.hypot(away[:, 0], away[:, 1])
        (inside,) = np.nonzero(metres <= self._walking.metres(minutes))
        inside = inside[np.argsort(metres[inside], kind="stable")]
        per_minute = self._walking.metres(1)
        return [Near(self.units[able[place]], round(float(metres[place]) / per_minute, 2)) for place in inside]

    def covered(
        self, capability: str, lon: NDArray[np.float64], lat: NDArray[np.float64], minutes: float, there: set[str]
    ) -> NDArray[np.bool_]:
        """Which of the points (n,) have a unit of the capability within the walk; only units whose id is in `there`."""
        able = [number for number in self._who(frozenset([capability]))[0] if self.units[number].id in there]
        tree = shapely.STRtree(shapely.points(self._xy[able]))
        points = shapely.points(self._plane(lon, lat))
        reached, _ = tree.query(points, predicate="dwithin", distance=self._walking.metres(minutes))
        found = np.zeros(len(points), dtype=np.bool_)
        found[reached] = True
        return found

    def _who(self, capabilities: frozenset[str]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The numbers of the units with any of these, and where they stand; asked for few combinations, each kept."""
        if capabilities not in self._asked:
            lists = [self._able[name] for name in capabilities if name in self._able]
            who = np.unique(np.concatenate(lists)) if lists else np.empty(0, dtype=np.intp)
            self._asked[capabilities] = who, self._xy[who]
        return self._asked[capabilities]

    def _plane(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([lon * self._east, lat * METRES_PER_DEGREE])

    def _by_capability(self) -> Mapping[str, NDArray[np.intp]]:
        found: dict[str, list[int]] = {}
        for number, unit in enumerate(self.units):
            for name in unit.capabilities:
                found.setdefault(name, []).append(number)
        return {name: np.array(numbers, dtype=np.intp) for name, numbers in found.items()}
