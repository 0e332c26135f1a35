"""The checks of a whole catalogue folder: its tables against each other, then its polygons."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from importlib.resources.abc import Traversable

import orjson
import shapely

from gridhub.streams.place.attributes import validity
from gridhub.streams.place.findings import Report
from gridhub.streams.place.import_check import Ground, check_grids, polygons_by_code
from gridhub.streams.place.rows import Row, read_bytes, read_rows

GRIDS = "grids.geojson"
DISTRICTS = "districts.geojson"
_TABLES = {
    "divisions.csv": ("name", "level", "parent_code12", "district_code6", "short_code", "full_name"),
    "townships-mca.csv": ("code12", "name", "district_code6", "district_name"),
    "crosswalk-mca-nbs.csv": ("district_code6", "mca_code9", "nbs_code9", "mca_name", "nbs_name", "relation"),
    "private-codes.csv": ("code", "canonical", "members", "confidence"),
    "stations.csv": ("station", "community", "name"),
    "staff.csv": ("staff", "grid", "station"),
}
_LEVELS = {6: ("city", "district"), 9: ("street",), 12: ("community",)}
_KEY_HEADER = ("key", "grid")


@dataclass(frozen=True)
class Tables:
    """The CSV files of a folder that could be read; one that could not is empty, and told."""

    rows: dict[str, list[Row]]
    keys: dict[str, list[Row]]

    @property
    def names(self) -> dict[str, str]:
        """Canonical code to name, all levels."""
        return {row["short_code"]: row["name"] for row in self.rows["divisions.csv"]}

    @property
    def mca(self) -> dict[str, str]:
        """The Ministry's street code to the canonical one, where they differ."""
        rows = self.rows["crosswalk-mca-nbs.csv"]
        return {row["mca_code9"]: row["nbs_code9"] for row in rows if row["relation"] == "differs"}


def read_tables(folder: Traversable, report: Report) -> Tables:
    """Every CSV file of a catalogue folder; nothing raises."""
    rows = {name: _rows(folder, name, columns, report) for name, columns in _TABLES.items()}
    keys = folder / "keys"
    names = sorted(item.name for item in keys.iterdir() if item.name.endswith(".csv")) if keys.is_dir() else []
    return Tables(rows, {name: _rows(keys, name, _KEY_HEADER, report) for name in names})


def ground(folder: Traversable, report: Report | None = None, *, with_present: bool = True) -> Ground:
    """What drawings are judged by, from a sound catalogue folder. ValueError naming the file when it is not sound."""
    found = report or Report()
    tables = read_tables(folder, found)
    districts = _polygons(folder, DISTRICTS, "adcode", found)
    present = _polygons(folder, GRIDS, "code", found) if with_present else {}
    if found.errors and report is None:
        raise ValueError(f"the catalogue to compare with is wrong: {found.findings[0].text('en')}")
    return Ground(tables.names, tables.mca, districts, present)


def check_folder(folder: Traversable, report: Report) -> int:
    """Judge a whole catalogue folder; all findings go to the report. How many grids are sound by themselves."""
    tables = read_tables(folder, report)
    districts = _polygons(folder, DISTRICTS, "adcode", report)
    for finding in _divisions(tables.rows["divisions.csv"]):
        report.add(
            "bad_division",
            "divisions.csv",
            None,
            finding[0],
            name=finding[1],
            detail_zh=finding[2],
            detail_en=finding[3],
        )
    content = _bytes(folder, GRIDS, report)
    if not content or not districts or not tables.names:
        return 0
    drawing = check_grids(content, GRIDS, Ground(tables.names, tables.mca, districts, {}), report)
    _references(tables, drawing.seen | tables.names.keys(), report)
    _service(tables, set(drawing.codes.tolist()), report)
    return len(drawing)


def _bytes(folder: Traversable, name: str, report: Report) -> bytes:
    try:
        return read_bytes(folder, name)
    except FileNotFoundError:
        report.add("missing_file", name)
    except ValueError as error:
        report.add("bad_row", name, detail=str(error)[:200])
    return b""


def _rows(folder: Traversable, name: str, columns: tuple[str, ...], report: Report) -> list[Row]:
    if not _bytes(folder, name, report):
        return []
    try:
        rows = read_rows(folder, name)
    except UnicodeDecodeError as error:
        report.add("not_utf8", name, position=error.start)
        return []
    except ValueError as error:
        report.add("bad_row", name, detail=str(error)[:200])
        return []
    missing = [column for column in columns if rows and column not in rows[0]]
    for column in missing:
        report.add("missing_column", name, given=column)
    return [] if missing else rows


def _polygons(folder: Traversable, name: str, column: str, report: Report) -> dict[str, shapely.Geometry]:
    content = _bytes(folder, name, report)
    try:
        found = polygons_by_code(content, column) if content else {}
    except (orjson.JSONDecodeError, KeyError, TypeError, shapely.GEOSException) as error:
        report.add("not_json", name, detail=f"{type(error).__name__}: {error}"[:100])
        return {}
    for code, shape in found.items():
        if shape is None or not shape.is_valid:
            report.add("self_crossing", name, None, code, detail=shapely.is_valid_reason(shape))
    return found


def _divisions(rows: list[Row]) -> Iterator[tuple[str, str, str, str]]:
    """Code, name and what is wrong (Chinese, English) of each wrong row of divisions.csv."""
    codes: set[str] = set()
    for row in rows:
        codes.add(row["short_code"])
    seen: set[str] = set()
    for row in rows:
        code, name = row["short_code"], row["name"]
        if not name.strip() or not row["full_name"].strip():
            yield code, name, "名称为空", "its name is empty"
        if code in seen:
            yield code, name, "编码重复", "the code stands there twice"
        seen.add(code)
        if not (code.isascii() and code.isdigit()) or row["level"] not in _LEVELS.get(len(code), ()):
            yield code, name, "编码位数与级别不符", "the number of its digits does not belong to its level"
        elif len(code) > 6 and (code[:-3] not in codes or row["parent_code12"] != code[:-3].ljust(12, "0")):
            yield code, name, "上级不存在或不符", "its parent is missing or another one"


def _references(tables: Tables, known: AbstractSet[str], report: Report) -> None:
    """Codes in the tables that lead nowhere."""
    used = [("stations.csv", tables.rows["stations.csv"], "community"), ("staff.csv", tables.rows["staff.csv"], "grid")]
    used += [(f"keys/{name}", rows, "grid") for name, rows in tables.keys.items()]
    used += [("crosswalk-mca-nbs.csv", tables.rows["crosswalk-mca-nbs.csv"], "nbs_code9")]
    used += [("private-codes.csv", tables.rows["private-codes.csv"], column) for column in ("canonical", "members")]
    for name, rows, column in used:
        optional = column in {"nbs_code9", "canonical", "members"}
        for line, row in enumerate(rows, start=2):
            for code in row[column].split() if optional else [row[column]]:
                if code not in known:
                    report.add("unknown_code", name, None, code, line=line)
    for name, rows in tables.keys.items():
        seen: set[str] = set()
        for row in rows:
            if row["key"] in seen:
                report.add("duplicate_key", f"keys/{name}", None, row["grid"], given=row["key"])
            seen.add(row["key"])


def _service(tables: Tables, grids: set[str], report: Report) -> None:
    """Communities without a station, grids without a member, members of unknown stations."""
    stations = {row["station"] for row in tables.rows["stations.csv"]}
    served = {row["community"] for row in tables.rows["stations.csv"]}
    for code, name in tables.names.items():
        if len(code) == 12 and code not in served:
            report.add("no_station", "stations.csv", None, code, community=code, name=name)
    staffed = {row["grid"] for row in tables.rows["staff.csv"]}
    for code in sorted(grids - staffed):
        report.add("no_staff", "staff.csv", None, code)
    for line, row in enumerate(tables.rows["staff.csv"], start=2):
        if validity(row) is None:
            days = f"{row.get('valid_from', '')} – {row.get('valid_until', '')}"
            report.add("bad_validity", "staff.csv", line, row["grid"], given=days)
        if row["station"] not in stations:
            report.add("unknown_station", "staff.csv", None, row["grid"], line=line, given=row["station"])
