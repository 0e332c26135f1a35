"""May a schema follow another? The verdict is that of Apache Avro's own checker; the sentences are for a person.

Levels as in Confluent's registry: BACKWARD = the new schema reads old data, FORWARD = old readers read new data,
FULL = both; _TRANSITIVE = with every earlier version, not only with the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import Schema, parse

from gridhub.schemas.form import BadSchema, load_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEVELS = ("NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE")


def parsed(text: str) -> Schema:
    """The schema as Avro's own library reads it; BadSchema with its complaint when it does not."""
    load_json(text)
    try:
        return parse(text)
    except Exception as error:
        raise BadSchema(f"not a valid Avro schema: {error}") from error


def problems(reader: str, writer: str) -> list[str]:
    """Why `reader` cannot read everything written with `writer`, a sentence each; empty when it can."""
    return _problems(parsed(reader), parsed(writer))


def check(level: str, new: str, earlier: Sequence[str]) -> list[str]:
    """Why `new` may not follow `earlier` (oldest first) at this level, a sentence each; empty when it may.

    ValueError for a level that is none of LEVELS, BadSchema for a text that is no schema.
    """
    if level not in LEVELS:
        raise ValueError(f"{level!r} is no compatibility level")
    candidate = parsed(new)
    if level == "NONE":
        return []
    against = earlier if level.endswith("_TRANSITIVE") else earlier[-1:]
    kind = level.removesuffix("_TRANSITIVE")
    found: dict[str, None] = {}
    for text in against:
        old = parsed(text)
        if kind in ("BACKWARD", "FULL"):
            found.update(dict.fromkeys(f"Old data: {sentence}" for sentence in _problems(candidate, old)))
        if kind in ("FORWARD", "FULL"):
            found.update(dict.fromkeys(f"Old readers: {sentence}" for sentence in _problems(old, candidate)))
    return list(found)


def _fault(reader: Schema, writer: Schema) -> str:
    """The checker's own words, empty when compatible."""
    checker: Any = ReaderWriterCompatibilityChecker
    result = checker().get_compatibility(reader, writer)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return ""
    return "; ".join(sorted(str(message) for message in result.messages)) or "the schemas do not fit"


def _problems(reader: Schema, writer: Schema) -> list[str]:
    fault = _fault(reader, writer)
    if not fault:
        return []
    return list(_sentences(reader, writer, "")) or [f"{fault}."]


def _sentences(reader: Any, writer: Any, path: str) -> Iterator[str]:
    """Descend through records of the same name to the fields at fault; elsewhere the checker's words."""
    if reader.type == writer.type == "record" and reader.name == writer.name:
        for field in reader.fields:
            yield from _field_sentences(field, writer, f"{path}{field.name}")
    elif reader.type == writer.type == "array":
        yield from _inner(reader.items, writer.items, path)
    elif reader.type == writer.type == "map":
        yield from _inner(reader.values, writer.values, path)
    elif fault := _fault(reader, writer):
        yield f"{_place(path)}: {fault}."


def _inner(reader: Any, writer: Any, path: str) -> Iterator[str]:
    if _fault(reader, writer):
        yield from _sentences(reader, writer, f"{path.removesuffix('.')}[].")


def _field_sentences(field: Any, writer: Any, path: str) -> Iterator[str]:
    names = [field.name, *field.props.get("aliases", ())]
    twin = next((writer.fields_dict[name] for name in names if name in writer.fields_dict), None)
    if twin is None:
        if not field.has_default:
            yield f"{_place(path)} is missing where it was not written and has no default."
    elif _fault(field.type, twin.type):
        yield from _sentences(field.type, twin.type, f"{path}.")


def _place(path: str) -> str:
    return f"field {path.rstrip('.')}" if path else "the record"
