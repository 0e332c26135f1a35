"""Where timers lie in a lane's state: in the order in which they fall due, so that nothing else is looked at.

A timer's key is `d|`, its time in ms (8 bytes, big-endian), `|`, its kind, `|`, its subject. Rooms use `rooms/timers.py`.
"""

from __future__ import annotations

PREFIX = b"d|"
_MS_BYTES = 8
_AT, _KIND = len(PREFIX), len(PREFIX) + _MS_BYTES + 1
LAST = PREFIX + b"\xff" * _MS_BYTES
"""Behind every timer."""


def timer_key(due_ms: int, kind: str, subject: str) -> bytes:
    """The key of one timer; a time before 1970 counts as 1970."""
    return PREFIX + max(0, due_ms).to_bytes(_MS_BYTES, "big") + f"|{kind}|{subject}".encode()


def behind(until_ms: int) -> bytes:
    """The place behind all timers that are due at `until_ms` or earlier."""
    return PREFIX + max(0, until_ms + 1).to_bytes(_MS_BYTES, "big")


def due_ms_of(key: bytes) -> int:
    """The time of a timer's key."""
    return int.from_bytes(key[_AT : _AT + _MS_BYTES], "big")


def named(key: bytes) -> tuple[str, str]:
    """Kind and subject of a timer's key."""
    kind, _, subject = key[_KIND:].decode().partition("|")
    return kind, subject
