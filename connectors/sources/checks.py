"""What is wrong with a department's folder, in sentences, before its first event is published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from fastavro.validation import validate

from gridhub.connectors.sources.departments import Department, DepartmentError, Departments, load_department

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

    from gridhub.connectors.sources.mapping import Mapping as DepartmentMapping
    from gridhub.connectors.sources.mapping import Table
    from gridhub.streams.admissions import Admissions
    from gridhub.streams.categories import Categories

EXAMPLES = "examples"
_MOST_BYTES = 262_144
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found: `problems` stop the department, `notes` are worth knowing. The department is None when unread."""

    department: Department | None
    examples: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def check(folder: Traversable, known: Departments, categories: Categories, admissions: Admissions) -> Report:
    """Check one department's folder: mapping, schema, example pairs, README, clashes, and what is not approved yet."""
    try:
        department = load_department(folder, categories)
    except DepartmentError as error:
        return Report(None, 0, tuple(str(error).splitlines()), ())
    pairs = sorted(_examples(folder), key=lambda path: path.name)
    problems = [*_clashes(department, known)]
    for path in pairs:
        problems += _pair_problems(path, department)
    if not pairs:
        problems.append(f"{folder.name}: there is no example pair in {EXAMPLES}/, so nobody can see that it works.")
    if not (folder / "README.md").is_file():
        problems.append(f"{folder.name}: README.md is missing.")
    return Report(department, len(pairs), tuple(problems), tuple(_unapproved(department, admissions)))


def _examples(folder: Traversable) -> Iterator[Traversable]:
    place = folder / EXAMPLES
    for path in place.iterdir() if place.is_dir() else ():
        if path.name.endswith(".json"):
            yield path


def _clashes(department: Department, known: Departments) -> Iterator[str]:
    others = [other for other in known if other.code != department.code]
    try:
        Departments([*others, department])
    except DepartmentError as error:
        yield str(error)


def _pair_problems(path: Traversable, department: Department) -> Iterator[str]:
    place = f"{department.folder.name}/{EXAMPLES}/{path.name}"
    try:
        with path.open("rb") as stream:
            pair = orjson.loads(stream.read(_MOST_BYTES))
    except orjson.JSONDecodeError:
        yield f"{place}: it is not JSON of at most {_MOST_BYTES} bytes."
        return
    if not isinstance(pair, dict) or set(pair) != {"record", "event"} or not all(map(_is_object, pair.values())):
        yield f'{place}: it must be {{"record": {{…}}, "event": {{…}}}}.'
        return
    if not validate(pair["record"], department.schema, raise_errors=False):
        yield f"{place}: the record does not fit the schema of {department.record}."
    try:
        event = department.event(pair["record"])
    except _UNREADABLE as error:
        yield f"{place}: the record cannot be read: {error}."
        return
    yield from _differences(place, pair["event"], event)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _differences(place: str, expected: Mapping[str, Any], event: Mapping[str, Any]) -> Iterator[str]:
    for column in sorted({*expected, *event}):
        if expected.get(column) != event.get(column):
            yield f"{place}: {column}: {expected.get(column)!r} is expected, the mapping gives {event.get(column)!r}."


def _unapproved(department: Department, admissions: Admissions) -> Iterator[str]:
    """Types that no rule admits at any time; they would wait in quarantine as not_admitted."""
    rules = [rule for rule in admissions if rule.department == department.code]
    types = {word for rule in rules for word in rule.types}
    categories = {word for rule in rules for word in rule.categories}
    for word, category in category_words(department.mapping):
        if word not in types and category not in categories:
            yield f"{department.code}: {word} ({category}) is not on the approved list and would wait in quarantine."


def category_words(mapping: DepartmentMapping) -> list[tuple[str, str]]:
    """The words of the category tables with their categories, in order."""
    tables: tuple[Table[str], ...] = mapping.category if isinstance(mapping.category, tuple) else (mapping.category,)
    return [(word, category) for table in tables for word, category in table.table.items()]
