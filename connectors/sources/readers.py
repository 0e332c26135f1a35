"""Checked readers of single fields: a path that does not fit the schema fails at the load, with the key's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gridhub.connectors.sources.fields import FieldError, Getter, Record, Schema, first, many, scalar

if TYPE_CHECKING:
    from gridhub.connectors.sources.mapping import Table

Word = Callable[[Record], str | None]


class Readers:
    """Makes readers of a record's fields. `key` is the key of the file that is being compiled, for the sentence."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.key = ""

    def allowed(self, path: str, key: str, *, lists: bool = False) -> None:
        """Check that a field exists and may be used here; FieldError otherwise."""
        self.key = key
        field = self.schema.field(path)
        if field.personal:
            raise FieldError(f"{path} is personal data and must not leave the record")
        if field.listed and not lists:
            raise FieldError(f"{path} is a list where one value is needed")

    def one(self, path: str, key: str) -> Getter:
        """The reader of one value."""
        self.allowed(path, key)
        return scalar(path)

    def first(self, paths: Sequence[str], key: str) -> Word:
        """The reader of the first of several values that is not empty, as text."""
        return first([self.one(path, key) for path in paths])

    def all_of(self, path: str) -> Callable[[Record], Sequence[Any]]:
        """The reader of all values at a path, without the empty ones; quick where no list is on the way."""
        if self.schema.field(path).listed:
            return many(path)
        getter = scalar(path)

        def of_one(record: Record) -> Sequence[Any]:
            value = getter(record)
            return () if value is None or value == "" else (value,)

        return of_one

    def choice(self, asked: Any, key: str) -> Word:
        """The reader of a word that is either the same for all records or translated from a field."""
        if isinstance(asked, str):
            return lambda _record: asked
        return self.translation(key, (asked,), None)

    def translation(self, key: str, tables: Sequence[Table[Any]], usual: Word | None) -> Callable[[Record], Any]:
        """The reader of a value translated by the first table that knows it; `usual` is what a table without path reads."""
        steps = [self._step(numbered(key, number, tables), table, usual) for number, table in enumerate(tables)]
        if len(steps) == 1:
            return steps[0]

        def translate(record: Record) -> Any:
            for step in steps:
                if (found := step(record)) is not None:
                    return found
            return None

        return translate

    def _step(self, key: str, table: Table[Any], usual: Word | None) -> Callable[[Record], Any]:
        if table.path is None and usual is None:
            self.key = key
            raise FieldError("path is missing: say which field the table translates")
        value = self.first(table.path, f"{key}.path") if table.path else usual
        assert value is not None
        entries: dict[Any, Any] = dict(table.table)
        default = table.default
        return lambda record: entries.get(value(record), default)


def numbered(key: str, number: int, tables: Sequence[Any]) -> str:
    """The key of one of several tables."""
    return f"{key}.{number}" if len(tables) > 1 else key
