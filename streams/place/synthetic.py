"""Make the declared synthetic grids: `python -m gridhub.streams.place.synthetic FOLDER [GRIDS]`.

With a number of GRIDS the folder becomes a whole catalogue of so many grids, to measure with.

No public source has polygons of Huangshi's streets, communities or grids. This module divides each real district
polygon into its real streets, these into their real communities, these into grids, so that nothing overlaps and
nothing is left out. The codes and names are real down to the community; every line inside a district is computed.
The output depends on nothing but divisions.csv and districts.geojson: same input, same bytes.
"""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from gridhub.streams.place.derived import crosswalk_bytes
from gridhub.streams.place.rows import Row, grid_folder, read_bytes, read_rows
from gridhub.streams.place.synthetic_keys import key_files

SEED = "gridhub-grids-1"
GIVEN_FILES = ("divisions.csv", "districts.geojson", "townships-mca.csv", "private-codes.csv")
VALID_FROM = "2014-01-01"
_LATTICE_DEG = 1e-6
_COS_LAT = 0.865  # of 30.1 N: how much shorter a degree of longitude is than one of latitude
_CUT_STEPS = 40
_DETACHED_STREET = "420202400"  # 江北管理区: the district's detached polygon beyond the river
# Special grids 专属网格: which communities have one, and of which kind. Invented, as the polygons are.
SPECIAL_GRIDS = {
    "420202005002": "campus",
    "420202006001": "market",
    "420202006005": "park",
    "420202007001": "park",
    "420202007006": "market",
    "420203402001": "park",
    "420204004002": "park",
    "420204004008": "campus",
    "420204004011": "market",
    "420204401003": "park",
    "420222100017": "market",
    "420281001004": "campus",
    "420281001006": "market",
    "420281100003": "market",
    "420281102400": "park",
}


@dataclass(frozen=True)
class Part:
    """One piece of land to be made: its code, its share of the land around it, and the pieces inside it."""

    code: str
    weight: float
    kind: str = ""
    parts: tuple["Part", ...] = ()
    land: Geometry | None = None


def chance(code: str) -> float:
    """A number in [0, 1) that belongs to a code: the same on every machine and in every run."""
    digest = hashlib.sha256(f"{SEED}:{code}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def usual_count(community: str) -> int:
    """How many basic grids a community has: three to five."""
    return 3 + (chance(community) > 0.6) + (chance(community) > 0.9)


def grid_parts(community: str, count: int) -> tuple[Part, ...]:
    """So many basic grids of equal weight, and the special grid where the community has one."""
    special = SPECIAL_GRIDS.get(community)
    kinds = ["basic"] * count + ([special] if special else [])
    weights = [1.0 if kind == "basic" else 0.4 for kind in kinds]
    return tuple(
        Part(f"{community}{serial:03d}", weight, kind)
        for serial, (weight, kind) in enumerate(zip(weights, kinds, strict=True), start=1)
    )


def community_part(row: Row, count: int | None = None) -> Part:
    """A village weighs three times an urban community, times a seeded factor between 0.6 and 1.4."""
    weight = 1.0 if "社区" in row["name"] or "居委会" in row["name"] else 3.0
    code = row["short_code"]
    return Part(
        code, weight * (0.6 + 0.8 * chance(f"{code}:weight")), parts=grid_parts(code, count or usual_count(code))
    )


def street_parts(rows: list[Row], district: str, counts: Mapping[str, int]) -> tuple[Part, ...]:
    """The streets of a district in the order of their codes, each as heavy as its communities together."""
    inside: dict[str, list[Part]] = {}
    for row in sorted(rows, key=lambda row: row["short_code"]):
        if row["level"] == "community" and row["district_code6"] == district:
            inside.setdefault(row["short_code"][:9], []).append(community_part(row, counts.get(row["short_code"])))
    return tuple(Part(code, sum(p.weight for p in parts), parts=tuple(parts)) for code, parts in inside.items())


def divide(land: Geometry, parts: tuple[Part, ...]) -> list[Part]:
    """Cut land into as many pieces as there are parts, each with its weight's share of the area; returns the leaves.

    Recursive bisection across the longer axis, the first half to the west or to the north.
    """
    if len(parts) == 1:
        only = replace(parts[0], land=land)
        return divide(land, only.parts) if only.parts else [only]
    middle = _balance(parts)
    first, second = _cut(land, _weight(parts[:middle]) / _weight(parts))
    return divide(first, parts[:middle]) + divide(second, parts[middle:])


def _weight(parts: tuple[Part, ...]) -> float:
    return sum(part.weight for part in parts)


def _balance(parts: tuple[Part, ...]) -> int:
    """After how many parts the two sides weigh most nearly the same."""
    sums = np.cumsum([part.weight for part in parts])
    return int(np.argmin(np.abs(sums[:-1] - sums[-1] / 2))) + 1


def _cut(land: Geometry, share: float) -> tuple[Geometry, Geometry]:
    """Cut so that the western (or northern) piece has `share` of the area; the cut lies on the lattice."""
    west, south, east, north = land.bounds
    across_lon = (east - west) * _COS_LAT >= north - south
    low, high = (west, east) if across_lon else (south, north)
    wanted = share if across_lon else 1.0 - share
    for _ in range(_CUT_STEPS):
        middle = (low + high) / 2
        if _side(land, middle, lower=True, across_lon=across_lon).area < wanted * land.area:
            low = middle
        else:
            high = middle
    at = round((low + high) / 2, 6)
    lower, upper = (_side(land, at, lower=side, across_lon=across_lon) for side in (True, False))
    return (lower, upper) if across_lon else (upper, lower)


def _side(land: Geometry, at: float, *, lower: bool, across_lon: bool) -> Geometry:
    west, south, east, north = land.bounds
    frame = [west - 1, south - 1, east + 1, north + 1]
    frame[(2 if lower else 0) + (0 if across_lon else 1)] = at
    return shapely.intersection(land, shapely.box(*frame))


def district_leaves(rows: list[Row], district: str, land: Geometry, counts: Mapping[str, int]) -> list[Part]:
    """The grids of one district; the detached polygon of 黄石港区 goes whole to the street beyond the river."""
    streets = street_parts(rows, district, counts)
    detached = [street for street in streets if street.code == _DETACHED_STREET]
    if not detached:
        return divide(land, streets)
    pieces = sorted(shapely.get_parts(land), key=lambda piece: float(piece.area))
    others = tuple(street for street in streets if street.code != _DETACHED_STREET)
    return divide(pieces[0], tuple(detached)) + divide(pieces[-1], others)


def fit(leaves: list[Part], outline: NDArray[np.object_]) -> list[Part]:
    """Put all pieces on one lattice of 1e-6 degrees with shared corners, so that neighbours touch exactly.

    All lines are noded together, faces built from them, and each face given to the piece it lies in.
    """
    lands = np.array([leaf.land for leaf in leaves])
    lines = shapely.union_all(shapely.boundary(np.concatenate([lands, outline])), grid_size=_LATTICE_DEG)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(lines)))
    tree = shapely.STRtree(lands)
    face, owner = tree.query_nearest(shapely.point_on_surface(faces), max_distance=_LATTICE_DEG * 5, all_matches=False)
    fitted = []
    for index, leaf in enumerate(leaves):
        own = shapely.union_all(faces[face[owner == index]], grid_size=_LATTICE_DEG)
        fitted.append(replace(leaf, land=shapely.orient_polygons(shapely.normalize(own))))
    return fitted


def grids_bytes(divisions: list[Row], districts: bytes, counts: Mapping[str, int] | None = None) -> bytes:
    """The file grids.geojson: one feature a line, in the order of the codes; `counts` of grids by community."""
    features = orjson.loads(districts)["features"]
    outline = np.array([shapely.from_geojson(orjson.dumps(feature["geometry"])) for feature in features])
    leaves: list[Part] = []
    for feature, land in zip(features, outline, strict=True):
        leaves += district_leaves(divisions, feature["properties"]["adcode"], land, counts or {})
    lines = [_feature_line(leaf) for leaf in sorted(fit(leaves, outline), key=lambda leaf: leaf.code)]
    head = b'{"type":"FeatureCollection","name":"huangshi-grids-synthetic","features":[\n'
    return head + b",\n".join(lines) + b"\n]}\n"


def _feature_line(leaf: Part) -> bytes:
    geometry = orjson.loads(shapely.to_geojson(leaf.land))
    geometry["coordinates"] = _rounded(geometry["coordinates"])
    properties = {"code": leaf.code, "kind": leaf.kind, "valid_from": VALID_FROM, "valid_until": ""}
    return orjson.dumps({"type": "Feature", "properties": properties, "geometry": geometry})


def _rounded(coordinates: list[object] | float) -> object:
    if isinstance(coordinates, list):
        return [_rounded(part) for part in coordinates]  # type: ignore[arg-type]  # nested lists of numbers
    return round(coordinates, 6)


def shared_out(divisions: list[Row], grids: int) -> dict[str, int]:
    """About so many grids shared out evenly over the communities, at least one and at most 999 each."""
    codes = sorted(row["short_code"] for row in divisions if row["level"] == "community")
    ends = [round(grids * (number + 1) / len(codes)) for number in range(len(codes))]
    return {code: min(max(end - start, 1), 999) for code, start, end in zip(codes, [0, *ends], ends, strict=False)}


def all_files(grids: int | None = None) -> dict[str, bytes]:
    """Every derived file of config/grids by its path below that folder; with a number, of a city of so many grids."""
    folder = grid_folder()
    divisions = read_rows(folder, "divisions.csv")
    counts = shared_out(divisions, grids) if grids else None
    polygons = grids_bytes(divisions, read_bytes(folder, "districts.geojson"), counts)
    found = [feature["properties"] for feature in orjson.loads(polygons)["features"]]
    crosswalk = crosswalk_bytes(divisions, read_rows(folder, "townships-mca.csv"))
    return {"grids.geojson": polygons, "crosswalk-mca-nbs.csv": crosswalk} | key_files(divisions, found)


def write(target: Path, grids: int | None = None) -> None:
    """Write all derived files below `target`; with a number, the files that are not derived too: a whole catalogue."""
    files = {} if grids is None else {name: read_bytes(grid_folder(), name) for name in GIVEN_FILES}
    for name, content in (files | all_files(grids)).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
