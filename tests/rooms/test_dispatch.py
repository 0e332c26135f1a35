"""dispatch: who gets which task, once, and what happens when a matter becomes worse."""

from __future__ import annotations

import pytest

from gridhub.streams.memory import MemoryState
from gridhub.streams.rooms.organisation import ROLES, Organisation, Recipient, parse

MINUTE_MS = 60_000
GRID, COMMUNITY, STREET, DISTRICT, CITY = "420202005001001", "420202005001", "420202005", "420202", "420200"
VILLAGE_GRID = "420202005201001"


def by_action(sent):
    """The recipients of what was sent, by action."""
    tasks = sent.tasks.to_pylist()
    return {
        action: sorted(task["recipient"] for task in tasks if task["action"] == action)
        for action in ("handle", "assist", "inform")
    }


def test_one_incident_fans_out_to_handle_assist_and_inform(world, tools):
    """An outage: the power company handles, the grid member assists, the grid station knows."""
    _, sent = world.take(tools.event("e1"))
    assert by_action(sent) == {
        "handle": ["department_unit:power-420202"],
        "assist": [f"grid_member:{GRID}"],
        "inform": [f"grid_station:{COMMUNITY}"],
    }


def test_a_task_says_all_that_its_reader_needs(world, tools):
    """Ids derived, limits from now, the place, the words, the rule; nothing happened to it yet."""
    found, _ = world.take(tools.event("e1"))
    incident_id = found.decisions[0]["incident_id"]
    task = world.tasks[f"{incident_id}-handle-department_unit-power-420202"]
    assert task == {
        "task_id": f"{incident_id}-handle-department_unit-power-420202",
        "incident_id": incident_id, "version": 1, "area": STREET, "grid_ids": [GRID], "place_name": "桂花湾社区",
        "lon": 115.02, "lat": 30.25, "category": "power_outage", "severity": 3, "status": "actual", "action": "handle",
        "role": "department_unit", "recipient": "department_unit:power-420202",
        "recipient_name": "黄石港区 供电公司", "title": "小区停电", "text": "居民反映整栋楼没有电", "stage": "dispatched",
        "stage_since": tools.now, "created_at": tools.now, "accept_by": tools.now + 15 * MINUTE_MS,
        "finish_by": tools.now + 480 * MINUTE_MS, "overdue": False, "returns": 0, "handler": None, "checker": None,
        "note": "", "route": "root/power", "changed_by": "power/e1",
        "check_by": None, "check_unit": None, "paused_ms": 0, "suspend_reason": None, "suspended_until": None,
        "extension_asked_by": None, "extensions": 0, "escalations": 0, "escalated_to": None, "reminded_at": None,
        "reopened": 0, "arbitrated": False, "proposed_by": None, "also_incidents": [], "on_duty": None,
    }  # fmt: skip


def test_who_is_only_informed_has_no_limits(world, tools):
    """An inform task waits for nothing."""
    world.take(tools.event("e1"))
    informed = [task for task in world.tasks.values() if task["action"] == "inform"]
    assert [(task["accept_by"], task["finish_by"]) for task in informed] == [(None, None)]


def test_the_incident_names_its_tasks_in_each_snapshot(world, tools):
    """Every published version carries the tasks of all versions so far."""
    dark = tools.event("e2", source="public-security", category="dark_street", severity=4)
    _, sent = world.take(tools.event("e1"), dark)
    first, second = sent.incidents.to_pylist()
    assert (first["version"], second["version"]) == (1, 2)
    assert first["task_ids"] == second["task_ids"] == list(world.tasks)


@pytest.mark.parametrize(("status", "prefix"), [("exercise", "【演练】"), ("test", "【测试】"), ("actual", "小区")])
def test_an_exercise_says_so(world, tools, status, prefix):
    """Nobody takes a drill for an emergency."""
    _, sent = world.take(tools.event("e1", status=status))
    assert {task["status"] for task in sent.tasks.to_pylist()} == {status}
    assert all(task["title"].startswith(prefix) for task in sent.tasks.to_pylist())


def test_a_plain_merge_wakes_nobody(world, tools):
    """An event that adds nothing leaves the tasks as they are."""
    world.take(tools.event("e1"))
    _, sent = world.take(tools.event("e2", severity=4))
    assert sent.tasks.num_rows == 0
    assert not sent.decisions
    assert sent.incidents.num_rows == 1


def test_a_raised_severity_brings_new_versions_and_new_recipients(world, tools):
    """Open tasks get the severity and nearer limits; the street and the grid centre hear of it; nobody twice."""
    world.take(tools.event("e1"))
    before = dict(world.tasks)
    _, sent = world.take(tools.event("e2", severity=1, title="医院停电"))
    versions = {task["recipient"]: task["version"] for task in sent.tasks.to_pylist()}
    assert versions == {
        "department_unit:power-420202": 2, f"grid_member:{GRID}": 2, f"grid_station:{COMMUNITY}": 2,
        f"street:{STREET}": 1, "department_unit:governance-420202": 1,
    }  # fmt: skip
    for task_id, task in before.items():
        after = world.tasks[task_id]
        assert after["severity"] == 1
        assert "医院停电" in after["note"]
        if task["finish_by"] is not None:
            assert after["finish_by"] < task["finish_by"]
            assert after["accept_by"] == task["accept_by"]


def test_a_limit_never_moves_away(world, tools):
    """A raise long after the dispatch gives no more time than there was."""
    world.take(tools.event("e1"))
    world.now += 479 * MINUTE_MS
    world.take(tools.event("e2", severity=2))
    assert world.handlers()[0]["finish_by"] == tools.now + 480 * MINUTE_MS


def test_danger_to_life_in_a_merged_event_calls_the_rescuers_in_its_words(world, tools):
    """People trapped in a lift join the outage, and the fire brigade is sent to the lift."""
    world.take(tools.event("e1", severity=2))
    lift = {
        "source": "public-security",
        "category": "lift_alarm",
        "severity": 2,
        "title": "电梯困人",
        "text": "两名老人",
    }
    found, sent = world.take(tools.event("e2", **lift))
    assert found.decisions[0]["outcome"] == "merged"
    rescue = next(task for task in sent.tasks.to_pylist() if task["recipient"] == "department_unit:fire-420202")
    assert (rescue["action"], rescue["category"], rescue["title"], rescue["text"]) == (
        "handle", "lift_alarm", "电梯困人", "两名老人",
    )  # fmt: skip


def test_a_closed_task_is_not_woken_by_a_raise(world, tools):
    """What ended has no further version."""
    found, _ = world.take(tools.event("e1"))
    helper = next(task for task in world.tasks.values() if task["action"] == "assist")
    world.report(world.step(helper["task_id"], "returned"))
    _, sent = world.take(tools.event("e2", severity=1))
    assert helper["task_id"] not in {task["task_id"] for task in sent.tasks.to_pylist()}
    assert helper["task_id"] in world.incidents[found.decisions[0]["incident_id"]]["task_ids"]


def test_a_possible_event_is_a_note_for_the_handler_and_wakes_nobody_else(world, tools):
    """One new version of the handling task, with a word on the event; no new task."""
    world.take(tools.event("e1"))
    unsure = {"lon": 115.0228, "occurred_at": tools.now + 3_600_000, "title": "灯光忽明忽暗", "text": "家里电灯"}
    found, sent = world.take(tools.event("e2", source="water", **unsure))
    assert found.decisions[0]["outcome"] == "possible"
    tasks = sent.tasks.to_pylist()
    assert [(task["action"], task["version"], task["finish_by"]) for task in tasks] == [
        ("handle", 2, tools.now + 480 * MINUTE_MS)
    ]
    assert "water/e2 灯光忽明忽暗" in tasks[0]["note"]


def test_the_journal_names_rules_routes_and_tasks(world, tools):
    """One decision of dispatch per event that made or changed tasks."""
    _, sent = world.take(tools.event("e1"), tools.event("e2"))
    assert len(sent.decisions) == 1
    decision = sent.decisions[0]
    assert (decision["room"], decision["outcome"], decision["row"]) == ("dispatch", "opened", 0)
    assert decision["task_ids"] == list(world.tasks)
    assert decision["reason"] == "root/power"
    assert decision["rules"] == {"matching": "m1", "routing": "r1"}
    assert (decision["source"], decision["event_id"]) == ("power", "e1")


def test_a_warning_for_a_district_reaches_its_streets(world, tools):
    """Each street handles; a rule for grid members of a district means the streets too, and nobody twice."""
    rain = {
        "source": "meteorology",
        "category": "weather_rain",
        "area": DISTRICT,
        "grid_ids": [DISTRICT],
        "exact_point": False,
    }
    _, sent = world.take(tools.event("w1", **rain))
    assert by_action(sent) == {
        "handle": ["street:420202005", "street:420202006"],
        "assist": [],
        "inform": ["department_unit:emergency-420202"],
    }


def test_a_bounded_fan_out_is_told(world, tools):
    """Where a rule reaches more than the limit, the task says how many were left out."""
    world.facts.routing.max_fanout, before = 1, world.facts.routing.max_fanout
    try:
        rain = {"category": "weather_rain", "area": DISTRICT, "grid_ids": [DISTRICT], "exact_point": False}
        _, sent = world.take(tools.event("w1", **rain))
    finally:
        world.facts.routing.max_fanout = before
    assert by_action(sent)["handle"] == ["street:420202005"]
    assert "另有1个接收单位" in next(iter(world.tasks.values()))["text"]


@pytest.mark.parametrize(
    ("role", "code", "recipients"),
    [
        ("grid_member", GRID, [f"grid_member:{GRID}"]),
        ("grid_station", GRID, [f"grid_station:{COMMUNITY}"]),
        ("community", GRID, [f"community:{COMMUNITY}"]),
        ("police_post", GRID, [f"police_post:{COMMUNITY}"]),
        ("street", GRID, [f"street:{STREET}"]),
        ("community", VILLAGE_GRID, ["village_council:420202005201"]),
        ("building_group", VILLAGE_GRID, [f"village_board:{VILLAGE_GRID}"]),
        ("grid_branch", GRID, [f"grid_branch:{GRID}"]),
        ("grid_member", COMMUNITY, [f"grid_station:{COMMUNITY}"]),
        ("grid_member", STREET, [f"street:{STREET}"]),
        ("police_post", STREET, ["department_unit:public-security-420202"]),
        ("grid_member", DISTRICT, ["street:420202005", "street:420202006"]),
        ("street", CITY, ["street:420202005", "street:420202006", "street:420203001"]),
        ("volunteer_team", "420281", ["department_unit:governance-420281"]),
    ],
)
def test_a_role_resolves_to_who_serves_the_place(tools, role, code, recipients):
    """At its own level the role itself, above it the place's own unit, in a village its counterpart."""
    resolved = tools.facts.organisation.resolve(role, "", (code,), 10)
    assert [recipient.id for recipient in resolved.recipients] == recipients


def test_a_department_has_a_unit_per_district(tools):
    """The unit of each district that the place touches, once."""
    resolved = tools.facts.organisation.resolve("department_unit", "power", (GRID, COMMUNITY, "420203"), 10)
    assert [recipient.id for recipient in resolved.recipients] == [
        "department_unit:power-420202", "department_unit:power-420203",
    ]  # fmt: skip


@pytest.mark.parametrize("role", [role for role in ROLES if role != "department_unit"])
def test_every_role_returns_upward_until_the_city(tools, role):
    """From any role the way up ends at the city's grid centre, without a circle."""
    here = tools.facts.organisation.resolve(role, "", (GRID,), 1).recipients[0]
    way = [here]
    while (upper := tools.facts.organisation.above(way[-1])) is not None:
        assert upper not in way
        way.append(upper)
    assert way[-1] == Recipient("department_unit", CITY, "governance")


def test_the_way_up_from_the_grid(tools):
    """网格员 to station, community, street, then the grid centres of district and city."""
    way = [Recipient("grid_member", GRID)]
    while (upper := tools.facts.organisation.above(way[-1])) is not None:
        way.append(upper)
    assert [step.id for step in way[1:]] == [
        f"grid_station:{COMMUNITY}", f"community:{COMMUNITY}", f"street:{STREET}",
        "department_unit:governance-420202", "department_unit:governance-420200",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "recipient", [Recipient("street", STREET), Recipient("department_unit", "420202", "food-drug")]
)
def test_a_recipient_id_reads_back(recipient):
    """`role:code` and `department_unit:<department>-<district>` name one recipient each."""
    assert parse(recipient.id) == recipient


def test_names_for_persons(tools):
    """Place and role, or place and department; a place that has the role in its name is named once."""
    city = Organisation(tools.facts.catalogue, {"power": "供电公司"})
    names = [
        city.name_of(recipient)
        for recipient in (
            Recipient("grid_member", GRID), Recipient("grid_station", COMMUNITY), Recipient("street", STREET),
            Recipient("department_unit", DISTRICT, "power"), Recipient("department_unit", "420281", "other"),
        )
    ]  # fmt: skip
    assert names == [
        "桂花湾社区居委会第001网格 网格员", "桂花湾社区居委会 网格站", "沈家营街道", "黄石港区 供电公司", "420281 other",
    ]  # fmt: skip


def test_the_changes_of_dispatch_are_the_whole_change(world, tools):
    """Applying what dispatch gives back is enough: it holds what deduplicate decided too."""
    world.take(tools.event("e1"))
    kinds = {key[:2] for key in world.state}
    assert kinds == {b"s|", b"e|", b"m|", b"i|", b"t|", b"d|", b"d@"}
    assert isinstance(world.state, MemoryState)
