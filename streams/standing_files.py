"""A rule file as it travels on hub.config: the file, who published it, why, and a version that must grow."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gridhub.streams.shelf import first_line

if TYPE_CHECKING:
    from gridhub.streams.city import City

MOST_BYTES = 900_000
"""Of the file: the broker takes messages up to 1 MiB."""
_SIGN = b'{"gridhub_config":'
Words = Annotated[str, Field(min_length=1, max_length=500)]


class NotGrown(ValueError):  # noqa: N818  # told to the publisher like other mistakes
    """A version or number that does not follow the one before."""


class Envelope(BaseModel):
    """One published file. `number` counts the versions of a file, `previous` is the SHA-256 of the one before."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    gridhub_config: int = Field(default=1, ge=1, le=1)
    file: str = Field(pattern=r"^[a-z]{1,30}\.(yaml|csv)$")
    number: int = Field(ge=1, le=999_999)
    version: str = Field(max_length=100)
    author: Words
    comment: Words
    published_at: int = Field(ge=0)
    previous: str = Field(pattern=r"^([0-9a-f]{64})?$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    content: str = Field(max_length=MOST_BYTES)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if digest(self.content.encode()) != self.sha256:
            raise ValueError("the content is not that of its sha256")
        return self

    @property
    def key(self) -> bytes:
        """Where it lies on hub.config: a key of its own, so that the topic keeps every version, also two of one number."""
        return f"{self.file}/{self.number:06d}-{self.sha256[:8]}".encode()

    @property
    def told(self) -> str:
        """A word for the log."""
        return f"version {self.version or self.number} in force, by {self.author}: {self.comment}"


def digest(content: bytes) -> str:
    """SHA-256, hex."""
    return sha256(content).hexdigest()


def opened(key: bytes, value: bytes) -> tuple[bytes, Envelope | None]:
    """The file in a message, and its envelope where it has one; ValueError for an envelope that is wrong."""
    if not value.startswith(_SIGN):
        return value, None
    try:
        envelope = Envelope.model_validate_json(value)
    except ValidationError as error:
        raise ValueError(f"the envelope is wrong: {first_line(error)}") from error
    if envelope.key != key:
        raise ValueError(f"{envelope.file} no. {envelope.number} stands under the key of another one")
    return envelope.content.encode(), envelope


def version_of(file: str, city: City) -> str:
    """The version that a file itself names in this city; empty for one that names none."""
    own = {
        "routing.yaml": city.routing.file_version,
        "matching.yaml": city.matching.version,
        "clocks.yaml": city.clocks.file.version,
        "organisation.yaml": city.charter.file_version,
    }
    return own.get(file, "")


def grows(before: str, after: str) -> bool:
    """Whether a version is later than another one: numbers in it count as numbers, so 2026-12 follows 2026-9."""
    return _natural(after) > _natural(before)


def _natural(version: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"\d+|\D+", version)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


@dataclass
class Growth:
    """What was in force of each file, as its versions come by."""

    _last: dict[str, Envelope] = field(default_factory=dict)

    def take(self, file: str, envelope: Envelope | None, city: City) -> None:
        """Note a right file; NotGrown where its number, its version or what it follows is not the next one."""
        if envelope is None:
            return
        before = self._last.get(file)
        own = version_of(file, city)
        if envelope.version != own:
            raise NotGrown(f"its envelope says version {envelope.version}, the file itself {own}")
        if before is not None:
            self._check(before, envelope)
        self._last[file] = envelope

    def _check(self, before: Envelope, envelope: Envelope) -> None:
        if envelope.number <= before.number:
            raise NotGrown(f"number {envelope.number} does not follow {before.number}")
        if envelope.previous != before.sha256:
            raise NotGrown(f"somebody published number {before.number} meanwhile: look at it, and publish on top of it")
        if envelope.version and not grows(before.version, envelope.version):
            raise NotGrown(
                f"version {envelope.version} does not grow beyond {before.version}: raise `version` in the file"
            )
