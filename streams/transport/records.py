"""What was read of one partition, as columns: what bulk work needs costs no object per record, rows are made on demand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, repeat
from operator import add
from typing import Any, overload

from aiokafka import ConsumerRecord
from faust.types import TP

Headers = tuple[tuple[str, bytes | None], ...]


def _size(data: bytes | None) -> int:
    return len(data) if data is not None else -1


def _lengths(column: list[bytes | None]) -> list[int]:
    """Bytes of each; None has none."""
    try:
        return list(map(len, column))  # type: ignore[arg-type]  # few columns hold None, and those raise
    except TypeError:
        return [len(data or b"") for data in column]


@dataclass(frozen=True, slots=True, eq=False)
class Records(Sequence[ConsumerRecord[bytes, bytes]]):
    """Records of one partition in offset order, column by column; all columns have the same length.

    It is also a sequence of aiokafka's rows, each made when it is asked for. `headers` is None when no record has any.
    Timestamps are ms since 1970; `timestamp_type` is that of the last record: 0 the writer's clock, 1 the broker's.
    """

    tp: TP
    keys: list[bytes | None]
    values: list[bytes | None]
    offsets: Sequence[int]  # a range where none is missing
    timestamps: list[int]
    headers: list[Headers] | None = None
    timestamp_type: int = 0

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> ConsumerRecord[bytes, bytes]: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: int | slice) -> ConsumerRecord[bytes, bytes] | Records:
        """The row at a place, or a part as columns."""
        if isinstance(index, slice):
            return self._part(index)
        headers = self.headers[index] if self.headers else ()
        return self._row(self.keys[index], self.values[index], self.offsets[index], self.timestamps[index], headers)

    def __iter__(self) -> Iterator[ConsumerRecord[bytes, bytes]]:
        headers: Iterable[Headers] = self.headers if self.headers is not None else repeat(())
        return map(self._row, self.keys, self.values, self.offsets, self.timestamps, headers)

    def _row(
        self, key: bytes | None, value: bytes | None, offset: int, timestamp: int, headers: Headers
    ) -> ConsumerRecord[bytes, bytes]:
        return ConsumerRecord(
            self.tp.topic, self.tp.partition, offset, timestamp, self.timestamp_type, key, value, None,
            _size(key), _size(value), headers,
        )  # fmt: skip

    def _part(self, part: slice) -> Records:
        headers = self.headers[part] if self.headers is not None else None
        return Records(
            self.tp, self.keys[part], self.values[part], self.offsets[part], self.timestamps[part], headers,
            self.timestamp_type,
        )  # fmt: skip

    def sizes(self) -> list[int]:
        """Bytes of key and value of each record."""
        return list(map(add, _lengths(self.keys), _lengths(self.values)))

    def size(self) -> int:
        """Bytes of all keys and values."""
        return sum(_lengths(self.keys)) + sum(_lengths(self.values))


def size(records: Sequence[Any]) -> int:
    """Bytes of all keys and values."""
    return records.size() if isinstance(records, Records) else sum(sizes(records))


def sizes(records: Sequence[Any]) -> list[int]:
    """Bytes of key and value of each record."""
    if isinstance(records, Records):
        return records.sizes()
    return [max(r.serialized_key_size, 0) + max(r.serialized_value_size, 0) for r in records]


def last_offset(records: Sequence[Any]) -> int:
    """The offset of the last record."""
    return int(records.offsets[-1] if isinstance(records, Records) else records[-1].offset)


def first_offset(records: Sequence[Any]) -> int:
    """The offset of the first record."""
    return int(records.offsets[0] if isinstance(records, Records) else records[0].offset)


def columns(records: Sequence[Any]) -> tuple[list[bytes | None], list[bytes | None]]:
    """Keys and values of records that need not be columns already."""
    if isinstance(records, Records):
        return records.keys, records.values
    return [record.key for record in records], [record.value for record in records]


def join(parts: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """Records of one partition that follow one another, as one."""
    if len(parts) == 1:
        return parts[0]
    found = [part for part in parts if isinstance(part, Records)]
    if len(found) < len(parts):
        return list(chain.from_iterable(parts))
    return _joined(found)


def _run(parts: list[Records]) -> Sequence[int]:
    """The parts' offsets, as a range where none is missing: a number each would take as much as a short key."""
    offsets = [part.offsets for part in parts if len(part)]
    if all(isinstance(part, range) for part in offsets) and all(a[-1] + 1 == b[0] for a, b in pairwise(offsets)):
        return range(offsets[0][0], offsets[-1][-1] + 1) if offsets else range(0)
    return list(chain.from_iterable(offsets))


def _joined(parts: list[Records]) -> Records:
    headers: list[Headers] | None = None
    if any(part.headers is not None for part in parts):
        headers = [line for part in parts for line in part.headers or [()] * len(part)]
    return Records(
        parts[0].tp,
        list(chain.from_iterable(part.keys for part in parts)),
        list(chain.from_iterable(part.values for part in parts)),
        _run(parts),
        list(chain.from_iterable(part.timestamps for part in parts)),
        headers,
        parts[-1].timestamp_type,
    )
