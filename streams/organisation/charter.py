"""What the city's files say about its organisation, as data: read once, checked, never changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from gridhub.streams.organisation.calendar import WORK, Calendar
from gridhub.streams.organisation.roles import DEPARTMENT_UNIT, Recipient
from gridhub.streams.organisation.shifts import Shift

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ways(NamedTuple):
    """What all units of a role, or of a department, have in common."""

    clock: str = WORK
    shifts: tuple[str, ...] = ()
    capabilities: frozenset[str] = frozenset()
    checked_by: str = ""  # role of the unit that checks the work of these; empty: the unit above
    everywhere: bool = False  # there is one of them in each place of its level, listed in units.csv or not


class Capability(NamedTuple):
    """What a unit can do, and the categories that need it."""

    name_zh: str
    categories: frozenset[str]


class Walking(NamedTuple):
    """How far a walk leads: ways in a town are longer than the straight line by the factor `detour`."""

    speed_kmh: float = 4.5
    detour: float = 1.3

    def metres(self, minutes: float) -> float:
        """How far, in a straight line, a walk of so many minutes leads."""
        return self.speed_kmh * 1000 / 60 * minutes / self.detour


class UnitLine(NamedTuple):
    """A line of units.csv; empty fields are as the role and the catalogue have it."""

    recipient: Recipient
    name: str
    parent: str
    area: tuple[str, ...]
    capabilities: frozenset[str] | None
    lon: float | None
    lat: float | None
    clock: str
    line: int = 0  # in the file


class DutyLine(NamedTuple):
    """A line of duty.csv: who takes the turns of a shift. Days are numbers since 1970; `until` is the last one."""

    shift: str
    persons: tuple[str, ...]
    turn_days: int  # 1 the next one each day, 7 each week, 0 the first one always
    since: int
    until: int | None


class Person(NamedTuple):
    """A line of persons.csv. The hub needs the number alone; names and contacts are shown on demand only."""

    number: str
    unit: str
    name: str
    contact: str
    substitute: str


class Absence(NamedTuple):
    """A line of absences.csv, from `begin_ms` to before `end_ms`."""

    person: str
    begin_ms: int
    end_ms: int
    substitute: str  # of this absence; empty: the person's own


class Council(NamedTuple):
    """3+X: three fixed parties, and those whom the matter concerns."""

    fixed: tuple[str, ...]
    invited: tuple[str, ...]


class Invitation(NamedTuple):
    """Who the X of a council are, for these categories."""

    categories: frozenset[str]
    invited: tuple[str, ...]


_PLAIN = Ways()


@lru_cache(maxsize=1)
def plain_calendar() -> Calendar:
    """The calendar of a city that has told nothing: offices' hours and the library's holidays."""
    return Calendar()


@dataclass(frozen=True)
class Charter:
    """The organisation's files. `Charter()` is a city that has told nothing: offices' hours, no rosters."""

    version: str = "plain"
    file_version: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # as they were read, to be read with others
    calendar: Calendar = field(default_factory=plain_calendar)
    walking: Walking = field(default_factory=Walking)
    roles: Mapping[str, Ways] = field(default_factory=dict)
    departments: Mapping[str, Ways] = field(default_factory=dict)
    shifts: Mapping[str, Shift] = field(default_factory=dict)
    capabilities: Mapping[str, Capability] = field(default_factory=dict)
    units: Mapping[str, UnitLine] = field(default_factory=dict)
    duties: Mapping[str, tuple[DutyLine, ...]] = field(default_factory=dict)
    persons: Mapping[str, Person] = field(default_factory=dict)
    absences: Mapping[str, tuple[Absence, ...]] = field(default_factory=dict)
    council: tuple[str, ...] = ("社区党组织", "居委会", "居务监督委员会")
    village_council: tuple[str, ...] = ("村党组织", "村委会", "村务监督委员会")
    invitations: tuple[Invitation, ...] = ()
    supervision: str = "supervision"  # the department that checks what the city's grid centre does itself

    def ways(self, recipient: Recipient) -> Ways:
        """What the unit has in common with its like: a department's units by department, others by role."""
        if recipient.role == DEPARTMENT_UNIT:
            return self.departments.get(recipient.department, _PLAIN)
        return self.roles.get(recipient.role, _PLAIN)

    def invited(self, category: str) -> tuple[str, ...]:
        """The X of a council on this matter, in the order of the file; each once."""
        found = [name for line in self.invitations if category in line.categories for name in line.invited]
        return tuple(dict.fromkeys(found))

    @cached_property
    def needed(self) -> Mapping[str, frozenset[str]]:
        """The capabilities that a category needs, any of them."""
        found: dict[str, set[str]] = {}
        for name, capability in self.capabilities.items():
            for category in capability.categories:
                found.setdefault(category, set()).add(name)
        return {category: frozenset(names) for category, names in found.items()}
