"""`gridhub config`: check rule files, put them in force while the hub runs, and see who put what in force when."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import orjson

from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.admissions import Admissions
from gridhub.streams.city import City
from gridhub.streams.config_store import InForce, Item, in_force, send, spoken
from gridhub.streams.moments import shown
from gridhub.streams.settings import load
from gridhub.streams.shelf import Told, item_text
from gridhub.streams.standing_files import MOST_BYTES, Envelope, digest, grows, opened, version_of
from gridhub.streams.standing_rules import RULE_FILES, as_file, by_files

ADMISSIONS = "admissions.yaml"
_FILES = (*RULE_FILES, ADMISSIONS)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_ACTOR = click.option("--author", required=True, help="Who publishes: an opaque id or an office, kept for the audit.")
_COMMENT = click.option("--comment", required=True, help="Why, with the decision it rests on; kept for the audit.")


@click.group("config")
def config() -> None:
    """Check rule files, put them in force without a restart, see their history.

    Example: gridhub config check config/routing.yaml
    """


@config.command("check")
@click.argument("files", nargs=-1, required=True, type=_FILE)
def check(files: tuple[Path, ...]) -> None:
    """Judge rule files together, as a worker would: categories.csv, matching.yaml, routing.yaml, admissions.yaml.

    Prints each file's version; a mistake is a sentence with its line on stderr, exit 1. Nothing is published.

    Example: gridhub config check config/routing.yaml
    """
    settings = load()
    with spoken(settings):
        city = _judged({path: _content(path) for path in files}, city_data.load(settings.config_dir))
    for path in files:
        click.echo(
            orjson.dumps({"file": path.name, "version": _version(path.name, city), "sha256": digest(_content(path))})
        )


@config.command("publish")
@click.argument("file", type=_FILE)
@_ACTOR
@_COMMENT
def publish(file: Path, author: str, comment: str) -> None:
    """Check FILE and publish it: workers put it in force between two batches. Exit 1 when it is wrong.

    Its `version` must be later than the one in force. Of admissions.yaml the rules that are new or changed are published,
    one by one, to hub.admissions; the others stay as they are. Prints what was published and whether it is in force.

    Example: gridhub config publish config/routing.yaml --author "网格中心 李" --comment "政发〔2026〕12号"
    """
    settings, now_ms, content = load(), time.time_ns() // 1_000_000, _content(file)
    with spoken(settings):
        before = in_force(settings, now_ms)
        judged = _judged({file: content}, before.city)
        if file.name == ADMISSIONS:
            items = _admissions(judged, before, now_ms)
        else:
            items = [_envelope(file.name, content, judged, before, author, comment, now_ms)]
        send(settings, items[0].topic if items else topics.CONFIG.name, [(item.key, item.value) for item in items])
        after = in_force(settings, now_ms)
    published = {(item.topic, item.key) for item in items}
    taken = [item for item in after.items if (item.topic, item.key) in published]
    lines = [_line(item, after.told[item.topic, item_text(item.key)]) for item in taken]
    for line in lines:
        click.echo(orjson.dumps(line))
    if not all(line["in_force"] for line in lines):
        sys.exit(1)


@config.command("history")
@click.argument("file", required=False, type=click.Choice(_FILES))
def history(file: str | None) -> None:
    """Print every item of hub.config and hub.admissions, one JSON object a line, the oldest first; of FILE alone with it.

    Each with number, version, author, comment, time, and whether it was taken or why not. Silences are items too.

    Example: gridhub config history routing.yaml
    """
    settings = load()
    with spoken(settings):
        found = in_force(settings, time.time_ns() // 1_000_000)
    for item in found.items:
        if file is None or _file_of(item) == file:
            click.echo(orjson.dumps(_line(item, found.told[item.topic, item_text(item.key)])))


@config.command("show")
@click.argument("file", type=click.Choice(RULE_FILES))
@click.option("--number", type=click.IntRange(1), help="Number of a version of the history; unset: the one in force.")
def show(file: str, number: int | None) -> None:
    """Print a rule file as it is in force on hub.config, or as a version of its history has it.

    Where nothing was published, the one that the workers start with.

    Example: gridhub config show routing.yaml > routing.yaml
    """
    settings = load()
    with spoken(settings):
        found = in_force(settings, time.time_ns() // 1_000_000)
    content: bytes | None = None
    for item in found.items:
        told = found.told[item.topic, item_text(item.key)]
        if _file_of(item) != file or not (told.applied or number):
            continue
        text, envelope = opened(item.key, item.value)
        if number is None or (envelope is not None and envelope.number == number):
            content = text
    if content is None and number is not None:
        raise click.UsageError(f"There is no number {number} of {file}; `gridhub config history {file}` has them.")
    click.echo(_own(file, settings.config_dir) if content is None else content, nl=False)


def _own(file: str, folder: Path | None) -> bytes:
    from importlib.resources import files

    own = folder / file if folder is not None else None
    return own.read_bytes() if own is not None and own.exists() else (files("gridhub.config") / file).read_bytes()


def _content(path: Path) -> bytes:
    if path.name not in _FILES:
        raise click.UsageError(f"{path.name} is no rule file; there are {', '.join(_FILES)}.")
    content = path.read_bytes()
    if len(content) > MOST_BYTES:
        raise click.UsageError(f"{path.name} has {len(content)} bytes; at most {MOST_BYTES} can be published.")
    return content


def _judged(files: dict[Path, bytes], city: City) -> City:
    """The city with these files; ends the command with all that is wrong."""
    try:
        found = by_files(city, city, {path.name: content for path, content in files.items() if path.name != ADMISSIONS})
        for path, content in files.items():
            if path.name == ADMISSIONS:
                listed = Admissions.load(as_file(ADMISSIONS, content), city.departments.by_code, found.categories)
                found = replace(found, admissions=listed)
    except Exception as error:  # noqa: BLE001  # whatever a file breaks, it is the file that is wrong
        click.echo(str(error) or type(error).__name__, err=True)
        sys.exit(1)
    return found


def _version(name: str, city: City) -> str:
    return {"categories.csv": city.categories.version, ADMISSIONS: city.admissions.version}.get(name) or version_of(
        name, city
    )


def _envelope(  # noqa: PLR0913  # all that is published
    name: str, content: bytes, judged: City, before: InForce, author: str, comment: str, now_ms: int
) -> Item:
    """The next version of a file; ends the command where it is not later than the one in force."""
    version, current = version_of(name, judged), version_of(name, before.city)
    published = list(_envelopes(name, before))
    if version and not grows(current, version):
        click.echo(
            f"{name}: version {version!r} is not later than {current!r}, which is in force: raise `version` in the file.",
            err=True,
        )
        sys.exit(1)
    envelope = Envelope(
        file=name,
        number=max((one.number for one, _ in published), default=0) + 1,
        version=version,
        author=author,
        comment=comment,
        published_at=now_ms,
        previous=next((one.sha256 for one, taken in reversed(published) if taken), ""),
        sha256=digest(content),
        content=content.decode(),
    )
    return Item(topics.CONFIG.name, envelope.key, envelope.model_dump_json().encode(), now_ms)


def _envelopes(name: str, found: InForce) -> Iterator[tuple[Envelope, bool]]:
    for item in found.items:
        if _file_of(item) == name:
            try:
                _, envelope = opened(item.key, item.value)
            except ValueError:
                continue  # what workers refuse too
            if envelope is not None:
                yield envelope, found.told[item.topic, item_text(item.key)].applied


def _admissions(judged: City, before: InForce, now_ms: int) -> list[Item]:
    old = before.city.admissions.rules
    return [
        Item(topics.ADMISSIONS.name, rule.id.encode(), rule.model_dump_json().encode(), now_ms)
        for rule in judged.admissions
        if old.get(rule.id) != rule
    ]


def _file_of(item: Item) -> str:
    return ADMISSIONS if item.topic == topics.ADMISSIONS.name else item_text(item.key).partition("/")[0]


def _line(item: Item, told: Told) -> dict[str, Any]:
    """One line of the history."""
    line: dict[str, Any] = {"item": item_text(item.key), "at": shown(item.at_ms), "in_force": told.applied}
    try:
        _, envelope = opened(item.key, item.value)
    except ValueError:
        envelope = None
    if envelope is not None:
        said = envelope.model_dump(include={"number", "version", "author", "comment", "sha256", "previous"})
        line |= said
    return line | {"detail": told.detail}
