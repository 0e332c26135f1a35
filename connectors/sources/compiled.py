"""A mapping made into one pure function: record in, EVENT row out. Everything is looked up once, at the load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridhub.connectors.sources.fields import FieldError, Getter, Record, Schema, first, text
from gridhub.connectors.sources.mapping import Joined, Mapping, SubjectKey, Time
from gridhub.connectors.sources.masking import masked
from gridhub.connectors.sources.places import Row, ways
from gridhub.connectors.sources.readers import Readers, Word, numbered
from gridhub.connectors.sources.values import milliseconds, template, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridhub.streams.categories import Categories

_MOST_TITLE = 200
_MOST_TEXT = 4000
_BETWEEN = "\x1e"  # ASCII's record separator: title and text are searched for personal data in one go
_MOST_SUBJECT_KEYS = 50


class Compiler:
    """Compiles one mapping against its record's schema; FieldError names the first key that does not fit."""

    def __init__(self, mapping: Mapping, schema: Schema, categories: Categories) -> None:
        self.mapping = mapping
        self.categories = categories
        self.read = Readers(schema)

    @property
    def key(self) -> str:
        """The key of the file that was being compiled last: where a FieldError came from."""
        return self.read.key

    def event(self) -> Callable[[Record], Row]:
        """The function from a record to its EVENT row.

        `event_id`, `type`, `category` and `occurred_at` are None where the record does not give them; row, received_at,
        schema_id and admission are the room's. It raises WrongValueError, or what Python raises on a value of a wrong
        type, for a record that cannot be read.
        """
        mapping, code = self.mapping, self.mapping.code
        event_id, kind = self.event_id(), self.type()
        occurred_at, category = self.occurred_at(), self.category(kind)
        severity, status = self.severity(), self.status()
        planned, words = self.planned(), self.words(category)
        keys, place = self.subject_keys(), ways(self.read, mapping.places)
        warned = self.warned()
        defaults = {name: row.default_severity for name, row in self.categories.items()}

        def to_event(record: Record) -> Row:
            found = category(record)
            title, body = words(record)
            row: Row = {
                "source": code,
                "event_id": event_id(record),
                "type": kind(record),
                "category": found,
                "severity": severity(record) or defaults.get(found or "", 4),
                "status": status(record),
                "planned": planned(record),
                "occurred_at": occurred_at(record),
                "title": title,
                "text": body,
                "subject_keys": keys(record),
            }
            place(record, row)
            if warned:
                row.update(warned(record))
            return row

        return to_event

    def source(self) -> Word | None:
        """Where the record names its own department, if the mapping says so."""
        path = self.mapping.fields.source
        return first([self.read.one(path, "fields.source")]) if path else None

    def event_id(self) -> Word:
        """The reader of the event id."""
        return self.read.first(self.mapping.fields.event_id, "fields.event_id")

    def type(self) -> Word:
        """The reader of the department's own word for the event."""
        asked = self.mapping.fields.type
        if not isinstance(asked, Joined):
            return self.read.first(asked, "fields.type")
        parts = [first([self.read.one(path, "fields.type.join")]) for path in asked.join]
        by = asked.by

        def joined(record: Record) -> str | None:
            words = [part(record) for part in parts]
            return None if None in words else by.join(map(str, words))

        return joined

    def occurred_at(self) -> Callable[[Record], int | None]:
        """The reader of the time, in ms since the epoch."""
        return self.moment(self.mapping.fields.occurred_at, "fields.occurred_at")

    def moment(self, asked: Time, key: str) -> Callable[[Record], int | None]:
        """The reader of a time: the first of its fields that is not empty, in ms since the epoch."""
        getters, form = [self.read.one(path, f"{key}.path") for path in asked.path], asked.form

        def moment(record: Record) -> int | None:
            for getter in getters:
                value = getter(record)
                if value is not None and (ms := milliseconds(value, form)) is not None:
                    return ms
            return None

        return moment

    def category(self, kind: Word) -> Word:
        """The reader of the category, by the type unless a table names another field."""
        tables = _several(self.mapping.category)
        for number, table in enumerate(tables):
            for name in (*table.table.values(), *((table.default,) if table.default else ())):
                if name not in self.categories:
                    self.read.key = numbered("category", number, tables)
                    raise FieldError(f"{name} is no category of the city's table")
        return self.read.translation("category", tables, kind)

    def severity(self) -> Callable[[Record], int | None]:
        """The reader of the severity; None where the category's own default holds."""
        asked = self.mapping.severity
        if asked is None or isinstance(asked, int):
            return lambda _record: asked
        return self.read.translation("severity", _several(asked), None)

    def status(self) -> Callable[[Record], str]:
        """The reader of the status."""
        asked = self.mapping.status
        if isinstance(asked, str):
            return lambda _record: asked
        found = self.read.translation("status", (asked,), None)
        return lambda record: found(record) or "actual"

    def planned(self) -> Callable[[Record], bool]:
        """The reader of the planned flag: true when any condition holds."""
        asked = self.mapping.planned
        if isinstance(asked, bool):
            return lambda _record: asked
        rules = [(self.read.one(rule.path, "planned.path"), frozenset(rule.values)) for rule in asked]

        def by_rule(record: Record) -> bool:
            return any(_plain(getter(record)) in values for getter, values in rules)

        return by_rule

    def warned(self) -> Callable[[Record], Row] | None:
        """The reader of a warning's own columns; None where the department sends no warnings."""
        asked = self.mapping.warning
        if asked is None:
            return None
        message = self.read.translation("warning.message", (asked.message,), None)
        for path in asked.references:
            self.read.allowed(path, "warning.references", lists=True)
        references = [self.read.all_of(path) for path in asked.references]
        begin = self.moment(asked.valid_from, "warning.valid_from") if asked.valid_from else lambda _record: None
        end = self.moment(asked.valid_until, "warning.valid_until") if asked.valid_until else lambda _record: None

        def columns(record: Record) -> Row:
            named = (text(value) for reader in references for value in reader(record))
            found = list(dict.fromkeys(word for word in named if word))
            return {
                "message": message(record),
                "references": found[:_MOST_SUBJECT_KEYS],
                "valid_from": begin(record),
                "valid_until": end(record),
            }

        return columns

    def words(self, category: Word) -> Callable[[Record], tuple[str, str]]:
        """The reader of title and text, both without personal data."""
        names = {name: row.name_zh for name, row in self.categories.items()}

        def hole(asked: str) -> Getter:
            if asked == ":category":
                return lambda record: names.get(category(record) or "")
            path, _, form = asked.partition("|")
            if form not in {"", "time"}:
                raise FieldError(f"{{{asked}}}: the only form is |time")
            getter = self.read.one(path, self.read.key)
            return (lambda record: written(getter(record))) if form else getter

        self.read.key = "title"
        title = template(self.mapping.title, hole)
        self.read.key = "text"
        body = template(self.mapping.text, hole)
        personal = self._personal()

        def both(record: Record) -> tuple[str, str]:
            together = masked(f"{title(record)}{_BETWEEN}{body(record)}", personal(record))
            heading, _, rest = together.partition(_BETWEEN)
            return heading[:_MOST_TITLE].strip(), rest[:_MOST_TEXT].strip()

        return both

    def subject_keys(self) -> Callable[[Record], list[str]]:
        """The reader of the subject keys, as kind:value, each once, in order."""
        readers = [self._subject(number, key) for number, key in enumerate(self.mapping.subject_keys)]

        def keys(record: Record) -> list[str]:
            found = [word for reader in readers for word in reader(record)]
            return list(dict.fromkeys(found))[:_MOST_SUBJECT_KEYS]

        return keys

    def _subject(self, number: int, key: SubjectKey) -> Callable[[Record], list[str]]:
        for path in key.path:
            self.read.allowed(path, f"subject_keys.{number}.path", lists=True)
        readers = [self.read.all_of(path) for path in key.path]
        prefix = f"{key.kind}:" if key.kind else ""

        def words(record: Record) -> list[str]:
            for reader in readers:
                if found := reader(record):
                    return [word for value in found if _is_key(word := f"{prefix}{text(value)}"[:200], prefix)]
            return []

        return words

    def _personal(self) -> Callable[[Record], list[str]]:
        readers = [self.read.all_of(field.path) for field in self.read.schema.personal()]
        if not readers:
            return lambda _record: []

        def values(record: Record) -> list[str]:
            return [value for reader in readers for value in reader(record) if isinstance(value, str)]

        return values


def _several(tables: Any) -> tuple[Any, ...]:
    return tables if isinstance(tables, tuple) else (tables,)


def _plain(value: Any) -> Any:
    """A value that can be looked for in a set; groups of fields and lists are never one of the values."""
    return value if isinstance(value, bool | int | str) else None


def _is_key(word: str, prefix: str) -> bool:
    """Keys that the record words itself must be kind:value, and must not carry a phone or identity number."""
    return bool(prefix) or (":" in word and masked(word) == word)
