"""YAML as configuration files need it: what is written is what is meant, or the load stops."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
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


Path = tuple[str | int, ...]
"""Where something stands in a tree: keys of mappings and places in lists, from the top."""


class Lines:
    """In which line of a YAML text each part of its tree stands, counted from 1."""

    def __init__(self, lines: Mapping[Path, int]) -> None:
        self._lines = lines

    def of(self, path: Path) -> int:
        """The line of this part, or of the nearest part around it that the text has."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def strict_yaml(content: bytes, place: str) -> Any:
    """The tree of a YAML text without doubled keys and references; ValueError with `place` and line otherwise."""
    return strict_yaml_lines(content, place)[0]


def strict_yaml_lines(content: bytes, place: str) -> tuple[Any, Lines]:
    """The tree as `strict_yaml` gives it, and the line of each of its parts."""
    try:
        loader = _StrictLoader(content)
        try:
            node = loader.get_single_node()
            if node is None:
                return None, Lines({})
            # lines first: making the tree may change the nodes
            lines = Lines(dict(_places(node, ())))
            return loader.construct_document(node), lines
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ValueError(f"{place}{line}: {getattr(error, 'problem', None) or 'it is not YAML in UTF-8'}.") from error


def _places(node: Any, path: Path) -> Iterator[tuple[Path, int]]:
    yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                own = (*path, key.value)
                yield from _places(value, own)
                yield own, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            yield from _places(value, (*path, place))
