"""Timers: what is to happen at a time, kept in the lane's state until it has happened.

A timer is named by its kind and its subject (a task, an incident, a group); setting it again replaces the earlier one.
It is two keys of the state: one in the order of time (`timer_keys.py`), and `d@|kind|subject` that says where that lies.
The room `ring` takes what is due and deletes it in the same changes as what it caused: so it fires once, whatever crashes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gridhub.streams.timer_keys import due_ms_of, named, timer_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridhub.streams.rooms.ledger import Ledger


class Timer(NamedTuple):
    """One timer, as its handler gets it."""

    kind: str
    subject: str
    due_ms: int
    payload: dict[str, Any]

    @classmethod
    def of(cls, key: bytes, payload: dict[str, Any]) -> Timer:
        """The timer of this key and value of the state."""
        return cls(*named(key), due_ms_of(key), payload)

    @property
    def key(self) -> bytes:
        """Where it lies in the order of time."""
        return timer_key(self.due_ms, self.kind, self.subject)


def mark_key(kind: str, subject: str) -> bytes:
    """Where lies when the timer of this kind and subject is due."""
    return f"d@|{kind}|{subject}".encode()


def fetch(ledger: Ledger, names: Iterable[tuple[str, str]]) -> None:
    """Bring in what is known of these timers (kind, subject) with one call of the state: `put` and `drop` ask none then."""
    ledger.fetch(mark_key(*name) for name in names)


def due_at(ledger: Ledger, kind: str, subject: str) -> int | None:
    """When this timer is due, ms; None when there is none."""
    mark = mark_key(kind, subject)
    ledger.fetch([mark])
    found: int | None = ledger.get(mark)
    return found


def put(ledger: Ledger, kind: str, subject: str, due_ms: int, payload: dict[str, Any] | None = None) -> None:
    """Set the timer of this kind and subject; an earlier one of theirs is replaced.

    `payload` is small JSON for the handler. A time that is over already falls due at once, stamped with that time.
    ValueError for a kind with a `|` in it.
    """
    if "|" in kind:
        raise ValueError(f"{kind!r} cannot be the kind of a timer")
    due_ms = max(0, due_ms)
    before = due_at(ledger, kind, subject)
    if before is not None and before != due_ms:
        ledger.put(timer_key(before, kind, subject), None)
    key = timer_key(due_ms, kind, subject)
    ledger.put(key, payload or {})
    ledger.put(mark_key(kind, subject), due_ms)
    ledger.timers.append(key)


def begin(ledger: Ledger, kind: str, subject: str, due_ms: int) -> None:
    """Set the first timer of a subject that is new: nothing is looked up. For subjects that the state cannot know."""
    key = timer_key(due_ms, kind, subject)
    ledger.put(key, {})
    ledger.put(mark_key(kind, subject), due_ms)
    ledger.timers.append(key)


def drop(ledger: Ledger, kind: str, subject: str) -> None:
    """Delete the timer of this kind and subject; nothing happens when there is none."""
    due_ms = due_at(ledger, kind, subject)
    if due_ms is not None:
        ledger.put(timer_key(due_ms, kind, subject), None)
        ledger.put(mark_key(kind, subject), None)
