"""Named time intervals, as Alertmanager writes them, and China's working days beside them.

An interval is one or more ranges; each range fits when all its parts do. Minutes are the finest step. Everything is in
China's time unless `location` says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Annotated, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from gridhub.streams.organisation.calendar import Calendar
from gridhub.streams.organisation.workdays import FIRST, LAST

CHINA = ZoneInfo("Asia/Shanghai")
MINUTE_MS = 60_000
_DAY_MINUTES = 1440
_LOOK_AHEAD_DAYS = 400
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
           "december")  # fmt: skip
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_NAME = r"^[a-z0-9][a-z0-9-]{0,39}$"

Workday = Callable[[int], bool]
"""Whether offices work on the day of a moment (ms UTC)."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Range = Annotated[str, BeforeValidator(_text)]
Ranges = Annotated[list[Range], Field(min_length=1)] | None


class TimesFile(_Part):
    """A part of the day; the end is not in it."""

    start_time: str
    end_time: str

    @field_validator("start_time", "end_time")
    @classmethod
    def _form(cls, value: str) -> str:
        if not _TIME.fullmatch(value):
            raise ValueError(f'{value!r} is no time of day: write "22:00" in quotation marks, "24:00" for the end')
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.minutes[0] >= self.minutes[1]:
            raise ValueError(
                f"{self.start_time} is not before {self.end_time}: a night is two parts, one to 24:00 and one from 00:00"
            )
        return self

    @property
    def minutes(self) -> tuple[int, int]:
        """Begin and end in minutes after midnight."""
        begin, end = (int(text[:2]) * 60 + int(text[3:]) for text in (self.start_time, self.end_time))
        return begin, end


class RangeFile(_Part):
    """One range of a time interval; what is not named does not matter. `calendar` is ours, the rest Alertmanager's."""

    times: Annotated[list[TimesFile], Field(min_length=1)] | None = None
    weekdays: Ranges = None
    days_of_month: Ranges = None
    months: Ranges = None
    years: Ranges = None
    calendar: Annotated[list[Literal["workday", "holiday"]], Field(min_length=1)] | None = None
    location: str = "Asia/Shanghai"

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            ZoneInfo(self.location)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone {self.location}; China's is Asia/Shanghai") from error
        self.spans()
        return self

    def spans(self) -> dict[str, list[tuple[int, int]]]:
        """The ranges as numbers, both ends in them; ValueError for what is none."""
        return {
            "weekdays": [_span(one, _WEEKDAYS, 0, 0, 6) for one in self.weekdays or ()],
            "months": [_span(one, _MONTHS, 1, 1, 12) for one in self.months or ()],
            "years": [_span(one, (), 0, 1970, 9999) for one in self.years or ()],
            "days_of_month": [_span(one, (), 0, -31, 31) for one in self.days_of_month or ()],
        }


class IntervalFile(_Part):
    """A named time interval: it holds when one of its ranges does."""

    name: str = Field(pattern=_NAME)
    time_intervals: Annotated[list[RangeFile], Field(min_length=1)]


def _span(text: str, words: tuple[str, ...], first: int, least: int, most: int) -> tuple[int, int]:
    ends = [words.index(part) + first if part in words else part for part in text.lower().strip().split(":")]
    try:
        numbers = [int(part) for part in ends]
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no range: write one value or two with a colon between, as monday:friday"
        ) from error
    # 5:-3 goes from the 5th to the third last day: which comes first depends on the month
    backwards = numbers[0] > numbers[-1] and (least >= 0 or numbers[0] < 0 or numbers[-1] > 0)
    if not 1 <= len(numbers) <= 2 or backwards or any(not least <= one <= most for one in numbers):
        raise ValueError(f"{text!r} is no range between {least} and {most}, the smaller end first")
    if least < 0 and 0 in numbers:
        raise ValueError(f"{text!r}: days of a month count from 1, or from its end from -1")
    return numbers[0], numbers[-1]


class _Range(NamedTuple):
    file: RangeFile
    zone: ZoneInfo
    spans: dict[str, list[tuple[int, int]]]

    def holds(self, at_ms: int, workday: Workday) -> bool:
        file, spans = self.file, self.spans
        at = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)
        minute = at.hour * 60 + at.minute
        if file.times is not None and not any(one.minutes[0] <= minute < one.minutes[1] for one in file.times):
            return False
        if file.calendar is not None and ("workday" if workday(at_ms) else "holiday") not in file.calendar:
            return False
        asked = (("weekdays", at.weekday()), ("months", at.month), ("years", at.year))
        if any(spans[name] and not any(low <= value <= high for low, high in spans[name]) for name, value in asked):
            return False
        return not spans["days_of_month"] or any(_in_month(at.date(), *span) for span in spans["days_of_month"])


def _in_month(day: date, first: int, last: int) -> bool:
    """Negative days count from the month's end; days that the month has not are its last."""
    length = ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
    begin, end = (min(one, length) if one > 0 else max(1, length + 1 + one) for one in (first, last))
    return begin <= day.day <= end


class Intervals:
    """The named time intervals of a file."""

    def __init__(self, files: list[IntervalFile]) -> None:
        self._ranges = {
            one.name: [_Range(part, ZoneInfo(part.location), part.spans()) for part in one.time_intervals]
            for one in files
        }
        ends = {minute for ranges in self._ranges.values() for part in ranges for one in part.file.times or ()
                for minute in one.minutes}  # fmt: skip
        self._steps = sorted({0, *(minute % _DAY_MINUTES for minute in ends)})

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the intervals."""
        return tuple(self._ranges)

    def holds(self, name: str, at_ms: int, workday: Workday) -> bool:
        """Whether this interval holds at a moment."""
        return any(part.holds(at_ms, workday) for part in self._ranges[name])

    def next_change(self, at_ms: int, silent: Callable[[int], bool]) -> int | None:
        """The first boundary after a moment at which `silent` is false; None when there is none for over a year.

        Every interval changes at midnight or at one of the named times of some zone, so only those are asked.
        """
        for moment in self._boundaries(at_ms):
            if not silent(moment):
                return moment
        return None

    def _boundaries(self, at_ms: int) -> list[int]:
        zones = {part.zone for ranges in self._ranges.values() for part in ranges} | {CHINA}
        found: set[int] = set()
        for zone in zones:
            day = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date()
            for ahead in range(_LOOK_AHEAD_DAYS):
                begin = datetime.combine(day + timedelta(days=ahead), datetime.min.time(), zone)
                found |= {int((begin + timedelta(minutes=step)).timestamp() * 1000) for step in self._steps}
        return sorted(moment for moment in found if moment > at_ms)


@cache
def _calendar() -> Calendar:
    return Calendar()


def china_workday(at_ms: int) -> bool:
    """Whether offices work on the day of this moment, by China's calendar; by the weekday alone beyond its years."""
    day = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(CHINA).date()
    return _calendar().is_workday(at_ms) if FIRST <= day <= LAST else day.weekday() < 5


def time_labels(at_ms: int, workday: Workday) -> dict[str, str]:
    """The labels that follow from a moment."""
    hour = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(CHINA).hour
    return {"hour": str(hour), "calendar": "workday" if workday(at_ms) else "holiday"}
