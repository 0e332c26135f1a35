"""The simulated city's ground: which grids there are, points inside them, and the departments' keys for them."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import shapely

from gridhub.streams.place.coordinates import from_wgs84
from gridhub.streams.place.rows import grid_folder, read_rows

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from random import Random

    from gridhub.streams.place.catalogue import Catalogue

METRES_PER_DEGREE = 111_195.0
COS_LAT = 0.865  # of 30.1 N
CITY = "420200"
_CENTRE_SHARE, _REPORT_SHARE = 0.5, 0.4  # of the inscribed circle: together below 1, so every point stays inside


class Spot(NamedTuple):
    """A point well inside a grid, WGS-84; `room_m` is how far around it is still well inside."""

    grid: str
    lon: float
    lat: float
    room_m: float


class Land:
    """Places and keys of one catalogue, for drawing from. All draws come from the given generator."""

    def __init__(self, catalogue: Catalogue, folder: Traversable | None = None) -> None:
        """Read the key tables of `folder` (default: the bundled config/grids). Grids are those of the catalogue."""
        self.catalogue = catalogue
        root = folder or grid_folder()
        self.districts = catalogue.children(CITY)
        self.streets = tuple(street for code in self.districts for street in catalogue.children(code))
        inside = (community for street in self.streets for community in catalogue.children(street))
        self.communities = tuple(community for community in inside if catalogue.children(community))
        self.feeders = _by_place(root, "feeder")
        self.transformers = _by_place(root, "transformer_area")
        self.licences = _by_place(root, "licence")
        self.beats = _by_place(root, "police_beat")
        self.insured = _by_place(root, "insured_community")
        crosswalk = read_rows(root, "crosswalk-mca-nbs.csv")
        self.mca_streets = {
            row["nbs_code9"]: row["mca_code9"] for row in crosswalk if row["nbs_code9"] and row["mca_code9"]
        }
        self._circles: dict[str, tuple[float, float, float]] = {}
        self._outlines: dict[str, str] = {}
        self._within: dict[str, tuple[str, ...]] = {}

    def grid(self, rng: Random, within: str = "") -> str:
        """Any grid, or one of a district, street or community: first the community, then the grid in it."""
        if within not in self._within:
            self._within[within] = tuple(code for code in self.communities if code.startswith(within))
        return rng.choice(self.catalogue.children(rng.choice(self._within[within])))

    def spot(self, rng: Random, grid: str) -> Spot:
        """A random point of a grid, at most half way from its middle to its nearest edge."""
        lon, lat, reach = self._circle(grid)
        angle, away = rng.random() * math.tau, reach * _CENTRE_SHARE * math.sqrt(rng.random())
        return Spot(grid, lon + away * math.cos(angle), lat + away * math.sin(angle), self.spot_room_m(grid))

    def spot_room_m(self, grid: str) -> float:
        """How far around any spot of a grid every point is still well inside it, in metres."""
        return self._circle(grid)[2] * _REPORT_SHARE * METRES_PER_DEGREE * COS_LAT

    def near(self, rng: Random, spot: Spot, most_m: float) -> tuple[float, float]:
        """A point at most so many metres from a spot, and in its grid; WGS-84."""
        away = min(most_m, spot.room_m) * math.sqrt(rng.random()) / METRES_PER_DEGREE
        angle = rng.random() * math.tau
        return spot.lon + away * math.cos(angle) / COS_LAT, spot.lat + away * math.sin(angle)

    def widest(self, code: str) -> str:
        """The widest place of the same land: a district of one street and that street are one and the same."""
        parent = code[:9] if len(code) == 12 else code[:6] if len(code) == 9 else ""
        return self.widest(parent) if parent and len(self.catalogue.children(parent)) == 1 else code

    def mca(self, code: str) -> str | None:
        """The code of a street or community as the Ministry of Civil Affairs writes it; None where it has none."""
        street = self.mca_streets.get(code[:9])
        return street + code[9:] if street else None

    def outline(self, code: str) -> str:
        """A place's polygon in CAP form (latitude,longitude …); empty when it has holes or several parts."""
        if code not in self._outlines:
            shape = self.catalogue.polygon(code)
            plain = shape.geom_type == "Polygon" and not len(shape.interiors)
            ring = shapely.get_coordinates(shape.exterior) if plain else ()
            self._outlines[code] = " ".join(f"{lat:.6f},{lon:.6f}" for lon, lat in ring)
        return self._outlines[code]

    def _circle(self, grid: str) -> tuple[float, float, float]:
        """Middle and radius of the largest circle inside a grid, in degrees."""
        if grid not in self._circles:
            line = shapely.maximum_inscribed_circle(self.catalogue.polygon(grid))
            (lon, lat), _edge = shapely.get_coordinates(line)
            self._circles[grid] = (float(lon), float(lat), float(line.length))
        return self._circles[grid]


def converted(lon: float, lat: float, crs: str) -> tuple[float, float]:
    """A WGS-84 point in another system: degrees to 7 places, metres to 2."""
    x, y = from_wgs84([lon], [lat], crs)
    places = 2 if crs == "EPSG:4547" else 7
    return round(float(x[0]), places), round(float(y[0]), places)


def distance_m(one: Spot, other: Spot) -> float:
    """Metres between two spots, on a plane."""
    east = (one.lon - other.lon) * math.cos(math.radians(one.lat))
    return math.hypot(east, one.lat - other.lat) * METRES_PER_DEGREE


def _by_place(root: Traversable, table: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for row in read_rows(root / "keys", f"{table}.csv"):
        found[row["grid"]].append(row["key"])
    return dict(found)
