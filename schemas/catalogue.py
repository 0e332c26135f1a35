"""The list of our schemas: which record lies on which topic, under which registry subject, in which file.

Hub records come from `streams/topics.py`, department records from the `record:` line of each department.yaml: a
department that brings its own folder (and .avsc) is on the list without any code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import yaml

from gridhub.streams.topics import HUB_TOPICS, Topic, department_topic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

DEPARTMENT_FILE = "department.yaml"


class CatalogueError(Exception):
    """A department names a record that no .avsc file describes, or its file is not readable; the text says which."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One schema on one topic. `record` is the full name; `path` leads to the .avsc text."""

    subject: str
    topic: str
    record: str
    path: Traversable

    @property
    def text(self) -> str:
        """The schema text as it is registered."""
        return self.path.read_text("utf-8")


def bundled() -> dict[str, Traversable]:
    """Every .avsc of this package by its record's full name, sorted by name."""
    return dict(sorted(_records(*_folders())))


def catalogue(folders: Sequence[Path] = ()) -> list[Entry]:
    """All entries: hub topics, bundled departments, and departments in `folders` (each holds department.yaml).

    CatalogueError when a record has no file.
    """
    known = bundled()
    entries = [entry for topic in HUB_TOPICS for entry in _hub_entries(topic, known)]
    sources = resources.files("gridhub.connectors.sources")
    departments = sorted(filter(_is_department, sources.iterdir()), key=lambda item: item.name)
    return entries + [_department_entry(folder, known) for folder in (*departments, *folders)]


def readers(folders: Sequence[Path] = ()) -> dict[str, str]:
    """The newest text of every record we know, by full name: what a codec hands records out in."""
    own = dict(_records(*folders))
    return {name: path.read_text("utf-8") for name, path in (bundled() | own).items()}


def _folders() -> tuple[Traversable, ...]:
    root = resources.files("gridhub.schemas") / "avsc"
    return root / "hub", root / "dept"


def _records(*folders: Traversable) -> Iterator[tuple[str, Traversable]]:
    for folder in folders:
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name.endswith(".avsc"):
                yield record_name(path.read_text("utf-8")), path


def record_name(text: str) -> str:
    """The full name of a record schema's text."""
    tree = json.loads(text)
    name = str(tree["name"])
    return name if "." in name or not tree.get("namespace") else f"{tree['namespace']}.{name}"


def _hub_entries(topic: Topic, known: dict[str, Traversable]) -> Iterator[Entry]:
    """One record on a topic: `<topic>-value`; several: `<topic>-<full name>` (Confluent's two naming strategies)."""
    for value in topic.values:
        name = f"gridhub.hub.{value}"
        subject = f"{topic.name}-value" if len(topic.values) == 1 else f"{topic.name}-{name}"
        yield Entry(subject, topic.name, name, _file(name, known, topic.name))


def _is_department(folder: Traversable) -> bool:
    return folder.is_dir() and (folder / DEPARTMENT_FILE).is_file()


def _department_entry(folder: Traversable, known: dict[str, Traversable]) -> Entry:
    try:
        tree = yaml.safe_load((folder / DEPARTMENT_FILE).read_text("utf-8"))
        record, code = str(tree["record"]), str(tree.get("code", folder.name))
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise CatalogueError(f"{folder.name}/{DEPARTMENT_FILE} does not name its record: {error}") from error
    name = record if "." in record else f"gridhub.dept.{record}"
    topic = department_topic(code, name).name
    return Entry(f"{topic}-value", topic, name, _file(name, known | dict(_records(folder)), code))


def _file(name: str, known: dict[str, Traversable], owner: str) -> Traversable:
    if name not in known:
        raise CatalogueError(f"{owner}: no .avsc file describes the record {name}")
    return known[name]
