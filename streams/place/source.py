"""The catalogue's files, read and checked once; editions for moments are made from it without further reading."""

from __future__ import annotations

import bisect
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import numpy as np
import orjson
import shapely

from gridhub.streams.place.rows import Row, read_bytes, read_rows

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from numpy.typing import NDArray

_FILES = ("divisions.csv", "townships-mca.csv", "crosswalk-mca-nbs.csv", "private-codes.csv", "grids.geojson")
_CHINA = timezone(timedelta(hours=8))
FOREVER_MS = 2**62


@dataclass(frozen=True)
class Source:
    """All rows of all times. Arrays are in the order of the grid codes; validity is [from, until) in ms."""

    version: str
    divisions: list[Row]
    full_names: dict[str, str]
    mca: dict[str, str]
    mca_only: dict[str, str]
    private: list[Row]
    keys: dict[str, dict[str, str]]
    grid_codes: NDArray[np.object_]
    kinds: NDArray[np.object_]
    polygons: NDArray[np.object_]
    valid_ms: NDArray[np.int64]

    def edition(self, at_ms: int | None) -> int:
        """The number of the period between two changes of the grids that a moment lies in."""
        return bisect.bisect_right(np.unique(self.valid_ms).tolist(), _moment(at_ms))

    def valid_at(self, at_ms: int | None) -> NDArray[np.bool_]:
        """Which grids are valid at a moment, shape (n,); None is the newest. ValueError when one code is valid twice."""
        moment = _moment(at_ms)
        valid: NDArray[np.bool_] = (self.valid_ms[:, 0] <= moment) & (moment < self.valid_ms[:, 1])
        codes = self.grid_codes[valid]
        twice = codes[1:][codes[1:] == codes[:-1]]
        if len(twice):
            raise ValueError(f"grids.geojson: grid {twice[0]} is valid twice at one moment")
        return valid


def read_source(folder: Traversable) -> Source:
    """Read every file of a catalogue folder; ValueError naming file and row when they contradict each other."""
    divisions = read_rows(folder, "divisions.csv")
    crosswalk = read_rows(folder, "crosswalk-mca-nbs.csv")
    names = {row["short_code"]: row["full_name"] for row in divisions}
    codes, kinds, polygons, valid_ms = _read_grids(read_bytes(folder, "grids.geojson"), names)
    return Source(
        version=_version(folder),
        divisions=divisions,
        full_names=names,
        mca={row["mca_code9"]: row["nbs_code9"] or row["district_code6"] for row in crosswalk if row["mca_code9"]},
        mca_only={row["mca_name"]: row["district_code6"] for row in crosswalk if row["relation"] == "mca_only"},
        private=read_rows(folder, "private-codes.csv"),
        keys={name: _read_keys(folder, name) for name in _key_tables(folder)},
        grid_codes=codes,
        kinds=kinds,
        polygons=polygons,
        valid_ms=valid_ms,
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


def _version(folder: Traversable) -> str:
    """Twelve hexadecimal digits over the names and bytes of all files."""
    digest = hashlib.blake2b(digest_size=6)
    for name in _FILES:
        digest.update(name.encode() + read_bytes(folder, name))
    for name in _key_tables(folder):
        digest.update(name.encode() + read_bytes(folder / "keys", f"{name}.csv"))
    return digest.hexdigest()


def _read_grids(
    content: bytes, names: dict[str, str]
) -> tuple[NDArray[np.object_], NDArray[np.object_], NDArray[np.object_], NDArray[np.int64]]:
    """Codes, kinds, polygons and validity of the grid features, in the order of the codes."""
    rows = [feature["properties"] for feature in orjson.loads(content)["features"]]
    polygons = shapely.get_parts(shapely.from_geojson(content))
    if len(rows) != len(polygons):
        raise ValueError("grids.geojson: a feature without a polygon")
    for row in rows:
        if len(row["code"]) != 15 or row["code"][:12] not in names:
            raise ValueError(f"grids.geojson: grid {row['code']!r} belongs to no community of divisions.csv")
    valid = [(day_ms(row["valid_from"], -FOREVER_MS), day_ms(row["valid_until"], FOREVER_MS)) for row in rows]
    codes = np.array([row["code"] for row in rows], dtype=object)
    order = np.argsort(codes, kind="stable")
    kinds = np.array([row["kind"] for row in rows], dtype=object)
    return codes[order], kinds[order], polygons[order], np.array(valid, dtype=np.int64)[order]


def day_ms(text: str, missing_ms: int) -> int:
    """The beginning of a day in China's time, in ms since the epoch; `missing_ms` for an empty text."""
    if not text:
        return missing_ms
    return int(datetime.fromisoformat(text).replace(tzinfo=_CHINA).timestamp() * 1000)
