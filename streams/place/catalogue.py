"""The catalogue of codes and grids at one moment, and the ways from codes, keys, points and areas to a place."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely import Geometry

from gridhub.streams.place.addresses import AddressLocator
from gridhub.streams.place.answer import CITY, Answer, Cover, Place, Problem
from gridhub.streams.place.codes import CodeBook, private_answers
from gridhub.streams.place.covering import Covering
from gridhub.streams.place.gathering import children_of, gathered
from gridhub.streams.place.rows import grid_folder
from gridhub.streams.place.shapes import METRES_PER_DEGREE, BadShapeError, Indices, area_of_shape, grid_map
from gridhub.streams.place.source import FOREVER_MS, Source, read_source, span
from gridhub.streams.place.versions import BEGINNING_MS, Timeline, Version

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

MOST_CODES = 200
_SIZES = (15, 12, 9, 6)
_KEY_CONFIDENCE = 0.95


class Catalogue:
    """Places, codes, keys and grid polygons, valid at one moment; pure after `load`: no clock, no I/O.

    `at` leads to the other moments: a catalogue is a timeline of versions (files), each with its editions (validity of
    single grids). `version` names the files it was read from; `grid_codes` (n,) the 15-digit codes in the order of their polygons.
    """

    def __init__(self, source: Source, at_ms: int | None = None, timeline: Timeline[Catalogue] | None = None) -> None:
        """The edition of `source` at `at_ms` (ms since the epoch), or the newest where it is None."""
        self._source = source
        self.version = source.version
        chosen = source.valid_at(at_ms)
        grids = source.grids
        self.grid_codes: NDArray[np.object_] = grids.codes[chosen]
        self._map = grid_map(grids.polygons[chosen])
        self._full_names = source.full_names
        self._places = gathered(source.divisions, grids.part(chosen))
        self._children = children_of(self._places)
        self._grid_number = {code: number for number, code in enumerate(self.grid_codes)}
        self._book = CodeBook(self._places.keys(), source.mca, private_answers(source.private))
        self._land: dict[str, Geometry] = {}
        self._timeline = timeline or Timeline([Version(BEGINNING_MS, source)], Catalogue)
        self._timeline.keep(source, at_ms, self)

    @classmethod
    def load(cls, folder: Path | None = None, at_ms: int | None = None) -> Catalogue:
        """Read the catalogue from `folder` (default: the bundled config/grids) for a moment (default: the newest).

        Raises ValueError naming file and row when the files contradict each other, OSError when one is missing.
        """
        place: Traversable = folder or grid_folder()
        return cls(read_source(place), at_ms)

    def at(self, at_ms: int) -> Catalogue:
        """The edition valid at a moment; the same object for all moments between two changes of the grids."""
        return self._timeline.at(at_ms)

    def with_versions(self, later: Iterable[Version], now_ms: int) -> Catalogue:
        """The catalogue of `now_ms` where `later` versions follow the one that was loaded first."""
        timeline = Timeline([self._timeline.versions[0], *later], Catalogue)
        timeline.adopt(self._timeline, Catalogue._renewed)
        return timeline.at(now_ms)

    def warm(self) -> None:
        """Make now what the first question would have to wait for, in this edition and where versions meet."""
        for version in self._timeline.versions:
            for moment in (version.begin_ms - 1, version.begin_ms):
                edition = self._timeline.at(moment)
                edition.locate_addresses([edition.name(CITY)])

    def _renewed(self, timeline: Timeline[Catalogue]) -> Catalogue:
        """The same edition as one of another timeline."""
        other = copy.copy(self)
        other._timeline = timeline  # noqa: SLF001  # a copy of ourselves
        return other

    @property
    def versions(self) -> tuple[Version, ...]:
        """The versions and since when each is valid, in order."""
        return tuple(self._timeline.versions)

    def station(self, code: str) -> str | None:
        """The number of the grid station (网格站) that serves a grid or community; None where there is none."""
        return self._stations.get(code[:12])

    def staff(self, grid: str, at_ms: int | None = None) -> tuple[str, ...]:
        """The numbers of a grid's members (网格员) at a moment, in order; numbers only, the hub holds no names."""
        moment = FOREVER_MS - 1 if at_ms is None else at_ms
        return tuple(number for number, begin, end in self._staff.get(grid, ()) if begin <= moment < end)

    # places

    @property
    def root(self) -> str:
        """The code of the city."""
        return CITY

    def place(self, code: str) -> Place | None:
        """The place with this canonical code."""
        return self._places.get(code)

    def name(self, code: str) -> str:
        """The full name, as 黄石市黄石港区沈家营街道桂花湾社区第001网格. KeyError for a code that is not in the catalogue."""
        if len(code) == 15:
            return self._full_names[code[:12]] + self._places[code].name
        return self._full_names[code]

    def children(self, code: str) -> tuple[str, ...]:
        """The codes one level below, in order; empty for a grid. KeyError for a code that is not in the catalogue."""
        return self._children[code]

    def places(self, level: str) -> tuple[Place, ...]:
        """All places of a level (city, district, street, community, grid), in the order of their codes."""
        return tuple(sorted((p for p in self._places.values() if p.level == level), key=lambda p: p.code))

    @property
    def other_towns(self) -> dict[str, str]:
        """Towns that only the Ministry of Civil Affairs lists: name to district code."""
        return self._source.mca_only

    def grids_of(self, code: str) -> tuple[str, ...]:
        """The 15-digit codes inside a place of any level, in order. KeyError for an unknown code."""
        return tuple(self.grid_codes[self._span(code)])

    def area_of(self, code: str) -> str:
        """The 9-digit street code that leads a code, or the 6-digit county or city code of a wider one."""
        return code[:9] if len(code) >= 9 else code

    def common_area(self, codes: Sequence[str]) -> str:
        """The street that all codes lie in, else the county, else the city. ValueError for no codes."""
        if not codes:
            raise ValueError("no codes: nothing to have in common")
        for size in (9, 6):
            leads = {code[:size] for code in codes}
            if len(leads) == 1 and len(lead := leads.pop()) == size:
                return lead
        return CITY

    def polygon(self, code: str) -> Geometry:
        """The polygon of a place of any level: the union of its (synthetic) grids. KeyError for an unknown code."""
        if code not in self._land:  # made once: a district's takes milliseconds
            self._land[code] = shapely.coverage_union_all(self._map.polygons[self._span(code)])
        return self._land[code]

    # the ways to a place

    def resolve_codes(self, codes: Sequence[str | None], systems: Sequence[str | None]) -> list[Answer]:
        """One answer per code of system nbs, mca or None (not known); see gridhub.streams.place.codes."""
        return self._book.resolve_many(codes, systems)

    def resolve_keys(self, tables: Sequence[str | None], keys: Sequence[str | None]) -> list[Answer]:
        """One answer per department key, through the tables of config/grids/keys."""
        return [self._resolve_key(table, key) for table, key in zip(tables, keys, strict=True)]

    def locate_indices(self, lon: ArrayLike, lat: ArrayLike) -> Indices:
        """The index into `grid_codes` of the grid around each WGS-84 point, shape (n,); -1 where there is none."""
        x, y = (np.atleast_1d(np.asarray(values, dtype=np.float64)) for values in (lon, lat))
        return self._map.locate(x, y)

    def locate_points(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.object_]:
        """The grid code around each WGS-84 point, shape (n,); None where there is none.

        A point on an edge between grids always goes to the one with the lowest code.
        """
        return self._codes_or_none[self.locate_indices(lon, lat)]

    def locate_addresses(self, texts: Sequence[str | None]) -> list[Answer]:
        """One answer per Chinese address text; see gridhub.streams.place.addresses."""
        return self._addresses.locate_many(texts)

    def is_near(self, code: str, lon: float, lat: float, metres: float) -> bool:
        """Whether a WGS-84 point lies in a place or at most so far from it. KeyError for an unknown code."""
        return bool(shapely.dwithin(self.polygon(code), shapely.Point(lon, lat), metres / METRES_PER_DEGREE))

    def cover(
        self, shape: Geometry | Mapping[str, Any] | Sequence[Any], system: str | None = "nbs", most: int = MOST_CODES
    ) -> Cover:
        """The smallest set of codes that covers an area: a whole community, street, district or city is one code.

        `shape` is WGS-84: a geometry, a GeoJSON geometry, {"circle": [lon, lat, radius_km]}, {"codes": [...],
        "system": "nbs"} (without a system: not known), or a list of codes of `system`, canonical unless said. Land that
        is a whole street and a whole district at once is the district, but given codes stay as they are given. With
        more than `most` codes one level wider stands for them, as often as needed.
        """
        if isinstance(shape, Mapping) and "codes" in shape:
            shape, system = shape["codes"], shape.get("system")
        if isinstance(shape, Sequence) and not isinstance(shape, str):
            return self._cover_codes([str(code) for code in shape], system, most)
        try:
            touched = self._covering.codes(area_of_shape(shape))
        except BadShapeError:
            return Cover(problem=Problem.BAD_SHAPE)
        return self._cover_of(self._merge(touched), most, ())

    # inside

    @cached_property
    def _covering(self) -> Covering:
        return Covering(self._map, [str(code) for code in self.grid_codes], self._span)

    @cached_property
    def _addresses(self) -> AddressLocator:
        return AddressLocator(self)

    @cached_property
    def _stations(self) -> dict[str, str]:
        return {row["community"]: row["station"] for row in self._source.stations}

    @cached_property
    def _staff(self) -> dict[str, list[tuple[str, int, int]]]:
        found: dict[str, list[tuple[str, int, int]]] = {}
        for row in self._source.staff:
            found.setdefault(row["grid"], []).append((row["staff"], *span(row)))
        return found

    @cached_property
    def _codes_or_none(self) -> NDArray[np.object_]:
        """`grid_codes` with None at its end, where index -1 leads."""
        return np.append(self.grid_codes, np.array([None], dtype=object))

    def _resolve_key(self, table: str | None, key: str | None) -> Answer:
        rows = self._source.keys.get(table or "")
        if rows is None:
            return Answer("key", problem=Problem.UNKNOWN_TABLE)
        code = rows.get((key or "").strip())
        if code not in self._places:
            return Answer("key", problem=Problem.UNKNOWN_KEY)
        return Answer("key", code, _KEY_CONFIDENCE)

    def _cover_codes(self, codes: list[str], system: str | None, most: int) -> Cover:
        given: set[str] = set()
        unresolved = []
        for code, answer in zip(codes, self.resolve_codes(codes, [system] * len(codes)), strict=True):
            together = answer.problem in {Problem.SEVERAL_PLACES, Problem.WIDER_THAN_CITY}
            places = [answer.code] if answer.code else answer.candidates if together else ()
            given.update(places)
            if not places:
                unresolved.append(code)
        outer = {code for code in given if not self._has_parent_in(code, given)}
        return self._cover_of(self._merge(outer, least=2), most, tuple(unresolved))

    def _cover_of(self, codes: list[str], most: int, unresolved: tuple[str, ...]) -> Cover:
        if not codes:
            problem = Problem.UNKNOWN_CODE if unresolved else Problem.OUTSIDE_CITY
            return Cover(unresolved=unresolved, problem=problem)
        coarsened = False
        for size in _SIZES[1:]:
            if len(codes) <= most:
                break
            codes, coarsened = self._merge({code[:size] for code in codes}), True
        return Cover(tuple(codes), coarsened, unresolved)

    def _merge(self, codes: set[str], least: int = 1) -> list[str]:
        """Put one parent in the place of all its children, level by level, where it has at least `least` of them."""
        found = set(codes)
        for size in _SIZES:
            for parent in {self._places[code].parent for code in found if len(code) == size and code != CITY}:
                children = self._children[parent]
                if len(children) >= least and found.issuperset(children):
                    found = (found - set(children)) | {parent}
        return sorted(found)

    def _has_parent_in(self, code: str, codes: set[str]) -> bool:
        return code != CITY and (CITY in codes or any(code[:size] in codes for size in _SIZES if size < len(code)))

    def _span(self, code: str) -> slice:
        """Where a place's grids stand in `grid_codes`, which is in the order of the codes."""
        if code not in self._places:
            raise KeyError(code)
        lead = CITY[:4] if code == CITY else code
        start, end = np.searchsorted(self._text_codes, [lead, lead + "~"])
        return slice(int(start), int(end))

    @cached_property
    def _text_codes(self) -> NDArray[np.str_]:
        return self.grid_codes.astype(np.str_)
