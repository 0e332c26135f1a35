"""A batch's view of the state: every value parsed once, every changed value written once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridhub.streams.memory import State


class Ledger:
    """JSON values of one batch. What is put is seen by the rest of the batch; `changes` is what the state must take."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._values: dict[bytes, Any] = {}
        self._changed: dict[bytes, None] = {}
        self.timers: list[bytes] = []  # keys of those that were set: the room `ring` must not miss one that is due

    def fork(self, state: State) -> Ledger:
        """A second ledger that begins with all that is in this one, unwritten changes too; this one stays as it is."""
        other = Ledger(state)
        other._values, other._changed = dict(self._values), dict(self._changed)
        other.timers = list(self.timers)
        return other

    def fetch(self, keys: Iterable[bytes]) -> None:
        """Bring these values in with one call of the state; what the batch has already is left as it is."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._values]
        if not wanted:
            return
        for key, value in zip(wanted, self._state.get_many(wanted), strict=True):
            self._values[key] = None if value is None else orjson.loads(value)

    def know(self, key: bytes, value: bytes) -> None:
        """Take in a value that was read in another way; what the batch has already is left as it is."""
        if key not in self._values:
            self._values[key] = orjson.loads(value)

    def get(self, key: bytes) -> Any:
        """The value, or None when there is none; KeyError when it was not fetched before."""
        return self._values[key]

    def held(self, key: bytes) -> Any:
        """The value if the batch has it; None when there is none, or nobody fetched it."""
        return self._values.get(key)

    def put(self, key: bytes, value: object) -> None:
        """Replace a value; None deletes it."""
        self._values[key] = value
        self._changed[key] = None

    def changes(self) -> dict[bytes, bytes | None]:
        """Every changed key with its new bytes; an empty list is deleted, so that state does not grow with areas."""
        return {key: _bytes(self._values[key]) for key in self._changed}


def _bytes(value: object) -> bytes | None:
    return None if value is None or value == [] else orjson.dumps(value)


def incident_key(incident_id: str) -> bytes:
    """Where an incident lies in the state."""
    return f"i|{incident_id}".encode()


def task_key(task_id: str) -> bytes:
    """Where a task lies in the state."""
    return f"t|{task_id}".encode()


def candidates_key(area: str, matter_group: str) -> bytes:
    """Where the open incidents lie that an event of this area and matter group may join."""
    return f"m|{area}|{matter_group}".encode()


def closed_key(area: str, matter_group: str) -> bytes:
    """Where an area's closed incidents of a matter group lie that may open again."""
    return f"z|{area}|{matter_group}".encode()


def parents_key(area: str) -> bytes:
    """Where an area's parents lie: warnings and feeder outages that touch it."""
    return f"p|{area}".encode()


def held_key(area: str, parent_id: str) -> bytes:
    """Where the ids of the incidents lie whose tasks this parent holds back in this area."""
    return f"h|{area}|{parent_id}".encode()


def event_key(told: str) -> bytes:
    """Where an event lies as it was told, for a person who splits or confirms; `told` is source/event id."""
    return f"e|{told}".encode()


def seen_key(source: str, event_id: str) -> bytes:
    """Where lies when an event was first seen: 8 bytes of ms, big-endian, then its incident's id."""
    return f"s|{source}|{event_id}".encode()


def status_key(sender: str, status_id: str) -> bytes:
    """Where lies when a status was taken; senders number their own, so the sender is part of it."""
    return f"q|{sender}|{status_id}".encode()
