"""Who is on duty at a minute: the roster's turn, who stands in for the absent, and who above when nobody is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gridhub.streams.organisation.calendar import CHINA_MS, DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gridhub.streams.organisation.charter import Charter, DutyLine
    from gridhub.streams.organisation.units import Unit
    from gridhub.streams.rooms.organisation import Organisation

NOBODY, WORK_HOURS = "无人值班", "工作时间"
_MOST_LEVELS = 12


class Duty(NamedTuple):
    """Who answers for a unit at a moment. Without a person the unit itself does: its duty room, whoever sits there."""

    unit: str  # of the one who answers
    person: str | None  # the number of the person
    contact: str | None
    substitute_for: str | None  # the absent person, or the unit that is not staffed now
    shift: str  # its name, in Chinese

    @property
    def who(self) -> str:
        """The person's number, else the unit's id: what a task says."""
        return self.person or self.unit


def on_duty(organisation: Organisation, unit_id: str, at_ms: int) -> Duty:
    """Who answers for this unit at a moment: itself, else the nearest unit above it that is staffed then.

    Where nobody up to the city's grid centre is, that centre is named, with the shift NOBODY.
    """
    unit = last = organisation.unit(unit_id)
    for _ in range(_MOST_LEVELS):
        found = staffed(organisation, unit, at_ms)
        if found is not None:
            away = unit_id if unit.id != unit_id else found.substitute_for
            return found._replace(substitute_for=away)
        last, above = unit, organisation.upper(unit.id)
        if above is None:
            break
        unit = above
    return Duty(last.id, None, None, unit_id if last.id != unit_id else None, NOBODY)


def staffed(organisation: Organisation, unit: Unit, at_ms: int) -> Duty | None:
    """Who of the unit itself is there at a moment; None when nobody is."""
    charter = organisation.charter
    lines = charter.duties.get(unit.id, ())
    found = next(_by_roster(charter, unit, lines, at_ms), None)
    if found is not None:
        return found
    shift = _running(charter, unit, {line.shift for line in lines}, at_ms)
    if shift is None:
        return None
    staff = organisation.staff(unit.id, at_ms)
    if not staff:
        return Duty(unit.id, None, None, None, shift)
    return next(_present(charter, unit, staff, at_ms, shift), None)


def _running(charter: Charter, unit: Unit, rostered: set[str], at_ms: int) -> str | None:
    """The name of the unit's shift that runs and has no roster; a unit without shifts is there in its work hours."""
    if not unit.shifts:
        works = not rostered and charter.calendar.is_working(at_ms, unit.clock)
        return WORK_HOURS if works else None
    shifts = (charter.shifts[name] for name in unit.shifts if name not in rostered)
    return next((shift.name for shift in shifts if shift.began(at_ms, charter.calendar) is not None), None)


def _by_roster(charter: Charter, unit: Unit, lines: Sequence[DutyLine], at_ms: int) -> Iterator[Duty]:
    for line in lines:
        shift = charter.shifts[line.shift]
        day = shift.began(at_ms, charter.calendar)
        if day is not None and line.since <= day and (line.until is None or day <= line.until):
            turn = (day - line.since) // line.turn_days % len(line.persons) if line.turn_days else 0
            yield from _present(charter, unit, line.persons[turn:] + line.persons[:turn], at_ms, shift.name)


def _present(charter: Charter, unit: Unit, persons: Sequence[str], at_ms: int, shift: str) -> Iterator[Duty]:
    """Those of these persons, in order, who are there, or for whom somebody stands in."""
    for person in persons:
        there = stand_in(charter, person, at_ms)
        if there is not None:
            known = charter.persons.get(there)
            contact = known.contact or None if known is not None else None
            yield Duty(unit.id, there, contact, person if there != person else None, shift)


def stand_in(charter: Charter, person: str, at_ms: int) -> str | None:
    """The person, or who stands in at a moment (substitutes of substitutes included); None when nobody is there."""
    seen: set[str] = set()
    while person not in seen:
        seen.add(person)
        absence = next((one for one in charter.absences.get(person, ()) if one.begin_ms <= at_ms < one.end_ms), None)
        if absence is None:
            return person
        known = charter.persons.get(person)
        person = absence.substitute or (known.substitute if known is not None else "")
        if not person:
            return None
    return None


def day_number(at_ms: int) -> int:
    """The number of the day of a moment in China, since 1970."""
    return (at_ms + CHINA_MS) // DAY_MS
