"""Parents: what happens in the area and time of a warning or a feeder outage, whose tasks wait, and when they come."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from gridhub.streams.matching import Matching, MatchingError
from gridhub.streams.rooms.parents import areas_of

HOUR_MS = 3_600_000
STREET, OTHER_STREET, DISTRICT = "420202005", "420202006", "420202"
RAIN = {
    "source": "meteorology", "category": "weather_rain", "severity": 2, "title": "暴雨橙色预警", "area": DISTRICT,
    "grid_ids": [DISTRICT], "exact_point": False, "lon": None, "lat": None, "subject_keys": ["warning:W1"],
    "message": "alert",
}  # fmt: skip
FEEDER = {
    "grid_ids": [STREET], "exact_point": False, "subject_keys": ["feeder:F1"], "title": "线路跳闸", "lon": None,
    "lat": None,
}  # fmt: skip
TREE = {"source": "public-security", "category": "tree_down", "severity": 4, "title": "树木倒伏"}
LIFT = {"source": "public-security", "category": "lift_alarm", "severity": 2, "title": "电梯困人"}


def outcomes(found):
    """The outcome of each event, in row order."""
    return [decision["outcome"] for decision in found.decisions]


def only(found):
    """The incident of the only event of a batch, as its decision names it."""
    (decision,) = found.decisions
    return decision["incident_id"]


def handled(world, incident_id):
    """The stages of the incident's tasks that somebody is to handle."""
    return [task["stage"] for task in world.handlers() if task["incident_id"] == incident_id]


@pytest.fixture
def storm(world, tools):
    """A world in which a rain warning of level orange for the district has reached its streets."""
    world.take(tools.event("w1", **RAIN))
    world.settle()
    return world


def test_an_outage_below_a_tripped_feeder_is_its_child_and_waits(world, tools):
    """It keeps its own id, names its parent, has no tasks; the feeder itself has them; the journal says it all."""
    found, sent = world.take(tools.event("f1", **FEEDER), tools.event("e1"))
    feeder, child = found.decisions
    assert outcomes(found) == ["opened", "attached"]
    assert (child["parent_id"], child["reason"], child["score"]["inhibited"]) == (
        feeder["incident_id"], "feeder-outage", 1.0,
    )  # fmt: skip
    assert feeder["score"]["areas"] == 1.0
    assert {task["incident_id"] for task in sent.task_rows} == {feeder["incident_id"]}
    incident = world.incidents[child["incident_id"]]
    assert (incident["parent_id"], incident["inhibited"], incident["task_ids"]) == (feeder["incident_id"], True, [])


def test_a_feeder_that_is_told_after_its_outages_is_a_matter_of_its_own(world, tools):
    """It does not join the first call about it: it opens, with tasks, and the call's incident becomes its child."""
    found, _ = world.take(tools.event("e1"), tools.event("f1", **FEEDER), tools.event("f2", **FEEDER))
    assert outcomes(found) == ["opened", "opened", "merged"]
    call, feeder = found.decisions[0]["incident_id"], found.decisions[1]["incident_id"]
    world.settle()
    assert world.incidents[call]["parent_id"] == feeder
    assert handled(world, call) == handled(world, feeder) == ["dispatched"]


def test_danger_to_life_is_attached_and_never_waits(world, tools):
    """People in a lift below a tripped feeder: the child of the feeder, with tasks at once."""
    found, _ = world.take(tools.event("f1", **FEEDER), tools.event("l1", **LIFT))
    assert outcomes(found)[1] == "attached"
    assert handled(world, found.decisions[1]["incident_id"]) == ["dispatched"]


def test_danger_to_life_that_joins_what_waits_gives_out_all_its_tasks(world, tools):
    """A lift alarm joins an outage whose tasks wait: nothing waits any more."""
    found, _ = world.take(tools.event("f1", **FEEDER), tools.event("e1"), tools.event("l1", **LIFT))
    assert outcomes(found) == ["opened", "attached", "merged"]
    child = found.decisions[1]["incident_id"]
    assert world.incidents[child]["inhibited"] is False
    assert handled(world, child)


def test_what_becomes_severe_waits_no_longer(world, tools):
    """The rule holds back severities 3 and 4: a report of severity 2 ends it."""
    found, _ = world.take(tools.event("f1", **FEEDER), tools.event("e1"), tools.event("e2", severity=2))
    assert outcomes(found)[2] == "merged"
    assert handled(world, found.decisions[1]["incident_id"]) == ["dispatched"]


def test_a_more_severe_report_within_the_rule_changes_nothing(world, tools):
    """From 4 to 3 the tasks still wait: nobody is woken by a merge either."""
    _, sent = world.take(
        tools.event("f1", **FEEDER), tools.event("e1", severity=4), tools.event("e2", severity=3),
    )  # fmt: skip
    assert len({task["incident_id"] for task in sent.task_rows}) == 1


def test_a_warning_for_a_district_reaches_its_streets(storm, tools):
    """The streets' own lanes know of it: a fallen tree waits, a flood does not, both are children."""
    found, _ = storm.take(tools.event("t1", **TREE), tools.event("f1", category="flooding", severity=2))
    assert outcomes(found) == ["attached", "attached"]
    assert {decision["parent_id"] for decision in found.decisions} == set(storm.incidents) - {
        decision["incident_id"] for decision in found.decisions
    }
    tree, flood = (handled(storm, decision["incident_id"]) for decision in found.decisions)
    assert (tree, flood) == ([], ["dispatched"])


def test_a_warning_tells_each_street_once_and_says_how_many(world, tools):
    """One notice per street of the district, keyed by it; a repetition of the same message tells nothing."""
    found, _ = world.take(tools.event("w1", **RAIN))
    assert sorted(row["area"] for row in world.notices) == [STREET, OTHER_STREET]
    assert found.decisions[0]["score"] == {"areas": 2.0, "areas_left_out": 0.0}
    world.notices.clear()
    world.take(tools.event("w2", **RAIN))
    assert world.notices == []


def test_a_weak_warning_has_children_and_holds_nothing_back(world, tools):
    """Below level orange a fallen tree is attached, with tasks."""
    world.take(tools.event("w1", **RAIN | {"severity": 3}))
    world.settle()
    found, _ = world.take(tools.event("t1", **TREE))
    assert outcomes(found) == ["attached"]
    assert handled(world, only(found)) == ["dispatched"]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "exercise"},
        {"occurred_at": 1_790_000_000_000 - HOUR_MS},
        {"occurred_at": 1_790_000_000_000 + 7 * HOUR_MS},
        {"grid_ids": ["420203001001001"]},
        {"category": "noise"},
        {"planned": True},
    ],
)
def test_other_areas_times_kinds_and_exercises_are_no_children(storm, tools, changes):
    """What is not in the parent's area, time, kinds and reality is a matter of its own."""
    found, _ = storm.take(tools.event("t1", **TREE | changes))
    assert outcomes(found) == ["opened"]


def test_the_end_of_the_warning_gives_out_what_waited(storm, tools):
    """A cancellation: open children get their tasks, one that was cancelled meanwhile gets none; the journal tells."""
    found, _ = storm.take(
        tools.event("t1", **TREE), tools.event("t2", **TREE | {"grid_ids": ["420202005201001"], "lat": 30.3}),
    )  # fmt: skip
    stays, goes = (decision["incident_id"] for decision in found.decisions)
    storm.report(storm.cancel(goes))
    storm.take(tools.event("w9", **RAIN | {"message": "cancel", "severity": 4, "occurred_at": tools.now + 1}))
    released = [row for done in storm.settle() for row in done.decisions if row["incident_id"] == stays]
    assert [(row["outcome"], row["reason"], row["event_id"]) for row in released] == [("released", "rainstorm", "t1")]
    assert released[0]["task_ids"] == storm.incidents[stays]["task_ids"] != []
    assert (handled(storm, stays), handled(storm, goes)) == (["dispatched"], [])
    assert not [key for key in storm.state if key.startswith(b"h|")]
    later, _ = storm.take(tools.event("t3", **TREE | {"grid_ids": ["420202006001001"], "occurred_at": tools.now + 1}))
    assert handled(storm, only(later)) == ["dispatched"]


def test_an_update_that_leaves_a_street_out_ends_the_warning_there(storm, tools):
    """What waited in the street that is no longer named gets its tasks; the other street's waits on."""
    found, _ = storm.take(
        tools.event("t1", **TREE), tools.event("t2", **TREE | {"grid_ids": ["420202006001001"]}),
    )  # fmt: skip
    update = {"message": "update", "grid_ids": [OTHER_STREET], "occurred_at": tools.now + 1}
    storm.take(tools.event("w2", **RAIN | update))
    storm.settle()
    assert [handled(storm, decision["incident_id"]) for decision in found.decisions] == [["dispatched"], []]


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_a_parent_that_people_end_ends_for_its_children(storm, tools, end):
    """Closed or cancelled by a person, it is no parent any more."""
    warning = next(iter(storm.incidents))
    found, _ = storm.take(tools.event("t1", **TREE))
    if end == "cancel":
        storm.report(storm.cancel(warning))
    else:
        for task in storm.handlers():
            storm.finish(task["task_id"])
    storm.settle()
    assert handled(storm, only(found)) == ["dispatched"]


def test_a_parent_whose_time_is_over_ends_by_itself(storm, tools):
    """Its timer ends it in each area, once, without any event; what comes then does not wait."""
    found, _ = storm.take(tools.event("t1", **TREE))
    storm.now += 7 * HOUR_MS
    (done,) = storm.ring()
    released = [row for row in done.decisions if (row["incident_id"], row["outcome"]) == (only(found), "released")]
    assert [(row["room"], row["event_id"]) for row in released] == [("ring", "t1")]
    ends = [timer for timer in done.fired if timer.kind == "parent"]
    assert sorted(timer.payload["area"] for timer in ends) == [STREET, OTHER_STREET]
    assert handled(storm, only(found)) == ["dispatched"]
    given = [task for task in done.task_rows if task["incident_id"] == only(found) and task["version"] == 1]
    assert {task["created_at"] for task in given if task["action"] == "handle"} == {ends[0].due_ms}
    assert (storm.ring(), storm.notices) == ([], [])
    late, _ = storm.take(tools.event("t2", **TREE | {"grid_ids": ["420202006001001"]}))
    assert outcomes(late) == ["attached"]
    assert handled(storm, only(late)) == ["dispatched"]


def test_what_opened_before_the_notice_came_is_attached_and_keeps_its_tasks(world, tools):
    """The street did not know of the warning yet: the tree's tasks stay, its incident names the parent then."""
    found, _ = world.take(tools.event("w1", **RAIN), tools.event("t1", **TREE))
    assert outcomes(found) == ["opened", "opened"]
    (done, *_) = world.settle()
    tree = found.decisions[1]["incident_id"]
    assert [row["outcome"] for row in done.decisions if row["incident_id"] == tree] == ["attached"]
    assert world.incidents[tree]["parent_id"] == found.decisions[0]["incident_id"]
    assert handled(world, tree) == ["dispatched"]


def test_a_parent_is_never_held_back_itself(storm, tools):
    """A tripped feeder in a rainstorm is the storm's child, has its tasks, and is the parent of its own outages."""
    rule = storm.facts.matching.parents.rule("rainstorm")
    assert "power_outage" in rule.target.category
    found, _ = storm.take(tools.event("f1", **FEEDER | {"severity": 4}), tools.event("e1"))
    assert outcomes(found) == ["attached", "attached"]
    assert found.decisions[1]["parent_id"] == found.decisions[0]["incident_id"]
    assert handled(storm, found.decisions[0]["incident_id"]) == ["dispatched"]


def test_older_messages_and_notices_change_nothing(storm, tools):
    """A cancellation read before the update that it follows still ends the warning; a late alert does not revive it."""
    storm.take(tools.event("w3", **RAIN | {"message": "cancel", "severity": 4, "occurred_at": tools.now + 9}))
    begins = storm.notices[:]
    storm.take(tools.event("w2", **RAIN | {"message": "update", "occurred_at": tools.now + 5}))
    assert storm.notices == begins
    storm.settle()
    stale = [{**row, "notice_id": row["notice_id"].replace("/2/", "/1/") + "/over", "ended": False} for row in begins]
    storm.notices += stale
    assert {row["outcome"] for done in storm.settle() for row in done.decisions} == {"known"}
    found, _ = storm.take(tools.event("t1", **TREE | {"occurred_at": tools.now + 1}))
    assert handled(storm, only(found)) == ["dispatched"]


def test_a_parent_holds_back_so_many_and_the_next_get_their_tasks(world, tools):
    """The bound is told in the journal."""
    rules = world.facts.matching.model_dump()
    rules["parents"]["most_held"] = 1
    world.facts = replace(world.facts, matching=Matching.model_validate(rules))
    rows = [tools.event(f"e{n}", subject_keys=[f"transformer:T{n}"]) for n in range(2)]
    found, _ = world.take(tools.event("f1", **FEEDER), *rows)
    assert [decision["score"].get("inhibited") for decision in found.decisions[1:]] == [1.0, 0.0]
    assert found.decisions[2]["score"]["parent_full"] == 1.0


def test_the_areas_of_a_parent_are_bounded(tools):
    """The city is all its streets, a grid its street; beyond the bound they are left out and counted."""
    facts = tools.facts
    assert areas_of(["420200"], facts) == ({name: [name] for name in (STREET, OTHER_STREET, "420203001")}, 0)
    assert areas_of(["420202005001001", "420202005001002"], facts) == (
        {STREET: ["420202005001001", "420202005001002"]}, 0,
    )  # fmt: skip
    rules = facts.matching.model_dump()
    rules["parents"]["most_areas"] = 2
    bounded = replace(facts, matching=Matching.model_validate(rules))
    assert areas_of(["420200"], bounded) == ({name: [name] for name in (STREET, OTHER_STREET)}, 1)


def test_the_lists_of_an_area_are_pruned(storm, tools):
    """An entry goes when even a late event cannot be its child any more."""
    storm.now += 48 * HOUR_MS
    storm.take(tools.event("w2", **RAIN | {"subject_keys": ["warning:W2"], "occurred_at": storm.now}))
    storm.settle()
    assert len(orjson.loads(storm.state[b"p|420202005"])) == 1


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("category: [tree_down, dark_street, wind_observed]", "category: [tree_down, cable_down]", "cost lives"),
        ("category: [tree_down, dark_street, wind_observed]", "category: [noise]", "not among its targets"),
        ("source: {category: [weather_wind]}", "source: {category: [weather_wund]}", "no such category: weather_wund"),
        ("name: gale", "name: rainstorm", "one name"),
        ("source_severity: [1, 2]", "source_severity: [0]", "source_severity"),
    ],
)
def test_a_wrong_rule_is_refused_with_a_sentence(tools, before, after, message):
    """What may cost lives can never be held back, not even by a slip of the pen."""
    from gridhub.config import __path__ as folder

    content = open(f"{folder[0]}/matching.yaml", encoding="utf-8").read()  # noqa: PTH123, SIM115
    assert before in content
    with pytest.raises(MatchingError, match=message):
        Matching.parse(content.replace(before, after, 1).encode(), tools.facts.categories)


@pytest.mark.parametrize("changes", [{"notice_id": "x"}, {"notice_id": "a/b/c"}, {"codes": []}])
def test_a_notice_that_is_none_is_refused(world, tools, changes):
    """Whoever may write to hub.status cannot break a lane with it."""
    world.take(tools.event("w1", **RAIN))
    world.notices = [row | changes for row in world.notices]
    (done,) = world.settle()
    assert {row["reason"] for row in done.refused.to_pylist()} == {"missing_field"}
