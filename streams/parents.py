"""The part `parents` of config/matching.yaml: which matters are parents of which, and whose tasks wait meanwhile.

In the shape of Alertmanager's inhibit rules: `source` is the parent, `target` what it may be the parent of, `inhibit`
whose tasks are held back until the parent ends. A category that may cost lives can stand in `target`, never in `inhibit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gridhub.streams.rooms.outbound import Category

Severities = Annotated[list[Annotated[int, Field(ge=1, le=4)]], Field(min_length=1, max_length=4)]
Names = Annotated[list[str], Field(min_length=1)]
EVERY_SEVERITY = (1, 2, 3, 4)
Level = Literal["city", "district", "street", "community", "grid"]
_LEVELS: dict[Level, int] = {"city": 4, "district": 6, "street": 9, "community": 12, "grid": 15}
_BY_DIGITS = {digits: level for level, digits in _LEVELS.items()}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Source(_Part):
    """What makes an event a parent: its category, a subject key of each of these kinds, and a place so wide."""

    category: Names
    keys: list[str] = []
    level: Annotated[list[Level], Field(min_length=1)] = list(_LEVELS)


class Target(_Part):
    """What a parent may have as children."""

    category: Names


class Inhibit(_Part):
    """Whose tasks are held back: while the parent is of one of `source_severity`, children of these kinds."""

    source_severity: Severities = list(EVERY_SEVERITY)
    category: Names
    severity: Severities = [3, 4]


class ParentRule(_Part):
    """One kind of parent. `lasts_s` counts from its newest event where the event itself does not say until when."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    source: Source
    target: Target
    before_s: int = Field(ge=0, le=86_400)
    lasts_s: int = Field(gt=0, le=604_800)
    inhibit: Inhibit | None = None

    def takes(self, category: str, keys: list[str], codes: list[str]) -> bool:
        """Whether an event of this category with these subject keys at these places is such a parent."""
        kinds = {key.partition(":")[0] for key in keys}
        return (
            category in self.source.category
            and kinds.issuperset(self.source.keys)
            and any(_level(code) in self.source.level for code in codes)
        )

    def holds(self, source_severity: int, category: str, severity: int) -> bool:
        """Whether the tasks of such a child are held back under a parent of this severity."""
        rule = self.inhibit
        return (
            rule is not None
            and source_severity in rule.source_severity
            and category in rule.category
            and severity in rule.severity
        )


class Parents(_Part):
    """All of it, with the bounds: areas that one parent is told to, and children that it may hold back in each."""

    most_areas: int = Field(ge=1, le=1000)
    most_held: int = Field(ge=0, le=5000)
    most_lasts_s: int = Field(gt=0, le=2_592_000)
    rules: list[ParentRule]
    _by_name: dict[str, ParentRule] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Parents:
        self._by_name.update({rule.name: rule for rule in self.rules})
        if len(self._by_name) < len(self.rules):
            raise ValueError("two rules have one name; the journal could not tell them apart")
        for rule in self.rules:
            if rule.inhibit is not None and not set(rule.inhibit.category) <= set(rule.target.category):
                raise ValueError(f"{rule.name} holds back categories that are not among its targets")
        return self

    def rule(self, name: str) -> ParentRule | None:
        """The rule of this name; None when a reload has dropped it."""
        return self._by_name.get(name)

    def of(self, category: str) -> tuple[ParentRule, ...]:
        """The rules by which an event of this category may be a parent."""
        return tuple(rule for rule in self.rules if category in rule.source.category)

    def problems(self, categories: Mapping[str, Category]) -> Iterator[str]:
        """A sentence for each category that there is not, and each that may cost lives and would be held back."""
        for rule in self.rules:
            held = rule.inhibit.category if rule.inhibit else []
            for name in (*rule.source.category, *rule.target.category):
                if name not in categories:
                    yield f"parents: {rule.name}: no such category: {name}"
            for name in held:
                if name in categories and categories[name].life_safety:
                    yield f"parents: {rule.name}: {name} may cost lives, its tasks are never held back"


def _level(code: str) -> str | None:
    """The level of a canonical code; the city's six digits end in 00."""
    return _BY_DIGITS.get(4 if len(code) == 6 and code.endswith("00") else len(code))


NO_PARENTS = Parents(most_areas=1, most_held=0, most_lasts_s=1, rules=[])
