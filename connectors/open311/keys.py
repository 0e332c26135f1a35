"""Who may do what: keys in a file that holds digests only.

A key is 32 random bytes, so a plain SHA-256 keeps it: there is nothing to guess. It is shown once, when it is made.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gridhub.connectors.sinks.targets import Wanted
from gridhub.streams.files import read_bounded

May = Literal["read", "report", "handle", "check"]
_MOST_BYTES = 1 << 20
_NAMELESS = hashlib.sha256(b"").hexdigest()


class KeysError(ValueError):
    """The file of keys is wrong, or a key cannot be made so; the message says what to change."""


class Key(BaseModel):
    """What one system may do; `tasks`: which tasks it may report steps of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    may: tuple[May, ...]
    until: date | None = None
    tasks: Wanted = Wanted()

    @model_validator(mode="after")
    def _who_handles_never_checks(self) -> Key:
        if {"handle", "check"} <= set(self.may):
            raise ValueError("one key may not both handle and check: another one checks")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[Key, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> _File:
        names = [key.name for key in self.keys]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two keys are called {min(twice)}")
        return self


class Keys:
    """The file of keys; read anew when it changes, so that a key that was taken away ends at once."""

    def __init__(self, path: Path) -> None:
        """KeysError when the file cannot be read; where there is none, there are no keys."""
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._keys: dict[str, Key] = {}
        self.find("")

    def find(self, text: str, today: date | None = None) -> Key | None:
        """The key that this is, or None: unknown, wrong or past its day."""
        self._read_anew()
        name, _, _ = text.partition(".")
        key = self._keys.get(name)
        same = hmac.compare_digest(digest(text), key.digest if key else _NAMELESS)
        if key is None or not same:
            return None
        return None if key.until and (today or datetime.now(UTC).date()) > key.until else key

    def _read_anew(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._keys, self._seen = {}, None
            return
        seen = found.st_mtime_ns, found.st_size
        if seen != self._seen:
            self._keys = {key.name: key for key in _load(self._path).keys}
            self._seen = seen


def _load(path: Path) -> _File:
    if not path.exists():
        return _File()
    if path.stat().st_mode & 0o022:
        raise KeysError(f"{path} may be written by others: chmod 600 {path}")
    try:
        return _File.model_validate_json(read_bounded(path, _MOST_BYTES))
    except ValidationError as error:
        raise KeysError(f"{path}: {error.errors()[0]['msg']}.") from error


def digest(text: str) -> str:
    """What the file holds of a key."""
    return hashlib.sha256(text.encode()).hexdigest()


def add(path: Path, name: str, may: tuple[May, ...], until: date | None = None, tasks: Wanted | None = None) -> str:
    """Make a key and write its digest into the file; the key, which nobody can read again. KeysError for a wrong one."""
    text = f"{name}.{secrets.token_urlsafe(32)}"
    try:
        key = Key(name=name, digest=digest(text), may=may, until=until, tasks=tasks or Wanted())
        told = _File(keys=(*_load(path).keys, key))
    except ValidationError as error:
        raise KeysError(f"{error.errors()[0]['msg'].removeprefix('Value error, ')}.") from error
    _write(path, told)
    return text


def drop(path: Path, name: str) -> bool:
    """Take a key away; whether there was one of this name."""
    before = _load(path).keys
    kept = tuple(key for key in before if key.name != name)
    _write(path, _File(keys=kept))
    return len(kept) < len(before)


def listed(path: Path) -> tuple[Key, ...]:
    """The keys in the file."""
    return _load(path).keys


def _write(path: Path, told: _File) -> None:
    """Replace the file as a whole; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(told.model_dump_json(indent=1, exclude_defaults=True))
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
