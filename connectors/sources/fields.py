"""Fields of an Avro record by dotted path: do they exist, may they leave the record, and how they are read fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]
Getter = Callable[[Record], Any]


_PLAIN = (str, int, float)


class FieldError(ValueError):
    """A path that the record does not have, or that may not be used here; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Field:
    """A path's end: its Avro type, whether a step on the way is a list, and whether it holds personal data."""

    path: str
    avro: Any
    listed: bool
    personal: bool


class Schema:
    """An Avro record schema, asked for its fields by path. Named types that occur twice are found by name."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self._named: dict[str, Any] = {}
        self._tree = tree
        self._learn(tree)

    def field(self, path: str, *, group: bool = False) -> Field:
        """The field at this path; FieldError when there is none, or when it is a group of fields and none is wanted."""
        kind, listed, personal = self._tree, False, False
        for step in path.split("."):
            entry = self._entries(kind).get(step)
            if entry is None:
                raise FieldError(f"the record has no field {path} ({step} is not there)")
            personal = personal or entry.get("personal") is True
            kind, many = self._plain(entry["type"])
            listed = listed or many
        if not group and isinstance(kind, Mapping) and kind.get("type") in {"record", "map"}:
            raise FieldError(f"{path} is a group of fields; name one of them")
        return Field(path, kind, listed, personal)

    def personal(self) -> list[Field]:
        """Every field marked as personal data."""
        return [self.field(path) for path in self._personal(self._tree, "")]

    def _personal(self, kind: Any, prefix: str, depth: int = 0) -> Iterator[str]:
        for name, entry in self._entries(kind).items():
            inner, _ = self._plain(entry["type"])
            if entry.get("personal") is True:
                yield prefix + name
            elif depth < 16:
                yield from self._personal(inner, f"{prefix}{name}.", depth + 1)

    def _learn(self, kind: Any) -> None:
        if isinstance(kind, list):
            for branch in kind:
                self._learn(branch)
        elif isinstance(kind, Mapping):
            if "name" in kind and kind.get("type") in {"record", "enum", "fixed"}:
                self._named[str(kind["name"]).rpartition(".")[2]] = kind
            for entry in kind.get("fields", ()):
                self._learn(entry["type"])
            self._learn(kind.get("items"))

    def _plain(self, kind: Any) -> tuple[Any, bool]:
        """The type without null, name and list around it, and whether there was a list."""
        if isinstance(kind, list):
            branches = [branch for branch in kind if branch != "null"]
            return self._plain(branches[0]) if len(branches) == 1 else (branches, False)
        if isinstance(kind, str):
            return self._named.get(kind.rpartition(".")[2], kind), False
        if isinstance(kind, Mapping) and kind.get("type") == "array":
            return self._plain(kind["items"])[0], True
        return kind, False

    @staticmethod
    def _entries(kind: Any) -> dict[str, Any]:
        if not isinstance(kind, Mapping) or kind.get("type") != "record":
            return {}
        return {entry["name"]: entry for entry in kind["fields"]}


def scalar(path: str) -> Getter:
    """A getter of one value: None where the record, or a group on the way, is empty."""
    steps = path.split(".")
    if len(steps) == 1:
        (only,) = steps
        return lambda record: record.get(only)
    if len(steps) == 2:
        first, second = steps

        def of_two(record: Record) -> Any:
            inner = record.get(first)
            return None if inner is None else inner.get(second)

        return of_two

    def of_many(record: Record) -> Any:
        inner: Any = record
        for step in steps:
            if inner is None:
                return None
            inner = inner.get(step)
        return inner

    return of_many


def many(path: str) -> Callable[[Record], list[Any]]:
    """A getter of all values at a path that crosses lists, in order, without the empty ones."""
    steps = path.split(".")

    def of_lists(record: Record) -> list[Any]:
        found: list[Any] = [record]
        for step in steps:
            found = [value for group in found for value in _opened(group.get(step))]
        return found

    return of_lists


def _opened(value: Any) -> Sequence[Any]:
    if value is None or value == "":
        return ()
    return [item for item in value if item is not None and item != ""] if isinstance(value, list) else (value,)


def text(value: Any) -> str | None:
    """A value as trimmed text; None when it is empty. TypeError for groups of fields and raw bytes."""
    if type(value) is str:  # first, because it is nearly always so
        return value.strip() or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _PLAIN):
        return str(value)
    raise TypeError(f"text was expected, not {type(value).__name__}")


def first(getters: Sequence[Getter]) -> Callable[[Record], str | None]:
    """The first of several values that is not empty, as text."""
    if len(getters) == 1:
        (only,) = getters

        def of_one(record: Record) -> str | None:
            value = only(record)
            return (value.strip() or None) if type(value) is str else text(value)

        return of_one

    def of_several(record: Record) -> str | None:
        for getter in getters:
            if found := text(getter(record)):
                return found
        return None

    return of_several
