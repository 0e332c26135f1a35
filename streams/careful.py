"""Poison events: when a room raises on a batch, the batch goes event by event and only the bad event is refused.

Timers likewise: only the one that cannot be done is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa

from gridhub.streams.records import REFUSAL, Reason, table
from gridhub.streams.rooms.ring import MOST_TIMERS

Result = TypeVar("Result")
Rung = TypeVar("Rung")
KIND = "Our own rules failed on this event"


class TooManyBroken(Exception):  # noqa: N818  # named for what it says
    """Our code failed on too many events in a row: going on would pour good events into quarantine."""


def carefully(
    batch: pa.RecordBatch, run: Callable[[pa.RecordBatch], Result], *, later: tuple[type[Exception], ...], most: int
) -> tuple[list[tuple[int, Result]], list[tuple[int, Exception]]]:
    """(first row, result) of `run`, on the batch as a whole or row by row; and (row, error) where it raised.

    Errors of the kinds in `later` say nothing about the event and pass through. TooManyBroken after `most` failures
    in a row.
    """
    try:
        return [(0, run(batch))], []
    except later:
        raise
    except Exception:  # noqa: BLE001  # whatever our own bug raises: found out below, event by event
        return _one_by_one(batch, run, later, most)


def _one_by_one(
    batch: pa.RecordBatch, run: Callable[[pa.RecordBatch], Result], later: tuple[type[Exception], ...], most: int
) -> tuple[list[tuple[int, Result]], list[tuple[int, Exception]]]:
    results: list[tuple[int, Result]] = []
    broken: list[tuple[int, Exception]] = []
    in_row = 0
    for index in range(batch.num_rows):
        try:
            results.append((index, run(batch.slice(index, 1))))
            in_row = 0
        except later:
            raise
        except Exception as error:  # noqa: BLE001  # the event is refused with it
            broken.append((index, error))
            in_row += 1
        if in_row >= most:
            raise TooManyBroken(f"{in_row} events in a row broke our rules, the last one with {broken[-1][1]!r}")
    return results, broken


def ring_carefully(
    ring: Callable[[int], Rung],
    give_up: Callable[[Exception], Rung],
    due: Callable[[], bool],
    *,
    later: tuple[type[Exception], ...],
    most: int,
) -> tuple[list[Rung], int]:
    """Results of ringing the timers that are due, all together or, where our rules break, one by one; how many broke.

    `ring` takes how many timers may fire at most; what it could not do is given up. TooManyBroken after `most` in a row.
    """
    try:
        return [ring(MOST_TIMERS)], 0
    except later:
        raise
    except Exception:  # noqa: BLE001  # whatever our own bug raises: found out below, timer by timer
        return _ring_one_by_one(ring, give_up, due, later, most)


def _ring_one_by_one(
    ring: Callable[[int], Rung],
    give_up: Callable[[Exception], Rung],
    due: Callable[[], bool],
    later: tuple[type[Exception], ...],
    most: int,
) -> tuple[list[Rung], int]:
    results: list[Rung] = []
    broken = in_row = 0
    while due() and len(results) < MOST_TIMERS:
        try:
            results.append(ring(1))
            in_row = 0
        except later:
            raise
        except Exception as error:  # the timer is given up with it
            results.append(give_up(error))
            broken, in_row = broken + 1, in_row + 1
            if in_row >= most:
                raise TooManyBroken(f"{in_row} timers in a row broke our rules, the last with {error!r}") from error
    return results, broken


def broken_rows(batch: pa.RecordBatch, broken: list[tuple[int, Exception]], room: str) -> pa.RecordBatch:
    """REFUSAL rows of the events that broke our rules; the batch may have columns row, source and event_id."""
    names = set(batch.schema.names)

    def cell(index: int, name: str) -> object:
        return batch.column(name)[index].as_py() if name in names else None

    return table(REFUSAL, [
        {
            "row": index if "row" not in names else cell(index, "row"),
            "source": cell(index, "source"), "event_id": cell(index, "event_id"), "room": room,
            "reason": Reason.BROKEN.value, "detail": f"{KIND} ({type(error).__name__}); its bytes are kept.",
            "candidates": [],
        }
        for index, error in broken
    ])  # fmt: skip
