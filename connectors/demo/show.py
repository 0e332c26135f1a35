"""What a demo shows: a bar on a terminal, plain lines elsewhere; all of it on stderr, stdout is for the totals."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

PLAIN_EVERY_S = 3.0


def say(text: str) -> None:
    """A line for a person."""
    click.echo(text, err=True)


class Bar:
    """A progress bar that is a line every few seconds where there is no terminal."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total = title, total
        self._told_at = time.monotonic()
        self._rich: Progress | None = None
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._rich = Progress(*columns, console=Console(stderr=True))

    def __enter__(self) -> Self:
        if self._rich is not None:
            self._rich.start()
            self._task = self._rich.add_task(self.title, total=self.total)
        else:
            say(f"{self.title} …")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rich is not None:
            self._rich.stop()

    def at(self, done: int, total: int | None = None) -> None:
        """Show how far it is, and of how much where that has changed."""
        self.total = total or self.total
        if self._rich is not None:
            self._rich.update(self._task, completed=done, total=self.total)
        elif time.monotonic() - self._told_at > PLAIN_EVERY_S:
            self._told_at = time.monotonic()
            say(f"{self.title}: {done} of {self.total}")

    def say(self, text: str) -> None:
        """A line beside the bar."""
        if self._rich is not None:
            self._rich.console.print(text)
        else:
            say(text)
