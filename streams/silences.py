"""Silences (静默): for a time, tasks of what they match are not made. Data of hub.config; never about life and limb."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gridhub.streams.routing_file import Matchers
from gridhub.streams.routing_labels import OF_CATEGORY, OF_PLACE, OF_TIME, of_category, of_places
from gridhub.streams.routing_matchers import Matcher, fitting, parse, unknown_value

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gridhub.streams.rooms.outbound import Categories
    from gridhub.streams.routing_file import SilenceLimits
    from gridhub.streams.routing_labels import Labels

DAY_MS = 86_400_000
_ID = r"^[a-z0-9][a-z0-9-]{0,39}$"
Person = Annotated[str, Field(min_length=1, max_length=100)]
Text = Annotated[str, Field(min_length=1, max_length=500)]


class SilenceError(ValueError):
    """A silence cannot be; the message says why."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Hidden(_Part):
    """What a silence would have hidden in the last `hours`, as its author saw it before publishing."""

    hours: int = Field(ge=1)
    incidents: int = Field(ge=0)
    tasks: int = Field(ge=0)


class Silence(_Part):
    """One silence, as it lies under `silence/<id>` on hub.config. Times in ms; the end is compulsory."""

    id: str = Field(pattern=_ID)
    matchers: Annotated[Matchers, Field(min_length=1)]
    starts_at: int = Field(ge=0)
    ends_at: int = Field(ge=0)
    author: Person
    comment: Text
    created_at: int = Field(ge=0)
    would_hide: Hidden

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("a silence ends after it begins")
        return self

    @cached_property
    def parsed(self) -> tuple[Matcher, ...]:
        """Its matchers."""
        return tuple(map(parse, self.matchers))

    @property
    def digest(self) -> str:
        """Of all that it says: what was approved can be changed no more."""
        return blake2b(self.model_dump_json().encode(), digest_size=8).hexdigest()


class Approval(_Part):
    """A second person's word for a silence, under `silence/<id>/approved`: for exactly the silence of this digest."""

    silence: str = Field(pattern=_ID)
    digest: str
    approved_by: Person
    comment: Text
    at: int = Field(ge=0)


class Expiry(_Part):
    """The end of a silence before its time, under `silence/<id>/expired`. Nobody needs a second person for it."""

    silence: str = Field(pattern=_ID)
    expired_by: Person
    comment: Text
    at: int = Field(ge=0)


class Breadth(_Part):
    """How much a silence can reach at most: shares of the city's grids and of the categories that may be silenced."""

    city_share: float
    category_share: float

    def needs_second(self, silence: Silence, limits: SilenceLimits) -> list[str]:
        """Why a second person must agree, one reason each; empty when none must."""
        hidden = silence.would_hide.incidents
        checks = (
            (
                self.city_share > limits.city_share,
                f"reaches {self.city_share:.0%} of the city (limit {limits.city_share:.0%})",
            ),
            (
                self.category_share > limits.category_share,
                f"reaches {self.category_share:.0%} of the categories (limit {limits.category_share:.0%})",
            ),
            (hidden > limits.incidents, f"would have hidden {hidden} incidents (limit {limits.incidents})"),
        )
        return [said for broad, said in checks if broad]


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: compared without case, width and outer spaces."""
    first, second = (unicodedata.normalize("NFKC", name).strip().casefold() for name in (one, other))
    return first == second


def breadth(silence: Silence, categories: Categories, grids: Collection[str]) -> Breadth:
    """What a silence can reach; a part that it does not ask for is reached whole."""
    places = [one for one in silence.parsed if one.label in OF_PLACE]
    about = [one for one in silence.parsed if one.label in OF_CATEGORY]
    reached = sum(fitting(places, of_places((code,))) for code in grids) if places else len(grids)
    harmless = [name for name in categories if not categories[name].life_safety]
    named = [name for name in harmless if _fits_category(about, name, categories)]
    return Breadth(city_share=reached / max(1, len(grids)), category_share=len(named) / max(1, len(harmless)))


def _fits_category(about: Sequence[Matcher], name: str, categories: Categories) -> bool:
    labels = of_category(name, categories)
    return all(one.fits((labels[one.label],)) for one in about)


def check(silence: Silence, categories: Categories, limits: SilenceLimits) -> None:
    """SilenceError for what no approval can heal: too long, about nothing, about danger to life, by the hour."""
    if silence.ends_at - silence.starts_at > limits.most_days * DAY_MS:
        raise SilenceError(
            f"a silence lasts at most {limits.most_days} days: let it end sooner, and renew it when it must be"
        )
    for matcher in silence.parsed:
        if matcher.label in OF_TIME:
            raise SilenceError(
                f"{matcher.label} belongs into routing.yaml's time_intervals; a silence has a begin and an end"
            )
        problem = unknown_value(matcher, {"category": tuple(categories)})
        if problem is not None:
            raise SilenceError(problem)
    about = [one for one in silence.parsed if one.label in OF_CATEGORY]
    fitting_names = [name for name in categories if _fits_category(about, name, categories)]
    if not fitting_names:
        raise SilenceError("no category fits these matchers: nothing would be silenced")
    if all(categories[name].life_safety for name in fitting_names):
        raise SilenceError(f"{fitting_names[0]} may cost lives: it is never silenced")


@dataclass(frozen=True)
class Silences:
    """The silences in force: right ones, approved where that is needed, not ended by anybody."""

    silences: tuple[Silence, ...] = ()
    waiting: dict[str, list[str]] = field(default_factory=dict)  # id -> why a second person must agree

    @property
    def any(self) -> bool:
        """Whether there are any at all."""
        return bool(self.silences)

    def hiding(self, labels: Sequence[Labels], now_ms: int) -> str | None:
        """The id of the first silence that hides an incident with these labels (one set a category), else None."""
        for silence in self.silences:
            if silence.starts_at <= now_ms < silence.ends_at and all(fitting(silence.parsed, one) for one in labels):
                return silence.id
        return None


NO_SILENCES = Silences()
