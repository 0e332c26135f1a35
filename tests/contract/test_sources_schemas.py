"""The seven department schemas: examples on the wire, documentation in Chinese."""

from __future__ import annotations

import json
from importlib.resources import files

from gridhub.schemas.registry import local_codec


def test_schema_examples_are_valid_and_survive_the_wire() -> None:
    """Each example record of each department schema is encoded, decoded and read back the same."""
    codec = local_codec()
    folders = [place for place in (files("gridhub.schemas") / "examples").iterdir() if place.is_dir()]
    ours = [place for place in folders if f"gridhub.dept.{place.name}" in codec.ids]
    assert len(ours) == 7
    for place in ours:
        examples = [json.loads(path.read_text("utf-8")) for path in place.iterdir() if path.name.endswith(".json")]
        assert len(examples) >= 3
        for record in examples:
            decoded = codec.decode(codec.encode(f"gridhub.dept.{place.name}", record))
            assert decoded.record == record


def test_every_schema_field_is_documented_in_chinese() -> None:
    """Each record and each field of a department schema has a doc string with Chinese text."""
    for path in (files("gridhub.schemas") / "avsc" / "dept").iterdir():
        tree = json.loads(path.read_text("utf-8"))
        docs = list(_docs(tree))
        assert docs
        for where, doc in docs:
            assert any("一" <= sign <= "鿿" for sign in doc), f"{path.name} {where}"


def _docs(kind: object) -> list[tuple[str, str]]:
    if isinstance(kind, list):
        return [pair for branch in kind for pair in _docs(branch)]
    if not isinstance(kind, dict):
        return []
    own = [(kind["name"], kind.get("doc", ""))] if kind["type"] in {"record", "enum"} else []
    fields = [(field["name"], field.get("doc", "")) for field in kind.get("fields", ())]
    inner = [pair for field in kind.get("fields", ()) for pair in _docs(field["type"])]
    return own + fields + inner + _docs(kind.get("items"))
