"""What a lane writes, brought in order: columns per partition, and record batches of many records at once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from faust.types import TP

from gridhub.streams.transport.batch import Output, Outputs
from gridhub.streams.transport.murmur2 import partitions
from gridhub.streams.transport.records import Headers

FEW = 64


@dataclass(slots=True)
class Column:
    """Records of one partition in order. `headers` stays None until a record has some."""

    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    headers: list[Headers] | None = None

    def add(
        self, keys: Sequence[bytes | None], values: Sequence[bytes | None], headers: Sequence[Headers] | None = None
    ) -> None:
        """Append records."""
        if headers is not None or self.headers is not None:
            known: list[Headers] = self.headers if self.headers is not None else [()] * len(self.keys)
            self.headers = known + (list(headers) if headers is not None else [()] * len(keys))
        self.keys += keys
        self.values += values

    def pick(self, rows: Sequence[int]) -> Column:
        """Some of the records, in this order."""
        headers = [self.headers[row] for row in rows] if self.headers is not None else None
        return Column([self.keys[row] for row in rows], [self.values[row] for row in rows], headers)


def place(outputs: Iterable[Output | Outputs], counts: Mapping[str, int]) -> dict[TP, Column]:
    """The outputs by partition, each in the order given; those placed by key come behind those with a partition.

    `counts` has the number of partitions of each topic that outputs without a partition go to.
    """
    table: dict[TP, Column] = {}
    unplaced: dict[str, Column] = {}
    for output in outputs:
        if isinstance(output, Output):
            _single(output, table, unplaced)
        elif not isinstance(output.partition, int):
            _spread(output.topic, Column(*_lists(output)), output.partition, table)
        else:
            home = (
                _at(unplaced, output.topic) if output.partition < 0 else _at(table, TP(output.topic, output.partition))
            )
            home.add(output.keys, output.values, output.headers)
    for topic, column in unplaced.items():
        _spread(topic, column, partitions([key or b"" for key in column.keys], counts[topic]), table)
    return table


def _at(table: dict[Any, Column], name: Any) -> Column:
    column = table.get(name)
    if column is None:
        column = table[name] = Column()
    return column


def _lists(output: Outputs) -> tuple[list[bytes | None], list[bytes | None], list[Headers] | None]:
    return list(output.keys), list(output.values), list(output.headers) if output.headers is not None else None


def _single(output: Output, table: dict[TP, Column], unplaced: dict[str, Column]) -> None:
    by_key = output.partition < 0
    column = _at(unplaced, output.topic) if by_key else _at(table, TP(output.topic, output.partition))
    column.keys.append(output.key)
    column.values.append(output.value)
    if column.headers is not None:
        column.headers.append(())


def _spread(topic: str, column: Column, places: Sequence[int], table: dict[TP, Column]) -> None:
    """Add the records to their partitions, in their order."""
    if len(places) != len(column.keys):
        raise ValueError(f"{len(column.keys)} outputs to {topic}, but {len(places)} partitions")
    groups = _few(places) if len(places) < FEW else _many(places)
    for number, rows in groups:
        part = column.pick(rows)
        _at(table, TP(topic, int(number))).add(part.keys, part.values, part.headers)


def _few(places: Sequence[int]) -> Iterable[tuple[int, list[int]]]:
    """The rows of each partition; for so few that numpy would take longer to begin than to work."""
    rows: dict[int, list[int]] = {}
    for row, number in enumerate(places):
        rows.setdefault(number, []).append(row)
    return rows.items()


def _many(places: Sequence[int]) -> Iterable[tuple[int, list[int]]]:
    """The rows of each partition."""
    numbers = np.asarray(places, np.int64)
    order = np.argsort(numbers, kind="stable")
    found, begins = np.unique(numbers[order], return_index=True)
    return zip(found.tolist(), (rows.tolist() for rows in np.split(order, begins[1:])), strict=True)


def fill(batch: Any, column: Column, first: int) -> int:
    """Fill aiokafka's empty batch with records from `first` on until it is full; gives how many, at least one.

    Calls aiokafka's compiled builder itself: its Python shell costs as much again for each record.
    """
    append, now_ms = batch._builder.append, int(time.time() * 1000)  # noqa: SLF001
    headers, nothing = column.headers, list[Any]()
    count = 0
    for key, value in zip(column.keys[first:], column.values[first:], strict=True):
        lines = nothing if headers is None else list(headers[first + count])
        if append(count, now_ms, key, value, lines) is None:
            break
        count += 1
    batch._relative_offset = count  # noqa: SLF001  # the shell's own count of its records
    return count
