"""Avro schema texts: checked, bounded, and made ready for fastavro."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

import fastavro

from gridhub.schemas.scan import MAX_DEPTH, Scan, compile_scan

MAX_SCHEMA_CHARS = 262_144


class BadSchema(ValueError):  # noqa: N818  # a thing that was handed in, as BadRecord is
    """A schema text that is not an Avro record schema, or is beyond the limits; the text says why."""


@dataclass(frozen=True, slots=True)
class Form:
    """One schema, ready to use: full record name, fastavro's parsed form without logical types, and the walker."""

    name: str
    parsed: dict[str, Any]
    walk: Scan
    identity: str
    recursive: bool  # a record that can hold itself: values may be nested without end
    hollow: bool  # an array's items may take no bytes: a small message can hold any number of them
    shared_defaults: bool  # a default is a list or dict, which fastavro would hand out shared between records
    named: dict[str, Any]  # its named types by full name, itself among them


def load_json(text: str) -> Any:
    """The JSON of a schema text within the limits of size and nesting; BadSchema otherwise."""
    if len(text) > MAX_SCHEMA_CHARS:
        raise BadSchema(f"the schema is longer than {MAX_SCHEMA_CHARS} characters")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadSchema("the schema is not JSON") from error
    if deeper_than(tree, MAX_DEPTH):
        raise BadSchema(f"the schema is nested more than {MAX_DEPTH} deep")
    return tree


def deeper_than(tree: Any, limit: int) -> bool:
    """Whether dicts and lists are nested more than `limit` deep; looks without recursion."""
    level = [tree]
    for _ in range(limit):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def identity(text: str) -> str:
    """One text for all spellings of a schema: no white space, sorted keys. Docs and defaults count."""
    return json.dumps(load_json(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def form(text: str) -> Form:
    """The ready form of a record schema; BadSchema with one sentence when it is none."""
    tree = load_json(text)
    if not isinstance(tree, dict) or tree.get("type") != "record" or not isinstance(tree.get("fields"), list):
        raise BadSchema("a message is an Avro record; this schema is none")
    named: dict[str, Any] = {}
    try:
        parsed: Any = fastavro.parse_schema(_without_logical_types(tree), named)
        walk = compile_scan(parsed, named)
        shared = [_ready_defaults(schema, named) for schema in named.values() if schema.get("type") == "record"]
    except Exception as error:
        raise BadSchema(f"not a valid Avro schema: {error}") from error
    recursive, hollow = _recursive(parsed, named), _hollow(parsed, named)
    return Form(parsed["name"], parsed, walk, identity(text), recursive, hollow, any(shared), named)


def _without_logical_types(node: Any) -> Any:
    """The schema with plain ints for dates and times; the registered text keeps its logical types."""
    if isinstance(node, list):
        return [_without_logical_types(branch) for branch in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if key not in ("logicalType", "precision", "scale")}
    for key in ("type", "items", "values"):
        if key in kept:
            kept[key] = _without_logical_types(kept[key])
    if isinstance(kept.get("fields"), list):
        kept["fields"] = [_without_logical_types(field) for field in kept["fields"]]
    return kept


def _ready_defaults(record: dict[str, Any], named: dict[str, Any]) -> bool:
    """Turn JSON defaults into the values they stand for, in place; whether one of them is a list or dict.

    ValueError when two fields have one name, which fastavro lets pass.
    """
    names = [field["name"] for field in record["fields"]]
    if len(set(names)) < len(names):
        raise ValueError(f"two fields of {record['name']} have the same name")
    shared = False
    for field in record["fields"]:
        if "default" in field:
            field["default"] = _default(field["type"], field["default"], named)
            shared = shared or isinstance(field["default"], (list, dict))
    return shared


def _recursive(schema: Any, named: dict[str, Any], above: tuple[str, ...] = ()) -> bool:
    """Whether a named type occurs within itself; a type named twice side by side does not count."""
    if isinstance(schema, str):
        return schema in above or (schema in named and _recursive(named[schema], named, above))
    if isinstance(schema, list):
        return any(_recursive(branch, named, above) for branch in schema)
    if schema["type"] in ("record", "error"):
        within = (*above, schema["name"])
        return any(_recursive(field["type"], named, within) for field in schema["fields"])
    return any(_recursive(schema[key], named, above) for key in ("type", "items", "values") if key in schema)


def _default(kind: Any, value: Any, named: dict[str, Any]) -> Any:
    """The value that a JSON default stands for (Avro 1.12, "Complex Types").

    Bytes are written as text of code points 0-255, a union's default is of its first branch, and a record's default
    may leave out fields that have defaults.
    """
    if isinstance(kind, list):
        return _default(kind[0], value, named)
    schema = named.get(kind, kind) if isinstance(kind, str) else kind
    word = schema if isinstance(schema, str) else schema["type"]
    if word in ("bytes", "fixed"):
        return value.encode("latin-1") if isinstance(value, str) else value
    if word == "array":
        return [_default(schema["items"], item, named) for item in value]
    if word == "map":
        return {key: _default(schema["values"], item, named) for key, item in value.items()}
    if word == "record":
        return {
            field["name"]: _default(field["type"], value.get(field["name"], field.get("default")), named)
            for field in schema["fields"]
        }
    return copy.copy(value)


def _hollow(tree: Any, named: dict[str, Any]) -> bool:
    """Whether an array anywhere in the schema may have items that take no bytes."""
    if isinstance(tree, dict) and tree.get("type") == "array" and not _takes_bytes(tree["items"], named, frozenset()):
        return True
    return any(_hollow(child, named) for child in _children(tree))


def _takes_bytes(kind: Any, named: dict[str, Any], above: frozenset[str]) -> bool:
    """Whether every value of this type takes at least a byte; a record inside itself is taken to."""
    if isinstance(kind, str) and kind in named:
        kind = named[kind]
    if isinstance(kind, str):
        return kind != "null"
    if isinstance(kind, list):
        return True  # a union's index
    if kind["type"] == "fixed":
        return bool(kind["size"])
    if kind["type"] in {"record", "error"}:
        return kind["name"] in above or any(
            _takes_bytes(field["type"], named, above | {kind["name"]}) for field in kind["fields"]
        )
    return kind["type"] in {"array", "map", "enum"} or _takes_bytes(kind["type"], named, above)
