"""A memo: the few values that a lane without a changelog keeps, beside the offsets that it commits.

Kafka keeps a line of text with each committed offset. It changes in the lane's transaction with everything else that a
batch causes, and is there again when the lane opens: state for a counter or the end of a chain, at no cost of its own.
Each of a lane's topics has an offset, and a batch moves only those that it read: the memo with the highest number counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import orjson

MOST_BYTES = 3500  # a broker takes 4,096 unless told otherwise (offset.metadata.max.bytes)


class Memo:
    """The State of a lane without a changelog: keys and values that are text."""

    def __init__(self, number: int = 0, values: Mapping[str, str] | None = None) -> None:
        self.number, self._values = number, dict(values or {})

    @classmethod
    def newest(cls, notes: Iterable[str]) -> Memo:
        """The newest of what stands beside a lane's offsets; an empty one where nothing of ours does."""
        return max((found for note in notes if (found := _read(note)) is not None), key=_number, default=cls())

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of these keys, None where there is none."""
        found = (self._values.get(key.decode()) for key in keys)
        return [None if value is None else value.encode() for value in found]

    def due(self, until_ms: int, limit: int) -> list[tuple[bytes, bytes]]:
        """None: only a state with a changelog holds timers."""
        return []

    def after(self, changes: Mapping[bytes, bytes | None]) -> Memo:
        """The memo with these changes (None deletes)."""
        if not changes:
            return self
        values = dict(self._values)
        for key, value in changes.items():
            if value is None:
                values.pop(key.decode(), None)
            else:
                values[key.decode()] = value.decode()
        return Memo(self.number + 1, values)

    @property
    def note(self) -> str:
        """As it is written beside an offset; empty when there is nothing to keep. ValueError when it is too long."""
        text = orjson.dumps([self.number, self._values]).decode() if self.number else ""
        if len(text.encode()) > MOST_BYTES:
            raise ValueError(f"a lane without a changelog keeps {MOST_BYTES} bytes at most, these are {len(text)}")
        return text


def _number(memo: Memo) -> int:
    return memo.number


def _read(note: str) -> Memo | None:
    """What is none of ours, as an operator's tool may leave it, is taken for nothing."""
    try:
        number, values = orjson.loads(note)
        return Memo(int(number), {str(key): str(value) for key, value in values.items()})
    except (ValueError, TypeError, AttributeError):
        return None
