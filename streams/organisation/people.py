"""persons.csv, duty.csv and absences.csv: who there is, whose turn it is, who is away and who stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.streams.organisation.calendar import ms_of_day
from gridhub.streams.organisation.charter import Absence, DutyLine, Person
from gridhub.streams.organisation.duty import day_number
from gridhub.streams.organisation.places import unit_problem
from gridhub.streams.organisation.tables import Line, Problems, Read, lines_of, read_day, read_moment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from gridhub.streams.rooms.outbound import Places

TURNS = {"none": 0, "day": 1, "week": 7}
_PAIR = 2


def persons_of(files: Read, places: Places, problems: Problems) -> dict[str, Person]:
    """The persons by number. Two may stand in for each other (AB角); a longer ring of substitutes is a problem."""
    found: dict[str, Person] = {}
    where: dict[str, Line] = {}
    for line in lines_of(files, "persons.csv", problems):
        name = line["person"]
        if not name or " " in name or name in found:
            problems.add(line.name, line.number, f"the person {name!r} has no number of its own, or one with spaces")
            continue
        if (wrong := unit_problem(line["unit"], places)) is not None:
            problems.add(line.name, line.number, f"the unit {line['unit']!r}: {wrong}")
        found[name] = Person(name, line["unit"], line["name"], line["contact"], line["substitute"])
        where[name] = line
    for name, sentence in _wrong_substitutes(found):
        problems.add("persons.csv", where[name].number, sentence)
    return found


def _wrong_substitutes(persons: Mapping[str, Person]) -> Iterator[tuple[str, str]]:
    for name, person in persons.items():
        if person.substitute and person.substitute not in persons:
            yield name, f"the substitute {person.substitute} has no line; add one, or name another"
        ring = _ring(persons, name)
        if len(ring) == 1:
            yield name, f"{name} stands in for itself; name another substitute"
        elif len(ring) > _PAIR and name == min(ring):
            chain = " → ".join([*ring, name])
            yield name, f"the substitutes go in a circle, {chain}; let one of them have none, or one outside it"


def _ring(persons: Mapping[str, Person], start: str) -> list[str]:
    """The persons from `start` back to it along the substitutes; empty when they do not lead back."""
    ring, name = [start], persons[start].substitute
    while name in persons and name not in ring:
        ring.append(name)
        name = persons[name].substitute
    return ring if name == start else []


def duties_of(
    files: Read, places: Places, persons: Mapping[str, Person], shifts: Collection[str], problems: Problems
) -> dict[str, tuple[DutyLine, ...]]:
    """The rosters by unit, in the order of the file."""
    found: dict[str, list[DutyLine]] = {}
    for line in lines_of(files, "duty.csv", problems):
        wrong = list(_wrong_duty(line, places, persons, shifts))
        for sentence in wrong:
            problems.add(line.name, line.number, sentence)
        if not wrong:
            since, until = _day(line["since"]), _day(line["until"])
            turns = DutyLine(line["shift"], line.words("persons"), TURNS[line["turn"]], since or 0, until)
            found.setdefault(line["unit"], []).append(turns)
    return {unit: tuple(lines) for unit, lines in found.items()}


def _wrong_duty(line: Line, places: Places, persons: Mapping[str, Person], shifts: Collection[str]) -> Iterator[str]:
    if (wrong := unit_problem(line["unit"], places)) is not None:
        yield f"the unit {line['unit']!r}: {wrong}"
    if line["shift"] not in shifts:
        yield f"there is no shift {line['shift']!r} in organisation.yaml; write one of {', '.join(sorted(shifts))}"
    if not line.words("persons"):
        yield "nobody takes the turns; write persons' numbers, separated by spaces"
    for name in line.words("persons"):
        if name not in persons:
            yield f"there is no person {name} in persons.csv; add the line"
    if line["turn"] not in TURNS:
        yield f"the turn {line['turn']!r} is none of {', '.join(TURNS)}"
    days = read_day(line["since"]), read_day(line["until"])
    if days[0] is None or (line["until"] and days[1] is None):
        yield "since wants a day as 2026-01-01, until such a day or nothing"
    elif days[1] is not None and days[1] < days[0]:
        yield "until lies before since"


def _day(text: str) -> int | None:
    day = read_day(text)
    return None if day is None else day_number(ms_of_day(day))


def absences_of(files: Read, persons: Mapping[str, Person], problems: Problems) -> dict[str, tuple[Absence, ...]]:
    """The absences by person. People who are away together and stand in for one another in a ring are a problem."""
    found: dict[str, list[tuple[Absence, Line]]] = {}
    for line in lines_of(files, "absences.csv", problems):
        begin, end = read_moment(line["begin"], end=False), read_moment(line["end"], end=True)
        unknown = [name for name in (line["person"], line["substitute"]) if name and name not in persons]
        if not line["person"] or unknown:
            problems.add(
                line.name, line.number, f"there is no person {' and '.join(unknown)!r} in persons.csv; add the line"
            )
        elif begin is None or end is None:
            problems.add(
                line.name, line.number, "begin and end want days or moments in China, as 2026-02-16 or 2026-02-16T08:30"
            )
        elif end <= begin:
            problems.add(line.name, line.number, "it ends before it begins")
        else:
            absence = Absence(line["person"], begin, end, line["substitute"])
            found.setdefault(absence.person, []).append((absence, line))
    _check_rings(found, persons, problems)
    return {person: tuple(absence for absence, _ in lines) for person, lines in found.items()}


def _check_rings(
    absences: Mapping[str, list[tuple[Absence, Line]]], persons: Mapping[str, Person], problems: Problems
) -> None:
    for person, lines in absences.items():
        for absence, line in lines:
            ring = _away_ring({name: [one for one, _ in own] for name, own in absences.items()}, persons, absence)
            if ring and person == min(ring):
                chain = " → ".join([*ring, person])
                sentence = f"{chain} are away at the same time and stand in for one another; name somebody who is there"
                problems.add(line.name, line.number, sentence)


def _away_ring(absences: Mapping[str, list[Absence]], persons: Mapping[str, Person], start: Absence) -> list[str]:
    """The persons, from that of `start` back to it, who are all away at one moment of this absence; else none."""
    ways = [([start.person], start, start.begin_ms, start.end_ms)]
    while ways:
        ring, absence, begin, end = ways.pop()
        name = absence.substitute or persons[absence.person].substitute
        if name == start.person:
            return ring
        for other in absences.get(name, ()) if name not in ring else ():
            first, last = max(begin, other.begin_ms), min(end, other.end_ms)
            if first < last:
                ways.append(([*ring, name], other, first, last))
    return []
