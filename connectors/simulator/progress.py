"""Progress on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LINE_S = 5.0


@contextmanager
def counting(name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A function that is told how many are done so far; `total` None is without end."""
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(name, total=total)
            yield lambda count: bar.update(task, completed=count)
    else:
        yield _lines(name, total)


def _lines(name: str, total: int | None) -> Callable[[int], None]:
    said = [time.monotonic()]
    of = f" of {total}" if total is not None else ""

    def tell(count: int) -> None:
        if time.monotonic() - said[0] >= _LINE_S:
            said[0] = time.monotonic()
            click.echo(f"{name}: {count}{of} messages", err=True)

    return tell
