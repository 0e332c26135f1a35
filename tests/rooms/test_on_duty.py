"""dispatch with the organisation: who is on duty, who can walk there in time, who sits on a council, every role."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import pytest

from gridhub.streams import city as city_data
from gridhub.streams.organisation.tables import read_moment
from gridhub.streams.rooms.assignment import assignments
from gridhub.streams.rooms.organisation import ROLES
from gridhub.streams.routing import Routing, RoutingError
from gridhub.streams.settings import Settings

GRID = "420202005001001"
BUNDLED = (files("gridhub.config") / "routing.yaml").read_text(encoding="utf-8")
DAY, NIGHT = (read_moment(f"2026-10-09T{hour}:00", end=False) or 0 for hour in (10, 23))


@pytest.fixture(scope="module")
def city():
    """The bundled city's facts."""
    return city_data.outbound_facts(city_data.load(), Settings())


def facts_with(city, *rules: str):
    """The facts with a routing tree of one node."""
    lines = "".join(f"    - {{{rule}}}\n" for rule in rules)
    text = f"{BUNDLED[: BUNDLED.index('route:')]}route:\n  name: root\n  recipients:\n{lines}"
    return replace(city, routing=Routing.parse(text.encode(), city.categories))


def incident(category: str, lon: float | None, lat: float | None, code: str = GRID):
    """As much of an incident as routing reads."""
    return {
        "category": category, "severity": 2, "sources": ["power"], "status": "actual", "grid_ids": [code],
        "told": {category: ["", ""]}, "lon": lon, "lat": lat,
    }  # fmt: skip


def asked(city, matter, at_ms):
    """Action and recipient of each assignment."""
    return [(item.action, item.recipient_id) for item in assignments(matter, city, at_ms)]


def station(city, unit):
    """Where a unit stands."""
    found = city.organisation.unit(unit)
    return found.lon, found.lat


FIRE = "department_unit:fire-420202.2"


def test_the_nearest_capable_unit_in_reach_handles(city):
    """A fire 300 m from a fire station goes to that station, not to the district's; at night too, it is staffed then."""
    lon, lat = station(city, FIRE)
    facts = facts_with(city, "role: department_unit, department: fire, action: handle, within_walk_min: 15")
    for moment in (DAY, NIGHT):
        assert asked(facts, incident("fire", lon, lat + 0.0027), moment) == [("handle", FIRE)]


@pytest.mark.parametrize(("lon", "lat"), [(None, None), (114.0, 29.0)])
def test_a_handler_falls_back_to_who_serves_the_place(city, lon, lat):
    """With nobody in reach, or no point, the unit that serves the place handles: nothing is without a handler."""
    facts = facts_with(city, "role: department_unit, department: fire, action: handle, within_walk_min: 15")
    assert asked(facts, incident("fire", lon, lat), DAY) == [("handle", "department_unit:fire-420202")]


def test_helpers_are_only_those_who_are_there_and_able(city):
    """Volunteers in reach assist by day; at night, or for what they cannot do, none is asked in their place."""
    team = next(
        name for name, line in city.charter.units.items() if "first-aid" in (line.capabilities or ()) and line.lon
    )
    lon, lat = station(city, team)
    code = team.partition(":")[2]
    facts = facts_with(
        city, "role: grid_station, action: handle", "role: volunteer_team, action: assist, within_walk_min: 15"
    )
    by_day = asked(facts, incident("drowning", lon, lat, code), DAY)
    assert by_day[0] == ("handle", f"grid_station:{code}")
    assert by_day[1] == ("assist", team)  # the nearest first
    assert len(asked(facts, incident("drowning", lon, lat, code), NIGHT)) == 1
    assert len(asked(facts, incident("noise", lon, lat, code), DAY)) == 1


def test_a_walk_of_no_minutes_is_refused(city):
    """The condition wants 1 to 120 minutes; the sentence names its line."""
    with pytest.raises(RoutingError, match=r"line \d+.*within_walk_min"):
        facts_with(city, "role: grid_member, action: handle, within_walk_min: 0")


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_role_is_asked_and_its_task_says_who_is_on_duty(world, tools, city, role):
    """Each role of the organisation gets a task with its name, and by day somebody answers for it."""
    department = ", department: power" if role == "department_unit" else ""
    world.facts = facts_with(city, f"role: {role}, action: handle{department}")
    world.now = DAY
    world.take(tools.event("e1", occurred_at=DAY, received_at=DAY))
    (task,) = world.tasks.values()
    assert task["recipient"].startswith("department_unit:power-420202" if department else f"{role}:420202005")
    assert task["recipient_name"]
    assert task["on_duty"] == ("WGY000001" if role == "grid_member" else task["recipient"])


def test_at_night_the_watch_above_is_on_duty(world, tools, city):
    """A grid member's task of the night names the street's watch; the task itself stays with the grid."""
    world.facts, world.now = city, NIGHT
    world.take(tools.event("e1", category="dispute", occurred_at=NIGHT, received_at=NIGHT))
    task = next(task for task in world.tasks.values() if task["role"] == "grid_member")
    assert task["recipient"] == f"grid_member:{GRID}"
    assert task["on_duty"].startswith("ZB420202005-")


def test_a_returned_task_names_who_is_on_duty_there(world, tools, city):
    """The next level up has its own person or unit on duty."""
    world.facts, world.now = city, DAY
    world.take(tools.event("e1", category="dispute", occurred_at=DAY, received_at=DAY))
    first = next(name for name, task in world.tasks.items() if task["action"] == "handle")
    world.report(world.step(first, "returned", note="不属本网格"))
    new = next(task for name, task in world.tasks.items() if task["action"] == "handle" and name != first)
    assert (new["recipient"], new["on_duty"]) == ("grid_station:420202005001", "grid_station:420202005001")


def test_a_councils_task_names_its_three_and_its_x(world, tools, city):
    """3+X: the fixed parties and those whom a noise concerns stand in the words of the council's task."""
    world.facts, world.now = city, DAY
    world.take(tools.event("e1", category="noise", occurred_at=DAY, received_at=DAY))
    task = next(task for task in world.tasks.values() if task["role"] == "deliberation_council")
    assert "协商议事：社区党组织、居委会、居务监督委员会；邀请：相关居民代表、业主委员会、物业服务企业" in task["text"]
