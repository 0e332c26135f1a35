"""The five ways to a place, each for a whole batch at once: what it found, or why it found nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from gridhub.streams.place import coordinates
from gridhub.streams.place.answer import CITY, Answer, Cover, Problem

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from gridhub.streams.place.catalogue import Catalogue

    Floats = NDArray[np.float64]

POINT_CONFIDENCE = 0.95
AREA_CONFIDENCE = 0.9
_WIDE_CODE_CONFIDENCE = 0.6
_COARSENED = 0.9
_TOGETHER = frozenset({Problem.SEVERAL_PLACES, Problem.WIDER_THAN_CITY})


class Found(NamedTuple):
    """What one way found: the codes that cover the place, one for a single place."""

    method: str
    codes: tuple[str, ...]
    confidence: float

    @property
    def districts(self) -> frozenset[str]:
        """The 6-digit codes of the districts it lies in."""
        return frozenset(code[:6] for code in self.codes)

    def holds(self, other: Found) -> bool:
        """Whether every place of the other lies inside this one."""
        leads = tuple(CITY[:4] if code == CITY else code for code in self.codes)
        return all(code.startswith(leads) for code in other.codes)


class Missed(NamedTuple):
    """Why one way found nothing, and the places that it might have meant."""

    method: str
    problem: Problem
    candidates: tuple[str, ...] = ()


Result = Found | Missed | None  # None: the record gave this way nothing to look for


class Points(NamedTuple):
    """The coordinates' results, with the points in WGS-84 degrees, shape (n,); NaN where there is none."""

    results: list[Result]
    lon: Floats
    lat: Floats


def by_code(batch: pa.RecordBatch, catalogue: Catalogue) -> list[Result]:
    """Way 1: grid or division codes, each read in its own system."""
    codes, systems = batch.column("code").to_pylist(), batch.column("code_system").to_pylist()
    given = [number for number, code in enumerate(codes) if code is not None]
    if not given:
        return [None] * len(codes)
    answers = catalogue.resolve_codes([codes[n] for n in given], [systems[n] for n in given])
    return _spread(batch.num_rows, given, [_of_answer("code", answer) for answer in answers])


def by_key(batch: pa.RecordBatch, catalogue: Catalogue) -> list[Result]:
    """Way 2: keys of the departments' own, through the crosswalk tables; equal keys of a batch are looked up once."""
    pairs = list(zip(batch.column("key_table").to_pylist(), batch.column("key_value").to_pylist(), strict=True))
    asked = [pair for pair in dict.fromkeys(pairs) if pair[1] is not None]
    if not asked:
        return [None] * len(pairs)
    answers = catalogue.resolve_keys([table for table, _ in asked], [key for _, key in asked])
    found = {pair: _of_answer("key", answer) for pair, answer in zip(asked, answers, strict=True)}
    return [found.get(pair) for pair in pairs]


def by_point(batch: pa.RecordBatch, catalogue: Catalogue) -> Points:
    """Way 3: coordinates of any known system, to WGS-84 and into the grids' polygons."""
    x, y = _floats(batch.column("lon")), _floats(batch.column("lat"))
    given = _by_crs(batch)
    known = {crs: np.array(rows) for crs, rows in given.items() if crs in coordinates.CRS_NAMES}
    lon, lat, names = _converted(x, y, known)
    results: list[Result] = [None] * batch.num_rows
    for crs, rows in given.items():
        if crs not in known:
            for row in rows:
                results[row] = Missed("coordinates", Problem.UNKNOWN_CRS)
    rows = [row for crs in known for row in given[crs]]
    sound = [row for row in rows if names[row] is None]
    for row, grid in zip(sound, catalogue.locate_points(lon[sound], lat[sound]) if sound else (), strict=True):
        outside = Missed("coordinates", Problem.OUTSIDE_CITY)
        results[row] = outside if grid is None else Found("coordinates", (str(grid),), POINT_CONFIDENCE)
    for row in rows:
        if (name := names[row]) is not None:
            results[row] = Missed("coordinates", Problem(name))
    return Points(results, lon, lat)


def _by_crs(batch: pa.RecordBatch) -> dict[str | None, list[int]]:
    """The rows that give at least half of a point, by their coordinate system."""
    columns = zip(*(batch.column(name).to_pylist() for name in ("crs", "lon", "lat")), strict=True)
    found: dict[str | None, list[int]] = {}
    for row, (crs, lon, lat) in enumerate(columns):
        if lon is not None or lat is not None:
            found.setdefault(crs, []).append(row)
    return found


def by_address(texts: Sequence[str | None], catalogue: Catalogue) -> list[Result]:
    """Way 4: Chinese address texts. A text that names only the city is a miss: nobody could be sent there."""
    given = [number for number, text in enumerate(texts) if text is not None]
    answers = catalogue.locate_addresses([texts[n] for n in given]) if given else []
    return _spread(len(texts), given, [_of_answer("address", answer) for answer in answers])


def by_area(shapes: Sequence[str | None], catalogue: Catalogue) -> list[Result]:
    """Way 5: the smallest set of codes that covers an area; equal areas of a batch are covered once."""
    found = {shape: _covered(shape, catalogue) for shape in set(shapes) if shape is not None}
    return [None if shape is None else found[shape] for shape in shapes]


def _of_answer(method: str, answer: Answer) -> Result:
    if answer.problem is None:
        too_wide = method == "address" and answer.code == CITY
        code = str(answer.code)
        return (
            Missed(method, Problem.NO_PLACE_NAMED, (CITY,)) if too_wide else Found(method, (code,), answer.confidence)
        )
    if answer.problem in _TOGETHER and method == "code":
        return Found(method, answer.candidates, _WIDE_CODE_CONFIDENCE)
    return Missed(method, answer.problem, answer.candidates)


def _converted(x: Floats, y: Floats, known: Mapping[str, NDArray[Any]]) -> tuple[Floats, Floats, list[str | None]]:
    """WGS-84 points of all rows and what is wrong with each; NaN where no known system is given."""
    lon, lat = np.full(len(x), np.nan), np.full(len(x), np.nan)
    names = np.full(len(x), None, dtype=object)
    for crs, rows in known.items():
        lon[rows], lat[rows], names[rows] = coordinates.examine(x[rows], y[rows], crs)
    return lon, lat, names.tolist()


def _covered(text: str, catalogue: Catalogue) -> Result:
    try:
        shape = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Missed("area", Problem.BAD_SHAPE)
    if not isinstance(shape, Mapping):
        return Missed("area", Problem.BAD_SHAPE)
    parts = shape["areas"] if isinstance(shape.get("areas"), list) else [shape]
    covers = [_cover(part, catalogue) for part in parts]
    codes = [code for cover in covers for code in cover.codes]
    if not codes:
        problems = [cover.problem for cover in covers if cover.problem]
        return Missed("area", problems[0] if problems else Problem.BAD_SHAPE)
    whole = covers[0] if len(covers) == 1 else catalogue.cover(codes)
    return Found("area", whole.codes, round(AREA_CONFIDENCE * _share(covers, whole), 3))


def _cover(shape: Any, catalogue: Catalogue) -> Cover:
    """One shape's cover. What is no shape at all is a bad shape, whatever the geometry library makes of it."""
    if not isinstance(shape, Mapping) or ("codes" in shape and not isinstance(shape["codes"], list)):
        return Cover(problem=Problem.BAD_SHAPE)
    return catalogue.cover(shape)


def _share(covers: Sequence[Cover], whole: Cover) -> float:
    """How much of what was asked is in the answer: codes that are not known, or stand for less, make it less sure."""
    unresolved = sum(len(cover.unresolved) for cover in covers)
    resolved = sum(len(cover.codes) for cover in covers)
    coarse = any(cover.coarsened for cover in (*covers, whole))
    return resolved / (resolved + unresolved) * (_COARSENED if coarse else 1.0)


def _spread(rows: int, given: Sequence[int], results: Sequence[Result]) -> list[Result]:
    spread: list[Result] = [None] * rows
    for number, result in zip(given, results, strict=True):
        spread[number] = result
    return spread


def _floats(column: pa.Array) -> Floats:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)  # null is NaN
