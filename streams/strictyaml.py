"""YAML as configuration files need it: what is written is what is meant, or the load stops."""

from __future__ import annotations

from typing import Any

import yaml


class _StrictLoader(yaml.SafeLoader):
    """YAML where a key that stands twice is an error, and aliases (which can grow without bound) are not read."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            problem = "references (*) are not read here"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]  # PyYAML has no types here
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  # PyYAML's signature
        keys = [key.value for key, _ in node.value if isinstance(key.value, str)]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise yaml.MarkedYAMLError(problem=f"the key {twice} stands there twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def strict_yaml(content: bytes, place: str) -> Any:
    """The tree of a YAML text without doubled keys and references; ValueError with `place` and line otherwise."""
    try:
        return yaml.load(content, Loader=_StrictLoader)  # noqa: S506  # a SafeLoader that is stricter still
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ValueError(f"{place}{line}: {getattr(error, 'problem', None) or 'it is not YAML in UTF-8'}.") from error
