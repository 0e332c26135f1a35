"""A lane's local state: a RocksDB folder that knows how far into its changelog it is."""

from __future__ import annotations

import shutil
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rocksdict import Rdict, WriteBatch, WriteOptions

from gridhub.streams.state import due, layout
from gridhub.streams.state.budget import Budget, shared
from gridhub.streams.state.first_timer import FirstTimer
from gridhub.streams.transport.errors import StateError, StoreInUseError

MAX_AGE_S = 12 * 3600.0  # older than this, the changelog may have dropped tombstones that the store never saw
FLUSH_S = 600.0  # what a crash leaves to be read again from the changelog
_POSITION, _UPDATED, _CHANGELOG, _LAYOUT = b"\x00position", b"\x00updated", b"\x00changelog", b"\x00layout"
_SIZES = ("rocksdb.total-sst-files-size", "rocksdb.cur-size-all-mem-tables")
_Q, _D = struct.Struct(">q"), struct.Struct(">d")


def _no_log() -> Any:
    """Without RocksDB's own log: the changelog in Kafka is the log, and what a crash loses is read again from there."""
    options: Any = WriteOptions()  # a property at run time; its type file calls it a method
    options.disable_wal = True
    return options


class RocksStore:
    """Keys and values as bytes; keys that begin with a zero byte are the store's own.

    Writes go through `apply`, together with the changelog position they bring the store to, in one write batch:
    after a crash the store is behind its changelog or even with it, never torn. `stamp` says when a key may be
    forgotten; without one nothing falls due.
    """

    def __init__(self, path: Path, budget: Budget | None = None, stamp: due.Stamp = due.no_stamp) -> None:
        self.path, self.stamp = path, stamp
        self._budget = budget or shared()
        self._no_log = _no_log()
        self._looked: dict[
            bytes, bytes
        ] = {}  # per kind, the last row that was forgotten: before it lie only tombstones
        self._timers = FirstTimer()
        self._db = self._open()
        self._migrate()

    def _open(self) -> Any:
        """Open the folder; one that cannot be read is emptied, since the changelog has all of it."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._flushed_at = time.monotonic()
        try:
            return Rdict(str(self.path), self._budget.options())
        except Exception as error:  # rocksdict raises bare Exceptions
            if "lock" in str(error).lower():
                raise StoreInUseError(
                    f"{self.path} is in use: does another worker of this name run? {error}"
                ) from error
            shutil.rmtree(self.path)
            self.path.mkdir()
            return Rdict(str(self.path), self._budget.options())

    def _migrate(self) -> None:
        """Bring an older layout up to the present one; what has no way there is left to `position` to distrust."""
        for reached, step in layout.steps_from(self._db.get(_LAYOUT)) or []:
            step(self)
            batch = WriteBatch(raw_mode=True)
            batch.put(_LAYOUT, reached)
            self.write(batch)
            self.flush()

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of these keys, None where there is none; StateError when the disk gives them no more."""
        try:
            return self._db[list(keys)] if keys else []
        except Exception as error:
            raise StateError(
                f"State in {self.path} cannot be read, delete the folder and start again: {error}"
            ) from error

    def position(self, changelog: tuple[str, int]) -> int | None:
        """The next changelog offset this store needs; None when it cannot be trusted and must be rebuilt."""
        found, name, updated, position = self._db[[_LAYOUT, _CHANGELOG, _UPDATED, _POSITION]]
        if found != layout.LAYOUT or name != _name(changelog) or updated is None or position is None:
            return None
        if not 0 <= time.time() - _D.unpack(updated)[0] < MAX_AGE_S:
            return None
        return int(_Q.unpack(position)[0])

    def apply(self, changes: Mapping[bytes, bytes | None], position: int) -> None:
        """Write the changes (None deletes), when they fall due and the position reached, as one."""
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        self._timers.note(changes)
        for key, value in changes.items():
            if value is None:
                delete(key)
            else:
                put(key, value)
        if self.stamp is not due.no_stamp:
            for row, keys in due.rows(changes.items(), self.stamp, position):
                put(row, keys)
                if row < self._looked.get(kind := due.kind_of(row), b""):
                    del self._looked[kind]  # it came late: begin at the begin again
        put(_POSITION, _Q.pack(position))
        put(_UPDATED, _D.pack(time.time()))
        self.write(batch)
        if time.monotonic() - self._flushed_at > FLUSH_S:
            self.flush(wait=False)

    def write(self, batch: WriteBatch) -> None:
        """Write a batch of the store's own making, past the changelog; StateError when the disk takes no more."""
        try:
            self._db.write(batch, self._no_log)
        except Exception as error:
            raise StateError(f"State in {self.path} cannot be written: {error}") from error

    def due(self, until_ms: int, limit: int) -> list[tuple[bytes, bytes]]:
        """The first `limit` timers that are due at `until_ms` or earlier, key and value, in the order of their keys; StateError."""
        try:
            return self._timers.due(self.scan, until_ms, limit)
        except Exception as error:
            raise StateError(f"Timers in {self.path} cannot be read: {error}") from error

    def expired(self, kind: bytes, before_ms: int, most_keys: int) -> list[tuple[bytes, list[bytes]]]:
        """Rows of keys of this kind (their first two bytes) whose time lies before; ends with the row that reaches `most_keys`."""
        found: list[tuple[bytes, list[bytes]]] = []
        count = 0
        start = self._looked.get(kind, due.begin(kind))
        for row, value in self.scan(start, due.end(kind, before_ms)):
            found.append((row, due.unpacked(value)))
            count += len(found[-1][1])
            if count >= most_keys:
                break
        return found

    def forget_rows(self, rows: Sequence[bytes]) -> None:
        """Drop rows of `expired` whose keys are all gone or written again since, in their order."""
        if not rows:
            return
        batch = WriteBatch(raw_mode=True)
        for row in rows:
            batch.delete(row)
        self.write(batch)
        self._looked[due.kind_of(rows[-1])] = rows[-1]

    def reset(self, changelog: tuple[str, int]) -> None:
        """Empty the store and bind it to this changelog."""
        self._db.close()
        shutil.rmtree(self.path)
        self._db = self._open()
        self._looked.clear()
        self._timers = FirstTimer()
        batch = WriteBatch(raw_mode=True)
        batch.put(_LAYOUT, layout.LAYOUT)
        batch.put(_CHANGELOG, _name(changelog))
        batch.put(_UPDATED, _D.pack(time.time()))
        batch.put(_POSITION, _Q.pack(0))
        self.write(batch)

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values from `start` up to but without `stop`, in key order."""
        for key, value in self._db.items(from_key=start):
            if key >= stop:
                return
            yield key, value

    def flush(self, *, wait: bool = True) -> None:
        """Bring what is in memory to the disk: a crash after it loses nothing."""
        self._db.flush(wait)
        self._flushed_at = time.monotonic()

    def key_count(self) -> int:
        """About how many keys the store holds, as RocksDB estimates."""
        return int(self._db.property_int_value("rocksdb.estimate-num-keys") or 0)

    def size_bytes(self) -> int:
        """Bytes on disk and waiting to go there, as RocksDB counts them."""
        return sum(int(self._db.property_int_value(name) or 0) for name in _SIZES)

    def close(self) -> None:
        """Flush and close; the files stay."""
        self._db.close()


def _name(changelog: tuple[str, int]) -> bytes:
    return f"{changelog[0]}-{changelog[1]}".encode()
