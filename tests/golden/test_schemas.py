"""Schemas, examples and golden bytes are one chain; old bytes stay readable.

Change a schema or an example on purpose, then: `python tests/golden/test_schemas.py --write` rewrites the golden bytes
of today, and `--freeze` keeps a changed schema, with its bytes, as the next version in `schemas/history/`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import avro.schema
import pytest

from gridhub.schemas import catalogue, compat
from gridhub.schemas.codec import Codec
from gridhub.schemas.form import form, identity
from gridhub.schemas.registry import COMPATIBILITY, local_codec, local_id

ROOT = Path(__file__).parents[2]
EXAMPLES, HISTORY, GOLDEN = ROOT / "schemas" / "examples", ROOT / "schemas" / "history", ROOT / "tests" / "golden"
SCHEMAS = {name.rpartition(".")[2]: path.read_text("utf-8") for name, path in catalogue.bundled().items()}
EXAMPLE_FILES = sorted(EXAMPLES.glob("*/*.json"))
OLD_BYTES = sorted(HISTORY.glob("*/v*/*.hex"))
BYTES_PER_LINE = 40


def identify(path: Path) -> str:
    """A short name of a file for test reports."""
    return f"{path.parent.name}/{path.stem}"


def full_name(short: str) -> str:
    """gridhub.hub.Task for Task."""
    return catalogue.record_name(SCHEMAS[short])


def example(path: Path) -> dict:
    """The record of an example; bytes are written as text of code points 0-255, as in Avro's JSON encoding."""
    record = json.loads(path.read_text("utf-8"))
    for field in json.loads(SCHEMAS[path.parent.name])["fields"]:
        value = record.get(field["name"])
        if isinstance(value, str) and "bytes" in field["type"]:
            record[field["name"]] = value.encode("latin-1")
    return record


def encoded(path: Path) -> bytes:
    """The framed bytes of an example with today's codec."""
    return local_codec().encode(full_name(path.parent.name), example(path))


def golden(path: Path) -> Path:
    """Where an example's bytes are kept."""
    return GOLDEN / path.parent.name / f"{path.stem}.hex"


def write_hex(path: Path, data: bytes) -> None:
    """Lines of hexadecimal, so that a change shows where it is."""
    lines = [data[at : at + BYTES_PER_LINE].hex() for at in range(0, len(data), BYTES_PER_LINE)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "ascii")


def read_hex(path: Path) -> bytes:
    """The bytes in such a file."""
    return bytes.fromhex(path.read_text("ascii"))


def versions(short: str) -> list[Path]:
    """The kept versions of a record's schema, oldest first."""
    return sorted((HISTORY / short).glob("v*.avsc"), key=lambda path: int(path.stem[1:]))


def fields(node: object) -> list[dict]:
    """Every field in a schema, nested ones too."""
    found = []
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        found += fields(child)
    if isinstance(node, dict) and isinstance(node.get("fields"), list):
        found += node["fields"]
    return found


def named_types(short: str) -> set[str]:
    """Full names of every record, enum and fixed that a schema defines."""
    return set(form(SCHEMAS[short]).parsed["__named_schemas"])


@pytest.mark.parametrize("short", SCHEMAS)
class TestEverySchema:
    """House rules for .avsc files."""

    def test_it_has_examples(self, short):
        """What a schema means is shown by at least one record."""
        assert list((EXAMPLES / short).glob("*.json"))

    def test_every_field_has_a_doc(self, short):
        """Publishers and consumers read the schema, not our code."""
        tree = json.loads(SCHEMAS[short])
        assert tree["doc"]
        assert [field["name"] for field in fields(tree) if not field.get("doc")] == []

    def test_the_file_is_named_after_the_record(self, short):
        """One record per file, found by its name."""
        path = catalogue.bundled()[full_name(short)]
        assert path.name == f"{short}.avsc"

    def test_two_libraries_read_it(self, short):
        """Apache Avro's own library takes it as well, defaults included."""
        assert avro.schema.parse(SCHEMAS[short]).fullname == full_name(short)

    def test_it_cannot_hold_itself(self, short):
        """A flat record has a bounded size; nothing here needs a tree."""
        assert not form(SCHEMAS[short]).recursive

    def test_its_newest_form_is_kept(self, short):
        """The last version in the history is today's schema: freeze a changed one (see the top of this file)."""
        assert identity(versions(short)[-1].read_text("utf-8")) == identity(SCHEMAS[short])

    def test_it_may_follow_every_kept_version(self, short):
        """Each version could be registered after all the earlier ones."""
        texts = [path.read_text("utf-8") for path in versions(short)]
        for number, text in enumerate(texts):
            assert compat.check(COMPATIBILITY, text, texts[:number]) == []
        assert compat.check(COMPATIBILITY, SCHEMAS[short], texts) == []


def test_names_are_unique():
    """No two files define the same record, enum or fixed: a codec tells records apart by name."""
    everything = [name for short in SCHEMAS for name in named_types(short)]
    assert sorted(everything) == sorted(set(everything))


def test_local_ids_are_unique():
    """The ids without a registry do not collide."""
    assert len({local_id(full_name(short)) for short in SCHEMAS}) == len(SCHEMAS)


def test_the_catalogue_is_complete():
    """Every hub record lies on a topic, every subject stands once."""
    entries = catalogue.catalogue()
    subjects = [entry.subject for entry in entries]
    assert len(subjects) == len(set(subjects))
    assert {entry.record for entry in entries} >= {
        full_name(s) for s in SCHEMAS if full_name(s).startswith("gridhub.hub.")
    }
    assert {entry.subject for entry in entries if entry.topic == "hub.status"} == {
        "hub.status-gridhub.hub.TaskStatus",
        "hub.status-gridhub.hub.Command",
        "hub.status-gridhub.hub.ParentNotice",
    }


def test_nothing_is_left_over():
    """Examples, golden bytes and history belong to schemas that exist."""
    kept = [path.parent.name for path in GOLDEN.glob("*/*.hex")] + [path.parent.name for path in EXAMPLE_FILES]
    assert {*kept, *(path.parent.name for path in HISTORY.glob("*/*.avsc"))} <= set(SCHEMAS)
    assert {golden(path) for path in EXAMPLE_FILES} == {p for s in SCHEMAS for p in (GOLDEN / s).glob("*.hex")}


@pytest.mark.parametrize("path", EXAMPLE_FILES, ids=identify)
class TestEveryExample:
    """From JSON to bytes and back."""

    def test_its_bytes_are_the_golden_ones(self, path):
        """The same record gives the same bytes, today and tomorrow."""
        assert encoded(path).hex() == read_hex(golden(path)).hex()

    def test_the_golden_bytes_are_read_back(self, path):
        """Reading gives the example, with defaults where it leaves a field out."""
        decoded = local_codec().decode(read_hex(golden(path)))
        assert decoded.name == full_name(path.parent.name)
        given = example(path)
        assert {name: decoded.record[name] for name in given} == given


@pytest.mark.parametrize("path", OLD_BYTES, ids=lambda path: f"{path.parts[-3]}-{path.parts[-2]}-{path.stem}")
def test_old_bytes_stay_readable(path):
    """Bytes of every kept version are handed out with today's fields, and what both know is unchanged."""
    short, version = path.parts[-3], path.parts[-2]
    old_text, data = (HISTORY / short / f"{version}.avsc").read_text("utf-8"), read_hex(path)
    then, now = Codec(), Codec([SCHEMAS[short]])
    for codec in (then, now):
        codec.add(local_id(full_name(short)), old_text)
    old, new = then.decode(data).record, now.decode(data).record
    assert new.keys() == {field["name"] for field in json.loads(SCHEMAS[short])["fields"]}
    assert {name: new[name] for name in old.keys() & new.keys()} == {
        name: old[name] for name in old.keys() & new.keys()
    }


def write() -> None:
    """Make today's bytes the golden ones."""
    for path in EXAMPLE_FILES:
        write_hex(golden(path), encoded(path))
    for path in set(GOLDEN.glob("*/*.hex")) - set(map(golden, EXAMPLE_FILES)):
        path.unlink()


def freeze() -> None:
    """Keep each schema that differs from its last kept version as the next one, with the bytes of its examples."""
    for short, text in SCHEMAS.items():
        kept = versions(short)
        if kept and identity(kept[-1].read_text("utf-8")) == identity(text):
            continue
        target = HISTORY / short / f"v{len(kept) + 1}"
        for path in EXAMPLE_FILES:
            if path.parent.name == short:
                write_hex(target / f"{path.stem}.hex", encoded(path))
        target.with_suffix(".avsc").write_text(text, "utf-8")


if __name__ == "__main__":
    actions = {"--write": write, "--freeze": freeze}
    if not sys.argv[1:] or set(sys.argv[1:]) - set(actions):
        sys.exit(f"give one or more of: {' '.join(actions)}")
    for word in sys.argv[1:]:
        actions[word]()
