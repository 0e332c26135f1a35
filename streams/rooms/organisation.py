"""The city's own organisation as recipients: which unit of a role serves a place, who stands above it, what to call it.

What there is follows from the catalogue; config/organisation adds to it, where the city has told (streams/organisation).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from gridhub.streams.organisation.calendar import MINUTE_MS
from gridhub.streams.organisation.charter import Charter, Council
from gridhub.streams.organisation.duty import Duty, Minute, on_duty, staffed
from gridhub.streams.organisation.roles import (
    CENTRE,
    CITY_DIGITS,
    COMMUNITY_DIGITS,
    COUNTRY,
    DEPARTMENT_UNIT,
    GRID_DIGITS,
    PLACE_ROLES,
    POLICE,
    ROLES,
    STREET_DIGITS,
    VILLAGE_ENDINGS,
    Recipient,
    Resolved,
    Role,
    parse,
)
from gridhub.streams.organisation.units import Unit, kind_of
from gridhub.streams.organisation.walking import Near, Responders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gridhub.streams.organisation.calendar import Calendar
    from gridhub.streams.rooms.outbound import Places

__all__ = ["CENTRE", "DEPARTMENT_UNIT", "ROLES", "Organisation", "Recipient", "Resolved", "Role", "parse"]

_REMEMBERED = 65_536
_MINUTES = 256


class Organisation:
    """Who serves which place, by the catalogue. The same question is answered once: the answers never change."""

    def __init__(self, places: Places, departments: Mapping[str, str], charter: Charter | None = None) -> None:
        self.places, self.charter = places, charter or Charter()
        self._departments = {self.charter.supervision: "监督中心", **departments}
        self.resolve = lru_cache(maxsize=_REMEMBERED)(self._resolve)
        self.name_of = lru_cache(maxsize=_REMEMBERED)(self._name_of)
        self._unit = lru_cache(maxsize=_REMEMBERED)(self._make_unit)
        self._minute = lru_cache(maxsize=_MINUTES)(lambda minute: Minute(self.charter, minute))
        self._on_duty = lru_cache(maxsize=_REMEMBERED)(lambda unit, minute: on_duty(self, unit, self._minute(minute)))

    @property
    def calendar(self) -> Calendar:
        """Working days, work hours, and limits that count in them."""
        return self.charter.calendar

    def unit(self, unit_id: str) -> Unit:
        """The unit of this id, `role:code`; KeyError for a role that there is not."""
        return self._unit(unit_id)

    def upper(self, unit_id: str) -> Unit | None:
        """The unit that a matter is raised to from this one (督办、上报); None above the city's grid centre."""
        above = self._unit(unit_id).parent
        return None if above is None else self._unit(above)

    def arbiter(self, unit_id: str) -> Unit:
        """The grid centre that decides who has to do what a unit returns: the district's, for that one the city's."""
        unit = parse(unit_id)
        own = Recipient(DEPARTMENT_UNIT, unit.place[:CITY_DIGITS], CENTRE)
        return self._unit((_city(own) if unit == own else own).id)

    def checker(self, unit_id: str) -> Unit:
        """The unit that checks what this one did (核查), never itself: of its role's rule, else the one above.

        What the city's grid centre did itself is checked by the city's supervision centre.
        """
        unit = parse(unit_id)
        role = self.charter.ways(unit).checked_by
        found = self._above_as(role, unit) if role else self.above(unit)
        if found is None or found == unit:
            found = self.above(unit) or Recipient(DEPARTMENT_UNIT, unit.place[:CITY_DIGITS], self.charter.supervision)
        return self._unit(found.id)

    def clock_of(self, unit_id: str) -> str:
        """The clock of the calendar that this unit's own work time is counted by."""
        return self.unit(unit_id).clock

    def staff(self, unit_id: str, at_ms: int) -> Sequence[str]:
        """The numbers of the people that the catalogue has for a unit: a grid's members."""
        unit = parse(unit_id)
        return self.places.staff(unit.place, at_ms) if unit.role == "grid_member" else ()

    def on_duty(self, unit_id: str, at_ms: int) -> Duty:
        """Who answers for this unit at a moment: itself, else the nearest unit above it that is staffed then."""
        return self._on_duty(unit_id, at_ms // MINUTE_MS)

    def is_staffed(self, unit: Unit, at_ms: int) -> bool:
        """Whether somebody of the unit itself is there at a moment."""
        return staffed(self, unit, self._minute(at_ms // MINUTE_MS)) is not None

    def capable(self, what: str, lon: float, lat: float, at_ms: int, minutes: float = 15) -> list[Near]:
        """The units that can do something, are there at a moment and can walk to a point in time, nearest first.

        `what` is a capability, or a category: any of the capabilities that it needs will do; none is needed where the
        city names none. Distances are straight lines times the detour factor of organisation.yaml.
        """
        wanted = {what} if what in self.charter.capabilities else self.charter.needed.get(what, frozenset())
        near = self.responders.near(wanted, lon, lat, minutes)
        return [one for one in near if self.is_staffed(one.unit, at_ms)]

    @cached_property
    def responders(self) -> Responders:
        """Every unit with a capability and a place: those of units.csv, and of each role that is everywhere."""
        return Responders(self.known_units(), self.charter.walking)

    def known_units(self) -> Iterator[Unit]:
        """The units of units.csv, and those of the roles that there are everywhere, by the catalogue."""
        listed = self.charter.units
        yield from map(self.unit, listed)
        everywhere = [name for name, ways in self.charter.roles.items() if ways.everywhere]
        for code in self._codes_below(self.places.root):
            for role in everywhere:
                found = Recipient(role, code)
                if len(code) == ROLES[role].digits and found.id not in listed and self.stands(role, code):
                    yield self._unit(found.id)

    def stands(self, role: str, code: str) -> bool:
        """Whether a place has this role: some are only of the town, others only of the country."""
        village = self.is_village(code[:COMMUNITY_DIGITS])
        return not village if role in COUNTRY else village or role not in COUNTRY.values()

    def _codes_below(self, code: str) -> Iterator[str]:
        for below in self._below(code):
            yield below
            yield from self._codes_below(below)

    def council(self, unit_id: str, category: str) -> Council:
        """Who sits on a deliberation council on such a matter: the three fixed parties and the X (3+X)."""
        village = self.is_village(parse(unit_id).place[:COMMUNITY_DIGITS])
        fixed = self.charter.village_council if village else self.charter.council
        return Council(fixed, self.charter.invited(category))

    def _resolve(self, role: str, department: str, codes: tuple[str, ...], most: int) -> Resolved:
        """Who of this role serves these places: at least one, each once, at most `most`.

        A place wider than the role's own level is served by the unit of that place: a community by its station, a
        street by itself, a district or the city by its streets.
        """
        found: dict[Recipient, None] = {}
        for code in codes:
            found.update(dict.fromkeys(self._serving(role, department, code)))
        return Resolved(tuple(found)[:most], max(0, len(found) - most))

    def _serving(self, role: str, department: str, code: str) -> Sequence[Recipient]:
        if role == DEPARTMENT_UNIT:
            return [Recipient(role, code[:CITY_DIGITS], department)]
        if len(code) >= ROLES[role].digits:
            return [self._localised(role, code)]
        if role == "police_post":
            return [Recipient(DEPARTMENT_UNIT, code[:CITY_DIGITS], POLICE)]
        if len(code) >= COMMUNITY_DIGITS:
            return [self._localised("grid_station", code)]
        if len(code) >= STREET_DIGITS:
            return [Recipient("street", code[:STREET_DIGITS])]
        return self._streets(code)

    def _localised(self, role: str, code: str) -> Recipient:
        """The role at its level; in a village its counterpart of the country (一核三级)."""
        if role in COUNTRY and self.is_village(code[:COMMUNITY_DIGITS]):
            role = COUNTRY[role]
        return Recipient(role, code[: ROLES[role].digits])

    def _streets(self, code: str) -> list[Recipient]:
        """The streets of a district or of the city; its grid centre where the catalogue knows none."""
        below = self._below(code)
        if below and len(below[0]) == CITY_DIGITS:
            below = [street for district in below for street in self._below(district)]
        streets = [Recipient("street", street) for street in below if len(street) == STREET_DIGITS]
        return streets or [Recipient(DEPARTMENT_UNIT, code[:CITY_DIGITS], CENTRE)]

    def _below(self, code: str) -> Sequence[str]:
        return self.places.children(code) if self.places.place(code) is not None else ()

    def is_village(self, community: str) -> bool:
        """Whether this 12-digit place is a village, by its official name."""
        place = self.places.place(community)
        return place is not None and place.name.endswith(VILLAGE_ENDINGS)

    def above(self, recipient: Recipient) -> Recipient | None:
        """Who takes over what this recipient returns; None above the city's grid centre.

        A department's unit returns to the grid centre of its district, which arbitrates (退单仲裁), that one to the
        city's. The parent that units.csv gives goes before.
        """
        line = self.charter.units.get(recipient.id)
        if line is not None and line.parent:
            return parse(line.parent)
        if recipient.role == DEPARTMENT_UNIT:
            return _arbiter(recipient)
        return self._above_as(ROLES[recipient.role].above, recipient)

    def _above_as(self, role: str, below: Recipient) -> Recipient:
        """The unit of a role that stands above another unit, or beside it."""
        if role == DEPARTMENT_UNIT:
            return Recipient(role, below.place[:CITY_DIGITS], POLICE if below.role == "police_post" else CENTRE)
        if role == "community":
            return self._localised(role, below.place)
        return Recipient(role, below.place[: ROLES[role].digits])

    def _make_unit(self, unit_id: str) -> Unit:
        recipient = parse(unit_id)
        line, ways = self.charter.units.get(recipient.id), self.charter.ways(recipient)
        above, place = self.above(recipient), self.places.place(recipient.place)
        own = line.capabilities if line is not None else None
        here = (getattr(place, "lon", None), getattr(place, "lat", None))
        lon, lat = here if line is None or line.lon is None else (line.lon, line.lat)
        return Unit(
            id=recipient.id,
            kind=kind_of(recipient),
            name=self.name_of(recipient),
            parent=None if above is None else above.id,
            area=(line.area if line is not None else ()) or (recipient.place,),
            capabilities=ways.capabilities if own is None else own,
            lon=lon,
            lat=lat,
            clock=(line.clock if line is not None else "") or ways.clock,
            shifts=ways.shifts,
        )

    def _name_of(self, recipient: Recipient) -> str:
        """What a person calls this recipient: the place's name and the role's, or the department's."""
        line = self.charter.units.get(recipient.id)
        if line is not None and line.name:
            return line.name
        where = self._place_name(recipient.place)
        if recipient.department:
            return f"{where} {self._departments.get(recipient.department, recipient.department)}"
        if recipient.role in PLACE_ROLES:
            return where
        return f"{where} {ROLES[recipient.role].name_zh}"

    def _place_name(self, code: str) -> str:
        """The place's name; a grid has only a number, so its community's name leads it."""
        place = self.places.place(code)
        name = place.name if place is not None else code
        return self._place_name(code[:COMMUNITY_DIGITS]) + name if place and len(code) == GRID_DIGITS else name


def _arbiter(unit: Recipient) -> Recipient | None:
    if unit.department != CENTRE:
        return Recipient(DEPARTMENT_UNIT, unit.place, CENTRE)
    city = _city(unit)
    return None if unit.place == city.place else city


def _city(unit: Recipient) -> Recipient:
    return Recipient(DEPARTMENT_UNIT, unit.place[:4] + "00", CENTRE)
