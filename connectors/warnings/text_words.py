"""Hazards and colours in Chinese warning texts: every place where a text names a warning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gridhub.connectors.warnings.signals import GRADES, Level, Signal, by_name, level


def plain(text: str) -> str:
    """Half-width, without spaces; a new line ends a sentence."""
    lines = [re.sub(r"\s+", "", line) for line in unicodedata.normalize("NFKC", text).splitlines()]
    return "。".join(line for line in lines if line)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A warning that a text names: the hazard, its colour as far as it is said, and where in the text."""

    start: int
    end: int
    signal: Signal
    level: Level


@lru_cache(maxsize=1)
def names() -> dict[str, Signal]:
    """The hazards by their names as `plain` leaves them, longest first."""
    return {plain(name): signal for name, signal in by_name().items()}


def any_name() -> str:
    """A pattern of every hazard's name, longest first."""
    return "|".join(re.escape(name) for name in names())


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Hazard, colour and `warning` in their usual orders; a hazard in a list; and where a hazard should stand."""
    names = any_name()
    grade = r"[\[(]?(?P<{0}>I{{1,3}}|IV|[一二三四1-4])级?(?:/[\u4e00-\u9fff]{{2,4}})?[\])]?"
    colour = r"(?P<{0}>[红橙黄蓝白])色?"
    single = (
        rf"(?P<h>{names})(?:灾害|天气|气象)?(?:气象)?(?:风险)?(?:等级)?"
        rf"(?:{colour.format('c1')}(?:{grade.format('g1')})?|{grade.format('g2')}[(\[]?(?:{colour.format('c2')})?[)\]]?)?"
        rf"(?:气象)?(?:灾害)?(?:风险)?(?:预警|警报|警示)(?:信号|信息)?(?:[(\[【:]?{colour.format('c3')}(?:预警|信号)*[)\]】]?)?"
    )
    listed = rf"(?P<h>{names}){colour.format('c1')}(?=[、和及与,](?:(?:{names})[红橙黄蓝白]色?[、和及与,])*(?:{names})[红橙黄蓝白]色?预警)"
    unknown = r"(?:发布|解除|继续|升级|更新|变更)(?:了)?(?P<h>[\u4e00-\u9fff]{2,12}?)(?:[红橙黄蓝白]色?)预警"
    return re.compile(single), re.compile(listed), re.compile(unknown)


def anchors(text: str) -> Iterator[Anchor]:
    """Every hazard with `warning` beside it, in the order of the text; names that are inside longer words are left out."""
    single, listed, _ = _patterns()
    found = sorted([*single.finditer(text), *listed.finditer(text)], key=lambda match: match.start())
    end = -1
    for match in found:
        if match.start() >= end and not _inside_word(text, match):
            end = match.end()
            yield Anchor(match.start(), match.end(), names()[match["h"]], level(_colour(match)))


def _colour(match: re.Match[str]) -> str:
    said = match.groupdict()
    colour = next((said[key] for key in ("c1", "c2", "c3") if said.get(key)), "")
    grade = next((said[key] for key in ("g1", "g2") if said.get(key)), "")
    return colour or GRADES.get(grade, "")


def _inside_word(text: str, match: re.Match[str]) -> bool:
    """A hazard that ends another word: 防大风 and 抗高温 are no warnings, 农业干旱 is another service's."""
    before = text[max(0, match.start() - 2) : match.start()]
    return before.endswith(("无", "防", "抗", "非", "海洋", "农业"))


def unknown_hazard(text: str) -> str:
    """What stands where a hazard should, in a sentence that announces a warning; empty where none does."""
    found = _patterns()[2].search(text)
    return found["h"] if found else ""
