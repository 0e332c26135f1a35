"""The hazards that warnings are about: their names, the codes of the two national feeds, and ours."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

FEED_OTHER, FEED_EMERGENCY = "99", "98"
"""Codes of a WeatherWarning's signal beyond the fourteen: another hazard of the weather, and of another kind."""
EMERGENCY, OTHER_WEATHER = "突发事件", "其他气象灾害"

COLOURS = {"蓝": "01", "黄": "02", "橙": "03", "红": "04", "白": "00"}
"""Level codes of the meteorological feed; white stands below blue and has no code there: ours is 00."""
GRADES = {"I": "红", "II": "橙", "III": "黄", "IV": "蓝", "1": "红", "2": "橙", "3": "黄", "4": "蓝",
          "一": "红", "二": "橙", "三": "黄", "四": "蓝"}  # fmt: skip
CAP_LEVELS = {"Extreme": "红", "Severe": "橙", "Moderate": "黄", "Minor": "蓝",
              "Red": "红", "Orange": "橙", "Yellow": "黄", "Blue": "蓝", "White": "白"}  # fmt: skip

_CLASSES = {"11A": "洪水", "11C": "地震", "11D": "地质灾害气象风险"}
"""Classes of the national list of emergencies (GB/T 35561) that have a name of their own here."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One hazard. `code`: of the feed (01 to 14, 99, 98); `national`: 11Bxx, empty where it is not known."""

    name: str
    code: str
    national: str
    category: str


@dataclass(frozen=True, slots=True)
class Level:
    """A colour as the feed codes it; an unknown one has the code 00 and no name."""

    code: str = "00"
    name: str = ""


def level(colour: str) -> Level:
    """The level of a colour's first character; unknown for anything else."""
    return Level(COLOURS[colour], f"{colour}色") if colour in COLOURS else Level()


@lru_cache(maxsize=1)
def by_name() -> dict[str, Signal]:
    """Every name and other name of a hazard, longest first."""
    found: dict[str, Signal] = {}
    for row in _rows("signals.csv"):
        signal = Signal(row["name"], row["code"], row["national"], row["category"])
        for name in (signal.name, *filter(None, row["aliases"].split("|"))):
            found[name] = signal
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


@lru_cache(maxsize=1)
def by_national() -> dict[str, Signal]:
    """The hazards by their code in the national list."""
    return {signal.national: signal for signal in by_name().values() if signal.national}


def of_national(code: str) -> Signal | None:
    """The hazard of a national code (11B03); of another class of emergency where only that is known."""
    found = by_national().get(code)
    if found is None and re.fullmatch(r"1[1-4][A-Z]\w{2}", code) and not code.startswith("11B"):
        return by_name()[_CLASSES.get(code[:3], EMERGENCY)]
    return found


def of_foreign(event: str) -> Signal | None:
    """The hazard that a foreign event's name means; None where it names none of ours."""
    for pattern, name in _foreign():
        if pattern.search(event):
            return by_name()[name]
    return None


@lru_cache(maxsize=1)
def _foreign() -> list[tuple[re.Pattern[str], str]]:
    rows = _rows("foreign_events.csv")
    return [(re.compile(rf"(?<![a-z])(?:{row['words']})(?![a-z])", re.IGNORECASE), row["name"]) for row in rows]


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("gridhub.connectors.warnings") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), strict=True))
