"""The approved list (社区协助事项准入制度): which department may bring which matters into the communities, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError, model_validator

from gridhub.streams.files import read_bounded
from gridhub.streams.strictyaml import strict_yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from importlib.resources.abc import Traversable

_MOST_BYTES = 1_048_576
_DAY_MS = 86_400_000
_BEIJING_MS = 8 * 3_600_000
_EPOCH = date(1970, 1, 1)
_FOREVER_MS = 2**62

Word = Annotated[StrictStr, Field(min_length=1, max_length=100)]
Words = Annotated[tuple[Word, ...], Field(max_length=500)]


class AdmissionError(Exception):
    """The approved list is wrong; the message names the rule and what to change, a sentence a line."""


class AdmissionRule(BaseModel):
    """One entry of the list. `types` are the department's words, `categories` the city's; one of them is enough.

    Days are Beijing days; both ends belong to the validity.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,59}$")]
    department: Word
    types: Words = ()
    categories: Words = ()
    legal_basis: Annotated[StrictStr, Field(min_length=1, max_length=500)]
    approver: Word
    valid_from: date
    valid_until: date | None = None

    @model_validator(mode="after")
    def _means_something(self) -> AdmissionRule:
        if not self.types and not self.categories:
            raise ValueError("name types or categories: a rule never admits everything")
        if self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("valid_until lies before valid_from")
        return self

    @property
    def begin_ms(self) -> int:
        """The first millisecond of validity."""
        return _day_ms(self.valid_from)

    @property
    def end_ms(self) -> int:
        """The first millisecond after the validity."""
        return _day_ms(self.valid_until + timedelta(days=1)) if self.valid_until else _FOREVER_MS


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[AdmissionRule, ...]


@dataclass(frozen=True, slots=True)
class _Span:
    begin_ms: int
    end_ms: int
    rule: str


class Admissions:
    """The approved list, ready to be asked; `version` is a digest of its rules."""

    def __init__(self, rules: Iterable[AdmissionRule]) -> None:
        """AdmissionError when two rules have one id."""
        ordered = list(rules)
        self.rules = {rule.id: rule for rule in ordered}
        if len(self.rules) != len(ordered):
            raise AdmissionError("Two rules of the approved list have the same id.")
        self._types: dict[tuple[str, str], list[_Span]] = {}
        self._categories: dict[tuple[str, str], list[_Span]] = {}
        for rule in ordered:
            span = _Span(rule.begin_ms, rule.end_ms, rule.id)
            for index, words in ((self._types, rule.types), (self._categories, rule.categories)):
                for word in words:
                    index.setdefault((rule.department, word), []).append(span)
        text = "\n".join(rule.model_dump_json() for rule in ordered)
        self.version = blake2b(text.encode(), digest_size=8).hexdigest()

    @classmethod
    def load(
        cls,
        path: Traversable | None = None,
        departments: Collection[str] | None = None,
        categories: Collection[str] | None = None,
    ) -> Admissions:
        """Read the list (None: the bundled one); AdmissionError with a sentence for each thing that is wrong.

        Where the known department codes or category names are given, a rule for any other is an error too.
        """
        source = path or files("gridhub.config") / "admissions.yaml"
        rules = _rules(source)
        for rule in rules:
            if departments is not None and rule.department not in departments:
                raise AdmissionError(f"{source.name}: rule {rule.id}: there is no department {rule.department}.")
            unknown = [name for name in rule.categories if categories is not None and name not in categories]
            if unknown:
                raise AdmissionError(f"{source.name}: rule {rule.id}: {unknown[0]} is no category.")
        return cls(rules)

    def allows(self, department: str, event_type: str, at_ms: int, category: str | None = None) -> str | None:
        """The id of the rule that admits this at this moment, the earlier in the list first; None when none does."""
        by_type = self._types.get((department, event_type), ())
        by_category = self._categories.get((department, category or ""), ())
        for spans in (by_type, by_category):
            for span in spans:
                if span.begin_ms <= at_ms < span.end_ms:
                    return span.rule
        return None

    def plus(self, rule: AdmissionRule) -> Admissions:
        """The list with a further rule at its end; a rule of the same id is replaced."""
        return Admissions([*(old for old in self.rules.values() if old.id != rule.id), rule])

    def without(self, rule_id: str) -> Admissions:
        """The list without a rule that was withdrawn; KeyError when there is none of this id."""
        return Admissions([old for old in self.rules.values() if old is not self.rules[rule_id]])

    def __iter__(self) -> Iterator[AdmissionRule]:
        return iter(self.rules.values())

    def __len__(self) -> int:
        return len(self.rules)


def _rules(source: Traversable) -> tuple[AdmissionRule, ...]:
    try:
        return _File.model_validate(strict_yaml(read_bounded(source, _MOST_BYTES), source.name)).rules
    except ValidationError as error:
        raise AdmissionError("\n".join(_sentence(source.name, problem) for problem in error.errors()[:10])) from error
    except ValueError as error:
        raise AdmissionError(str(error)) from error


def _sentence(name: str, problem: object) -> str:
    assert isinstance(problem, dict)
    key = ".".join(map(str, problem["loc"])) or "the file"
    return f"{name}: {key}: {problem['msg'].removeprefix('Value error, ')}."


def _day_ms(day: date) -> int:
    return (day - _EPOCH).days * _DAY_MS - _BEIJING_MS
