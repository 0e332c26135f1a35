"""Files that people write for the hub, read within a limit."""

from __future__ import annotations

from importlib.resources.abc import Traversable


class UnreadableError(ValueError):
    """A file cannot be read or is too large; the message says which and why."""


def read_bounded(source: Traversable, most_bytes: int, place: str | None = None) -> bytes:
    """The file's bytes; UnreadableError, naming `place` (or the file), when it cannot be read or is over the limit."""
    name = place or source.name
    try:
        with source.open("rb") as stream:
            content: bytes = stream.read(most_bytes + 1)
    except OSError as error:
        raise UnreadableError(f"{name} cannot be read: {error.strerror}.") from error
    if len(content) > most_bytes:
        raise UnreadableError(f"{name} is larger than {most_bytes} bytes.")
    return content
