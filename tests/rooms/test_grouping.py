"""Grouping: what becomes one task, when it goes out, and that nobody is forgotten or told twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridhub.streams import road
from gridhub.streams.routing import Routing

CONFIG = Path(__file__).parents[2] / "config" / "routing.yaml"
LAWS = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=15)
MINUTE_MS = 60_000
GRIDS = ["420202005001001", "420202005001002", "420202005201001"]
WEST = {"name": "parking", "matchers": ['category="illegal_parking"']}
RECIPIENTS = [
    {"role": "grid_member", "action": "handle"},
    {"role": "department_unit", "department": "urban-management", "action": "assist"},
    {"role": "street", "action": "inform"},
]
DAYTIME = [{"name": "day", "time_intervals": [{"times": [{"start_time": "08:00", "end_time": "18:00"}]}]}]


def routed(facts, *routes, **top):
    """Facts with a routing file of these routes."""
    tree = yaml.safe_load(CONFIG.read_text(encoding="utf-8")) | top
    tree["route"] = tree["route"] | {"routes": list(routes)}
    routing = Routing.parse(yaml.safe_dump(tree, allow_unicode=True).encode(), facts.categories)
    return replace(facts, routing=routing)


def grouped(facts, **changes):
    """Facts whose route for parking groups by street for five minutes, and for an hour after."""
    route = WEST | {"recipients": RECIPIENTS, "group_by": ["street"], "group_wait": "5m", "group_interval": "1h"}
    return routed(facts, route | changes)


def parked(tools, name, place=0, **changes):
    """A car in the way, told by the police."""
    told = {"source": "public-security", "category": "illegal_parking", "severity": 4, "title": f"车{name}"}
    where = {"grid_ids": [GRIDS[place]], "lon": 115.02 + 0.01 * place}
    return tools.event(name, **told, **where, subject_keys=[f"plate:{name}"]) | changes


def ring(world, minutes):
    """Let the time pass, and what falls due act."""
    world.now += int(minutes * MINUTE_MS)
    done = road.tick(world.facts, world.now, world.state)
    world._keep(done)
    return done


def shared(world):
    """Newest versions of tasks that are no handling ones, by recipient's role."""
    return {task["role"]: task for task in world.tasks.values() if task["action"] != "handle"}


def test_tasks_of_a_group_become_one_after_the_wait(world, tools):
    """Three cars within five minutes: each has a handler of its own, the two others are asked once for all."""
    world.facts = grouped(tools.facts)
    world.take(parked(tools, "a"))
    world.now += MINUTE_MS
    world.take(parked(tools, "b", 1), parked(tools, "c", 2))
    assert {task["action"] for task in world.tasks.values()} == {"handle"}
    assert not ring(world, 3).task_rows
    done = ring(world, 1)
    first, *others = sorted(world.incidents.values(), key=lambda row: row["title"])
    assert len(done.task_rows) == 2
    for task in done.task_rows:
        assert task["incident_id"] == first["incident_id"]
        assert task["task_id"].startswith(f"{first['incident_id']}-{task['action']}-{task['role']}")
        assert task["also_incidents"] == [row["incident_id"] for row in others]
        assert task["title"] == "车a（等3件）"
        assert "车b" in task["text"]
    for row in world.incidents.values():
        assert {task["task_id"] for task in done.task_rows} <= set(row["task_ids"])
    assert {line["outcome"] for line in done.decisions} == {"grouped"}


def test_the_wait_counts_from_the_first(world, tools):
    """What the timer causes bears its time, also when it fires late."""
    world.facts = grouped(tools.facts)
    began = world.now
    world.take(parked(tools, "a"))
    ring(world, 6)
    assert {task["created_at"] for task in shared(world).values()} == {began + 5 * MINUTE_MS}


def test_later_ones_join_the_open_task(world, tools):
    """Within the interval a further incident is a new version of the task; after it a new group begins."""
    world.facts = grouped(tools.facts)
    world.take(parked(tools, "a"))
    ring(world, 5)
    world.take(parked(tools, "b", 1))
    informed = shared(world)["street"]
    assert (informed["version"], len(informed["also_incidents"])) == (2, 1)
    assert "车b" in informed["note"]
    ring(world, 61)
    world.take(parked(tools, "c", 2))
    assert shared(world)["street"] == informed
    ring(world, 5)
    assert len([task for task in world.tasks.values() if task["role"] == "street"]) == 2


def test_a_task_that_ended_is_joined_by_nobody(world, tools):
    """After its end the group waits anew."""
    world.facts = grouped(tools.facts)
    world.take(parked(tools, "a"))
    ring(world, 5)
    world.finish(shared(world)["department_unit"]["task_id"])
    world.take(parked(tools, "b", 1))
    ring(world, 5)
    assert len([task for task in world.tasks.values() if task["role"] == "department_unit"]) == 2


def test_what_may_cost_lives_never_waits(world, tools):
    """A route that groups everything lets a fire's tasks out at once."""
    world.facts = routed(
        tools.facts,
        {"name": "all", "matchers": ["severity<=4"], "recipients": RECIPIENTS, "group_by": ["..."], "group_wait": "1h"},
    )
    world.take(tools.event("f", category="fire", source="public-security", severity=2))
    assert {task["action"] for task in world.tasks.values()} == {"handle", "assist", "inform"}


def test_an_incident_that_ends_before_the_wait_is_left_out(world, tools):
    """Nobody is asked for what is over; the next one leads the group."""
    world.facts = grouped(tools.facts)
    world.take(parked(tools, "a"))
    world.take(parked(tools, "b", 1))
    first = next(row for row in world.incidents.values() if row["title"] == "车a")
    world.report(world.cancel(first["incident_id"]))
    done = ring(world, 5)
    assert {task["title"] for task in done.task_rows} == {"车b"}
    assert all(not task["also_incidents"] for task in done.task_rows)


def test_a_shared_task_ends_with_its_last_incident(world, tools):
    """The end of one of two incidents leaves the task; the end of the other ends it."""
    world.facts = grouped(tools.facts)
    world.take(parked(tools, "a"), parked(tools, "b", 1))
    ring(world, 5)
    first, second = (task["incident_id"] for task in world.handlers())
    world.report(world.cancel(first))
    left = shared(world)["department_unit"]
    assert (left["stage"], left["version"]) == ("dispatched", 2)
    assert "其余继续" in left["note"]
    world.report(world.cancel(second))
    assert shared(world)["department_unit"]["stage"] == "cancelled"


def test_an_incident_that_becomes_worse_asks_for_nobody_twice(world, tools):
    """While a pair waits in its group, a graver report makes no second task for it."""
    world.facts = grouped(tools.facts)
    world.take(parked(tools, "a"))
    world.take(parked(tools, "a2", source="governance", severity=3, subject_keys=["plate:a"]))
    ring(world, 5)
    assert Counter(task["role"] for task in world.tasks.values()) == {
        "grid_member": 1, "department_unit": 1, "street": 1,
    }  # fmt: skip


def test_outside_active_hours_tasks_wait_each_for_itself(world, tools):
    """At night a route by day keeps its tasks until eight, and makes no group of them."""
    route = WEST | {"recipients": RECIPIENTS, "active_time_intervals": ["day"]}
    world.facts = routed(tools.facts, route, time_intervals=DAYTIME)
    world.now = 1_795_449_600_000  # 2026-11-24 00:00 in China
    world.take(parked(tools, "a", occurred_at=world.now), parked(tools, "b", 1, occurred_at=world.now))
    assert not world.tasks
    assert not ring(world, 8 * 60 - 1).task_rows
    done = ring(world, 1)
    assert len(done.task_rows) == 6
    assert {task["created_at"] for task in done.task_rows} == {world.now}


def test_a_muted_route_waits_for_its_end(world, tools):
    """Muting is the other way round; by day this route is silent."""
    route = WEST | {"recipients": RECIPIENTS, "mute_time_intervals": ["day"]}
    world.facts = routed(tools.facts, route, time_intervals=DAYTIME)
    world.now = 1_795_485_600_000  # 2026-11-24 10:00 in China
    world.take(parked(tools, "a", occurred_at=world.now))
    assert not world.tasks
    assert len(ring(world, 8 * 60).task_rows) == 3


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 4, 5, 30, 61]), st.integers(3, 4)), min_size=1, max_size=6
)


def played(tools, steps, *, one_by_one):
    """A world after these events, cars at places after so many minutes, then the wait."""
    world = tools.world()
    world.facts = grouped(tools.facts)
    waiting = []
    for number, (place, minutes, severity) in enumerate(steps):
        if minutes:
            world.take(*waiting) if waiting else None
            waiting.clear()
            ring(world, minutes)
        waiting.append(parked(tools, f"n{number}", place, severity=severity))
        if one_by_one:
            world.take(waiting.pop())
    if waiting:
        world.take(*waiting)
    ring(world, 5)
    return world


@LAWS
@given(steps=STEPS)
def test_each_pair_is_in_exactly_one_task(tools, steps):
    """However incidents come, each one's recipients are asked once, alone or together with others."""
    world = played(tools, steps, one_by_one=True)
    roles = {recipient["role"] for recipient in RECIPIENTS}
    pairs = Counter(
        (name, task["recipient"])
        for task in world.tasks.values()
        if task["role"] in roles  # the others were told that nobody accepted in time
        for name in (task["incident_id"], *task["also_incidents"])
    )
    assert set(pairs.values()) == {1}
    for row in world.incidents.values():
        named = (world.tasks[name] for name in row["task_ids"])
        asked = [task for task in named if task["role"] in roles]
        assert all(row["incident_id"] in (task["incident_id"], *task["also_incidents"]) for task in asked)
        assert {task["role"] for task in asked} == roles


@LAWS
@given(steps=STEPS)
def test_cutting_a_stream_into_batches_changes_no_group(tools, steps):
    """The same events, one by one or many at once at the same time, give the same tasks and the same state."""
    whole, parts = (played(tools, steps, one_by_one=one) for one in (False, True))
    assert whole.tasks == parts.tasks
    assert whole.incidents == parts.incidents
    assert whole.state == parts.state


@pytest.mark.parametrize("interval", ["0s", "10m"])
def test_nothing_of_a_group_stays_behind(world, tools, interval):
    """When its time is over the state has forgotten the group."""
    world.facts = grouped(tools.facts, group_interval=interval)
    world.take(parked(tools, "a"), parked(tools, "b", 1))
    ring(world, 5)
    ring(world, 15)
    assert not [key for key in world.state if key.startswith((b"g|", b"d@|group"))]
