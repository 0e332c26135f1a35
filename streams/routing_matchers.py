"""Matchers as Alertmanager writes them: `category=~"fire|gas_leak"`, `area!="420202005"`; and `severity<=2` for numbers.

A matcher asks the values of one label. With `=` and `=~` it fits when one of them fits, with `!=` and `!~` when none
does. Regular expressions must fit the whole value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gridhub.streams.routing_labels import LABELS, NUMBERS, OF_PLACE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

_FORM = re.compile(r'\s*([a-z_]+)\s*(=~|!~|!=|<=|>=|=|<|>)\s*(?:"((?:[^"\\]|\\.)*)"|([^"\s{},]*))\s*')
_ALIASES = {"source": "department"}
_COMPARE = {"<=": int.__le__, ">=": int.__ge__, "<": int.__lt__, ">": int.__gt__}
_MOST_TEXT = 300
_MOST_REPEATS = 3
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_REPEAT = re.compile(r"[*+{]")
_CODE_DIGITS = {"district": (6,), "street": (9,), "community": (12,), "grid": (15,), "area": (6, 9, 12, 15)}


class MatcherError(ValueError):
    """A matcher is wrong; the message says what to change."""


@dataclass(frozen=True)
class Matcher:
    """One matcher. `values` are those that are named or follow from a comparison; None where a pattern decides."""

    label: str
    sign: str
    value: str

    @cached_property
    def values(self) -> frozenset[str] | None:
        """The values it speaks of; None for a regular expression."""
        if self.sign in _COMPARE:
            compare, limit = _COMPARE[self.sign], int(self.value)
            return frozenset(one for one in NUMBERS[self.label] if compare(int(one), limit))
        return frozenset((self.value,)) if self.sign in {"=", "!="} else None

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """The regular expression, else None."""
        return re.compile(self.value) if self.by_pattern else None

    @property
    def by_pattern(self) -> bool:
        """Whether a regular expression decides."""
        return self.sign in {"=~", "!~"}

    @property
    def negative(self) -> bool:
        """Whether it fits when no value does."""
        return self.sign.startswith("!")

    def fits(self, found: Iterable[str]) -> bool:
        """Whether a label with these values fits."""
        if self.pattern is not None:
            return any(self.pattern.fullmatch(value) for value in found) != self.negative
        assert self.values is not None
        return (not self.values.isdisjoint(found)) != self.negative

    def allowed(self, values: Collection[str]) -> frozenset[str]:
        """Those of these values that would fit, each alone."""
        return frozenset(value for value in values if self.fits((value,)))

    def __str__(self) -> str:
        return (
            f"{self.label}{self.sign}{self.value}"
            if self.sign in _COMPARE
            else f'{self.label}{self.sign}"{self.value}"'
        )


def parse(text: str) -> Matcher:
    """The matcher that a text writes; MatcherError with what to change."""
    found = _FORM.fullmatch(text) if len(text) <= _MOST_TEXT else None
    if found is None:
        raise MatcherError(f'{text[:80]!r} is no matcher: write label, sign and value, as category=~"fire|gas_leak"')
    label, sign, quoted, bare = found.groups()
    value = bare if quoted is None else re.sub(r"\\([\"\\])", r"\1", quoted)
    matcher = Matcher(_ALIASES.get(label, label), sign, value)
    _check(matcher, label)
    return matcher


def _check(matcher: Matcher, written: str) -> None:
    label = LABELS.get(matcher.label)
    if label is None:
        raise MatcherError(f"there is no label {written}; there are {', '.join(LABELS)}")
    if matcher.sign in _COMPARE and not label.number:
        raise MatcherError(f"{matcher.sign} compares numbers, and {written} is none: use =, !=, =~ or !~")
    numbers = NUMBERS.get(matcher.label)
    if numbers is not None and not matcher.by_pattern and matcher.value not in numbers:
        raise MatcherError(f"{written} {matcher.value!r} is none of {numbers[0]} to {numbers[-1]}")
    if matcher.by_pattern:
        _check_pattern(matcher.value)
    elif matcher.label in OF_PLACE and matcher.value:
        _check_code(matcher.label, matcher.value)


def _check_code(label: str, value: str) -> None:
    digits = _CODE_DIGITS[label]
    if not (value.isascii() and value.isdigit() and len(value) in digits):
        said = " or ".join(map(str, digits))
        raise MatcherError(
            f'{label} {value!r} is no code of {said} digits; for all that begins so write {label}=~"420202.*"'
        )


def _check_pattern(value: str) -> None:
    """Patterns that could take long are refused: they are asked for every incident."""
    if _REPEATED_GROUP.search(value) or "(?" in value or re.search(r"\\[1-9]", value):
        raise MatcherError(
            f"{value!r} has a repeated group, a look-around or a reference: write plain alternatives, a|b"
        )
    if len(_REPEAT.findall(value)) > _MOST_REPEATS:
        raise MatcherError(f"{value!r} has more than {_MOST_REPEATS} repetitions")
    try:
        re.compile(value)
    except re.error as error:
        raise MatcherError(f"{value!r} is no regular expression: {error}") from error


def unknown_value(matcher: Matcher, known: Mapping[str, Collection[str]]) -> str | None:
    """What is wrong with a value that no incident can have; None when it can, or the values are not all known.

    `known` has the closed lists, and the departments that the file names.
    """
    values = known.get(matcher.label)
    if values is None or matcher.label in NUMBERS:
        return None
    if matcher.pattern is not None:
        return (
            None
            if any(matcher.pattern.fullmatch(one) for one in values)
            else f"no {matcher.label} fits {matcher.value}"
        )
    return None if matcher.value in values else f"no such {matcher.label}: {matcher.value}"


def fitting(matchers: Iterable[Matcher], labels: Mapping[str, frozenset[str]]) -> bool:
    """Whether all matchers fit these labels."""
    return all(matcher.fits(labels[matcher.label]) for matcher in matchers)
