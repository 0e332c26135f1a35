"""A GeoJSON file of grids as somebody's GIS wrote it: read with bounds, each feature judged by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from gridhub.streams.place.attributes import Attributes, validity
from gridhub.streams.place.findings import Report, Subject
from gridhub.streams.place.shapes import METRES_PER_DEGREE

MOST_BYTES = 64 * 1024 * 1024
MOST_FEATURES = 100_000
MOST_VERTICES = 20_000  # of one grid; a street's whole outline has a few thousand
_CENTIMETRE_DEG = 1e-7
_PORTION = 200
_DEGREES = re.compile(r"CRS84|4326|4490|4979", re.IGNORECASE)
_NOWHERE = (0.0, 0.0)

Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class Drawing:
    """The features that are sound by themselves, in the file's order; validity is [from, until) in ms."""

    file: str
    numbers: NDArray[np.int64]  # of the features, 1 is the first
    codes: NDArray[np.object_]
    names: NDArray[np.object_]
    polygons: NDArray[np.object_]
    valid_ms: NDArray[np.int64]
    seen: frozenset[str]  # every code in the file, also of features that are not sound

    def __len__(self) -> int:
        return len(self.codes)

    def part(self, keep: NDArray[np.bool_]) -> Drawing:
        """Only the features of a mask, shape (n,)."""
        return Drawing(
            self.file, self.numbers[keep], self.codes[keep], self.names[keep], self.polygons[keep], self.valid_ms[keep],
            self.seen,
        )  # fmt: skip


def read_drawing(
    content: bytes, file: str, names: Mapping[str, str], mca: Mapping[str, str], report: Report
) -> Drawing:
    """The sound features of a GeoJSON file; whatever is wrong goes to the report, nothing raises.

    `names` leads from the canonical codes of all divisions to their names, `mca` from the Ministry's 9-digit codes to
    canonical ones.
    """
    features = _features(content, file, report)
    rows = [_properties(feature) for feature in features]
    geometries = _geometries(features)
    keep = []
    for number, (row, shape) in enumerate(zip(rows, geometries, strict=True), start=1):
        attributes = Attributes(row, names, mca)
        subject = report.about(file, number, attributes.code)
        for kind, values in attributes.found:
            subject.add(kind, **values)
        sound_shape = _judge_shape(features[number - 1], shape, subject)
        keep.append(attributes.sound and sound_shape)
    chosen = np.flatnonzero(keep)
    valid = [validity(rows[i]) or (0, 0) for i in chosen]
    return Drawing(
        file,
        chosen + 1,
        np.array([rows[i]["code"] for i in chosen], dtype=object),
        np.array([str(rows[i].get("name") or "") for i in chosen], dtype=object),
        shapely.force_2d(geometries[chosen]),
        np.array(valid, dtype=np.int64).reshape(-1, 2),
        frozenset(str(row.get("code")) for row in rows),
    )


def metres2(polygons: NDArray[np.object_]) -> NDArray[np.float64]:
    """Areas in m² of WGS-84 geometries, shape (n,); good to a thousandth inside one city."""
    _, south, _, north = shapely.bounds(polygons).T
    cosine = np.cos(np.radians(np.nan_to_num((south + north) / 2)))
    area: NDArray[np.float64] = shapely.area(polygons) * METRES_PER_DEGREE**2 * cosine
    return area


def together(polygons: NDArray[np.object_], *, apart: bool = True) -> Geometry:
    """The union of polygons, to the centimetre; where they lie apart and share corners, twenty times as fast.

    Say `apart` only of polygons without overlaps: the question takes for ever where thousands lie on each other.
    """
    if apart and shapely.coverage_is_valid(polygons):
        return shapely.coverage_union_all(polygons)
    return shapely.union_all(polygons, grid_size=_CENTIMETRE_DEG)


def neighbours(polygons: NDArray[np.object_], within_deg: float = 0.0) -> Iterator[tuple[Pairs, Pairs]]:
    """Pairs of polygons (both ways, a polygon with itself left out) that meet, or nearly, in bounded portions."""
    tree = shapely.STRtree(polygons)
    for start in range(0, len(polygons), _PORTION):
        portion = polygons[start : start + _PORTION]
        if within_deg:
            one, two = tree.query(portion, predicate="dwithin", distance=within_deg)
        else:
            one, two = tree.query(portion, predicate="intersects")
        other = one + start != two
        yield one[other] + start, two[other]


def spot(shape: Geometry | None) -> tuple[float, float]:
    """A point inside a shape, to be looked at in a GIS."""
    if shape is None or shape.is_empty:
        return _NOWHERE
    point = shapely.point_on_surface(shape)
    return float(point.x), float(point.y)


def _features(content: bytes, file: str, report: Report) -> list[Any]:
    """The features of a collection, none where the file as a whole cannot be used."""
    if len(content) > MOST_BYTES:
        report.add("too_large", file, most=MOST_BYTES)
        return []
    collection = _parsed(content.removeprefix(b"\xef\xbb\xbf"), file, report)
    if collection is None:
        return []
    features = collection.get("features") if isinstance(collection, dict) else None
    if not isinstance(features, list):
        report.add("not_a_collection", file)
        return []
    crs = orjson.dumps(collection["crs"]).decode() if collection.get("crs") else ""
    if crs and not _DEGREES.search(crs):
        report.add("wrong_crs", file, detail=crs[:100])
    if not features:
        report.add("no_features", file)
    if len(features) > MOST_FEATURES:
        report.add("too_many_features", file, count=len(features), most=MOST_FEATURES)
        return []
    return features


def _parsed(content: bytes, file: str, report: Report) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as wrong:
            report.add("not_utf8", file, position=wrong.start)
        else:
            report.add("not_json", file, detail=str(error)[:100])
    return None


def _properties(feature: Any) -> dict[str, Any]:
    found = feature.get("properties") if isinstance(feature, dict) else None
    return found if isinstance(found, dict) else {}


def _geometries(features: list[Any]) -> NDArray[np.object_]:
    """One geometry per feature, None where there is none that can be read."""
    texts = np.array([_geometry_text(feature) for feature in features], dtype=object)
    read: NDArray[np.object_] = np.full(len(features), None, dtype=object)
    given = np.flatnonzero(texts != None)  # noqa: E711  # element by element
    if len(given):
        read[given] = shapely.from_geojson(texts[given], on_invalid="ignore")
    return read


def _geometry_text(feature: Any) -> bytes | None:
    shape = feature.get("geometry") if isinstance(feature, dict) else None
    try:
        return orjson.dumps(shape) if isinstance(shape, dict) else None
    except orjson.JSONEncodeError:  # nested too deep
        return None


def _judge_shape(feature: Any, shape: Any, subject: Subject) -> bool:
    """Whether a feature's shape is sound by itself; what is wrong goes to the report."""
    if shape is None or shape.is_empty:
        subject.add(_why_unread(feature))
        return False
    if shape.geom_type not in {"Polygon", "MultiPolygon"}:
        subject.add("wrong_geometry", given=shape.geom_type)
        return False
    count = int(shapely.get_num_coordinates(shape))
    if count > MOST_VERTICES:
        subject.add("too_many_vertices", count=count, most=MOST_VERTICES)
        return False
    if not np.isfinite(shapely.get_coordinates(shape)).all():
        subject.add("bad_geometry")
        return False
    if not shape.is_valid:
        detail = shapely.is_valid_reason(shape)
        subject.add("self_crossing", _reason_point(detail), detail=detail[:100])
        return False
    return True


def _reason_point(reason: str) -> tuple[float, float] | None:
    """The point that GEOS names behind its reason, as in `Self-intersection[115.1 30.2]`."""
    found = re.search(r"\[(-?[0-9.e+-]+) (-?[0-9.e+-]+)", reason)
    return (float(found[1]), float(found[2])) if found else None


def _why_unread(feature: Any) -> str:
    """Which kind of finding it is that a geometry cannot be read."""
    shape = feature.get("geometry") if isinstance(feature, dict) else None
    if not isinstance(shape, dict) or not shape.get("coordinates"):
        return "no_geometry"
    rings = list(_rings(shape["coordinates"]))
    if any(len(ring) < 4 for ring in rings):
        return "few_points"
    return "open_ring" if any(ring[0] != ring[-1] for ring in rings) else "bad_geometry"


def _rings(nested: Any, deepest: int = 4) -> Iterator[list[Any]]:
    """The lists of points in nested coordinates."""
    if not isinstance(nested, list) or not nested or not deepest:
        return
    first = nested[0]
    if isinstance(first, list) and first and not isinstance(first[0], list):
        yield nested
    else:
        for inner in nested:
            yield from _rings(inner, deepest - 1)
