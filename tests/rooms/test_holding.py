"""Inhibit rules and silences: what they keep back, until when, and what they never touch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridhub.streams import road
from gridhub.streams.routing import Routing
from gridhub.streams.silences import Hidden, Silence, Silences

CONFIG = Path(__file__).parents[2] / "config" / "routing.yaml"
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
GRIDS = ["420202005001001", "420202005001002", "420202005201001"]
BURST = {
    "name": "burst-main",
    "source_matchers": ['category="water_main_burst"'],
    "target_matchers": ['category=~"water_outage|dark_street"', "severity>=3"],
    "equal": ["community"],
    "lasts": "6h",
}


def inhibiting(facts, *rules):
    """Facts with these inhibit rules."""
    tree = yaml.safe_load(CONFIG.read_text(encoding="utf-8")) | {"inhibit_rules": list(rules or [BURST])}
    return replace(facts, routing=Routing.parse(yaml.safe_dump(tree, allow_unicode=True).encode(), facts.categories))


def silenced(facts, now, *matchers, hours=2):
    """Facts with one silence of these matchers."""
    one = Silence(
        id="s-1", matchers=list(matchers), starts_at=now, ends_at=now + hours * HOUR_MS, author="a", comment="c",
        created_at=now, would_hide=Hidden(hours=1, incidents=0, tasks=0),
    )  # fmt: skip
    return replace(facts, silences=Silences((one,)))


def burst(tools, name="burst", place=0, **changes):
    """A burst main."""
    at = {"grid_ids": [GRIDS[place]], "lon": 115.02 + 0.01 * place}
    return tools.event(name, source="governance", category="water_main_burst", severity=2, title="爆管", **at) | changes


def dry(tools, name, place=0, **changes):
    """A flat without water, told by its own street; another one than the burst main."""
    at = {"grid_ids": [GRIDS[place]], "lon": 115.022 + 0.01 * place, "lat": 30.26}
    return tools.event(name, source="water", category="water_outage", severity=4, title="停水", **at) | changes


def dark(tools, name, place=0, **changes):
    """A dark street lamp."""
    at = {"grid_ids": [GRIDS[place]], "lon": 115.02 + 0.01 * place}
    return tools.event(name, source="power", category="dark_street", severity=4, title="路灯", **at) | changes


def of(world, title):
    """The incident of this title."""
    return next(row for row in world.incidents.values() if row["title"] == title)


def test_a_target_waits_while_its_source_is_open(world, tools):
    """The journal names rule and source; the incident is visible and has no tasks."""
    world.facts = inhibiting(tools.facts)
    world.take(burst(tools))
    _, sent = world.take(dark(tools, "d"))
    row = of(world, "路灯")
    assert (row["inhibited"], row["task_ids"], row["state"]) == (True, [], "open")
    (line,) = sent.decisions
    assert (line["outcome"], line["reason"], line["parent_id"]) == (
        "inhibited", "burst-main", of(world, "爆管")["incident_id"],
    )  # fmt: skip


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_what_waited_is_given_out_when_the_source_ends(world, tools, end):
    """In the same transaction, with a line of the journal."""
    world.facts = inhibiting(tools.facts)
    world.take(burst(tools))
    world.take(dark(tools, "d"))
    source = of(world, "爆管")["incident_id"]
    if end == "cancel":
        done = world.report(world.cancel(source))
        told = [line for line in done.decisions if line["outcome"] == "released"]
        assert [(line["reason"], line["parent_id"]) for line in told] == [("source_ended", source)]
    else:
        world.finish(next(task["task_id"] for task in world.handlers() if task["incident_id"] == source))
    row = of(world, "路灯")
    assert not row["inhibited"]
    assert [name for name in row["task_ids"] if "-handle-" in name]
    assert not [key for key in world.state if key.startswith((b"n|", b"d@|inhibit"))]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"place": 2}, {}),
        ({}, {"severity": 2}),
        ({"status": "exercise"}, {}),
        ({"severity": 2, "grid_ids": ["420202006001001"], "area": "420202006"}, {}),
    ],
    ids=["another-community", "too-grave", "an-exercise", "another-area"],
)
def test_what_a_rule_does_not_name_goes_out(world, tools, source, target):
    """Other values of `equal`, other severities, exercises and other areas hold nothing back."""
    world.facts = inhibiting(tools.facts)
    world.take(burst(tools, **source))
    world.take(dark(tools, "d", **target))
    assert of(world, "路灯")["task_ids"]


def test_life_safety_is_never_held_or_silenced(world, tools):
    """A rule and a silence that fit everything let a fire's tasks out."""
    every = BURST | {"target_matchers": ["severity<=4"]}
    world.facts = silenced(inhibiting(tools.facts, every), world.now, "severity<=4")
    world.facts = replace(world.facts, silences=Silences())
    world.take(burst(tools))
    world.facts = silenced(world.facts, world.now, "severity<=4")
    world.take(tools.event("f", source="public-security", category="fire", severity=2, title="火"))
    assert of(world, "火")["task_ids"]


def test_danger_that_joins_what_waits_frees_it(world, tools):
    """People in a lift of a dark house: all tasks go out."""
    rule = BURST | {"target_matchers": ['matter_group="power_supply"', "severity>=3"]}
    with pytest.raises(ValueError, match="lift_alarm may cost lives"):
        inhibiting(tools.facts, rule)
    world.facts = inhibiting(tools.facts)
    world.take(burst(tools))
    world.take(dark(tools, "d"))
    told = {"source": "governance", "category": "lift_alarm", "severity": 2}
    world.take(dark(tools, "l", **told))
    row = of(world, "路灯")
    assert row["events"] == 2
    assert row["task_ids"]
    assert not row["inhibited"]


def test_nothing_waits_for_ever(world, tools):
    """After `lasts` the tasks go out though the source is open still."""
    world.facts = inhibiting(tools.facts)
    world.take(burst(tools))
    world.take(dark(tools, "d"))
    world.now += 6 * HOUR_MS
    for done in road.chime(world.facts, world.now, world.state):
        world._publish(done)
    row = of(world, "路灯")
    assert row["task_ids"]
    assert {world.tasks[name]["created_at"] for name in row["task_ids"] if name in world.tasks} >= {world.now}


def test_a_silenced_incident_is_visible_and_has_no_tasks(world, tools):
    """The journal names the silence; after its end the next report brings the tasks."""
    world.facts = silenced(tools.facts, world.now, 'category="dark_street"', 'street="420202005"')
    _, sent = world.take(dark(tools, "d"))
    assert [(line["outcome"], line["reason"]) for line in sent.decisions] == [("silenced", "s-1")]
    assert of(world, "路灯")["task_ids"] == []
    world.now += 3 * HOUR_MS
    world.take(dark(tools, "d2", source="governance", occurred_at=world.now))
    assert of(world, "路灯")["events"] == 2
    assert of(world, "路灯")["task_ids"]


def test_what_has_tasks_already_is_told_when_it_becomes_worse(world, tools):
    """A silence that begins later hides nothing of it."""
    world.take(dark(tools, "d"))
    world.facts = silenced(tools.facts, world.now, 'category="dark_street"')
    _, sent = world.take(dark(tools, "d2", source="governance", severity=3))
    assert sent.task_rows
    assert not [line for line in sent.decisions if line["outcome"] == "silenced"]


def test_what_a_person_has_looked_at_waits_no_longer(world, tools):
    """A merge by hand gives the tasks out, and the rule holds them no more."""
    world.facts = inhibiting(tools.facts)
    world.take(burst(tools))
    world.take(dark(tools, "d"), dry(tools, "w"))
    lamp, flat = of(world, "路灯"), of(world, "停水")
    assert lamp["inhibited"]
    assert flat["inhibited"]
    done = world.report(world.order("merge", lamp["incident_id"], other_incident_id=flat["incident_id"]))
    assert done.refused.num_rows == 0
    lamp = of(world, "路灯")
    assert lamp["task_ids"]
    assert not lamp["inhibited"]
    world.report(world.cancel(of(world, "爆管")["incident_id"]))
    assert of(world, "路灯")["task_ids"] == lamp["task_ids"]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["burst", "dark", "dry", "fire"]), st.integers(0, 2), st.integers(2, 4)),
    min_size=1, max_size=7,
)  # fmt: skip
MAKE = {"burst": burst, "dark": dark, "dry": dry}


def rows_of(tools, drawn):
    """Events as drawn."""
    made = []
    for number, (kind, place, severity) in enumerate(drawn):
        make = MAKE.get(kind)
        if make is None:
            row = tools.event(f"e{number}", source="public-security", category="fire", grid_ids=[GRIDS[place]])
        else:
            row = make(tools, f"e{number}", place)
        made.append({**row, "severity": severity})
    return made


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=25)
@given(drawn=EVENTS, cut=st.integers(0, 7))
def test_cutting_a_stream_changes_nothing_that_is_held(tools, drawn, cut):
    """One batch, two, or one each: the same tasks, incidents, journal and state."""
    facts = silenced(inhibiting(tools.facts), tools.now, 'grid="420202005201001"', 'category="dark_street"')
    rows, worlds, told = rows_of(tools, drawn), [], []
    for parts in ([rows], [rows[:cut], rows[cut:]], [[row] for row in rows]):
        world = tools.world(facts=facts)
        lines = [line for part in parts if part for line in world.take(*part)[1].decisions]
        worlds.append(world)
        told.append([{**line, "row": 0} for line in lines])
    assert told[0] == told[1] == told[2]
    assert worlds[0].tasks == worlds[1].tasks == worlds[2].tasks
    assert worlds[0].state == worlds[1].state == worlds[2].state


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=15)
@given(drawn=EVENTS)
def test_every_open_incident_has_tasks_once_all_sources_ended(tools, drawn):
    """Whatever was held back is given out in the end."""
    world = tools.world(facts=inhibiting(tools.facts))
    world.take(*rows_of(tools, drawn))
    for row in list(world.incidents.values()):
        if row["category"] == "water_main_burst" and row["state"] == "open":
            world.report(world.cancel(row["incident_id"]))
    assert all(row["task_ids"] and not row["inhibited"] for row in world.incidents.values() if row["state"] == "open")
