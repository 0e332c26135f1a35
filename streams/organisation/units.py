"""A unit of the organisation, and what kind of unit a role's code names."""

from __future__ import annotations

from typing import NamedTuple

from gridhub.streams.organisation.roles import CENTRE, CITY_DIGITS, DEPARTMENT_UNIT, Recipient

KINDS = (
    "grid", "grid_station", "building_group", "grid_branch", "community", "village_council", "village_board", "street",
    "district", "city", "police_post", "department_unit", "volunteer_team", "social_organisation",
    "deliberation_council",
)  # fmt: skip


class Unit(NamedTuple):
    """Who can be asked, in charge or on duty. `id` is the recipient's: `role:code`."""

    id: str
    kind: str  # of KINDS
    name: str
    parent: str | None  # the unit above it; None above the city's grid centre
    area: tuple[str, ...]  # codes of the places that it serves
    capabilities: frozenset[str]
    lon: float | None  # where its people start from, WGS-84; None where nobody has told
    lat: float | None
    clock: str  # the work hours that its own time is counted in
    shifts: tuple[str, ...]  # when it is staffed, where no duty roster says who is there


def kind_of(recipient: Recipient) -> str:
    """The kind of unit that a recipient is: a grid centre is its district or city, a grid member its grid."""
    if recipient.role == "grid_member":
        return "grid"
    if recipient.role == DEPARTMENT_UNIT and recipient.department == CENTRE:
        return "city" if recipient.place[CITY_DIGITS - 2 : CITY_DIGITS] == "00" else "district"
    return recipient.role
