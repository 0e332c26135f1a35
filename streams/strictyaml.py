"""YAML as configuration files need it: what is written is what is meant, or the load stops."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import yaml

_BOOL = "tag:yaml.org,2002:bool"


class _StrictLoader(yaml.SafeLoader):
    """YAML where a key that stands twice is an error, and aliases (which can grow without bound) are not read."""

    # YAML 1.1 reads no, on and y as truth values; a field or a code may be called so. Only true and false are (YAML 1.2).
    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML looks it up on the class
        sign: [(tag, pattern) for tag, pattern in entries if tag != _BOOL]
        for sign, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            problem = "references (*) are not read here"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]  # PyYAML has no types here
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  # PyYAML's signature
        counts = Counter(key.value for key, _ in node.value if isinstance(key.value, str))
        if counts and (most := counts.most_common(1)[0])[1] > 1:
            raise yaml.MarkedYAMLError(problem=f"the key {most[0]} stands there twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


_StrictLoader.add_implicit_resolver(_BOOL, re.compile("^(?:true|false)$"), list("tf"))


def strict_yaml(content: bytes, place: str) -> Any:
    """The tree of a YAML text without doubled keys and references; ValueError with `place` and line otherwise."""
    try:
        return yaml.load(content, Loader=_StrictLoader)  # noqa: S506  # a SafeLoader that is stricter still
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ValueError(f"{place}{line}: {getattr(error, 'problem', None) or 'it is not YAML in UTF-8'}.") from error
