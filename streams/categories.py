"""The city's table of categories: what a matter is called, what it can be merged with, how urgent it is by default.

Codes are those of GB/T 47678.5-2026 (managed components and matters) or, where that list has none, the city's own
codes that begin with X. Components and matters share numbers, so a code is only unique together with its kind.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING

from gridhub.streams.files import UnreadableError, read_bounded

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

KINDS = ("component", "matter", "service", "warning")
_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
_CODE = re.compile(r"\d{5}|X\d{4}")
_MOST_BYTES = 1_048_576


class CategoryError(Exception):
    """The table of categories is wrong; the message names the line and what to change."""


@dataclass(frozen=True, slots=True)
class Category:
    """One category. `matter_group`: categories that can be one and the same matter share it."""

    category: str
    name_zh: str
    name_en: str
    kind: str
    code: str
    matter_group: str
    radius_m: float
    window_s: int
    life_safety: bool
    default_severity: int


COLUMNS = tuple(column.name for column in fields(Category))


@dataclass(frozen=True, slots=True)
class Categories(Mapping[str, Category]):
    """The categories by name; `version` is a digest of the file they came from."""

    rows: Mapping[str, Category]
    version: str

    @classmethod
    def load(cls, path: Traversable | None = None) -> Categories:
        """Read the table (None: the bundled one); CategoryError with a sentence that names the first wrong line."""
        source = path or files("gridhub.config") / "categories.csv"
        try:
            content = read_bounded(source, _MOST_BYTES)
        except UnreadableError as error:
            raise CategoryError(str(error)) from error
        return cls(_rows(source.name, content), blake2b(content, digest_size=8).hexdigest())

    def __getitem__(self, name: str) -> Category:
        return self.rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def _rows(name: str, content: bytes) -> dict[str, Category]:
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise CategoryError(f"{name} is not UTF-8.") from error
    reader = csv.DictReader(lines, strict=True)
    rows: dict[str, Category] = {}
    seen: dict[tuple[str, str], str] = {}
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"the columns must be {','.join(COLUMNS)}")
        for cells in reader:
            row = _category(cells)
            if row.category in rows:
                raise ValueError(f"the category {row.category} is there twice")
            if (row.kind, row.code) in seen:
                raise ValueError(f"the code {row.code} belongs to {seen[row.kind, row.code]} already")
            rows[row.category] = row
            seen[row.kind, row.code] = row.category
    except (ValueError, csv.Error) as error:
        raise CategoryError(f"{name} line {reader.line_num}: {error}.") from error
    return rows


def _category(cells: dict[str, str | None]) -> Category:
    if None in cells or None in cells.values():
        raise ValueError(f"there must be {len(COLUMNS)} cells")
    text = {column: str(cells[column]).strip() for column in COLUMNS}
    return Category(
        category=_matching(_NAME, text["category"], "category"),
        name_zh=_filled(text["name_zh"], "name_zh"),
        name_en=_filled(text["name_en"], "name_en"),
        kind=_one_of(text["kind"], KINDS, "kind"),
        code=_matching(_CODE, text["code"], "code"),
        matter_group=_matching(_NAME, text["matter_group"], "matter_group"),
        radius_m=_number(text["radius_m"], "radius_m", 1, 200_000),
        window_s=int(_number(text["window_s"], "window_s", 1, 31_536_000)),
        life_safety=_one_of(text["life_safety"], ("0", "1"), "life_safety") == "1",
        default_severity=int(_number(text["default_severity"], "default_severity", 1, 4)),
    )


def _filled(value: str, column: str) -> str:
    if not value:
        raise ValueError(f"{column} is empty")
    return value


def _matching(pattern: re.Pattern[str], value: str, column: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f"{column} {value!r} must match {pattern.pattern}")
    return value


def _one_of(value: str, allowed: tuple[str, ...], column: str) -> str:
    if value not in allowed:
        raise ValueError(f"{column} {value!r} must be one of {', '.join(allowed)}")
    return value


def _number(value: str, column: str, least: int, most: int) -> float:
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise ValueError(f"{column} {value!r} must be a whole number from {least} to {most}")
    return float(value)
