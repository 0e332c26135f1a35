"""Which days people work: China's holidays and swap days (调休) year by year, and what the city adds to them.

The State Council publishes each year's days late in the year before. The library `chinesecalendar` holds those that it
knows; config/organisation/workdays.csv corrects it and adds years. What neither knows goes by the day of the week.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from chinese_calendar import Holiday, holidays, workdays

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST, LAST = date(1992, 1, 1), date(2099, 12, 31)
"""China's clocks have stood at UTC+8 all year since 1992."""
STATUTORY_DAYS = 11
"""Days off that each year's notice has at least (全国年节及纪念日放假办法; 13 since 2025)."""
_SATURDAY = 5
_LIBRARY_YEARS = frozenset(day.year for day in holidays)


@dataclass(frozen=True)
class Workdays:
    """Working days from FIRST to LAST. `given` are days as workdays.csv has them: True is a working day."""

    given: Mapping[date, bool] = field(default_factory=dict)
    names: Mapping[date, str] = field(default_factory=dict)  # what workdays.csv calls them

    def is_workday(self, day: date) -> bool:
        """Whether offices work on this day."""
        if day in self.given:
            return self.given[day]
        return day not in holidays and (day in workdays or day.weekday() < _SATURDAY)

    def is_known(self, year: int) -> bool:
        """Whether somebody has told this year's days off: the library, or at least STATUTORY_DAYS lines of the file."""
        return year in self._known_years

    @cached_property
    def _known_years(self) -> frozenset[int]:
        off = [day.year for day, works in self.given.items() if not works]
        return _LIBRARY_YEARS | {year for year in off if off.count(year) >= STATUTORY_DAYS}

    @cached_property
    def table(self) -> tuple[bool, ...]:
        """`is_workday` of each day from FIRST to LAST, in order."""
        return tuple(self.is_workday(FIRST + timedelta(days=number)) for number in range((LAST - FIRST).days + 1))

    def unknown_years(self, begin: date, end: date) -> list[int]:
        """The years from `begin` to `end` whose holidays nobody has told; they go by the day of the week."""
        return [year for year in range(begin.year, end.year + 1) if not self.is_known(year)]

    def known_until(self, day: date) -> date:
        """The last day of the run of known years that `day` lies in; the day before it when its own is not known."""
        if not self.is_known(day.year):
            return day - timedelta(days=1)
        year = next(year for year in range(day.year, LAST.year + 2) if not self.is_known(year + 1))
        return date(year, 12, 31)

    def name(self, day: date) -> str:
        """What kind of day it is, for a person: the holiday's name, 调休上班, 工作日 or 周末."""
        if self.names.get(day):
            return self.names[day]
        weekday = day.weekday() < _SATURDAY
        if self.is_workday(day):
            return "工作日" if weekday else "调休上班"
        if day in holidays and day not in self.given:
            return str(Holiday(holidays[day]).chinese)
        return "放假" if weekday else "周末"
