"""`gridhub convert cap|warning`: warnings from other systems' forms to events, one JSON object a line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from gridhub.connectors.warnings.cap import CapError, read_cap
from gridhub.connectors.warnings.xmltree import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridhub.connectors.warnings.message import Alert

LINE_BYTES = 65_536


@click.group(name="convert")
def group() -> None:
    """Warnings in the forms of other systems, made into events.

    Example: gridhub convert cap < message.xml
    """


def _output(command: Any) -> Any:
    for option in (
        click.option(
            "--records",
            is_flag=True,
            help="Print the department's records, for `gridhub try --department meteorology`.",
        ),
        click.option(
            "--publish", is_flag=True, help="Publish the records on the department's topic (settings: kafka, registry)."
        ),
    ):
        command = option(command)
    return command


@group.command()
@click.option("--earlier", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A CAP file that came before: a cancel without areas takes those of what it ends.")  # fmt: skip
@_output
def cap(earlier: tuple[Path, ...], *, records: bool, publish: bool) -> None:
    """Read CAP 1.2, 1.1, 1.0 or 12379 messages on stdin, write their events on stdout.

    What cannot be read is refused with a sentence on stderr, and exit 1.

    Example: gridhub convert cap < message.xml
    """
    alerts, refused = _read(click.get_binary_stream("stdin"))
    before = [alert for path in earlier for alert in _read_file(path)]
    if alerts:
        from gridhub.connectors.warnings.records import from_alerts
        from gridhub.connectors.warnings.road import Desk

        desk = Desk.load()
        desk.write(from_alerts(alerts, desk.catalogue, before), records=records, publish=publish)
    _end(refused)


def _read(stream: BinaryIO) -> tuple[list[Alert], list[str]]:
    try:
        return read_cap(stream.read(MOST_BYTES + 1))
    except CapError as error:
        return [], [str(error)]


def _read_file(path: Path) -> list[Alert]:
    with path.open("rb") as stream:
        alerts, refused = _read(stream)
    if refused:
        raise click.ClickException(f"{path.name}: {refused[0]}")
    return alerts


@group.command()
@click.option(
    "--at",
    help="When the texts came, as 2026-11-23T16:00:00+08:00; unset: now. What their times leave out is taken from it.",
)
@_output
def warning(at: str | None, *, records: bool, publish: bool) -> None:
    """Read Chinese warning texts on stdin, one a line, write their events on stdout.

    A line is a text, or a JSON object with `text` and/or `title`, and where they are known `id`, `sent`, `sender`. A line
    that announces no warning for certain is refused with a sentence on stderr, and the exit is 1.

    Example: echo '黄石市气象台发布暴雨橙色预警信号' | gridhub convert warning
    """
    from gridhub.connectors.warnings.lines import convert_lines, moment
    from gridhub.connectors.warnings.road import Desk

    try:
        reference = moment(at)
    except ValueError as error:
        raise click.UsageError(f"--at: {error}") from error
    desk, refused = Desk.load(), []
    for found, sentence in convert_lines(_lines(click.get_binary_stream("stdin")), reference, desk.catalogue):
        desk.write(found, records=records, publish=publish)
        refused += [sentence] if sentence else []
    _end(refused)


def _lines(stream: BinaryIO) -> Iterable[bytes]:
    """The lines of a stream; of one that is too long only its too long beginning."""
    while line := stream.readline(LINE_BYTES + 1):
        end = line
        while end and not end.endswith(b"\n") and len(end) > LINE_BYTES:
            end = stream.readline(LINE_BYTES + 1)
        yield line


def _end(refused: list[str]) -> None:
    for sentence in refused:
        click.echo(sentence[:1].upper() + sentence[1:], err=True)
    if refused:
        sys.exit(1)
