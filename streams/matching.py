"""config/matching.yaml: when two events are the same matter. Loaded once, checked strictly, versioned by its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from gridhub.streams.files import UnreadableError, read_bounded
from gridhub.streams.parents import NO_PARENTS, Parents
from gridhub.streams.strictyaml import strict_yaml

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from gridhub.streams.rooms.outbound import Category

_MOST_BYTES = 1_048_576


class MatchingError(ValueError):
    """matching.yaml is wrong; the message says where."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Weights(_Part):
    """How much each part of the score counts."""

    place: float = Field(ge=0, le=10)
    time: float = Field(ge=0, le=10)
    category: float = Field(gt=0, le=10)  # the one part that always applies, so the mean is never of nothing
    keys: float = Field(ge=0, le=10)
    words: float = Field(ge=0, le=10)


class PlaceScores(_Part):
    """How near two places count when not both have a point of their own."""

    grid: float = Field(ge=0, le=1)
    community: float = Field(ge=0, le=1)
    street: float = Field(ge=0, le=1)
    wider: float = Field(ge=0, le=1)


class Affinity(_Part):
    """How alike two categories are, 0 to 1, in either order."""

    pair: list[str] = Field(min_length=2, max_length=2)
    alike: float = Field(ge=0, le=1)


class Matching(_Part):
    """The rules of the same-matter score. `version` is the file's own; `digest` is of its bytes."""

    version: str = Field(min_length=1, max_length=40)
    merge: float = Field(gt=0, le=1)
    possible: float = Field(gt=0, le=1)
    weights: Weights
    places: PlaceScores
    key_reach: float = Field(ge=1, le=20)
    most_windows: float = Field(ge=1, le=100)
    neutral_kinds: list[str]
    wide_groups: list[str]
    keyed_groups: list[str]
    affinity_default: float = Field(ge=0, le=1)
    affinities: list[Affinity]
    candidates: int = Field(ge=1, le=1000)
    lateness_s: int = Field(ge=0)
    words_characters: int = Field(ge=0, le=500)
    parents: Parents = NO_PARENTS
    _digest: str = PrivateAttr(default="")
    _alike: dict[tuple[str, str], float] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Matching:
        if self.possible > self.merge:
            raise ValueError("possible is above merge: no event could be merely possible")
        for affinity in self.affinities:
            first, second = affinity.pair
            self._alike[first, second] = self._alike[second, first] = affinity.alike
        return self

    @classmethod
    def load(cls, path: Path | None = None, categories: Collection[str] | None = None) -> Matching:
        """The checked file (the bundled one unless given); MatchingError with one sentence per problem.

        With `categories` (every known category code) the affinities may name no others; with their rows by code (a
        mapping) the parents neither, and no category that may cost lives may have its tasks held back.
        """
        source = path if path is not None else files("gridhub.config") / "matching.yaml"
        try:
            return cls.parse(read_bounded(source, _MOST_BYTES), categories)
        except UnreadableError as error:
            raise MatchingError(str(error)) from error

    @classmethod
    def parse(cls, content: bytes, categories: Collection[str] | None = None) -> Matching:
        """The checked rules from a file's bytes; MatchingError as `load`."""
        try:
            matching = cls.model_validate(strict_yaml(content, "matching.yaml"))
        except ValueError as error:  # pydantic's is one of them
            raise MatchingError(_sentences(error)) from error
        _known(matching, categories)
        return matching.signed(content)

    def signed(self, content: bytes) -> Matching:
        """These rules with the digest of the bytes that they were read from."""
        self._digest = blake2b(content, digest_size=6).hexdigest()
        return self

    @property
    def digest(self) -> str:
        """Version and hash of the file: what the journal names as the rule that decided."""
        return f"{self.version}+{self._digest}"

    def alike(self, first: str, second: str) -> float:
        """How alike two categories of one matter group are, 0 to 1."""
        return 1.0 if first == second else self._alike.get((first, second), self.affinity_default)


def _known(matching: Matching, categories: Collection[str] | None) -> None:
    if categories is None:
        return
    named = {category for affinity in matching.affinities for category in affinity.pair}
    unknown = sorted(named - set(categories))
    problems = [f"affinities: no such category: {', '.join(unknown)}"] if unknown else []
    problems += _wrong_parents(matching, categories)
    if problems:
        raise MatchingError("\n".join(problems))


def _wrong_parents(matching: Matching, categories: Collection[str]) -> list[str]:
    """What is wrong with the parents; whether a category may cost lives is only known from its row."""
    rows: Mapping[str, Category] | None = categories if isinstance(categories, Mapping) else None
    return list(matching.parents.problems(rows)) if rows is not None else []


def _sentences(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "\n".join(f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors())
