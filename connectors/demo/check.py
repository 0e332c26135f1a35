"""Check a run against the simulator's truth: nothing lost, nothing doubled, every reason, grid and matter right."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.table import Table

from gridhub.connectors.demo.check_compare import compare
from gridhub.connectors.demo.check_drain import Lag, wait_drained
from gridhub.connectors.demo.check_kafka import read_findings
from gridhub.connectors.demo.check_memory import check_memory
from gridhub.connectors.demo.check_report import Department, Pairs, Report, WrongReason
from gridhub.connectors.simulator.message import truth_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gridhub.connectors.simulator.message import Truth
    from gridhub.schemas.codec import Codec

__all__ = [
    "Department", "Lag", "Pairs", "Report", "WrongReason", "check", "check_memory", "read_truth", "show_departments",
    "wait_drained",
]  # fmt: skip

_HEADER = ("department", "produced", "admitted", "refused", "duplicates", "wrong")


def check(bootstrap: str, codec: Codec, truth: Path, on_progress: Callable[[str, int], None] | None = None) -> Report:
    """The report on the messages of a truth file, from what the hub has published by now.

    Wait for the hub first (`wait_drained`): what it has not come to yet counts as lost. OSError and ValueError for a
    truth file that cannot be read, KafkaException when Kafka does not answer.
    """
    return compare(read_truth(truth), read_findings(bootstrap, codec, on_progress))


def read_truth(path: Path) -> Iterator[Truth]:
    """The lines of a truth file, in order; ValueError naming the line that is none."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield truth_of(line)
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{path.name} line {number} is no line of truth") from error


def show_departments(rows: list[Department], out: TextIO | None = None) -> None:
    """The table by department: drawn on a terminal, plain aligned text elsewhere; stderr unless told."""
    stream = out or sys.stderr
    if stream.isatty():
        table = Table(*_HEADER)
        for row in rows:
            table.add_row(*map(str, row))
        Console(file=stream).print(table)
        return
    for line in (_HEADER, *rows):
        stream.write(f"{line[0]:<20}" + "".join(f"{value!s:>12}" for value in line[1:]) + "\n")
