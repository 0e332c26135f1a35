"""`gridhub quality`: every measure as one JSON line, tables on standard error, exit 1 below a floor."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import orjson

from gridhub.connectors.quality.measure import Measure

MODULES = {
    "addresses": "district and community of Chinese addresses; addresses of other cities; speed",
    "datum": "coordinate systems against published vectors",
    "points": "points into 5,000 grids; speed",
    "warnings": "CAP messages and Chinese warning texts; attacks; areas covered",
    "merges": "one matter told by 1, 5 and 10 departments",
    "storm": "20,000 reports in ten minutes: nothing that may cost lives waits",
    "pairs": "same matter or not, on real reports of New York and San Francisco",
}
"""Modules of this package with a function `measures`."""


@click.command("quality")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the real files that do not come along (docs/quality.md); without it they are skipped.",
)
@click.option("--only", multiple=True, type=click.Choice(list(MODULES)), help="Measure only these; repeatable.")
def quality(data: Path | None, only: tuple[str, ...]) -> None:
    """Measure how good the hub is: one JSON object a measure; exit 1 when one misses its floor.

    Example: gridhub quality --only addresses
    """
    failed = []
    for found in measured(only or tuple(MODULES), data):
        click.echo(orjson.dumps(found.as_line()))
        if found.table:
            click.echo(f"\n{found.table}\n", err=True)
        failed += [f"{found.name}: {name}" for name in found.failed]
    if failed:
        click.echo(f"Below the floor: {', '.join(failed)}", err=True)
        sys.exit(1)


def measured(names: tuple[str, ...], data: Path | None) -> Iterator[Measure]:
    """The measures of these modules, one after the other."""
    for name in names:
        yield from importlib.import_module(f"gridhub.connectors.quality.{name}").measures(data)
