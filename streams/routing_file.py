"""The form of config/routing.yaml: strict, so that a slip of the pen is found at load and not in a storm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gridhub.streams.rooms.organisation import DEPARTMENT_UNIT, ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridhub.streams.rooms.outbound import Category

ACTIONS = ("handle", "assist", "inform")
LEVELS = ("city", "district", "street", "community", "grid")
STATUSES = ("actual", "exercise", "test")
SEVERITIES = (1, 2, 3, 4)
_COMPARE = {
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


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MatchFile(_Part):
    """Matchers: all of them must fit, each with any of its values. `severity` is 2, [1, 2] or "<=2"."""

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
    goes_on: bool = Field(default=False, alias="continue")
    recipients: list[RecipientRule] = []
    routes: list[RouteFile] = []

    def walk(self) -> Iterator[RouteFile]:
        """This node and all below it."""
        yield self
        for child in self.routes:
            yield from child.walk()


class RoutingFile(_Part):
    """The whole file."""

    version: str = Field(min_length=1, max_length=40)
    max_fanout: int = Field(ge=1, le=1000)
    finish_min: BySeverity
    departments: dict[Name, str]
    route: RouteFile

    @model_validator(mode="after")
    def _check(self) -> Self:
        if set(self.finish_min) != set(SEVERITIES):
            raise ValueError("finish_min wants each severity, 1 to 4")
        return self
