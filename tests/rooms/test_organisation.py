"""Units, who stands above and beside them, who is on duty, who can walk there in time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import pytest

from gridhub.streams.categories import Categories
from gridhub.streams.organisation.charter import Charter
from gridhub.streams.organisation.load import Around, parse_charter
from gridhub.streams.organisation.roles import ROLES, parse, problem_of
from gridhub.streams.organisation.units import KINDS
from gridhub.streams.rooms.organisation import Organisation

CHINA = timezone(timedelta(hours=8))
GRID, COMMUNITY, STREET = "420202005001001", "420202005001", "420202005"
MEMBER, STATION, CENTRE = f"grid_member:{GRID}", f"grid_station:{COMMUNITY}", "department_unit:governance-420202"
CITY_CENTRE, SUPERVISION = "department_unit:governance-420200", "department_unit:supervision-420200"
TEAM = f"volunteer_team:{COMMUNITY}"
LON, LAT = 115.02, 30.25
METRE_NORTH = 1 / 111_195

ORGANISATION = b"""
version: "1"
walking: {speed_kmh: 4.5, detour: 1.3}
clocks:
  grid: {name: g, workday: ["08:00-20:00"], day_off: ["08:00-20:00"]}
shifts:
  day: {name: \xe6\x97\xa5\xe7\x8f\xad, workday: ["08:00-20:00"], day_off: ["08:00-20:00"]}
  office: {name: office, workday: ["08:30-17:30"]}
  night: {name: \xe5\xa4\x9c\xe7\x8f\xad, workday: ["17:30-08:30"], day_off: ["08:30-08:30"]}
  always: {name: always, workday: ["00:00-24:00"], day_off: ["00:00-24:00"]}
capabilities:
  put-out: {name: p, categories: [fire]}
  save: {name: s, categories: [drowning, fire]}
roles:
  grid_member: {clock: grid, shifts: [day], capabilities: [save], everywhere: true}
  grid_station: {clock: grid, shifts: [day], capabilities: [save], everywhere: true}
  village_council: {clock: work, shifts: [office], capabilities: [save], everywhere: true}
  community: {clock: work, shifts: [office]}
  street: {clock: work, shifts: [office, night]}
  volunteer_team: {clock: grid, shifts: [day], capabilities: [save], checked_by: community}
departments:
  fire: {clock: natural, shifts: [always], capabilities: [put-out]}
council:
  community: [a, b, c]
  village: [d, e, f]
  by_matter:
    - {categories: [noise, dispute], invited: [owners, police]}
    - {matter_groups: [noise], invited: [owners, factory]}
supervision: supervision
"""
UNITS = (
    "id,name,parent,area,capabilities,lon,lat,clock,note\n"
    f"{TEAM},Team,,,,{LON},{LAT + 400 * METRE_NORTH:.7f},,\n"
    f"{TEAM}.2,Second,street:{STREET},,none,{LON},{LAT},,\n"
    f"department_unit:fire-420202.2,Station,department_unit:fire-420202,{STREET},,{LON},{LAT + 864 * METRE_NORTH:.7f},,\n"
    f"department_unit:fire-420202.3,Far,department_unit:fire-420202,{STREET},,{LON},{LAT + 867 * METRE_NORTH:.7f},,\n"
)
PERSONS = (
    "person,unit,name,contact,substitute\n"
    f"A,street:{STREET},,a@x.invalid,B\nB,street:{STREET},,,C\nC,street:{STREET},,,\n"
    f"M1,{MEMBER},,,A\n"
)
DUTY = f"unit,shift,persons,turn,since,until\nstreet:{STREET},night,A B C,day,2026-09-28,2026-12-31\n"


class Spot(NamedTuple):
    name: str
    lon: float | None = None
    lat: float | None = None


class SmallTown:
    """A city of one street with a community of one grid and a village; some with a place."""

    root = "420200"
    spots = {  # noqa: RUF012  # never changed
        "420200": Spot("黄石市"),
        "420202": Spot("黄石港区"),
        STREET: Spot("沈家营街道", LON, LAT),
        COMMUNITY: Spot("桂花湾社区", LON, LAT),
        "420202005201": Spot("胜利村委会", LON, LAT + 0.5),
        GRID: Spot("第001网格", LON, LAT),
        "420202005201001": Spot("第001网格", LON, LAT + 0.5),
    }

    def place(self, code):
        return self.spots.get(code)

    def children(self, code):
        lead = "4202" if code == self.root else code
        digits = {6: 9, 9: 12, 12: 15}.get(len(code), 99) if code != self.root else 6
        return tuple(sorted(c for c in self.spots if c.startswith(lead) and len(c) == digits and c != code))

    def staff(self, grid, at_ms):
        return ("M1",) if grid == GRID else ()


CATEGORIES = Categories.load()
DEPARTMENTS = {"fire": "消防", "public-security": "公安分局", "governance": "网格化管理中心"}
FILES = {
    "organisation.yaml": ORGANISATION, "units.csv": UNITS.encode(), "persons.csv": PERSONS.encode(),
    "duty.csv": DUTY.encode(),
}  # fmt: skip


def chart(**files: str) -> Organisation:
    """The small town's organisation with these files replaced; `units_csv` is units.csv."""
    replaced = {name.replace("_csv", ".csv"): content.encode() for name, content in files.items()}
    charter = parse_charter({**FILES, **replaced}, Around(CATEGORIES, SmallTown(), DEPARTMENTS))
    return Organisation(SmallTown(), DEPARTMENTS, charter)


@pytest.fixture(scope="module")
def town():
    """The small town's organisation."""
    return chart()


def ms(text: str) -> int:
    """A moment in China."""
    return int(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)


@pytest.mark.parametrize(
    ("unit", "kind", "upper", "arbiter", "checker"),
    [
        (MEMBER, "grid", STATION, CENTRE, STATION),
        (f"building_group:{GRID}", "building_group", STATION, CENTRE, STATION),
        (f"grid_branch:{GRID}", "grid_branch", STATION, CENTRE, STATION),
        (STATION, "grid_station", f"community:{COMMUNITY}", CENTRE, f"community:{COMMUNITY}"),
        (f"community:{COMMUNITY}", "community", f"street:{STREET}", CENTRE, f"street:{STREET}"),
        ("grid_station:420202005201", "grid_station", "village_council:420202005201", CENTRE, "village_council:420202005201"),
        ("village_board:420202005201001", "village_board", "village_council:420202005201", CENTRE, "village_council:420202005201"),
        ("village_council:420202005201", "village_council", f"street:{STREET}", CENTRE, f"street:{STREET}"),
        (f"police_post:{COMMUNITY}", "police_post", "department_unit:public-security-420202", CENTRE, "department_unit:public-security-420202"),
        (TEAM, "volunteer_team", f"street:{STREET}", CENTRE, f"community:{COMMUNITY}"),
        (f"social_organisation:{COMMUNITY}", "social_organisation", f"street:{STREET}", CENTRE, f"street:{STREET}"),
        (f"deliberation_council:{COMMUNITY}", "deliberation_council", f"street:{STREET}", CENTRE, f"street:{STREET}"),
        (f"street:{STREET}", "street", CENTRE, CENTRE, CENTRE),
        ("department_unit:fire-420202.2", "department_unit", "department_unit:fire-420202", CENTRE, "department_unit:fire-420202"),
        ("department_unit:fire-420202", "department_unit", CENTRE, CENTRE, CENTRE),
        (CENTRE, "district", CITY_CENTRE, CITY_CENTRE, CITY_CENTRE),
        (CITY_CENTRE, "city", None, CITY_CENTRE, SUPERVISION),
        (SUPERVISION, "department_unit", CITY_CENTRE, CITY_CENTRE, CITY_CENTRE),
    ],
)  # fmt: skip
def test_who_stands_above_who_decides_and_who_checks(town, unit, kind, upper, arbiter, checker):
    """Each unit has its kind, the unit it is raised to, the centre that arbitrates, and another one that checks it."""
    above = town.upper(unit)
    assert town.unit(unit).kind == kind
    assert kind in KINDS
    assert (above.id if above else None) == upper
    assert (town.arbiter(unit).id, town.checker(unit).id) == (arbiter, checker)


@pytest.mark.parametrize("role", sorted(ROLES))
@pytest.mark.parametrize("code", ["420202", "420202005201001", GRID])
def test_nobody_checks_itself_and_every_way_up_ends(town, role, code):
    """From any unit of any role the way up ends at the city's centre, and nobody on it is its own checker."""
    found = town.resolve(role, "fire" if role == "department_unit" else "", (code,), 1).recipients[0].id
    way = [found]
    while (above := town.upper(way[-1])) is not None:
        assert above.id not in way
        way.append(above.id)
    assert way[-1] == CITY_CENTRE
    assert all(town.checker(unit).id != unit for unit in way)


def test_a_unit_says_where_it_is_and_what_it_can(town):
    """Name, area, place and capabilities come from units.csv where it has them, else from role and catalogue."""
    team, second, member = town.unit(TEAM), town.unit(f"{TEAM}.2"), town.unit(MEMBER)
    assert (team.name, team.area, team.clock) == ("Team", (COMMUNITY,), "grid")
    assert team.capabilities == {"save"}
    assert second.capabilities == frozenset()
    assert (member.name, member.lon, member.lat) == ("桂花湾社区第001网格 网格员", LON, LAT)
    assert town.unit("department_unit:fire-420202.2").area == (STREET,)


@pytest.mark.parametrize(
    ("unit", "wrong"),
    [
        ("mayor:420200", "no role"),
        ("street:42020200", "9 digits"),
        ("street:fire-420202005", "department"),
        ("department_unit:420202", "department"),
        ("volunteer_team:420202005001.02", "numbered"),
        ("volunteer_team:420202005001.2", None),
        ("department_unit:public-security-420202", None),
    ],
)
def test_ids_of_units(unit, wrong):
    """An id names a role, the digits that it carries, a department only for departments' units; it reads back as it was."""
    found = problem_of(unit)
    assert found is None if wrong is None else wrong in found
    assert parse(unit).id == unit


@pytest.mark.parametrize(
    ("unit", "at", "answers", "person", "instead_of", "shift"),
    [
        (MEMBER, "2026-10-09T10:00", MEMBER, "M1", None, "日班"),
        (MEMBER, "2026-10-09T20:00", f"street:{STREET}", "C", MEMBER, "夜班"),  # shifts end when they end
        (STATION, "2026-10-01T10:00", STATION, None, None, "日班"),  # works on holidays
        (f"community:{COMMUNITY}", "2026-10-01T10:00", f"street:{STREET}", "A", f"community:{COMMUNITY}", "夜班"),
        (f"community:{COMMUNITY}", "2026-10-10T10:00", f"community:{COMMUNITY}", None, None, "office"),  # swap Saturday
        (f"street:{STREET}", "2026-09-28T17:30", f"street:{STREET}", "A", None, "夜班"),
        (f"street:{STREET}", "2026-09-29T00:10", f"street:{STREET}", "A", None, "夜班"),  # still the night of the 28th
        (f"street:{STREET}", "2026-09-29T08:29", f"street:{STREET}", "A", None, "夜班"),
        (f"street:{STREET}", "2026-09-29T08:30", f"street:{STREET}", None, None, "office"),
        (f"street:{STREET}", "2026-09-29T17:30", f"street:{STREET}", "B", None, "夜班"),
        (f"street:{STREET}", "2026-10-01T08:00", f"street:{STREET}", "C", None, "夜班"),  # the night of 30 September
        (f"street:{STREET}", "2026-10-01T12:00", f"street:{STREET}", "A", None, "夜班"),  # holiday: from 08:30 to 08:30
        (f"street:{STREET}", "2026-10-02T08:29", f"street:{STREET}", "A", None, "夜班"),
        (f"street:{STREET}", "2026-10-02T08:30", f"street:{STREET}", "B", None, "夜班"),
        (f"street:{STREET}", "2027-01-05T23:00", CITY_CENTRE, None, f"street:{STREET}", "无人值班"),  # roster has ended
        ("department_unit:fire-420202.2", "2026-10-01T03:00", "department_unit:fire-420202.2", None, None, "always"),
        (CENTRE, "2026-10-09T10:00", CENTRE, None, None, "工作时间"),
    ],
)  # fmt: skip
def test_who_is_on_duty(town, unit, at, answers, person, instead_of, shift):
    """The roster's turn by the day the shift began on, a shift over midnight included; else the unit above, as its stand-in."""
    found = town.on_duty(unit, ms(at))
    assert (found.unit, found.person, found.substitute_for, found.shift) == (answers, person, instead_of, shift)
    assert found.who == (None if shift == "无人值班" else person or answers)


@pytest.mark.parametrize(
    ("absences", "at", "person", "instead_of"),
    [
        ("A,2026-09-28,2026-09-28,,\n", "2026-09-28T23:00", "B", "A"),
        ("A,2026-09-28,2026-09-28,,\n", "2026-09-29T00:00", "A", None),  # the day is over
        ("A,2026-09-28,2026-09-28,C,\n", "2026-09-28T23:00", "C", "A"),  # this absence's own substitute
        ("A,2026-09-28,2026-09-30,,\nB,2026-09-28T22:00,2026-09-28T23:00,,\n", "2026-09-28T22:30", "C", "A"),
        ("A,2026-09-28,2026-09-30,,\nB,2026-09-28T22:00,2026-09-28T23:00,,\n", "2026-09-28T23:00", "B", "A"),
        ("C,2026-09-30,2026-09-30,,\n", "2026-09-30T23:00", "A", None),  # without a substitute the next in turn
    ],
)
def test_who_stands_in(absences, at, person, instead_of):
    """An absent person's substitute, that one's substitute where it is absent too, else the next one of the roster."""
    town = chart(absences_csv=f"person,begin,end,substitute,reason\n{absences}")
    found = town.on_duty(f"street:{STREET}", ms(at))
    assert (found.person, found.substitute_for) == (person, instead_of)


def test_an_absent_grid_member_is_stood_in_for(town):
    """A grid's only member from the catalogue has a substitute in persons.csv; without one the station answers."""
    away = "person,begin,end,substitute,reason\nM1,2026-10-09,2026-10-09,,\n"
    alone = PERSONS.replace(f"M1,{MEMBER},,,A", f"M1,{MEMBER},,,")
    at = ms("2026-10-09T10:00")
    stands_in = chart(absences_csv=away).on_duty(MEMBER, at)
    assert (stands_in.unit, stands_in.person, stands_in.contact, stands_in.substitute_for) == (
        MEMBER,
        "A",
        "a@x.invalid",
        "M1",
    )
    assert chart(absences_csv=away, persons_csv=alone).on_duty(MEMBER, at).unit == STATION


def test_without_any_files_offices_hours_count(tools):
    """A city that has told nothing has units, offices' hours and nobody's names."""
    plain = tools.facts.organisation
    found = plain.on_duty(MEMBER, ms("2026-10-09T10:00"))
    assert plain.charter == Charter()
    assert (found.unit, found.person, found.shift) == (MEMBER, None, "工作时间")
    assert plain.capable("fire", LON, LAT, ms("2026-10-09T10:00")) == []


DAY, NIGHT = ms("2026-10-09T10:00"), ms("2026-10-09T23:00")


@pytest.mark.parametrize(
    ("what", "at", "minutes", "units"),
    [
        ("save", DAY, 15, [MEMBER, STATION, TEAM]),
        ("put-out", DAY, 15, ["department_unit:fire-420202.2"]),  # 864 m; the walk of 15 minutes leads 865.4 m far
        ("put-out", DAY, 16, ["department_unit:fire-420202.2", "department_unit:fire-420202.3"]),
        ("fire", DAY, 15, [MEMBER, STATION, TEAM, "department_unit:fire-420202.2"]),  # any capability that it needs
        ("fire", NIGHT, 15, ["department_unit:fire-420202.2"]),  # the others have gone home
        ("drowning", DAY, 1, [MEMBER, STATION]),
        ("noise", DAY, 15, []),  # needs nothing that the file names
    ],
)
def test_who_can_walk_there_in_time(town, what, at, minutes, units):
    """Units with a capability that are there now, nearest first, by straight line times detour at the declared speed."""
    found = town.capable(what, LON, LAT, at, minutes)
    assert [near.unit.id for near in found] == units
    assert [near.minutes for near in found] == sorted(near.minutes for near in found)


def test_minutes_of_a_walk(town):
    """400 m in a straight line are 520 m on ways that detour by 1.3, and 6.93 minutes at 4.5 km/h."""
    near = {one.unit.id: one.minutes for one in town.capable("save", LON, LAT, DAY)}
    assert near[TEAM] == pytest.approx(6.93, abs=0.01)
    assert near[MEMBER] == 0


def test_roles_that_are_everywhere_stand_where_they_may(town):
    """A village council is in each village and in no community of the town."""
    known = {unit.id for unit in town.known_units()}
    assert "village_council:420202005201" in known
    assert f"village_council:{COMMUNITY}" not in known


@pytest.mark.parametrize(
    ("unit", "category", "fixed", "invited"),
    [
        (f"deliberation_council:{COMMUNITY}", "noise", ("a", "b", "c"), ("owners", "police", "factory")),
        (f"deliberation_council:{COMMUNITY}", "dispute", ("a", "b", "c"), ("owners", "police")),
        ("deliberation_council:420202005201", "fire", ("d", "e", "f"), ()),
    ],
)
def test_a_council_has_three_fixed_parties_and_the_x_of_the_matter(town, unit, category, fixed, invited):
    """3+X: the community's or the village's three, and whom the matter concerns, each once."""
    assert town.council(unit, category) == (fixed, invited)
