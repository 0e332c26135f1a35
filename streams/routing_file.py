"""The form of config/routing.yaml: strict, so that a slip of the pen is found at load and not in a storm."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gridhub.streams.rooms.organisation import DEPARTMENT_UNIT, ROLES
from gridhub.streams.routing_labels import LABELS, LEVELS, SEVERITIES, STATUSES
from gridhub.streams.routing_matchers import MatcherError, parse
from gridhub.streams.routing_time import IntervalFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridhub.streams.rooms.outbound import Category
    from gridhub.streams.strictyaml import Path

ACTIONS = ("handle", "assist", "inform")
__all__ = ["ACTIONS", "LEVELS", "SEVERITIES", "STATUSES", "MatchFile", "RecipientRule", "RouteFile", "RoutingFile"]
_COMPARE = {
    "": int.__eq__,
    "<=": int.__le__,
    ">=": int.__ge__,
    "<": int.__lt__,
    ">": int.__gt__,
}

Minutes = Annotated[int, Field(gt=0, le=525_600)]
BySeverity = dict[Annotated[int, Field(ge=1, le=4)], Minutes]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Words = Annotated[list[str], Field(min_length=1), BeforeValidator(_listed)]

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(?:[0-9]{1,6}[smhd])+")
_MOST_S = 86_400


def duration_s(text: str, most_s: int = _MOST_S) -> int:
    """Seconds of a duration as Alertmanager writes it: 30s, 5m, 1h30m; ValueError for what is none, or longer than `most_s`."""
    seconds = sum(int(number) * _UNITS_S[unit] for number, unit in re.findall(r"([0-9]+)([smhd])", text))
    if not _DURATION.fullmatch(text) or seconds > most_s:
        raise ValueError(f"{text!r} is no duration up to {most_s // _MOST_S} days: write 30s, 5m or 1h30m")
    return seconds


def _duration(value: object) -> object:
    return duration_s(value) if isinstance(value, str) else value


Seconds = Annotated[int, BeforeValidator(_duration), Field(ge=0, le=_MOST_S)]


def _readable(value: str) -> str:
    try:
        parse(value)
    except MatcherError as error:
        raise ValueError(str(error)) from error
    return value


Matchers = Annotated[list[Annotated[str, AfterValidator(_readable)]], BeforeValidator(_listed)]
GROUPABLE = tuple(name for name in LABELS if name not in {"hour", "calendar"})


def _groupable(value: str) -> str:
    if value != "..." and value not in GROUPABLE:
        raise ValueError(f"nothing is grouped by {value}; there are {', '.join(GROUPABLE)}, and ... for all of them")
    return value


GroupBy = Annotated[list[Annotated[str, AfterValidator(_groupable)]], BeforeValidator(_listed), Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MatchFile(_Part):
    """Matchers: all of them must fit, each with any of its values. `severity` is 2, "2", [1, 2] or "<=2"."""

    category: Words | None = None
    matter_group: Words | None = None
    severity: int | str | list[int] | None = None
    source: Words | None = None
    district: Words | None = None
    level: Words | None = None  # of the widest code of the place
    life_safety: bool | None = None
    status: Words | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.severity is not None and not self.severities():
            raise ValueError(f"severity {self.severity!r} is none of 1 to 4, a list of them, or <=, <, >=, > and one")
        if any(not (code.isdigit() and len(code) == 6) for code in self.district or ()):
            raise ValueError("district wants codes of six digits, in quotation marks")
        return self

    def severities(self) -> list[int] | None:
        """The severities that fit; None when there is no such matcher."""
        wanted = self.severity
        if wanted is None:
            return None
        if isinstance(wanted, str):
            sign, number = wanted.rstrip("0123456789 ").strip(), wanted.strip("<>= ")
            compare = _COMPARE.get(sign)
            return [one for one in SEVERITIES if compare(one, int(number))] if compare and number.isdigit() else []
        listed = [wanted] if isinstance(wanted, int) else wanted
        return listed if set(listed) <= set(SEVERITIES) else []

    def fits(self, name: str, row: Category) -> bool:
        """Whether a category fits the matchers that are about it."""
        return (
            (self.category is None or name in self.category)
            and (self.matter_group is None or row.matter_group in self.matter_group)
            and (self.life_safety is None or bool(row.life_safety) == self.life_safety)
        )


class RecipientRule(_Part):
    """One recipient of a route: who, what for, and in which time."""

    role: str
    action: Literal["handle", "assist", "inform"]
    department: str | None = None  # of a department_unit; `source`: the department that reported first
    accept_min: Minutes | None = None
    finish_min: Minutes | BySeverity | None = None
    within_walk_min: Annotated[int, Field(gt=0, le=120)] | None = None  # only who can do it and walk there in time

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.role not in ROLES:
            raise ValueError(f"no such role: {self.role}; there are {', '.join(ROLES)}")
        if (self.department is not None) != (self.role == DEPARTMENT_UNIT):
            raise ValueError("`department` belongs to department_unit, and department_unit needs one")
        if isinstance(self.finish_min, dict) and set(self.finish_min) != set(SEVERITIES):
            raise ValueError("finish_min by severity wants each of 1 to 4")
        if self.action == "inform" and (self.accept_min, self.finish_min) != (None, None):
            raise ValueError("who is only informed has no limits")
        return self


class RouteFile(_Part):
    """A node of the tree."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    name: Name
    match: MatchFile = MatchFile()
    matchers: Matchers = []
    goes_on: bool = Field(default=False, alias="continue")
    recipients: list[RecipientRule] = []
    group_by: GroupBy | None = None
    group_wait: Seconds | None = None
    group_interval: Seconds | None = None
    mute_time_intervals: Words | None = None
    active_time_intervals: Words | None = None
    routes: list[RouteFile] = []

    def walk(self, path: Path = ("route",)) -> Iterator[tuple[RouteFile, Path]]:
        """This node and all below it, each with where it stands in the file."""
        yield self, path
        for place, child in enumerate(self.routes):
            yield from child.walk((*path, "routes", place))


class InhibitFile(_Part):
    """While an incident that fits `source_matchers` is open, tasks of what fits `target_matchers` wait (抑制).

    Both have the same values of the labels in `equal`, and lie in one area. `lasts` ends the wait in any case.
    """

    name: Name
    source_matchers: Annotated[Matchers, Field(min_length=1)]
    target_matchers: Annotated[Matchers, Field(min_length=1)]
    equal: Annotated[list[Annotated[str, AfterValidator(_groupable)]], BeforeValidator(_listed)] = []
    lasts: Seconds = _MOST_S


class SilenceLimits(_Part):
    """How broad a silence (静默) may be before a second person must agree, and how long it may last."""

    most_days: int = Field(default=7, ge=1, le=30)
    city_share: float = Field(default=0.1, ge=0, le=1)
    category_share: float = Field(default=0.1, ge=0, le=1)
    incidents: int = Field(default=50, ge=0)
    hours: int = Field(default=24, ge=1, le=168)


class RoutingFile(_Part):
    """The whole file."""

    version: str = Field(min_length=1, max_length=40)
    max_fanout: int = Field(ge=1, le=1000)
    finish_min: BySeverity
    departments: dict[Name, str]
    time_intervals: list[IntervalFile] = []
    inhibit_rules: list[InhibitFile] = []
    silences: SilenceLimits = SilenceLimits()
    route: RouteFile

    @model_validator(mode="after")
    def _check(self) -> Self:
        if set(self.finish_min) != set(SEVERITIES):
            raise ValueError("finish_min wants each severity, 1 to 4")
        return self
