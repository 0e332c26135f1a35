"""Read and check config/organisation: a Charter, or every mistake with its file, its line and what to change."""

from __future__ import annotations

from hashlib import blake2b
from importlib.resources import files as package_files
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from gridhub.streams.organisation.calendar import NATURAL, WORK, Calendar, Hours
from gridhub.streams.organisation.charter import Capability, Charter, Invitation, Walking, Ways
from gridhub.streams.organisation.form import HoursFile, OrganisationFile, WaysFile
from gridhub.streams.organisation.people import absences_of, duties_of, persons_of
from gridhub.streams.organisation.places import units_of
from gridhub.streams.organisation.roles import DEPARTMENT_UNIT, ROLES
from gridhub.streams.organisation.shifts import Shift, spans
from gridhub.streams.organisation.tables import (
    FILE,
    FILES,
    OrganisationError,
    Problems,
    Read,
    lines_of,
    read_day,
    read_files,
)
from gridhub.streams.organisation.workdays import FIRST, LAST, Workdays
from gridhub.streams.rooms.organisation import Organisation
from gridhub.streams.strictyaml import Lines, strict_yaml_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from importlib.resources.abc import Traversable
    from pathlib import Path as Folder

    from gridhub.streams.rooms.outbound import Categories, Places

_MOST_LEVELS = 40


class Around(NamedTuple):
    """What the organisation's files refer to."""

    categories: Categories
    places: Places
    departments: Mapping[str, str]
    strict: bool = (
        True  # False for the bundled file beside a city's own categories and routes: it may name what is not there
    )


def load_charter(folder: Folder | None, around: Around, *, tables: bool = True) -> Charter:
    """The checked organisation of a folder (None: the bundled example); OrganisationError names each mistake.

    Without `tables` only organisation.yaml and the work calendar are read: a city of other grids than the bundled one
    has none of the bundled units.
    """
    place: Traversable = folder if folder is not None else package_files("gridhub.config") / "organisation"
    return parse_charter(read_files(place) if tables else read_files(place, (FILE, "workdays.csv")), around)


def changed_charter(start: Charter, files: Mapping[str, bytes], around: Around) -> Charter:
    """The organisation with some of its files replaced, checked whole; `start` itself where none of them is its own."""
    own = {name: content for name, content in files.items() if name in FILES}
    return parse_charter({**start.files, **own}, around) if own else start


def parse_charter(files: Read, around: Around) -> Charter:
    """The checked organisation from the files' bytes; OrganisationError as `load_charter`."""
    problems = Problems()
    form, lines = _form(files.get(FILE, b""))
    said = _Said(form, lines, around, problems)
    shifts, hours = said.shifts(), said.hours()
    calendar = Calendar(_workdays(files, problems), hours)
    units = units_of(files, around.places, set(form.capabilities), set(calendar.clocks), problems)
    persons = persons_of(files, around.places, problems)
    council = form.council
    charter = Charter(
        version=f"{form.version}+{_digest(files)}",
        file_version=form.version,
        files=files,
        calendar=calendar,
        walking=Walking(form.walking.speed_kmh, form.walking.detour),
        roles=said.ways("roles", form.roles),
        departments=said.ways("departments", form.departments),
        shifts=shifts,
        capabilities=said.capabilities(),
        units=units,
        duties=duties_of(files, around.places, persons, set(shifts), problems),
        persons=persons,
        absences=absences_of(files, persons, problems),
        council=tuple(council.community),
        village_council=tuple(council.village),
        invitations=said.invitations(),
        supervision=form.supervision,
    )
    _check_parents(Organisation(around.places, {}, charter), problems)
    problems.stop()
    return charter


def _check_parents(chart: Organisation, problems: Problems) -> None:
    """Parents of units.csv that lead back to their unit would raise a matter for ever."""
    for name, line in chart.charter.units.items():
        above = [line.recipient]
        while line.parent and len(above) <= _MOST_LEVELS and (upper := chart.above(above[-1])) is not None:
            above.append(upper)
        if len(above) > _MOST_LEVELS:
            sentence = f"the units above {name} go in a circle from {line.parent} on; give one of them another parent"
            problems.add("units.csv", line.line, sentence)


class _Said:
    """organisation.yaml with the lines of its parts: what it says, and what is wrong with it."""

    def __init__(self, form: OrganisationFile, lines: Lines, around: Around, problems: Problems) -> None:
        self._form, self._lines, self._around, self._problems = form, lines, around, problems

    def _wrong(self, path: tuple[str | int, ...], sentence: str) -> None:
        self._problems.add(FILE, self._lines.of(path), sentence)

    def _unknown(self, path: tuple[str | int, ...], sentence: str) -> None:
        if self._around.strict:
            self._wrong(path, sentence)

    def hours(self) -> dict[str, Hours]:
        """The clocks' hours; a wrong clock is a problem and left out."""
        found: dict[str, Hours] = {}
        for name, part in self._form.clocks.items():
            read = self._spans(("clocks", name), part, over_midnight=False)
            if name == NATURAL:
                self._wrong(("clocks", name), f"{NATURAL} is the time that always runs; call this clock otherwise")
            elif read is not None and not read.workday:
                self._wrong(("clocks", name), f"the clock {name} has no hours on working days; give it some")
            elif read is not None:
                found[name] = Hours(read.workday, read.day_off)
        return found

    def shifts(self) -> dict[str, Shift]:
        """The shifts; a wrong one is a problem and left out."""
        read = {
            name: self._spans(("shifts", name), part, over_midnight=True) for name, part in self._form.shifts.items()
        }
        return {name: shift for name, shift in read.items() if shift is not None}

    def _spans(self, path: tuple[str, str], part: HoursFile, *, over_midnight: bool) -> Shift | None:
        try:
            workday = spans(part.workday, over_midnight=over_midnight)
            return Shift(part.name, workday, spans(part.day_off, over_midnight=over_midnight))
        except ValueError as error:
            self._wrong(path, str(error))
            return None

    def capabilities(self) -> dict[str, Capability]:
        """What units can do, with the categories of the matter groups."""
        found: dict[str, Capability] = {}
        for name, part in self._form.capabilities.items():
            if name in self._around.categories:
                self._wrong(("capabilities", name), f"{name} is a category; call the capability by what is done")
            needs = self._categories(("capabilities", name), part.categories, part.matter_groups)
            found[name] = Capability(part.name, needs)
        return found

    def invitations(self) -> tuple[Invitation, ...]:
        """Who the X of the councils are."""
        path = ("council", "by_matter")
        return tuple(
            Invitation(self._categories((*path, place), part.categories, part.matter_groups), tuple(part.invited))
            for place, part in enumerate(self._form.council.by_matter)
        )

    def _categories(self, path: tuple[str | int, ...], names: list[str], groups: list[str]) -> frozenset[str]:
        known = self._around.categories
        members: dict[str, list[str]] = {}
        for name in known:
            members.setdefault(known[name].matter_group, []).append(name)
        for place, name in enumerate(names):
            if name not in known:
                self._unknown((*path, "categories", place), f"there is no category {name} in categories.csv")
        for place, name in enumerate(groups):
            if name not in members:
                self._unknown((*path, "matter_groups", place), f"there is no matter group {name} in categories.csv")
        return frozenset([*names, *(name for group in groups for name in members.get(group, ()))])

    def ways(self, part: str, given: Mapping[str, WaysFile]) -> dict[str, Ways]:
        """What units of each role, or of each department, have in common."""
        departments = {*self._around.departments, self._form.supervision}
        known = departments if part == "departments" else set(ROLES) - {DEPARTMENT_UNIT}
        for name, ways in given.items():
            if name not in known:
                self._unknown(
                    (part, name), f"there is no such one among the {part}: {name}; write one of {_all(known)}"
                )
            self._check_ways((part, name), ways)
        return {
            name: Ways(
                ways.clock, tuple(ways.shifts), frozenset(ways.capabilities), ways.checked_by or "", ways.everywhere
            )
            for name, ways in given.items()
        }

    def _check_ways(self, path: tuple[str, str], ways: WaysFile) -> None:
        if ways.clock not in {NATURAL, WORK, *self._form.clocks}:
            self._wrong((*path, "clock"), f"there is no clock {ways.clock}; clocks stand under `clocks`")
        for place, name in enumerate(ways.shifts):
            if name not in self._form.shifts:
                self._wrong((*path, "shifts", place), f"there is no shift {name}; shifts stand under `shifts`")
        for place, name in enumerate(ways.capabilities):
            if name not in self._form.capabilities:
                sentence = f"there is no capability {name}; capabilities stand under `capabilities`"
                self._wrong((*path, "capabilities", place), sentence)
        if ways.checked_by is not None and ways.checked_by not in ROLES:
            self._wrong((*path, "checked_by"), f"there is no role {ways.checked_by}; write one of {_all(ROLES)}")


def _form(content: bytes) -> tuple[OrganisationFile, Lines]:
    tree, lines = None, Lines({})
    try:
        tree, lines = strict_yaml_lines(content, f"organisation/{FILE}")
        return OrganisationFile.model_validate(tree), lines
    except ValidationError as error:
        problems = Problems()
        for item in error.errors():
            where = ".".join(map(str, item["loc"])) or "the file"
            problems.add(FILE, lines.of(item["loc"]), f"{where}: {item['msg']}")
        problems.stop()
        raise
    except ValueError as error:
        raise OrganisationError(str(error)) from error


def _workdays(files: Read, problems: Problems) -> Workdays:
    given: dict[date, bool] = {}
    names: dict[date, str] = {}
    for line in lines_of(files, "workdays.csv", problems):
        day = read_day(line["date"])
        if day is None or not FIRST <= day <= LAST:
            problems.add(line.name, line.number, f"{line['date']!r} is no day from {FIRST} to {LAST}, as 2027-02-06")
        elif line["kind"] not in {"holiday", "work"}:
            problems.add(line.name, line.number, f"the kind {line['kind']!r} is neither holiday nor work")
        elif day in given:
            problems.add(line.name, line.number, f"{day} stands there twice; leave one line out")
        else:
            given[day], names[day] = line["kind"] == "work", line["name"]
    return Workdays(given, names)


def _digest(files: Read) -> str:
    made = blake2b(digest_size=6)
    for name in sorted(files):
        made.update(f"{name} {len(files[name])}\n".encode() + files[name])
    return made.hexdigest()


def _all(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
