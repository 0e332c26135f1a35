"""The departments the hub knows, read from their folders and checked before the first event is taken."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gridhub.connectors.sources.compiled import Compiler
from gridhub.connectors.sources.fields import FieldError, Record, Schema
from gridhub.connectors.sources.mapping import Mapping
from gridhub.schemas.form import BadSchema, form
from gridhub.streams.categories import Categories
from gridhub.streams.files import UnreadableError, read_bounded
from gridhub.streams.strictyaml import strict_yaml
from gridhub.streams.topics import Topic, department_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.resources.abc import Traversable

    from gridhub.connectors.sources.places import Row

FILE = "department.yaml"
_MOST_BYTES = 262_144
_MOST_SENTENCES = 10


class DepartmentError(Exception):
    """A department's files are wrong; the message names file and key and what to change, a sentence a line."""


@dataclass(frozen=True, slots=True)
class Department:
    """One department, ready to use.

    `event` maps a record to an EVENT row (see compiled.Compiler.event); `said_source` reads the department that the
    record itself names, where the mapping has such a field. `schema` is the record's Avro schema. `version` is a digest of the mapping's text.
    """

    code: str
    name_zh: str
    name_en: str
    aliases: tuple[str, ...]
    record: str
    topic: Topic
    event: Callable[[Record], Row]
    said_source: Callable[[Record], str | None] | None
    mapping: Mapping
    version: str
    schema: dict[str, Any]
    folder: Traversable


class Departments:
    """All departments by code, by any of their names, and by the record they send."""

    def __init__(self, departments: Sequence[Department]) -> None:
        """DepartmentError when two share a code or a name."""
        self.by_code = {department.code: department for department in departments}
        if len(self.by_code) != len(departments):
            raise DepartmentError("Two folders have the same department code.")
        self._names: dict[str, Department] = {}
        for department in departments:
            for name in (department.code, department.name_zh, department.name_en, *department.aliases):
                other = self._names.setdefault(_folded(name), department)
                if other is not department:
                    raise DepartmentError(f"The name {name} belongs to both {other.code} and {department.code}.")
        self.records = frozenset(department.record for department in departments)

    @classmethod
    def load(
        cls,
        folder: Traversable | None = None,
        further: Sequence[Traversable] = (),
        categories: Categories | None = None,
    ) -> Departments:
        """Read every department below `folder` (None: the bundled six), and those below each of `further`.

        A folder is either one department's or holds departments' folders. DepartmentError names file and key.
        """
        table = categories or Categories.load()
        roots = (folder or files("gridhub.connectors.sources"), *further)
        return cls([load_department(place, table) for root in roots for place in department_folders(root)])

    def by_alias(self, name: str) -> Department | None:
        """The department with this code, name or alias; case, hyphens, underscores and spaces do not matter."""
        return self._names.get(_folded(name))

    def by_record(self, fullname: str) -> tuple[Department, ...]:
        """The departments that send this record: one, none, or several for GenericEvent."""
        return tuple(department for department in self if department.record == fullname)

    def __iter__(self) -> Iterator[Department]:
        return iter(self.by_code.values())

    def __len__(self) -> int:
        return len(self.by_code)


def department_folders(root: Traversable) -> list[Traversable]:
    """The folders with a department.yaml: the root itself, or those directly below, by name; DepartmentError for none."""
    if (root / FILE).is_file():
        return [root]
    found = [place for place in root.iterdir() if (place / FILE).is_file()] if root.is_dir() else []
    if not found:
        raise DepartmentError(f"{root.name}: there is no {FILE} in this folder or directly below it.")
    return sorted(found, key=lambda place: place.name)


def load_department(folder: Traversable, categories: Categories) -> Department:
    """One department from its folder; DepartmentError with a sentence for each thing that is wrong."""
    place = f"{folder.name}/{FILE}"
    content = _read(folder / FILE, place)
    mapping = _mapping(content, place)
    schema = _schema(folder, mapping.record, place)
    compiler = Compiler(mapping, Schema(schema), categories)
    try:
        event, source = compiler.event(), compiler.source()
    except FieldError as error:
        raise DepartmentError(f"{place}: {compiler.key}: {error}.") from error
    return Department(
        code=mapping.code,
        name_zh=mapping.names.zh,
        name_en=mapping.names.en,
        aliases=mapping.aliases,
        record=mapping.record,
        topic=department_topic(mapping.code, mapping.record),
        event=event,
        said_source=source,
        mapping=mapping,
        version=blake2b(content, digest_size=8).hexdigest(),
        schema=schema,
        folder=folder,
    )


def _read(path: Traversable, place: str) -> bytes:
    try:
        return read_bounded(path, _MOST_BYTES, place)
    except UnreadableError as error:
        raise DepartmentError(str(error)) from error


def _mapping(content: bytes, place: str) -> Mapping:
    try:
        tree = strict_yaml(content, place)
    except ValueError as error:
        raise DepartmentError(str(error)) from error
    if not isinstance(tree, dict):
        raise DepartmentError(f"{place}: it must hold keys and values, such as code and names.")
    try:
        return Mapping.model_validate(tree)
    except ValidationError as error:
        raise DepartmentError("\n".join(sentences(error, tree, place))) from error


def sentences(error: ValidationError, tree: Any, place: str) -> list[str]:
    """One sentence for each wrong key, with the key as it stands in the file.

    Where a key may take several forms, pydantic complains once per form: the complaints that lead deepest into what
    is written are those of the form that was meant.
    """
    found: dict[str, tuple[int, str]] = {}
    for problem in error.errors(include_url=False, include_context=False):
        keys = _written_keys(problem["loc"], tree, missing=problem["type"] == "missing")
        top = str(keys[0]) if keys else ""
        message = problem["msg"].removeprefix("Value error, ")
        sentence = f"{place}: {'.'.join(map(str, keys)) or 'the file'}: {message}."
        if len(keys) > found.get(top, (-1, ""))[0]:
            found[top] = (len(keys), sentence)
        elif len(keys) == found[top][0] and sentence not in found[top][1]:
            found[top] = (len(keys), f"{found[top][1]}\n{sentence}")
    return "\n".join(sentence for _, sentence in found.values()).splitlines()[:_MOST_SENTENCES]


def _written_keys(loc: Sequence[int | str], tree: Any, *, missing: bool) -> list[int | str]:
    keys: list[int | str] = []
    for part in loc:
        here = tree.keys() if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
        if part in here:
            keys.append(part)
            tree = tree[part]
    return [*keys, loc[-1]] if missing and loc else keys


def _schema(folder: Traversable, record: str, place: str) -> dict[str, Any]:
    """The record's Avro schema: from the department's own folder, else from those that come with the hub."""
    bundled = files("gridhub.schemas") / "avsc" / "dept"
    for root in (folder, bundled):
        for path in sorted(root.iterdir(), key=lambda item: item.name) if root.is_dir() else ():
            if path.name.endswith(".avsc"):
                name, tree = _avsc(path, f"{folder.name}/{path.name}")
                if name == record:
                    return tree
    raise DepartmentError(f"{place}: record: no .avsc file beside it or in the hub describes {record}.")


def _avsc(path: Traversable, place: str) -> tuple[str, dict[str, Any]]:
    """Full name and tree of a schema file."""
    content = _read(path, place)
    try:
        text = content.decode()
        form(text)
        tree: dict[str, Any] = json.loads(text)
    except (ValueError, BadSchema) as error:
        raise DepartmentError(f"{place}: it is not an Avro record schema: {error}.") from error
    name, space = str(tree["name"]), tree.get("namespace")
    return (name if "." in name or not space else f"{space}.{name}"), tree


def _folded(name: str) -> str:
    return "".join(name.casefold().replace("-", " ").replace("_", " ").split())
