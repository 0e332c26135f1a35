"""Read back, read-committed, what a contender wrote, and compare every record and every field with the reference.

    python bench/engine/check.py BOOTSTRAP NORM_TOPIC TASK_TOPIC COUNT DATA_FOLDER

One JSON object: {"right", "norms", "tasks", "lost", "doubled", "wrong", "unexpected", "digest"}. `right` is true where each
expected record is there exactly once and nothing else is. `digest` is a sum over all records, the same for equal results.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import columns
import job
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from data import Expected, kept

TIMEOUT_S = 60
WAIT_S = 0.2
NO_ROW = -1


def read(bootstrap: str, topic: str) -> Iterator[list[bytes]]:
    """The committed values of a topic, some thousand at a time."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap, "group.id": "check", "isolation.level": "read_committed",
            "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest",
            "check.crcs": True,
        }
    )  # fmt: skip
    open_ends = {(topic, partition) for partition in range(job.PARTITIONS)}
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for _, partition in open_ends])
    given_up_at = time.monotonic() + TIMEOUT_S
    while open_ends:
        answers = consumer.consume(10_000, WAIT_S)  # it waits for all of them, or for so long
        if answers:
            given_up_at = time.monotonic() + TIMEOUT_S
        elif time.monotonic() > given_up_at:
            raise TimeoutError(f"{topic} gave nothing for too long, {sorted(open_ends)} not read to the end")
        ends = [answer for answer in answers if answer.error() is not None]
        for end in ends:
            if end.error().code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # the library's public constant
                raise RuntimeError(str(end.error()))
            open_ends.discard((end.topic(), end.partition()))
        if rows := [answer.value() for answer in answers if answer.error() is None]:
            yield rows
    consumer.close()


def table(rows: list[bytes], head: bytes) -> pa.Table:
    """The records as columns; every value must carry this header."""
    if any(row[:5] != head for row in rows):
        raise ValueError("a record of another schema in the topic")
    return pa.Table.from_batches([columns.read(head, rows)])


@dataclass
class Check:
    """What was found so far."""

    want: Expected
    wrong: int = 0
    unexpected: int = 0
    digest: int = 0
    seen: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.want.data)
        self.seen = {name: np.zeros(count, np.uint16) for name in ("norm", *job.ROLES)}
        self.grids = pa.array([grid for grid, _ in job.mesh()])
        self.sources = pa.array(job.DEPARTMENTS)
        self.kinds = pa.array([f"{source}.{kind}" for source in job.DEPARTMENTS for kind in job.KINDS[source]])
        self.channels, self.notes = pa.array(job.CHANNELS), pa.array(job.NOTES)

    def norms(self, found: pa.Table) -> None:
        """Compare located events."""
        row, known = self._rows(found["event_id"], "norm")
        data, opener = self.want.data, self.want.opener
        good = known & self._same_common(found, row)
        good &= _equal(found["source"], self.sources.take(pa.array(data.department[row])))
        good &= _numbers(found["occurred_at"]) == data.time_ms[row]
        good &= _numbers(found["opened"]) == (opener[row] == row)
        good &= (_numbers(found["lon"]) == data.x[row]) & (_numbers(found["lat"]) == data.y[row])
        good &= self._same_payload(found["payload"], row)
        self._add(good, known, row, 1)

    def tasks(self, found: pa.Table) -> None:
        """Compare tasks."""
        data = self.want.data
        for number, role in enumerate(job.ROLES):
            part = found.filter(pc.equal(found["role"], role))
            row, known = self._rows(part["event_id"], role)
            good = known & self._same_common(part, row)
            good &= _equal(part["task_id"], pc.binary_join_element_wise(part["incident_id"], role, "/"))
            created, due = _numbers(part["created_at"]), _numbers(part["due_at"])
            good &= created == data.time_ms[row]
            good &= due == created + job.HOUR_MS * (5 - data.severity[row].astype(np.int64))
            self._add(good, known, row, 2 + number)
        self.unexpected += int(pc.sum(pc.invert(pc.is_in(found["role"], pa.array(job.ROLES)))).as_py() or 0)

    def _rows(self, ids: pa.ChunkedArray, kind: str) -> tuple[Any, Any]:
        """The message that each record tells of, and whether such a record is to come of it."""
        row = row_of(ids)
        opener = self.want.opener
        known = (row >= 0) & (row < len(opener))
        row = np.where(known, row, 0)
        known &= (opener[row] >= 0) if kind == "norm" else (opener[row] == row)
        known &= _equal(ids, self._event_ids(row))
        np.add.at(self.seen[kind], row[known], 1)
        self.unexpected += int((~known).sum())
        return row, known

    def _event_ids(self, row: Any) -> pa.Array:
        prefix = pa.array([f"{source}-{job.YEAR}-" for source in job.DEPARTMENTS])
        return pc.binary_join_element_wise(prefix.take(pa.array(self.want.data.department[row])), _hex(row), "")

    def _same_common(self, found: pa.Table, row: Any) -> Any:
        data = self.want.data
        category = data.department[row].astype(np.int64) * 4 + data.kind[row]
        opener = self.want.opener[row]
        incident = pc.binary_join_element_wise("inc-", self._event_ids(np.maximum(opener, 0)), "")
        return (
            _equal(found["grid_id"], self.grids.take(pa.array(data.grid[row])))
            & _equal(found["category"], self.kinds.take(pa.array(category)))
            & _equal(found["incident_id"], incident)
            & (_numbers(found["severity"]) == data.severity[row])
        )

    def _same_payload(self, found: pa.ChunkedArray, row: Any) -> Any:
        data = self.want.data
        same = _numbers(pc.list_value_length(_as_list(found))) == 5
        texts = {
            "device": _join("DEV-", _digits(data.grid[row], 5), "-", _digits(data.device[row], 2)),
            "operator": _join("op", _digits(data.operator[row], 4)),
            "contact": _join("1380", _digits(data.contact[row], 7)),
            "channel": self.channels.take(pa.array(data.channel[row])),
            "note": self.notes.take(pa.array(data.department[row])),
        }
        for key, text in texts.items():
            same &= _equal(pc.map_lookup(found, key, "first"), text)
        return same

    def _add(self, good: Any, known: Any, row: Any, salt: int) -> None:
        self.wrong += int((known & ~good).sum())
        mixed = (row.astype(np.uint64) * np.uint64(4) + np.uint64(salt)) * np.uint64(0x9E3779B97F4A7C15)
        right = mixed[good]
        self.digest = (self.digest + int((right ^ (right >> np.uint64(29))).sum(dtype=np.uint64))) % 2**64

    def result(self) -> dict[str, Any]:
        """The sums."""
        opener = self.want.opener
        due = {"norm": opener >= 0, **dict.fromkeys(job.ROLES, opener == np.arange(len(opener)))}
        lost = sum(int((due[kind] & (seen == 0)).sum()) for kind, seen in self.seen.items())
        doubled = sum(int((np.maximum(seen, 1) - 1).sum()) for seen in self.seen.values())
        return {
            "right": not (lost or doubled or self.wrong or self.unexpected),
            "norms": int(self.seen["norm"].sum()),
            "tasks": sum(int(self.seen[role].sum()) for role in job.ROLES),
            "lost": lost, "doubled": doubled, "wrong": self.wrong, "unexpected": self.unexpected,
            "digest": f"{self.digest:016x}",
        }  # fmt: skip


def _as_list(found: pa.ChunkedArray) -> pa.ChunkedArray:
    entry = pa.struct([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.string())])
    return found.cast(pa.list_(pa.field("entries", entry, nullable=False)))


def _numbers(found: Any) -> Any:
    array = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    if array.null_count:
        raise ValueError("a null where none may be")
    return array.to_numpy(zero_copy_only=False)


def _equal(found: Any, wanted: Any) -> Any:
    return _numbers(pc.fill_null(pc.equal(found, wanted), False))


def row_of(ids: Any) -> Any:
    """The number in the last twelve characters of each id; NO_ROW where there is none."""
    tails = pc.utf8_slice_codeunits(ids, -12).combine_chunks()
    text = np.array(tails.to_pylist(), "S12").view(np.uint8).reshape(-1, 12)
    lower = np.full(256, 99, np.int64)
    lower[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
    nibbles = lower[text]
    number = (np.minimum(nibbles, 15) << np.arange(44, -1, -4)).sum(axis=1)
    return np.where((nibbles == 99).any(axis=1), NO_ROW, number)


def _fixed(text: Any) -> pa.Array:
    """Rows of bytes, all of one width, as an Arrow array of strings."""
    count, width = text.shape
    ends = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(text)))


def _hex(row: Any) -> pa.Array:
    letters = np.frombuffer(b"0123456789abcdef", np.uint8)
    return _fixed(letters[np.asarray(row, np.int64)[:, None] >> np.arange(44, -1, -4) & 15])


def _digits(number: Any, width: int) -> pa.Array:
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return _fixed((np.asarray(number, np.int64)[:, None] // powers % 10 + 48).astype(np.uint8))


def _join(*parts: Any) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def main() -> int:
    """Check one run."""
    bootstrap, norm, task, count, folder = sys.argv[1:]
    check = Check(kept(Path(folder), int(count)))
    for rows in read(bootstrap, norm):
        check.norms(table(rows, job.HEAD_NORM))
    for rows in read(bootstrap, task):
        check.tasks(table(rows, job.HEAD_TASK))
    print(json.dumps(result := check.result()))
    return 0 if result["right"] else 1


if __name__ == "__main__":
    sys.exit(main())
