"""The organisation's tables as rows with their lines, and what is wrong with them, in sentences."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from gridhub.streams.files import UnreadableError, read_bounded
from gridhub.streams.organisation.calendar import CHINA_MS, DAY_MS, ms_of_day

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

FILE = "organisation.yaml"
TABLES: dict[str, tuple[str, ...]] = {
    "workdays.csv": ("date", "kind", "name", "source"),
    "units.csv": ("id", "name", "parent", "area", "capabilities", "lon", "lat", "clock", "note"),
    "persons.csv": ("person", "unit", "name", "contact", "substitute"),
    "duty.csv": ("unit", "shift", "persons", "turn", "since", "until"),
    "absences.csv": ("person", "begin", "end", "substitute", "reason"),
}
FILES = (FILE, *TABLES)
MOST_BYTES = 16 * 1024 * 1024
MOST_TOLD = 50


class OrganisationError(ValueError):
    """The organisation's files are wrong; the message has one sentence per problem, with file and line."""


@dataclass
class Problems:
    """What is wrong, as sentences; all of it is told at once."""

    told: list[str] = field(default_factory=list)

    def add(self, name: str, line: int, sentence: str) -> None:
        """Note a problem in a line of a file."""
        self.told.append(f"organisation/{name} line {line}: {sentence}.")

    def stop(self) -> None:
        """OrganisationError when there is any problem."""
        if self.told:
            more = len(self.told) - MOST_TOLD
            rest = [f"… and {more} more problems."] if more > 0 else []
            raise OrganisationError("\n".join([*self.told[:MOST_TOLD], *rest]))


@dataclass(frozen=True)
class Line:
    """A row of a table: its file, its line there, its cells by column, without outer spaces."""

    name: str
    number: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def words(self, column: str) -> tuple[str, ...]:
        """The cell's words: several things in a cell are separated by spaces."""
        return tuple(self.cells[column].split())


Read = dict[str, bytes]
"""The organisation's files by name; a table that is not there has no rows."""


def read_files(folder: Traversable, names: tuple[str, ...] = FILES) -> Read:
    """The files that are there, within limits; OrganisationError when one cannot be read."""
    try:
        return {
            name: read_bounded(folder / name, MOST_BYTES, f"organisation/{name}")
            for name in names
            if (folder / name).is_file() or name == FILE
        }
    except UnreadableError as error:
        raise OrganisationError(str(error)) from error


def lines_of(files: Read, name: str, problems: Problems) -> Iterator[Line]:
    """The rows of a table; one with other columns, or rows with too many or too few cells, is a problem."""
    try:
        text = files.get(name, b"").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = files[name][: error.start].count(b"\n") + 1
        problems.add(name, line, "it is not UTF-8; save the table as UTF-8 (in a spreadsheet: CSV UTF-8)")
        return
    header = TABLES[name]
    reader = csv.reader(text.splitlines())
    for cells in reader:
        if reader.line_num == 1:
            if tuple(cell.strip() for cell in cells) != header:
                problems.add(name, 1, f"the columns are not {','.join(header)}; write exactly this first line")
                return
        elif cells and len(cells) != len(header):
            problems.add(name, reader.line_num, f"{len(cells)} cells where the header has {len(header)}")
        elif cells:
            stripped = (cell.strip() for cell in cells)
            yield Line(name, reader.line_num, dict(zip(header, stripped, strict=True)))


def read_day(text: str) -> date | None:
    """A day as 2026-02-16, or None."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def read_moment(text: str, *, end: bool) -> int | None:
    """A day or a moment in China (2026-02-16, 2026-02-16T08:30) in ms; an `end` that is a day includes it. None: neither."""
    day = read_day(text)
    if day is not None:
        return ms_of_day(day) + (DAY_MS if end else 0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is not None:
        return None
    midnight = ms_of_day(moment.date()) + CHINA_MS
    inside = moment - datetime.combine(moment.date(), datetime.min.time())
    return midnight - CHINA_MS + int(inside.total_seconds() * 1000)
