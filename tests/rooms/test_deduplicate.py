"""deduplicate: what is told twice, what is the same matter, and what must never be."""

from __future__ import annotations

import orjson
import pytest

HOUR_MS = 3_600_000
DARK = {
    "source": "public-security",
    "category": "dark_street",
    "severity": 4,
    "title": "路灯不亮",
    "text": "整条街是黑的",
}
LIFT = {
    "source": "public-security",
    "category": "lift_alarm",
    "severity": 2,
    "title": "电梯困人",
    "text": "停电困在电梯里",
}
RAIN = {
    "source": "meteorology", "category": "weather_rain", "title": "暴雨橙色预警", "area": "420202",
    "grid_ids": ["420202"], "exact_point": False, "subject_keys": ["warning:W1"],
}  # fmt: skip


def outcomes(found):
    """The outcome of each event, in row order."""
    return [decision["outcome"] for decision in found.decisions]


def test_the_same_source_and_id_is_a_duplicate(world, tools):
    """The second telling is refused, says when the first came and names its incident."""
    found, _ = world.take(tools.event("e1"), tools.event("e1"))
    assert outcomes(found) == ["opened", "duplicate"]
    refused = found.refused.to_pylist()[0]
    assert (refused["reason"], refused["row"]) == ("duplicate", 1)
    assert "first seen 2026-09-21T14:13:20.000+00:00" in refused["detail"]
    assert found.decisions[1]["incident_id"] == found.decisions[0]["incident_id"]


def test_the_same_id_of_another_source_is_no_duplicate(world, tools):
    """Event ids belong to their source."""
    found, _ = world.take(tools.event("e1"), tools.event("e1", source="water", grid_ids=["420202006001001"]))
    assert "duplicate" not in outcomes(found)


def test_a_duplicate_is_known_in_later_batches(world, tools):
    """What was seen is in the state, as 8 bytes of ms and the incident's id."""
    found, _ = world.take(tools.event("e1"))
    value = world.state[b"s|power|e1"]
    assert int.from_bytes(value[:8], "big") == tools.now
    assert value[8:].decode() == found.decisions[0]["incident_id"]
    assert outcomes(world.take(tools.event("e1"))[0]) == ["duplicate"]


@pytest.mark.parametrize(("later_ms", "outcome"), [(72 * HOUR_MS, "duplicate"), (72 * HOUR_MS + 1, "opened")])
def test_an_id_is_remembered_for_the_retention_and_no_longer(world, tools, later_ms, outcome):
    """At the retention's end an id is free again."""
    world.take(tools.event("e1"))
    world.now += later_ms
    assert outcomes(world.take(tools.event("e1", occurred_at=world.now))[0]) == [outcome]


@pytest.mark.parametrize("forgotten", [False, True])
def test_an_id_that_comes_back_opens_another_incident(world, tools, forgotten):
    """An incident id is never given twice, even when the state has forgotten the event id."""
    first, _ = world.take(tools.event("e1"))
    world.now += 80 * HOUR_MS
    if forgotten:
        world.state.apply({b"s|power|e1": None})
    second, _ = world.take(tools.event("e1", occurred_at=world.now))
    ids = {found.decisions[0]["incident_id"] for found in (first, second)}
    assert len(ids) == 2
    assert len(world.incidents) == 2


def test_three_departments_on_one_outage_make_one_incident(world, tools):
    """An outage, a dark street and a lift alarm near each other are one matter, with the most severe severity."""
    found, _ = world.take(
        tools.event("p1", subject_keys=["transformer:T1"]),
        tools.event("g1", occurred_at=tools.now + 600_000, lon=115.0208, **DARK),
        tools.event("g2", occurred_at=tools.now + 900_000, lon=115.0201, **LIFT),
    )
    assert outcomes(found) == ["opened", "merged", "merged"]
    incident = next(iter(world.incidents.values()))
    assert (incident["events"], incident["severity"], incident["version"]) == (3, 2, 3)
    assert incident["sources"] == ["power", "public-security"]
    assert incident["event_ids"] == ["power/p1", "public-security/g1", "public-security/g2"]
    assert incident["subject_keys"] == ["transformer:T1"]
    assert (incident["first_event_at"], incident["last_event_at"]) == (tools.now, tools.now + 900_000)
    assert incident["category"] == "power_outage"


def test_three_departments_without_points_but_in_one_grid_are_one_matter(world, tools):
    """Where only the grid is known, the same grid will do."""
    rough = {"exact_point": False, "lon": 115.0, "lat": 30.0}
    found, _ = world.take(
        tools.event("p1", **rough), tools.event("g1", **DARK | rough), tools.event("g2", **LIFT | rough)
    )
    assert outcomes(found) == ["opened", "merged", "merged"]


@pytest.mark.parametrize(
    "changes",
    [
        {"lon": 115.03},
        {"occurred_at": 1_790_000_000_000 + 5 * HOUR_MS},
        {"occurred_at": 1_790_000_000_000 - 5 * HOUR_MS},
        {"status": "exercise"},
        {"status": "test"},
        {"planned": True},
        {"subject_keys": ["transformer:T2"]},
        {"category": "fire"},
        {"exact_point": False, "grid_ids": ["420202005001002"]},
        {"grid_ids": ["420202006001001"]},
    ],
    ids=["far", "late", "early", "exercise", "test", "planned", "other-key", "other-group", "other-grid", "other-area"],
)
def test_a_hard_gate_keeps_matters_apart(world, tools, changes):
    """Too far, too late, another status, planned, another transformer, another group: never one matter."""
    first = tools.event("e1", subject_keys=["transformer:T1"])
    found, _ = world.take(first, tools.event("e2", **changes))
    assert outcomes(found) == ["opened", "opened"]


def test_neighbouring_planned_work_never_merges(world, tools):
    """Work at house after house, at the same hour, in the same words, stays one incident each."""
    work = {"planned": True, "category": "planned_power_work", "title": "计划检修"}
    found, _ = world.take(*(tools.event(f"e{n}", lon=115.02 + n / 100_000, **work) for n in range(5)))
    assert outcomes(found) == ["opened"] * 5
    assert not any(key.startswith(b"m|") for key in world.state)


def test_an_event_never_joins_planned_work(world, tools):
    """An unplanned outage beside planned work is a matter of its own, in either order."""
    found, _ = world.take(tools.event("e1", planned=True), tools.event("e2"), tools.event("e3", planned=True))
    assert outcomes(found) == ["opened"] * 3


@pytest.mark.parametrize("category", ["missing_person", "pension_verification", "pregnancy_visit"])
def test_two_persons_never_merge(world, tools, category):
    """Same place, same minute, same words, two person hashes: two matters. The same hash: one."""
    same = {"category": category, "title": "同样的话", "text": "同样的话"}
    rows = [tools.event(f"e{n}", subject_keys=[f"person:{key}"], **same) for n, key in enumerate(["aa", "bb", "aa"])]
    found, _ = world.take(*rows)
    assert outcomes(found) == ["opened", "opened", "merged"]
    assert found.decisions[2]["incident_id"] == found.decisions[0]["incident_id"]


def test_a_matter_of_a_person_without_a_key_stays_alone(world, tools):
    """In a group of personal matters nothing but a shared key joins two events."""
    found, _ = world.take(*(tools.event(f"e{n}", category="pension_verification") for n in range(2)))
    assert outcomes(found) == ["opened", "opened"]


def test_a_kind_with_a_common_value_is_no_conflict(world, tools):
    """An event that names two transformers shares one with the incident."""
    first = tools.event("e1", subject_keys=["transformer:T1"])
    found, _ = world.take(first, tools.event("e2", subject_keys=["transformer:T1", "transformer:T2"]))
    assert outcomes(found) == ["opened", "merged"]


def test_a_shared_key_reaches_further_than_the_radius(world, tools):
    """The same transformer 600 m away is the same outage; without the key it is not."""
    far = {"lon": 115.02 + 600 / 96_000}
    key = {"subject_keys": ["transformer:T1"]}
    found, _ = world.take(tools.event("e1", **key), tools.event("e2", **far, **key), tools.event("e3", **far))
    assert outcomes(found) == ["opened", "merged", "opened"]


def test_an_unsure_event_is_left_to_a_person(world, tools):
    """Between the thresholds the event is counted as possible and changes nothing else of the incident."""
    found, _ = world.take(
        tools.event("e1", severity=3), tools.event("e2", severity=1, source="water", **_unsure(tools))
    )
    assert outcomes(found) == ["opened", "possible"]
    score = found.decisions[1]["score"]
    assert score["possible"] <= score["total"] < score["merge"]
    incident = next(iter(world.incidents.values()))
    assert (incident["possible"], incident["events"], incident["severity"], incident["version"]) == (1, 1, 3, 2)
    assert incident["event_ids"] == ["power/e1"]


def test_an_unsure_event_that_may_cost_lives_opens_its_own_incident(world, tools):
    """Life safety never waits for a decision."""
    fire = {"category": "fire", "title": "楼道起火", "text": "有浓烟"}
    other = {"lon": 115.0211, "title": "垃圾桶冒烟", "text": "不知道是否着火", "occurred_at": tools.now + HOUR_MS}
    found, _ = world.take(tools.event("e1", **fire), tools.event("e2", **fire | other))
    assert outcomes(found) == ["opened", "opened"]
    assert found.decisions[1]["reason"] == "life_safety"


def _unsure(tools):
    return {"lon": 115.0228, "occurred_at": tools.now + HOUR_MS, "title": "灯光忽明忽暗", "text": "家里电灯"}


def test_a_late_event_joins_the_matter_of_its_own_time(world, tools):
    """Events out of order: the late one belongs to the morning's matter, not to the evening's."""
    morning, evening = tools.now, tools.now + 5 * HOUR_MS
    found, _ = world.take(
        tools.event("e1", occurred_at=morning),
        tools.event("e2", occurred_at=evening),
        tools.event("e3", occurred_at=morning + 60_000),
    )
    assert outcomes(found) == ["opened", "opened", "merged"]
    assert found.decisions[2]["incident_id"] == found.decisions[0]["incident_id"]


def test_the_best_of_two_incidents_is_joined(world, tools):
    """The nearer of two open matters wins, however they stand in the list."""
    near, far = {"lon": 115.0200, "subject_keys": ["x:1"]}, {"lon": 115.0225, "subject_keys": ["x:2"]}
    found, _ = world.take(tools.event("e1", **near), tools.event("e2", **far), tools.event("e3", lon=115.0224))
    assert outcomes(found) == ["opened", "opened", "merged"]
    assert found.decisions[2]["incident_id"] == found.decisions[1]["incident_id"]


def test_a_matter_does_not_grow_without_end(world, tools):
    """Events in steps of half a window join, until the incident is six windows long."""
    step = 2 * HOUR_MS
    found, _ = world.take(*(tools.event(f"e{n}", occurred_at=tools.now + n * step) for n in range(20)))
    assert outcomes(found)[:13] == ["opened", *["merged"] * 12]
    assert outcomes(found)[13] == "opened"


def test_a_closed_incident_is_no_candidate(world, tools):
    """After its last handling task is closed, the same matter is a new incident."""
    world.take(tools.event("e1"))
    world.finish(world.handlers()[0]["task_id"])
    assert outcomes(world.take(tools.event("e2"))[0]) == ["opened"]


def test_a_cancelled_incident_is_no_candidate(world, tools):
    """A cancelled incident is joined by nothing."""
    found, _ = world.take(tools.event("e1"))
    world.report(world.cancel(found.decisions[0]["incident_id"]))
    assert outcomes(world.take(tools.event("e2"))[0]) == ["opened"]


def test_a_warning_is_one_matter_by_its_id_or_by_type_and_codes(world, tools):
    """An update with the warning's id and a renewal for the same codes join; other codes and other types do not."""
    renewed = RAIN | {"subject_keys": ["warning:W2"]}
    rows = [
        tools.event("w1", **RAIN | {"severity": 3}),
        tools.event("w2", **RAIN | {"severity": 2, "title": "暴雨红色预警"}),
        tools.event("w3", **renewed),
        tools.event("w4", **renewed | {"category": "weather_wind"}),
        tools.event("w5", **renewed | {"subject_keys": [], "grid_ids": ["420202", "420203"]}),
    ]
    found, _ = world.take(*rows)
    assert outcomes(found) == ["opened", "merged", "merged", "opened", "opened"]
    assert world.incidents[found.decisions[0]["incident_id"]]["severity"] == 2


def test_a_street_and_a_point_in_it_are_possible_at_most(world, tools):
    """Knowing only the street is too little to join by itself."""
    wide = {"grid_ids": ["420202005"], "exact_point": False, "source": "water"}
    found, _ = world.take(tools.event("e1"), tools.event("e2", **DARK | wide))
    assert outcomes(found)[1] in {"possible", "opened"}


def test_candidates_are_bounded_and_the_oldest_go_first(world, tools):
    """A hundred open matters per street and group are kept; the hundred and first drops the first."""
    most = tools.facts.matching.candidates
    rows = [tools.event(f"e{n}", subject_keys=[f"transformer:T{n}"]) for n in range(most + 1)]
    world.take(*rows)
    entries = orjson.loads(world.state[b"m|420202005|power_supply"])
    assert [entry[9] for entry in entries] == [[f"transformer:T{n}"] for n in range(1, most + 1)]


def test_candidates_that_no_late_event_can_join_are_dropped(world, tools):
    """A new incident drops those older than window and lateness."""
    later = tools.now + 4 * HOUR_MS + tools.facts.matching.lateness_s * 1000 + 1
    world.take(tools.event("e1"), tools.event("e2", occurred_at=later))
    assert len(orjson.loads(world.state[b"m|420202005|power_supply"])) == 1


def test_a_category_that_the_table_lost_still_opens_incidents(world, tools):
    """A reload may drop a category: its events are matters of their own, and somebody has them."""
    found, sent = world.take(*(tools.event(f"e{n}", category="gone") for n in range(2)))
    assert outcomes(found) == ["opened", "opened"]
    assert [row["action"] for row in sent.tasks.to_pylist()].count("handle") == 2


def test_an_incident_names_its_first_fifty_events(world, tools):
    """The list of event ids is bounded, the count is not."""
    found, _ = world.take(*(tools.event(f"e{n}") for n in range(60)))
    incident = world.incidents[found.decisions[0]["incident_id"]]
    assert (len(incident["event_ids"]), incident["events"]) == (50, 60)


def test_an_empty_batch_decides_nothing(world):
    """No rows in, no rows out, no change."""
    found, sent = world.take()
    assert (found.kept.num_rows, found.snapshots.num_rows, sent.tasks.num_rows, found.changes) == (0, 0, 0, {})
