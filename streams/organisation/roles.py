"""The roles of the city's organisation: the digits of the code that each carries, and who stands above it.

Roles and levels follow the city's report: street party committee, community, grid branch, building group; 村委会 and
村庄理事会 in the country; stations, police, volunteers, social organisations and 3+X councils beside them.
"""

from __future__ import annotations

from typing import NamedTuple

CITY_DIGITS, STREET_DIGITS, COMMUNITY_DIGITS, GRID_DIGITS = 6, 9, 12, 15
DEPARTMENT_UNIT = "department_unit"
CENTRE = "governance"  # the grid centre (网格化管理中心) of a district and of the city, as a department unit
POLICE = "public-security"


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
PLACE_ROLES = frozenset({"street", "community", "village_council"})
"""Roles that are called by their place's name alone."""

COUNTRY = {"community": "village_council", "building_group": "village_board", "grid_branch": "village_board"}
"""What these roles are in a village (一核三级)."""
VILLAGE_ENDINGS = ("村委会", "村民委员会", "村", "生产队")


class Recipient(NamedTuple):
    """Who gets a task; `department` only for department units.

    The code is that of the place that it serves; where several units of a role serve one place, those after the first
    have `.2`, `.3` … behind it.
    """

    role: str
    code: str
    department: str = ""

    @property
    def key(self) -> str:
        """The code as task ids and recipient ids carry it: `<department>-<district>` for a department's unit."""
        return f"{self.department}-{self.code}" if self.department else self.code

    @property
    def id(self) -> str:
        """`role:code`."""
        return f"{self.role}:{self.key}"

    @property
    def place(self) -> str:
        """The code of the place alone."""
        return self.code.partition(".")[0]


class Resolved(NamedTuple):
    """Recipients of one rule; `left_out` counts those beyond the most that one rule may reach."""

    recipients: tuple[Recipient, ...]
    left_out: int


def parse(recipient: str) -> Recipient:
    """A recipient from its id, `role:code` or `department_unit:<department>-<code>`."""
    role, _, key = recipient.partition(":")
    department, _, code = key.rpartition("-")
    return Recipient(role, code, department)


def problem_of(unit: str) -> str | None:
    """What is wrong with a unit's id, or None."""
    found = parse(unit)
    role = ROLES.get(found.role)
    if role is None:
        return f"there is no role {found.role!r}; there are {', '.join(ROLES)}"
    if not (found.place.isascii() and found.place.isdigit() and len(found.place) == role.digits):
        return f"a {found.role} carries a code of {role.digits} digits"
    if (found.role == DEPARTMENT_UNIT) != bool(found.department):
        return f"a department's unit is written {DEPARTMENT_UNIT}:<department>-<district>, others have no department"
    _, dot, number = found.code.partition(".")
    if dot and not (number.isascii() and number.isdigit() and number[0] != "0"):
        return "several units of a place are numbered .2, .3 and so on"
    return None
