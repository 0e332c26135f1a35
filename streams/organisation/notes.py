"""What is not wrong with the organisation's files but should be known: said at the start and by `organisation check`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gridhub.streams.organisation.calendar import day_of, ms_of_day
from gridhub.streams.organisation.duty import stand_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridhub.streams.organisation.charter import Charter

_NOTICE_MONTH = 11
"""The State Council publishes the next year's days late in the year: from November on the next one is missed."""


def notes(charter: Charter, now_ms: int) -> Iterator[str]:
    """A sentence each: years whose holidays nobody knows, capabilities that nobody has, absences that nobody covers."""
    today = day_of(now_ms)
    last = today.replace(month=12, day=31, year=today.year + (today.month >= _NOTICE_MONTH))
    for year in charter.calendar.workdays.unknown_years(today, last):
        yield (
            f"Nobody has told the holidays and swap days of {year}: its limits go by the day of the week. "
            f"Add that year's days off and swap days to organisation/workdays.csv (国务院办公厅 {year} 年放假安排)."
        )
    able = {name for ways in (*charter.roles.values(), *charter.departments.values()) for name in ways.capabilities}
    able |= {name for unit in charter.units.values() for name in unit.capabilities or ()}
    for name in charter.capabilities:
        if name not in able:
            yield f"No unit has the capability {name}; give it to a role, a department or a unit."
    for person, absences in charter.absences.items():
        for absence in absences:
            begin = max(absence.begin_ms, now_ms)
            if begin < absence.end_ms and stand_in(charter, person, begin) is None:
                yield f"Nobody stands in for {masked(person)} from {day_of(begin)} on; the next in turn or the unit above does."


def known_until_ms(charter: Charter, now_ms: int) -> int:
    """The moment up to which holidays and swap days are known without a gap; in the past when this year's are not."""
    return ms_of_day(charter.calendar.workdays.known_until(day_of(now_ms)) + timedelta(days=1))


def masked(text: str | None) -> str | None:
    """A person's number, name or contact as listings show it unless asked otherwise: the first sign, no more."""
    return f"{text[0]}***" if text else text
