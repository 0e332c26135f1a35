"""How many grids have somebody capable within a walk (十五分钟服务圈): per capability, in the city or place by place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridhub.streams.place.catalogue import Catalogue
    from gridhub.streams.rooms.organisation import Organisation


class Coverage(NamedTuple):
    """Of the grids of a place: how many have a unit of the capability within the walk, and the codes of the others."""

    capability: str
    place: str  # code: the city, a district, a street
    units: int  # of this capability that were counted, in the whole city
    grids: int
    covered: int
    without: tuple[str, ...]


def coverage(
    organisation: Organisation, city: Catalogue, minutes: float, at_ms: int | None, digits: int = 4
) -> Iterator[Coverage]:
    """Every capability's coverage of each place whose code has so many digits (4: the whole city), in their order.

    With a moment only units that are staffed then count; without one all do. A grid is its inner point.
    """
    grids = city.places("grid")
    codes = np.array([grid.code for grid in grids])
    lon, lat = np.array([grid.lon for grid in grids]), np.array([grid.lat for grid in grids])
    units = organisation.responders.units
    there = {unit.id for unit in units if at_ms is None or organisation.is_staffed(unit, at_ms)}
    leads = np.array([city.root if digits == 4 else code[:digits] for code in codes])
    for name in organisation.charter.capabilities:
        able = sum(1 for unit in units if name in unit.capabilities and unit.id in there)
        reached = organisation.responders.covered(name, lon, lat, minutes, there)
        for lead in np.unique(leads):
            here = leads == lead
            without = tuple(map(str, codes[here & ~reached]))
            yield Coverage(name, str(lead), able, int(here.sum()), int((here & reached).sum()), without)
