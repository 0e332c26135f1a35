"""A lane's local state: a RocksDB folder that knows how far into its changelog it is."""

from __future__ import annotations

import shutil
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rocksdict import Options, Rdict, WriteBatch

from gridhub.streams.transport.errors import StateError, StoreInUseError

LAYOUT = b"1"
MAX_AGE_S = 12 * 3600.0  # older than this, the changelog may have dropped tombstones that the store never saw
_POSITION, _UPDATED, _CHANGELOG, _LAYOUT = b"\x00position", b"\x00updated", b"\x00changelog", b"\x00layout"
_Q, _D = struct.Struct(">q"), struct.Struct(">d")


class RocksStore:
    """Keys and values as bytes; keys that begin with a zero byte are the store's own.

    Writes go through `apply`, together with the changelog position they bring the store to, in one write batch:
    after a crash the store is behind its changelog or even with it, never torn.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = self._open()

    def _open(self) -> Any:
        """Open the folder; one that cannot be read is emptied, since the changelog has all of it."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            return Rdict(str(self.path), _options())
        except Exception as error:  # rocksdict raises bare Exceptions
            if "lock" in str(error).lower():
                raise StoreInUseError(
                    f"{self.path} is in use: does another worker of this name run? {error}"
                ) from error
            shutil.rmtree(self.path)
            self.path.mkdir()
            return Rdict(str(self.path), _options())

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
        layout, name, updated, position = self._db[[_LAYOUT, _CHANGELOG, _UPDATED, _POSITION]]
        if layout != LAYOUT or name != _name(changelog) or updated is None or position is None:
            return None
        if not 0 <= time.time() - _D.unpack(updated)[0] < MAX_AGE_S:
            return None
        return int(_Q.unpack(position)[0])

    def apply(self, changes: Mapping[bytes, bytes | None], position: int) -> None:
        """Write the changes (None deletes) and the position reached, as one."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(_POSITION, _Q.pack(position))
        batch.put(_UPDATED, _D.pack(time.time()))
        self._db.write(batch)

    def reset(self, changelog: tuple[str, int]) -> None:
        """Empty the store and bind it to this changelog."""
        self._db.close()
        shutil.rmtree(self.path)
        self._db = self._open()
        batch = WriteBatch(raw_mode=True)
        batch.put(_LAYOUT, LAYOUT)
        batch.put(_CHANGELOG, _name(changelog))
        batch.put(_UPDATED, _D.pack(time.time()))
        batch.put(_POSITION, _Q.pack(0))
        self._db.write(batch)

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values from `start` up to but without `stop`, in key order."""
        for key, value in self._db.items(from_key=start):
            if key >= stop:
                return
            yield key, value

    def key_count(self) -> int:
        """About how many keys the store holds, as RocksDB estimates."""
        return int(self._db.property_int_value("rocksdb.estimate-num-keys") or 0)

    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.path.glob("*") if file.is_file())

    def close(self) -> None:
        """Flush and close; the files stay."""
        self._db.close()


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_max_background_jobs(1)
    options.set_write_buffer_size(8 << 20)
    options.set_max_write_buffer_number(2)
    options.set_keep_log_file_num(2)
    options.set_max_open_files(64)
    return options


def _name(changelog: tuple[str, int]) -> bytes:
    return f"{changelog[0]}-{changelog[1]}".encode()
