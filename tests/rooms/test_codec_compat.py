"""The compatibility rules and their sentences."""

from __future__ import annotations

import json

import pytest

from gridhub.schemas.compat import LEVELS, check, problems
from gridhub.schemas.form import BadSchema, identity


def record(*fields: tuple, name: str = "R", **more: object) -> str:
    """A record schema; a field is (name, type) or (name, type, default)."""
    spelled = [dict(zip(("name", "type", "default"), one, strict=False)) for one in fields]
    return json.dumps({"type": "record", "name": name, "fields": spelled} | more)


OLD = record(("id", "string"), ("n", "int"))


@pytest.mark.parametrize(
    ("reader", "writer", "expected"),
    [
        (OLD, OLD, []),
        (record(("id", "string"), ("n", "long")), OLD, []),
        (record(("id", "string"), ("n", "int"), ("x", "int", 0)), OLD, []),
        (record(("id", "string")), OLD, []),
        (
            record(("id", "string"), ("n", "int"), ("x", "int")),
            OLD,
            ["field x is missing where it was not written and has no default."],
        ),
        (
            record(("id", "int"), ("n", "int")),
            OLD,
            ["field id: reader type: int not compatible with writer type: string."],
        ),
        (
            record(("a", {"type": "array", "items": json.loads(record(("y", "int"), name="I"))})),
            record(("a", {"type": "array", "items": json.loads(record(name="I"))})),
            ["field a[].y is missing where it was not written and has no default."],
        ),
        (
            record(("e", {"type": "enum", "name": "E", "symbols": ["A"]})),
            record(("e", {"type": "enum", "name": "E", "symbols": ["A", "B"]})),
            ["field e: {'B'}."],
        ),
        (
            record(("m", {"type": "map", "values": "int"})),
            record(("m", {"type": "map", "values": "string"})),
            ["field m[]: reader type: int not compatible with writer type: string."],
        ),
        (record(("u", ["null", "int"])), record(("u", "int")), []),
    ],
)
def test_problems_name_the_field(reader, writer, expected):
    """One sentence per fault, with the way to the field; none when the reader can read everything."""
    assert problems(reader, writer) == expected


def test_another_record_is_a_problem():
    """A different name is not the same record."""
    assert len(problems(record(name="A"), record(name="B"))) == 1


@pytest.mark.parametrize("level", LEVELS)
def test_the_first_schema_is_always_allowed(level):
    """There is nothing to follow."""
    assert check(level, OLD, []) == []


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("NONE", []),
        ("BACKWARD", []),
        ("FORWARD", ["Old readers: field n"]),
        ("FULL", ["Old readers: field n"]),
    ],
)
def test_levels_look_in_their_direction(level, expected):
    """A removed field can be read by the new schema, not by the old one."""
    found = check(level, record(("id", "string")), [OLD])
    assert [sentence[: len(start)] for sentence, start in zip(found, expected, strict=True)] == expected


@pytest.mark.parametrize("kind", ["BACKWARD", "FORWARD", "FULL"])
def test_transitive_levels_look_at_every_version(kind):
    """Only the transitive level sees that the oldest version does not fit."""
    between = record(("id", "string"))
    again = record(("id", "string"), ("n", "string", ""))
    assert check(kind, again, [OLD, between]) == []
    assert check(f"{kind}_TRANSITIVE", again, [OLD, between]) != []


def test_what_is_no_level_or_no_schema_is_an_error():
    """A wrong level is our mistake, a wrong schema its author's."""
    with pytest.raises(ValueError, match="no compatibility level"):
        check("SOME", OLD, [])
    with pytest.raises(BadSchema):
        check("FULL", "{", [])


def test_identity_is_blind_to_spelling_only():
    """White space and key order do not count; docs, defaults and field order do."""
    tree = json.loads(OLD)
    assert identity(json.dumps(dict(reversed(tree.items())), indent=3)) == identity(OLD)
    assert identity(json.dumps(tree | {"doc": "d"})) != identity(OLD)
    assert identity(json.dumps(tree | {"fields": tree["fields"][::-1]})) != identity(OLD)
