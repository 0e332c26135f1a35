"""Reopening and responsibility memory: what comes back goes to who closed it; who solved it last leads the next one."""

from __future__ import annotations

import pytest

from gridhub.streams.clocks import Clocks
from gridhub.streams.rooms import responsibility
from gridhub.streams.rooms.assignment import assignments

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
GRID, OTHER_GRID = "420202005001001", "420202005001002"
GARBAGE = {"category": "exposed_garbage", "severity": 4}
STATION, POWER = "grid_station:420202005001", "department_unit:power-420202"


def closed(world, tools, **changes):
    """An incident of garbage that was worked off; its id and its handling task."""
    found, _ = world.take(tools.event("e1", **GARBAGE | changes))
    task_id = world.handlers()[0]["task_id"]
    world.now += HOUR_MS
    world.finish(task_id)
    return found.decisions[0]["incident_id"], task_id


def again(world, tools, event_id="e2", days=1.0, **changes):
    """The same told again some days on; what was decided."""
    world.now += round(days * DAY_MS)
    return world.take(tools.event(event_id, occurred_at=world.now, **GARBAGE | changes))


def test_what_comes_back_opens_the_closed_incident(world, tools):
    """重开: no new incident; the last handler has its task again, with new limits, and the station knows."""
    incident_id, task_id = closed(world, tools)
    found, sent = again(world, tools)
    assert [(row["incident_id"], row["outcome"], row["reason"]) for row in found.decisions] == [
        (incident_id, "merged", "reopened")
    ]
    incident = world.incidents[incident_id]
    assert (incident["state"], incident["reopened"], incident["closed_at"], incident["events"]) == ("open", 1, None, 2)
    task = world.tasks[task_id]
    assert (task["stage"], task["reopened"], task["overdue"], task["checker"]) == ("reopened", 1, False, None)
    assert (task["accept_by"], task["finish_by"]) == (world.now + 15 * MINUTE_MS, world.now + 4320 * MINUTE_MS)
    (told,) = [task for task in sent.tasks.to_pylist() if task["action"] == "inform"]
    assert (told["recipient"], told["title"][:4]) == (STATION, "【重开】")
    assert [(row["outcome"], row["task_ids"]) for row in sent.decisions] == [("reopened", [task_id, told["task_id"]])]
    assert [kind for kind, _ in world.timers(task_id)] == ["remind"]


def test_it_is_closed_like_any_other_and_may_come_back_again(world, tools):
    """Who handled it before may not check it now either; the third event opens it a second time."""
    incident_id, task_id = closed(world, tools)
    again(world, tools)
    for stage in ("accepted", "handling", "reported"):
        world.report(world.step(task_id, stage, "sun"))
    assert world.report(world.step(task_id, "checked", "wang")).refused.to_pylist()[0]["reason"] == "same_actor"
    world.report(world.step(task_id, "checked", "li"), world.step(task_id, "closed", "li"))
    assert world.incidents[incident_id]["state"] == "closed"
    again(world, tools, "e3")
    assert (world.incidents[incident_id]["state"], world.incidents[incident_id]["reopened"]) == ("open", 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"days": 7.01},
        {"category": "street_vending"},
        {"status": "exercise"},
        {"lon": 115.03},
        {"exact_point": False, "grid_ids": [OTHER_GRID]},
        {"exact_point": False, "grid_ids": ["420202005001"]},
        {"planned": True},
    ],
)
def test_another_matter_is_a_new_incident(world, tools, changes):
    """Too late, another category or status, elsewhere, a wider place, planned work: each opens its own."""
    incident_id, _ = closed(world, tools)
    found, _ = again(world, tools, **changes)
    assert found.decisions[0]["outcome"] == "opened"
    assert world.incidents[incident_id]["state"] == "closed"


def test_what_happened_before_the_close_is_no_false_close(world, tools):
    """An event that only arrives late says nothing about the work: a new incident, as ever."""
    incident_id, _ = closed(world, tools)
    world.now += HOUR_MS
    found, _ = world.take(tools.event("e2", **GARBAGE, occurred_at=world.now - 2 * HOUR_MS))
    assert (found.decisions[0]["outcome"], world.incidents[incident_id]["state"]) == ("opened", "closed")


def test_the_grid_is_the_place_where_there_is_no_point(world, tools):
    """Told by the grid's code only, it is the same grid that counts."""
    incident_id, _ = closed(world, tools, exact_point=False)
    again(world, tools, exact_point=False)
    assert world.incidents[incident_id]["state"] == "open"


def test_danger_to_life_is_always_a_new_incident(world, tools):
    """A second fire at the place of the first has the whole dispatch again."""
    fire = {"category": "fire", "severity": 1}
    world.take(tools.event("e1", **fire))
    world.finish(world.handlers()[0]["task_id"])
    found, sent = again(world, tools, **fire)
    assert found.decisions[0]["outcome"] == "opened"
    assert {task["action"] for task in sent.tasks.to_pylist()} == {"handle", "assist", "inform"}


def test_what_follows_in_the_same_batch_joins_it(world, tools):
    """Two events at once: one opens it again, the other joins; however the batch is cut."""
    incident_id, task_id = closed(world, tools)
    world.now += DAY_MS
    rows = [tools.event(name, **GARBAGE, occurred_at=world.now) for name in ("e2", "e3")]
    other = tools.world(state=type(world.state)(world.state), now=world.now)
    found, _ = world.take(*rows)
    assert [(row["outcome"], row["reason"]) for row in found.decisions] == [("merged", "reopened"), ("merged", "")]
    assert (world.incidents[incident_id]["reopened"], world.tasks[task_id]["reopened"]) == (1, 1)
    for row in rows:
        other.take(row)
    assert dict(other.state) == dict(world.state)


def test_a_person_may_open_it_again(world, tools):
    """By command, also when no event came; not when it is open."""
    incident_id, task_id = closed(world, tools)
    order = world.order("reopen", incident_id, actor="zhao", note="居民再次反映")
    done = world.report(order)
    assert (done.decisions[0]["outcome"], [row["incident_id"] for row in done.opened]) == ("reopened", [incident_id])
    assert (world.incidents[incident_id]["state"], world.tasks[task_id]["stage"]) == ("open", "reopened")
    assert "居民再次反映" in world.tasks[task_id]["note"]
    found, _ = again(world, tools, days=0.01)
    assert found.decisions[0]["incident_id"] == incident_id
    second = world.report(world.order("reopen", incident_id, actor="zhao"))
    assert second.refused.to_pylist()[0]["reason"] == "wrong_transition"


def test_the_list_of_the_closed_does_not_grow_without_end(world, tools):
    """What is past every window leaves with the next close."""
    closed(world, tools)
    world.now += 30 * DAY_MS
    world.take(tools.event("e2", **GARBAGE, occurred_at=world.now))
    world.finish(world.handlers()[-1]["task_id"])
    (entries,) = [value for key, value in world.state.items() if key.startswith(b"z|")]
    assert entries.count(b"exposed_garbage") == 1


# responsibility memory


def test_who_solved_it_is_remembered_for_the_place_and_the_category(world, tools):
    """A later matter of that category there, too late to reopen: the task says why it is theirs."""
    incident_id, _ = closed(world, tools)
    _, sent = again(world, tools, days=20)
    lead = next(task for task in sent.tasks.to_pylist() if task["action"] == "handle")
    assert (lead["proposed_by"], incident_id in lead["note"]) == ("memory", True)
    assert [task["proposed_by"] for task in sent.tasks.to_pylist() if task["action"] != "handle"] == [None]


def solved_by(world, tools, recipient, **changes):
    """As if this unit had solved the category at the place."""
    row = {**tools.event("e0", **GARBAGE | changes), "incident_id": "420202005-0"}
    task = {"action": "handle", "checker": "li", "status": "actual", "recipient": recipient, "stage_since": world.now}
    ledger = world.ledger()
    responsibility.remember(task, row, ledger)
    world.state.apply(ledger.changes())


def actions(sent):
    """Each recipient with its action."""
    return {task["recipient"]: task["action"] for task in sent.tasks.to_pylist()}


def test_who_would_assist_leads_when_it_solved_the_last_one(world, tools):
    """The grid member restored the power last time: it leads with the leader's limits, the company assists."""
    plain = actions(tools.world().take(tools.event("e1"))[1])
    solved_by(world, tools, f"grid_member:{GRID}", category="power_outage")
    _, sent = world.take(tools.event("e1"))
    now = actions(sent)
    assert (plain[POWER], now[POWER], now[f"grid_member:{GRID}"]) == ("handle", "assist", "handle")
    assert now.keys() == plain.keys()
    lead = next(task for task in sent.tasks.to_pylist() if task["action"] == "handle")
    assert lead["finish_by"] == world.now + 480 * MINUTE_MS


def test_who_is_not_asked_is_added_as_help(world, tools):
    """The volunteers solved it last time: they assist; nobody else's task changes."""
    plain = actions(tools.world().take(tools.event("e1"))[1])
    volunteers = "volunteer_team:420202005001"
    solved_by(world, tools, volunteers, category="power_outage")
    assert actions(world.take(tools.event("e1"))[1]) == plain | {volunteers: "assist"}


def test_a_higher_severity_keeps_what_was_proposed(world, tools):
    """No second leader when it becomes worse."""
    solved_by(world, tools, f"grid_member:{GRID}", category="power_outage")
    world.take(tools.event("e1"))
    world.take(tools.event("e2", severity=2))
    assert [task["recipient"] for task in world.handlers()] == [f"grid_member:{GRID}"]


def test_danger_to_life_is_never_rearranged(world, tools):
    """The routing of a lift alarm stands, whoever solved the last one."""
    solved_by(world, tools, f"grid_member:{GRID}", category="lift_alarm")
    _, sent = world.take(tools.event("e1", category="lift_alarm", severity=2))
    assert actions(sent) == actions(tools.world().take(tools.event("e1", category="lift_alarm", severity=2))[1])
    assert {task["proposed_by"] for task in sent.tasks.to_pylist()} == {None}


def test_the_memory_expires(world, tools):
    """After memory_days the routing stands alone."""
    solved_by(world, tools, f"grid_member:{GRID}", category="power_outage")
    world.now += world.facts.clocks.memory_ms + 1
    _, sent = world.take(tools.event("e1", occurred_at=world.now))
    assert actions(sent)[POWER] == "handle"


def test_a_false_close_is_no_merit(world, tools):
    """What comes back drops the memory of that close."""
    closed(world, tools)
    assert any(key.startswith(b"o|") for key in world.state)
    again(world, tools)
    assert not any(key.startswith(b"o|") for key in world.state)


def test_a_wide_place_or_an_unchecked_close_is_not_remembered(world, tools):
    """A street has no last owner; neither has an exercise, nor a help."""
    rain = tools.event("e1", grid_ids=["420202005"], exact_point=False)
    assert responsibility.owner_key(rain, "power_outage") is None
    ledger = world.ledger()
    for values in ({"status": "exercise"}, {"action": "assist"}, {"checker": None}):
        task = {"action": "handle", "checker": "li", "status": "actual", "recipient": POWER, "stage_since": 0} | values
        responsibility.remember(task, {**tools.event("e1"), "incident_id": "i"}, ledger)
    assert ledger.changes() == {}


def test_a_recipient_of_a_lost_role_is_not_proposed(world, tools):
    """What no role knows any more changes nothing."""
    found, _ = world.take(tools.event("e1"))
    items = assignments(world.stored_incident(found.decisions[0]["incident_id"]), world.facts, world.now)
    assert responsibility.arranged(items, "mayor:420202", world.facts) == list(items)


def test_bundled_categories_that_reopen_cost_no_lives(tools):
    """The file that comes with the hub names none that may."""
    clocks = Clocks.load(None, tools.facts.categories)
    assert not any(tools.facts.categories[name].life_safety for name in clocks.file.reopen_days)
