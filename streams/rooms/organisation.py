"""The city's own organisation as recipients: which place a role serves, who stands above it, what to call it.

Roles and levels follow the city's report: street party committee, community, grid branch, building group; 村委会 and
村庄理事会 in the country; stations, police, volunteers, social organisations and 3+X councils beside them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gridhub.streams.rooms.outbound import Places

CITY_DIGITS, STREET_DIGITS, COMMUNITY_DIGITS, GRID_DIGITS = 6, 9, 12, 15
DEPARTMENT_UNIT = "department_unit"
CENTRE = "governance"  # the grid centre (网格化管理中心) of a district and of the city, as a department unit
_POLICE = "public-security"
_REMEMBERED = 65_536


class Role(NamedTuple):
    """One kind of recipient: its name, the digits of the code it carries, and the role above it."""

    name_zh: str
    digits: int
    above: str


ROLES: dict[str, Role] = {
    "grid_member": Role("网格员", GRID_DIGITS, "grid_station"),
    "building_group": Role("楼栋党小组", GRID_DIGITS, "grid_station"),
    "grid_branch": Role("网格党支部", GRID_DIGITS, "grid_station"),
    "village_board": Role("村庄理事会", GRID_DIGITS, "village_council"),
    "grid_station": Role("网格站", COMMUNITY_DIGITS, "community"),
    "community": Role("社区", COMMUNITY_DIGITS, "street"),
    "village_council": Role("村委会", COMMUNITY_DIGITS, "street"),
    "police_post": Role("社区民警", COMMUNITY_DIGITS, DEPARTMENT_UNIT),
    "volunteer_team": Role("志愿服务队", COMMUNITY_DIGITS, "street"),
    "social_organisation": Role("社会组织", COMMUNITY_DIGITS, "street"),
    "deliberation_council": Role("协商议事会", COMMUNITY_DIGITS, "street"),
    "street": Role("街道", STREET_DIGITS, DEPARTMENT_UNIT),
    DEPARTMENT_UNIT: Role("部门单位", CITY_DIGITS, DEPARTMENT_UNIT),
}

_COUNTRY = {"community": "village_council", "building_group": "village_board", "grid_branch": "village_board"}
_VILLAGE_ENDINGS = ("村委会", "村民委员会", "村", "生产队")


class Recipient(NamedTuple):
    """Who gets a task; `department` only for department units."""

    role: str
    code: str  # of the place that it serves
    department: str = ""

    @property
    def key(self) -> str:
        """The code as task ids and recipient ids carry it: `<department>-<district>` for a department's unit."""
        return f"{self.department}-{self.code}" if self.department else self.code

    @property
    def id(self) -> str:
        """`role:code`."""
        return f"{self.role}:{self.key}"


class Resolved(NamedTuple):
    """Recipients of one rule; `left_out` counts those beyond the most that one rule may reach."""

    recipients: tuple[Recipient, ...]
    left_out: int


class Organisation:
    """Who serves which place, by the catalogue. The same question is answered once: the answers never change."""

    def __init__(self, places: Places, departments: Mapping[str, str]) -> None:
        self._places, self._departments = places, departments
        self.resolve = lru_cache(maxsize=_REMEMBERED)(self._resolve)
        self.name_of = lru_cache(maxsize=_REMEMBERED)(self._name_of)

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
            return [Recipient(DEPARTMENT_UNIT, code[:CITY_DIGITS], _POLICE)]
        if len(code) >= COMMUNITY_DIGITS:
            return [self._localised("grid_station", code)]
        if len(code) >= STREET_DIGITS:
            return [Recipient("street", code[:STREET_DIGITS])]
        return self._streets(code)

    def _localised(self, role: str, code: str) -> Recipient:
        """The role at its level; in a village its counterpart of the country (一核三级)."""
        if role in _COUNTRY and self.is_village(code[:COMMUNITY_DIGITS]):
            role = _COUNTRY[role]
        return Recipient(role, code[: ROLES[role].digits])

    def _streets(self, code: str) -> list[Recipient]:
        """The streets of a district or of the city; its grid centre where the catalogue knows none."""
        below = self._below(code)
        if below and len(below[0]) == CITY_DIGITS:
            below = [street for district in below for street in self._below(district)]
        streets = [Recipient("street", street) for street in below if len(street) == STREET_DIGITS]
        return streets or [Recipient(DEPARTMENT_UNIT, code[:CITY_DIGITS], CENTRE)]

    def _below(self, code: str) -> Sequence[str]:
        return self._places.children(code) if self._places.place(code) is not None else ()

    def is_village(self, community: str) -> bool:
        """Whether this 12-digit place is a village, by its official name."""
        place = self._places.place(community)
        return place is not None and place.name.endswith(_VILLAGE_ENDINGS)

    def above(self, recipient: Recipient) -> Recipient | None:
        """Who takes over what this recipient returns; None above the city's grid centre.

        A department's unit returns to the grid centre of its district, which arbitrates (退单仲裁), that one to the
        city's.
        """
        if recipient.role == DEPARTMENT_UNIT:
            return _arbiter(recipient)
        role = ROLES[recipient.role].above
        if role == DEPARTMENT_UNIT:
            department = _POLICE if recipient.role == "police_post" else CENTRE
            return Recipient(DEPARTMENT_UNIT, recipient.code[:CITY_DIGITS], department)
        if role == "community":
            return self._localised(role, recipient.code)
        return Recipient(role, recipient.code[: ROLES[role].digits])

    def _name_of(self, recipient: Recipient) -> str:
        """What a person calls this recipient: the place's name and the role's, or the department's."""
        where = self._place_name(recipient.code)
        if recipient.department:
            return f"{where} {self._departments.get(recipient.department, recipient.department)}"
        if recipient.role in {"street", "community", "village_council"}:
            return where
        return f"{where} {ROLES[recipient.role].name_zh}"

    def _place_name(self, code: str) -> str:
        """The place's name; a grid has only a number, so its community's name leads it."""
        place = self._places.place(code)
        name = place.name if place is not None else code
        return self._place_name(code[:COMMUNITY_DIGITS]) + name if place and len(code) == GRID_DIGITS else name


def _arbiter(unit: Recipient) -> Recipient | None:
    if unit.department != CENTRE:
        return Recipient(DEPARTMENT_UNIT, unit.code, CENTRE)
    city = unit.code[:4] + "00"
    return None if unit.code == city else Recipient(DEPARTMENT_UNIT, city, CENTRE)


def parse(recipient: str) -> Recipient:
    """A recipient from its id, `role:code` or `department_unit:<department>-<code>`."""
    role, _, key = recipient.partition(":")
    department, _, code = key.rpartition("-")
    return Recipient(role, code, department)
