"""Time that people work: limits in work time and in natural time, exact to the millisecond and inverse to each other.

A clock is a named set of work hours: `natural` counts always, `work` the hours of offices, others are data. Machines
have milliseconds UTC, people have Asia/Shanghai, which has been UTC+8 all year since 1992.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from gridhub.streams.organisation.workdays import FIRST, LAST, Workdays

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MINUTE_MS = 60_000
DAY_MS = 86_400_000
CHINA_MS = 8 * 3_600_000
NATURAL, WORK = "natural", "work"
_EPOCH = date(1970, 1, 1)
_FIRST_DAY, _DAYS = (FIRST - _EPOCH).days, (LAST - FIRST).days + 1

Spans = tuple[tuple[int, int], ...]
"""Times of a day as (begin, end) in ms after midnight in China, in order, not touching."""


class Hours(NamedTuple):
    """Work hours of one clock: on working days, and on days off (none: nobody works then)."""

    workday: Spans
    day_off: Spans = ()


OFFICE = Hours(((30_600_000, 43_200_000), (52_200_000, 63_000_000)))
"""08:30–12:00 and 14:30–17:30 on working days, where the city's files say nothing else."""
ALWAYS = Hours(((0, DAY_MS),), ((0, DAY_MS),))


class _Clock:
    """Work time of one clock, counted from FIRST: `_before[n]` ms of it lie before day n."""

    def __init__(self, hours: Hours, is_workday: Sequence[bool]) -> None:
        kinds = [_Day(hours.day_off), _Day(hours.workday)]
        self._kinds = [kinds[works] for works in is_workday]
        before, total = [0], 0
        for kind in self._kinds:
            total += kind.total
            before.append(total)
        self._before = before

    def worked(self, moment_ms: int) -> int:
        """Work time from FIRST to a moment, in ms."""
        day, inside = divmod(moment_ms + CHINA_MS, DAY_MS)
        number = day - _FIRST_DAY
        if not 0 <= number < _DAYS:
            raise ValueError(f"{moment_ms} ms lies outside the work calendar, which goes from {FIRST} to {LAST}")
        return self._before[number] + self._kinds[number].worked(inside)

    def moment(self, worked_ms: int) -> int:
        """The first moment at which so much work time has passed since FIRST."""
        number = bisect_left(self._before, worked_ms) - 1
        if number >= _DAYS:
            raise ValueError(f"The limit lies beyond the work calendar, which ends on {LAST}")
        inside = self._kinds[number].moment(worked_ms - self._before[number])
        return (number + _FIRST_DAY) * DAY_MS - CHINA_MS + inside


class _Day:
    """The work time within one kind of day."""

    def __init__(self, spans: Spans) -> None:
        self._begins = [begin for begin, _ in spans]
        self._spans = spans
        self._before = [0]
        for begin, end in spans:
            self._before.append(self._before[-1] + end - begin)
        self.total = self._before[-1]

    def worked(self, inside_ms: int) -> int:
        number = bisect_right(self._begins, inside_ms) - 1
        if number < 0:
            return 0
        begin, end = self._spans[number]
        return self._before[number] + min(inside_ms, end) - begin

    def moment(self, worked_ms: int) -> int:
        number = bisect_left(self._before, worked_ms) - 1
        return self._begins[number] + worked_ms - self._before[number]


class Calendar:
    """Working days and the clocks that count on them. Pure: no clock of its own, the same answer always."""

    def __init__(self, workdays: Workdays | None = None, hours: Mapping[str, Hours] | None = None) -> None:
        """`hours` by the clock's name; `work` is OFFICE unless given. `natural` is no work time and cannot be changed."""
        self.workdays = workdays or Workdays()
        self.hours = {WORK: OFFICE, **(hours or {})}
        self._made: dict[str, _Clock] = {}
        for name, its in self.hours.items():
            if name == NATURAL or not any(end > begin for begin, end in its.workday):
                raise ValueError(f"the clock {name} is natural time's name or has no work hours on working days")

    @property
    def clocks(self) -> frozenset[str]:
        """The names that `deadline` and `elapsed` take."""
        return frozenset({NATURAL, *self.hours})

    def deadline(self, start_ms: int, minutes: float, clock: str = NATURAL) -> int:
        """The first moment at which `minutes` of the clock have passed since `start_ms`; the start itself for none.

        A limit that ends with the morning ends then, not when the afternoon begins. KeyError for an unknown clock.
        """
        span_ms = round(minutes * MINUTE_MS)
        if clock == NATURAL or span_ms <= 0:
            return start_ms + (span_ms if clock == NATURAL else 0)
        its = self._clock(clock)
        return its.moment(its.worked(start_ms) + span_ms)

    def elapsed(self, start_ms: int, end_ms: int, clock: str = NATURAL) -> float:
        """Minutes of the clock between two moments, exact to the ms; negative when the end comes first."""
        return self.elapsed_ms(start_ms, end_ms, clock) / MINUTE_MS

    def elapsed_ms(self, start_ms: int, end_ms: int, clock: str = NATURAL) -> int:
        """The same in ms."""
        if clock == NATURAL:
            return end_ms - start_ms
        its = self._clock(clock)
        return its.worked(end_ms) - its.worked(start_ms)

    def is_working(self, at_ms: int, clock: str = WORK) -> bool:
        """Whether the clock counts at this moment."""
        return clock == NATURAL or self.elapsed_ms(at_ms, at_ms + 1, clock) == 1

    def is_workday(self, at_ms: int) -> bool:
        """Whether offices work on the day of this moment, in China; by the weekday alone beyond the calendar."""
        day = (at_ms + CHINA_MS) // DAY_MS
        inside = 0 <= day - _FIRST_DAY < _DAYS
        return self.workdays.table[day - _FIRST_DAY] if inside else (day + 3) % 7 < 5  # 1970 began on a Thursday

    def _clock(self, name: str) -> _Clock:
        if name not in self._made:
            self._made[name] = _Clock(self.hours[name], self.workdays.table)
        return self._made[name]


def day_of(at_ms: int) -> date:
    """The day of a moment, in China."""
    return _EPOCH + timedelta(days=(at_ms + CHINA_MS) // DAY_MS)


def ms_of_day(day: date) -> int:
    """The moment at which a day begins in China."""
    return (day - _EPOCH).days * DAY_MS - CHINA_MS
