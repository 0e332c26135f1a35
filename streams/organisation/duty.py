"""Who is on duty at a minute: the roster's turn, who stands in for the absent, and who above when nobody is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gridhub.streams.organisation.calendar import CHINA_MS, DAY_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gridhub.streams.organisation.charter import Charter, DutyLine
    from gridhub.streams.organisation.units import Unit
    from gridhub.streams.rooms.organisation import Organisation

NOBODY, WORK_HOURS = "无人值班", "工作时间"


class Duty(NamedTuple):
    """Who answers for a unit at a moment. Without a person the unit itself does: its duty room, whoever sits there."""

    unit: str  # of the one who answers
    person: str | None  # the number of the person
    contact: str | None
    substitute_for: str | None  # the absent person, or the unit that is not staffed now
    shift: str  # its name, in Chinese

    @property
    def who(self) -> str | None:
        """The person's number, else the unit's id: what a task says; None when nobody is there up to the city."""
        return None if self.shift == NOBODY else self.person or self.unit


class Minute:
    """The shifts and clocks that run in one minute, each worked out once: rosters change on the minute."""

    def __init__(self, charter: Charter, minute: int) -> None:
        """`minute` counts from 1970."""
        self.at_ms = minute * MINUTE_MS
        self._charter = charter
        self._began: dict[str, int | None] = {}
        self._works: dict[str, bool] = {}

    def began(self, shift: str) -> int | None:
        """The number of the day on which the shift that runs now began; None when it does not run."""
        if shift not in self._began:
            self._began[shift] = self._charter.shifts[shift].began(self.at_ms, self._charter.calendar)
        return self._began[shift]

    def works(self, clock: str) -> bool:
        """Whether the clock counts now."""
        if clock not in self._works:
            self._works[clock] = self._charter.calendar.is_working(self.at_ms, clock)
        return self._works[clock]


def on_duty(organisation: Organisation, unit_id: str, minute: Minute) -> Duty:
    """Who answers for this unit in a minute: itself, else whoever answers for the unit above it, as its stand-in.

    Where nobody up to the city's grid centre is there, that centre is named, with the shift NOBODY.
    """
    found = staffed(organisation, organisation.unit(unit_id), minute)
    if found is not None:
        return found
    above = organisation.upper(unit_id)
    if above is None:
        return Duty(unit_id, None, None, None, NOBODY)
    return organisation.on_duty(above.id, minute.at_ms)._replace(substitute_for=unit_id)


def staffed(organisation: Organisation, unit: Unit, minute: Minute) -> Duty | None:
    """Who of the unit itself is there in a minute; None when nobody is."""
    charter = organisation.charter
    lines = charter.duties.get(unit.id, ())
    found = next(_by_roster(charter, unit, lines, minute), None) if lines else None
    if found is not None:
        return found
    shift = _running(charter, unit, {line.shift for line in lines}, minute)
    if shift is None:
        return None
    staff = organisation.staff(unit.id, minute.at_ms)
    if not staff:
        return Duty(unit.id, None, None, None, shift)
    return next(_present(charter, unit, staff, minute, shift), None)


def _running(charter: Charter, unit: Unit, rostered: set[str], minute: Minute) -> str | None:
    """The name of the unit's shift that runs and has no roster; a unit without shifts is there in its work hours."""
    if not unit.shifts:
        return WORK_HOURS if not rostered and minute.works(unit.clock) else None
    running = (name for name in unit.shifts if name not in rostered and minute.began(name) is not None)
    return next((charter.shifts[name].name for name in running), None)


def _by_roster(charter: Charter, unit: Unit, lines: Sequence[DutyLine], minute: Minute) -> Iterator[Duty]:
    for line in lines:
        day = minute.began(line.shift)
        if day is not None and line.since <= day and (line.until is None or day <= line.until):
            turn = (day - line.since) // line.turn_days % len(line.persons) if line.turn_days else 0
            order = line.persons[turn:] + line.persons[:turn]
            yield from _present(charter, unit, order, minute, charter.shifts[line.shift].name)


def _present(charter: Charter, unit: Unit, persons: Sequence[str], minute: Minute, shift: str) -> Iterator[Duty]:
    """Those of these persons, in order, who are there, or for whom somebody stands in."""
    for person in persons:
        there = stand_in(charter, person, minute.at_ms)
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
