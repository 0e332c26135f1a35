"""The events, as columns and as bytes, and what must come out of them.

A stream of messages, the same for every count asked for (n messages are the first n of any more): one fifth are exact
redeliveries of one of the 3,900 messages before, one fifth tell again, under another id, what happened in the same grid
and category within nine minutes before, the rest is new.

A grid's events come from one station, a station writes to one partition, a category belongs to one department: the order
inside (grid, category), the only one the results depend on, is the same for every contender, also after a repartition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import job
import numpy as np
from job import CHANNELS, COLUMNS, DEPARTMENTS, HEADS, KINDS, NOTES, PARTITIONS, ROWS

BLOCK = 100_000
START_MS = 1_760_000_000_000
REDELIVERED, TOLD_AGAIN = 0.2, 0.2
Array = Any  # numpy's arrays of one dimension


@dataclass(frozen=True)
class Columns:
    """One row per message; all but `origin` and `parent` describe what is NEW in it, so a redelivery's are its origin's."""

    origin: Array  # the row whose bytes this message has
    time_ms: Array
    grid: Array
    department: Array
    kind: Array
    x: Array
    y: Array
    located: Array  # has coordinates
    addressed: Array  # has an address
    severity: Array
    device: Array
    operator: Array
    channel: Array
    contact: Array

    def __len__(self) -> int:
        return len(self.origin)

    def head(self, count: int) -> Columns:
        """The first `count` messages."""
        return Columns(*(getattr(self, field.name)[:count] for field in fields(self)))


def columns(count: int, seed: int = 1) -> Columns:
    """The first `count` messages of the stream."""
    blocks = [_block(index, seed) for index in range(-(-count // BLOCK))]
    drawn = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    time_ms = START_MS + np.cumsum(drawn.pop("gap"))
    origin, parent = _links(drawn.pop("luck"), drawn.pop("back"))
    for name in ("grid", "department", "kind"):
        drawn[name] = drawn[name][parent]
    quads = np.array([quad for _, quad in job.mesh()])[drawn["grid"]]  # n x 4 corners x 2
    x, y = job.inside(quads.transpose(1, 2, 0), drawn.pop("a"), drawn.pop("b"))
    centres = np.array(list(job.gazetteer().values()))[drawn["grid"]]
    where = drawn.pop("where")
    located = where >= 0.05
    x, y = np.where(located, x, centres[:, 0]), np.where(located, y, centres[:, 1])
    all_rows = Columns(origin, time_ms, x=x, y=y, located=located, addressed=where < 0.7, **drawn)
    return Columns(*(getattr(all_rows, f.name)[origin] for f in fields(all_rows))).head(count)


def _block(index: int, seed: int) -> dict[str, Array]:
    draw = np.random.default_rng([seed, index])

    def whole(low: int, high: int, kind: type) -> Array:
        return draw.integers(low, high, BLOCK).astype(kind)

    return {
        "gap": whole(100, 401, np.int64), "luck": draw.random(BLOCK), "back": draw.random(BLOCK),
        "grid": whole(0, COLUMNS * ROWS, np.int16), "department": whole(0, 2, np.int8), "kind": whole(0, 4, np.int8),
        "a": draw.uniform(0.05, 0.95, BLOCK), "b": draw.uniform(0.05, 0.95, BLOCK), "where": draw.random(BLOCK),
        "severity": whole(1, 5, np.int8), "device": whole(0, 99, np.int8), "operator": whole(0, 1000, np.int16),
        "channel": whole(0, 4, np.int8), "contact": whole(0, 10**7, np.int32),
    }  # fmt: skip


def _links(luck: Array, back: Array) -> tuple[Array, Array]:
    """For each message the row whose bytes it has, and the row whose grid and category it has."""
    rows = np.arange(len(luck))
    again = (luck < REDELIVERED) & (rows > 100)
    originals = rows[~again]
    rank = np.cumsum(~again) - 1  # of the last original at or before a row
    origin = rows.copy()
    origin[again] = originals[_earlier(rank[again] + 1, back[again], 3000)]
    told = ~again & (luck >= REDELIVERED) & (luck < REDELIVERED + TOLD_AGAIN) & (rows > 100)
    parent = rows.copy()
    parent[told] = originals[_earlier(rank[told], back[told], 1500)]  # 1,500 originals: under nine minutes
    while not np.array_equal(further := parent[parent], parent):
        parent = further
    return origin, parent


def _earlier(rank: Array, back: Array, most: int) -> Array:
    """A rank below `rank`, at most `most` below."""
    return rank - 1 - (back * np.minimum(rank, most)).astype(np.int64)


# -- bytes ---------------------------------------------------------------------------------------------------------------


def partition_of(grid: Array) -> Array:
    """The input partition of each grid's station."""
    return station_of(grid) % PARTITIONS


def station_of(grid: Array) -> Array:
    """The station that reports what happens in each grid."""
    grid = np.asarray(grid, np.int64)
    return grid // COLUMNS // 5 * 10 + grid % COLUMNS // 10


_E, _G, _T, _X, _Y = "E" * 12, "HS-GG-GGG", 1_234_567_890_123, 1.2345678901e100, 9.8765432109e100


def values(data: Columns) -> list[bytes]:
    """The framed Avro value of each message, in order."""
    grid_text = np.array([list(grid.encode()) for grid, _ in job.mesh()], np.uint8)
    out = np.empty(len(data), object)
    axes = (data.department, data.kind, data.channel, data.located, data.addressed)
    code = np.ravel_multi_index([axis.astype(np.int64) for axis in axes], (2, 4, 4, 2, 2))
    for number, (department, kind, channel, located, addressed) in enumerate(product(*map(range, (2, 4, 4, 2, 2)))):
        rows = np.nonzero(code == number)[0]
        template = _template(department, kind, channel, bool(located), bool(addressed))
        text = np.tile(np.frombuffer(template, np.uint8), (len(rows), 1))
        _put(text, template, _E.encode(), _hex(data.origin[rows]))
        _put(text, template, _varint(np.array([_T])).tobytes(), _varint(data.time_ms[rows]))
        if located:
            for mark, column in ((_X, data.x), (_Y, data.y)):
                _put(text, template, np.float64(mark).tobytes(), column[rows].view(np.uint8).reshape(-1, 8))
        if addressed:
            _put(text, template, _G.encode(), grid_text[data.grid[rows]])
        _put(text, template, b"~", (2 * data.severity[rows]).astype(np.uint8)[:, None])
        _put(text, template, b"DDDDD", _digits(data.grid[rows], 5))
        _put(text, template, b"dd", _digits(data.device[rows], 2))
        _put(text, template, b"OOOO", _digits(data.operator[rows], 4))
        _put(text, template, b"CCCCCCC", _digits(data.contact[rows], 7))
        blob, width = text.tobytes(), len(template)
        out[rows] = [blob[at : at + width] for at in range(0, len(blob), width)]
    return out.tolist()  # type: ignore[no-any-return]


def _template(department: int, kind: int, channel: int, located: bool, addressed: bool) -> bytes:  # noqa: FBT001
    """A value with marks where the numbers go; fastavro writes it, so the framing and the lengths are Avro's."""
    source = DEPARTMENTS[department]
    payload = {
        "device": "DEV-DDDDD-dd", "operator": "opOOOO", "channel": CHANNELS[channel], "contact": "1380CCCCCCC",
        "note": NOTES[department],
    }  # fmt: skip
    return job.encode(
        HEADS[101 + department],
        {
            "event_id": f"{source}-{job.YEAR}-{_E}", "source": source, "type": KINDS[source][kind],
            "occurred_at": _T, "lon": _X if located else None, "lat": _Y if located else None,
            "address": job.address(_G) if addressed else None, "severity": 63, "payload": payload,
        },
    )  # fmt: skip


def _put(text: Array, template: bytes, mark: bytes, content: Array) -> None:
    at = template.index(mark)
    assert template.count(mark) == 1, mark
    text[:, at : at + len(mark)] = content


def _digits(number: Array, width: int) -> Array:
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (np.asarray(number, np.int64)[:, None] // powers % 10 + 48).astype(np.uint8)


def _hex(number: Array) -> Array:
    letters = np.frombuffer(b"0123456789abcdef", np.uint8)
    return letters[np.asarray(number, np.int64)[:, None] >> np.arange(44, -1, -4) & 15]


def _varint(number: Array) -> Array:
    """Avro's form of milliseconds between 1987 and 2039: six bytes."""
    zigzag = np.asarray(number, np.int64)[:, None] << 1
    parts = zigzag >> np.arange(0, 42, 7) & 127
    parts[:, :5] |= 128
    return parts.astype(np.uint8)


def messages(data: Columns) -> Iterator[tuple[int, int, bytes, bytes]]:
    """(department, partition, key, value) of each message, in order."""
    keys = [b"stn-%03d" % station for station in range(100)]
    for start in range(0, len(data), BLOCK):
        part = Columns(*(getattr(data, field.name)[start : start + BLOCK] for field in fields(data)))
        station = station_of(part.grid)
        where = (station % PARTITIONS).tolist()
        yield from zip(part.department.tolist(), where, [keys[s] for s in station.tolist()], values(part), strict=True)


# -- what must come out --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expected:
    """The answer for each message: `opener` is the row that opened its incident, -1 where it is an exact duplicate."""

    data: Columns
    opener: Array

    @property
    def norms(self) -> int:
        """Located events that must come out."""
        return int((self.opener >= 0).sum())

    @property
    def incidents(self) -> int:
        """Incidents that must be opened."""
        return int((self.opener == np.arange(len(self.opener))).sum())

    @property
    def tasks(self) -> int:
        """Tasks that must come out."""
        return 2 * self.incidents


def expected(data: Columns) -> Expected:
    """The reference: each point is looked up among the polygons, and each message goes through `Rules`, in order."""
    locator, places = job.Locator(), range(0, len(data), BLOCK)
    grid = np.concatenate([locator.many(data.x[at : at + BLOCK], data.y[at : at + BLOCK]) for at in places])
    if not np.array_equal(grid, data.grid):
        raise ValueError("the reference locates other grids than the generator meant")
    rules = job.Rules()
    key = (grid * 2 + data.department) * 4 + data.kind
    found = map(rules.apply, data.origin.tolist(), key.tolist(), data.time_ms.tolist())
    opener = np.fromiter((-1 if answer is None else answer[0] for answer in found), np.int32, len(data))
    return Expected(data, opener)


def kept(folder: Path, count: int, seed: int = 1) -> Expected:
    """The columns and the answer, from `folder` when they were made before."""
    file = folder / f"answers-{seed}.npy"
    data = columns(count, seed)
    known = np.load(file) if file.exists() else np.empty(0, np.int32)
    if len(known) < count:
        known = expected(data).opener
        folder.mkdir(parents=True, exist_ok=True)
        np.save(file, known)
    return Expected(data, known[:count])
