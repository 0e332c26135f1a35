"""The catalogue's files, read and checked once; editions for moments are made from it without further reading."""

from __future__ import annotations

import bisect
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import orjson
import shapely

from gridhub.streams.place.rows import Row, gazetteer_folder, read_bytes, read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    from numpy.typing import NDArray

FILES = (
    "divisions.csv",
    "townships-mca.csv",
    "crosswalk-mca-nbs.csv",
    "private-codes.csv",
    "grids.geojson",
    "stations.csv",
    "staff.csv",
)
_CHINA = timezone(timedelta(hours=8))
FOREVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class Grids:
    """The grid features of all times, in the order of their codes; validity is [from, until) in ms."""

    codes: NDArray[np.object_]
    kinds: NDArray[np.object_]
    names: NDArray[np.object_]  # empty where the grid has none of its own
    polygons: NDArray[np.object_]
    valid_ms: NDArray[np.int64]  # (n, 2)

    def part(self, keep: NDArray[np.bool_]) -> Grids:
        """Only the grids of a mask, shape (n,)."""
        return Grids(self.codes[keep], self.kinds[keep], self.names[keep], self.polygons[keep], self.valid_ms[keep])


@dataclass(frozen=True)
class Source:
    """All rows of all times."""

    version: str
    divisions: list[Row]
    full_names: dict[str, str]
    mca: dict[str, str]
    mca_only: dict[str, str]
    private: list[Row]
    keys: dict[str, dict[str, str]]
    stations: list[Row]
    staff: list[Row]
    grids: Grids

    @cached_property
    def _changes(self) -> list[int]:
        """The moments at which some grid begins or ends, in order."""
        return [int(moment) for moment in np.unique(self.grids.valid_ms)]

    def edition(self, at_ms: int | None) -> int:
        """The number of the period between two changes of the grids that a moment lies in."""
        return bisect.bisect_right(self._changes, _moment(at_ms))

    def valid_at(self, at_ms: int | None) -> NDArray[np.bool_]:
        """Which grids are valid at a moment, shape (n,); None is the newest. ValueError when one code is valid twice."""
        moment = _moment(at_ms)
        valid: NDArray[np.bool_] = (self.grids.valid_ms[:, 0] <= moment) & (moment < self.grids.valid_ms[:, 1])
        codes = self.grids.codes[valid]
        twice = codes[1:][codes[1:] == codes[:-1]]
        if len(twice):
            raise ValueError(f"grids.geojson: grid {twice[0]} is valid twice at one moment")
        return valid


def read_source(folder: Traversable) -> Source:
    """Read every file of a catalogue folder; ValueError naming file and row when they contradict each other."""
    divisions = read_rows(folder, "divisions.csv")
    crosswalk = read_rows(folder, "crosswalk-mca-nbs.csv")
    names = {row["short_code"]: row["full_name"] for row in divisions}
    return Source(
        version=content_version(folder),
        divisions=divisions,
        full_names=names,
        mca={row["mca_code9"]: row["nbs_code9"] or row["district_code6"] for row in crosswalk if row["mca_code9"]},
        mca_only={row["mca_name"]: row["district_code6"] for row in crosswalk if row["relation"] == "mca_only"},
        private=read_rows(folder, "private-codes.csv"),
        keys={name: _read_keys(folder, name) for name in _key_tables(folder)},
        stations=read_rows(folder, "stations.csv"),
        staff=read_rows(folder, "staff.csv"),
        grids=_read_grids(read_bytes(folder, "grids.geojson"), names),
    )


def _moment(at_ms: int | None) -> int:
    return FOREVER_MS - 1 if at_ms is None else at_ms


def _key_tables(folder: Traversable) -> list[str]:
    return sorted(item.name[:-4] for item in (folder / "keys").iterdir() if item.name.endswith(".csv"))


def _read_keys(folder: Traversable, name: str) -> dict[str, str]:
    rows = read_rows(folder / "keys", f"{name}.csv")
    keys = {row["key"]: row["grid"] for row in rows}
    if len(keys) != len(rows):
        raise ValueError(f"keys/{name}.csv: one key stands there twice")
    return keys


def content_version(folder: Traversable) -> str:
    """Twelve hexadecimal digits over the names and bytes of all files, those of the gazetteer included."""
    digest = hashlib.blake2b(digest_size=6)
    for table in sorted(item.name for item in gazetteer_folder().iterdir() if item.name.endswith(".csv")):
        digest.update(table.encode() + read_bytes(gazetteer_folder(), table))
    for name in FILES:
        digest.update(name.encode() + read_bytes(folder, name))
    for name in _key_tables(folder):
        digest.update(name.encode() + read_bytes(folder / "keys", f"{name}.csv"))
    return digest.hexdigest()


def _read_grids(content: bytes, names: dict[str, str]) -> Grids:
    """The grid features in the order of their codes; ValueError naming the first that is wrong."""
    rows = [feature["properties"] for feature in orjson.loads(content)["features"]]
    polygons = shapely.get_parts(shapely.from_geojson(content))
    if len(rows) != len(polygons):
        raise ValueError("grids.geojson: a feature without a polygon")
    for row in rows:
        code = row.get("code")
        if not isinstance(code, str) or len(code) != 15 or code[:12] not in names:
            raise ValueError(f"grids.geojson: grid {code!r} belongs to no community of divisions.csv")
    codes = np.array([row["code"] for row in rows], dtype=object)
    order = np.argsort(codes, kind="stable")
    kinds = np.array([row.get("kind") or "basic" for row in rows], dtype=object)
    own = np.array([str(row.get("name") or "").strip() for row in rows], dtype=object)
    valid = np.array([span(row) for row in rows], dtype=np.int64).reshape(-1, 2)
    return Grids(codes[order], kinds[order], own[order], polygons[order], valid[order])


def span(row: Mapping[str, str | None]) -> tuple[int, int]:
    """The validity [from, until) of a row in ms; `valid_to` is another word for `valid_until`. ValueError for no day."""
    until = row.get("valid_until") or row.get("valid_to")
    return day_ms(row.get("valid_from") or "", -FOREVER_MS), day_ms(until or "", FOREVER_MS)


def day_ms(text: str, missing_ms: int) -> int:
    """The beginning of a day in China's time, in ms since the epoch; `missing_ms` for an empty text."""
    if not text:
        return missing_ms
    return int(datetime.fromisoformat(text).replace(tzinfo=_CHINA).timestamp() * 1000)
