"""What people decide about incidents: confirm, reject, split, merge; what follows, and how it is undone."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CALL = {
    "source": "public-security",
    "title": "路灯不亮",
    "text": "整条街是黑的",
    "category": "dark_street",
    "severity": 4,
}
LIFT = {"source": "public-security", "category": "lift_alarm", "severity": 2, "title": "电梯困人", "lat": 30.2502}
AWAY = {"grid_ids": ["420202005001002"], "lat": 30.27}
FROM_EVENTS = (
    "events", "event_ids", "possible", "possible_ids", "severity", "sources", "subject_keys", "first_event_at",
    "last_event_at", "told", "absorbed", "category", "title", "state",
)  # fmt: skip


def possible(tools, event_id="c1", **changes):
    """A call that knows only the community, from another department and time: possible, not merged."""
    wide = {"grid_ids": ["420202005001"], "exact_point": False, "occurred_at": tools.now + 3_600_000}
    return tools.event(event_id, **CALL | wide | changes)


def opened(found, at=0):
    """The incident that this event of the batch went to."""
    return found.decisions[at]["incident_id"]


def content(incident):
    """What an incident has from its events."""
    return {name: incident.get(name) for name in FROM_EVENTS}


def state_of(world, incident_id):
    """The incident as the state has it."""
    import orjson

    return orjson.loads(world.state[f"i|{incident_id}".encode()])


def open_tasks(world, incident_id):
    """Recipients of the incident's tasks that are open."""
    return sorted(
        task["recipient"]
        for task in world.tasks.values()
        if task["incident_id"] == incident_id and task["stage"] not in {"cancelled", "closed", "returned"}
    )


@pytest.fixture
def doubtful(world, tools):
    """An outage, and a call that may belong to it."""
    found, _ = world.take(tools.event("e1"), possible(tools))
    assert [decision["outcome"] for decision in found.decisions] == ["opened", "possible"]
    return world, opened(found)


def test_a_possible_event_is_named_on_its_incident(doubtful):
    """The console can list what waits for a decision."""
    world, name = doubtful
    assert world.incidents[name]["possible_ids"] == ["public-security/c1"]


def test_confirm_makes_the_event_count(doubtful):
    """It is an event of the incident then; the journal names who decided, why, and which event."""
    world, name = doubtful
    done = world.report(world.order("confirm", name, event="public-security/c1", note="现场核实"))
    after = world.incidents[name]
    assert (after["events"], after["possible"], after["possible_ids"]) == (2, 0, [])
    assert after["event_ids"] == ["power/e1", "public-security/c1"]
    own, moved = done.decisions
    assert (own["outcome"], own["actor"], own["note"]) == ("confirmed", "operator", "现场核实")
    assert (moved["source"], moved["event_id"], moved["outcome"], moved["actor"]) == (
        "public-security", "c1", "merged", "operator",
    )  # fmt: skip


def test_reject_gives_the_event_its_own_incident_with_tasks(doubtful):
    """Under the id that it would have opened; the doubt is gone from the other one."""
    world, name = doubtful
    done = world.report(world.order("reject", name, event="public-security/c1"))
    (own,) = [row["incident_id"] for row in done.opened]
    assert (world.incidents[name]["possible"], world.incidents[name]["possible_ids"]) == (0, [])
    assert world.incidents[own]["event_ids"] == ["public-security/c1"]
    assert open_tasks(world, own)
    assert done.decisions[1]["task_ids"] == world.incidents[own]["task_ids"]


def test_a_rejected_event_is_a_candidate_and_its_duplicate_names_it(doubtful, tools):
    """What is told again of it joins its own incident; a redelivery is a duplicate of it."""
    world, name = doubtful
    done = world.report(world.order("reject", name, event="public-security/c1"))
    own = done.opened[0]["incident_id"]
    found, _ = world.take(possible(tools), possible(tools, "c2", text=""))
    assert [opened(found, 0), opened(found, 1)] == [own, own]
    assert [decision["outcome"] for decision in found.decisions] == ["duplicate", "merged"]


def test_reject_works_on_a_closed_incident(doubtful):
    """Otherwise an event that nobody decided on in time would be lost."""
    world, name = doubtful
    for task in world.handlers():
        world.finish(task["task_id"])
    assert world.incidents[name]["state"] == "closed"
    world.report(world.order("reject", name, event="public-security/c1"))
    assert len([row for row in world.incidents.values() if row["state"] == "open"]) == 1


def test_split_takes_an_event_out_again(world, tools):
    """Severity, lists and tasks are those without it; it has its own incident. What was begun is not taken back."""
    found, _ = world.take(tools.event("e1", subject_keys=["transformer:T1"]))
    name = opened(found)
    before, tasks = content(state_of(world, name)), open_tasks(world, name)
    world.take(tools.event("l1", **LIFT))
    assert open_tasks(world, name) != tasks
    done = world.report(world.order("split", name, event="public-security/l1"))
    assert content(state_of(world, name)) == before
    assert open_tasks(world, name) == tasks
    assert done.opened[0]["category"] == "lift_alarm"
    assert {task["severity"] for task in world.tasks.values() if task["incident_id"] == name} == {3, 2}


def test_the_first_event_stays(world, tools):
    """An incident has place and name from its first event: the others are split off instead."""
    found, _ = world.take(tools.event("e1"), tools.event("e2"))
    done = world.report(world.order("split", opened(found), event="power/e1"))
    assert done.refused.to_pylist()[0]["reason"] == "wrong_transition"


def test_merge_makes_one_of_two_and_split_gives_back_the_earlier_state(world, tools):
    """Events, severity, sources and keys come together; the other's open tasks end, and come again under new ids."""
    found, _ = world.take(tools.event("e1"), tools.event("f1", **CALL | AWAY))
    one, other = opened(found, 0), opened(found, 1)
    assert one != other
    before = {name: content(state_of(world, name)) for name in (one, other)}
    tasks = {name: open_tasks(world, name) for name in (one, other)}
    world.report(world.order("merge", one, other_incident_id=other))
    assert (world.incidents[one]["events"], world.incidents[one]["absorbed"]) == (2, [other])
    assert (world.incidents[other]["state"], world.incidents[other]["merged_into"]) == ("merged", one)
    assert open_tasks(world, other) == []
    world.report(world.order("split", one, other_incident_id=other))
    assert {name: content(state_of(world, name)) for name in (one, other)} == before
    assert {name: open_tasks(world, name) for name in (one, other)} == tasks
    again = [task for task in world.tasks if task.startswith(other) and task.endswith("-s1")]
    assert len(again) == len(tasks[other])


def test_what_joins_after_a_merge_stays_after_the_split(world, tools):
    """Only what came with the other incident leaves with it."""
    found, _ = world.take(tools.event("e1"), tools.event("f1", **CALL | AWAY))
    one, other = opened(found, 0), opened(found, 1)
    world.report(world.order("merge", one, other_incident_id=other))
    world.take(tools.event("e2", severity=2))
    world.report(world.order("split", one, other_incident_id=other))
    assert world.incidents[one]["event_ids"] == ["power/e1", "power/e2"]
    assert world.incidents[one]["severity"] == 2


def test_a_merged_incident_takes_no_events_and_no_commands(world, tools):
    """The same matter told again joins the one that is left."""
    found, _ = world.take(tools.event("e1"), tools.event("f1", **CALL | AWAY))
    one, other = opened(found, 0), opened(found, 1)
    world.report(world.order("merge", one, other_incident_id=other))
    late, _ = world.take(tools.event("f2", **CALL | AWAY))
    assert opened(late) != other
    done = world.report(
        world.order("merge", other, other_incident_id=opened(late)), world.order("split", other, event="power/e1")
    )
    assert [row["reason"] for row in done.refused.to_pylist()] == ["wrong_transition"] * 2


def test_more_severe_company_raises_tasks_and_asks_who_was_not_asked(world, tools):
    """Merging people in a lift into an outage calls the rescuers for the outage's incident."""
    found, _ = world.take(tools.event("e1"), tools.event("l1", **LIFT | AWAY))
    one, other = opened(found, 0), opened(found, 1)
    world.report(world.order("merge", one, other_incident_id=other))
    assert world.incidents[one]["severity"] == 2
    assert "department_unit:fire-420202" in open_tasks(world, one)


@pytest.mark.parametrize("kind", ["confirm", "reject", "split"])
def test_an_event_that_is_not_there_is_refused(doubtful, kind):
    """A command about an event that the incident does not name, or that waits no longer, changes nothing."""
    world, name = doubtful
    before = dict(world.state)
    done = world.report(world.order(kind, name, event="power/nothing"))
    assert done.refused.to_pylist()[0]["reason"] == "unknown_event"
    assert dict(world.state) == before


def test_a_command_counts_once(doubtful):
    """The same command id again is a duplicate and changes nothing."""
    world, name = doubtful
    order = world.order("reject", name, event="public-security/c1")
    world.report(order)
    before = dict(world.state)
    done = world.report(order)
    assert done.refused.to_pylist()[0]["reason"] == "duplicate"
    assert dict(world.state) == before


def test_who_handles_a_task_does_not_merge_it_away(world, tools):
    """As with cancel: nobody ends the own work."""
    found, _ = world.take(tools.event("e1"), tools.event("f1", **CALL | AWAY))
    one, other = opened(found, 0), opened(found, 1)
    task = next(task for task in world.handlers() if task["incident_id"] == other)
    world.report(world.step(task["task_id"], "accepted", "wang"))
    done = world.report(world.order("merge", one, other_incident_id=other, actor="Wang "))
    assert done.refused.to_pylist()[0]["reason"] == "same_actor"


@pytest.mark.parametrize(
    "other",
    [
        {"grid_ids": ["420202006001001"]},
        {"status": "exercise"},
        {"subject_keys": ["feeder:F1"], "grid_ids": ["420202005"]},
    ],
)
def test_what_is_no_one_matter_is_not_merged(world, tools, other):
    """Another area, an exercise, a parent; and nothing with itself."""
    found, _ = world.take(tools.event("e1"), tools.event("f1", **CALL | AWAY | {"category": "power_outage"} | other))
    one, two = opened(found, 0), opened(found, 1)
    done = world.report(
        world.order("merge", one, other_incident_id=two), world.order("merge", one, other_incident_id=one)
    )
    assert [row["reason"] for row in done.refused.to_pylist()] == ["wrong_transition"] * 2


def test_what_is_no_longer_kept_is_refused(doubtful):
    """After a week the hub has the event's words no longer; the incident stays as it is."""
    world, name = doubtful
    world.state.apply({b"e|public-security/c1": None})
    done = world.report(world.order("reject", name, event="public-security/c1"))
    assert done.refused.to_pylist()[0]["reason"] == "unknown_event"


def test_a_large_incident_never_looks_milder_than_it_may_be(world, tools):
    """Beyond the fifty named events a split counts down and leaves severity and time as they were."""
    found, _ = world.take(
        tools.event("e0"), tools.event("e1", severity=2), *(tools.event(f"e{n}") for n in range(2, 60))
    )
    name = opened(found)
    world.report(world.order("split", name, event="power/e1"))
    assert (world.incidents[name]["events"], world.incidents[name]["severity"]) == (59, 2)


LAWS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
ORDERS = st.lists(
    st.tuples(st.sampled_from(["confirm", "reject", "split", "merge", "cancel", "part"]), st.integers(0, 9), st.integers(0, 9)),
    max_size=8,
)  # fmt: skip


def _run(tools, orders, cut):
    """Ten events, some possible, then orders on whatever incidents and events there are, in one batch or several."""
    world = tools.world()
    world.take(
        *(tools.event(f"e{n}", lat=30.25 + n % 3 * 0.006, severity=2 + n % 3) for n in range(6)),
        *(possible(tools, f"c{n}") for n in range(4)),
    )
    names = sorted(world.incidents)
    events = sorted({told for row in world.incidents.values() for told in (*row["event_ids"], *row["possible_ids"])})
    rows = [
        world.order(
            "split" if kind == "part" else kind, names[one % len(names)], status_id=f"k{at}",
            event="" if kind in {"merge", "part", "cancel"} else events[two % len(events)],
            other_incident_id=names[two % len(names)] if kind in {"merge", "part"} else "",
        )
        for at, (kind, one, two) in enumerate(orders)
    ]  # fmt: skip
    for piece in (rows[:cut], rows[cut:]):
        world.report(*piece)
    return world, events


@LAWS
@given(orders=ORDERS, cut=st.integers(0, 8))
def test_no_event_is_lost_or_doubled_by_commands(tools, orders, cut):
    """Whatever people order: each event is in one incident that counts, or waits on one; cuts change nothing."""
    world, events = _run(tools, orders, cut)
    whole, _ = _run(tools, orders, 0)
    assert dict(world.state) == dict(whole.state)
    counted = [row for row in world.incidents.values() if row["state"] != "merged"]
    named = [told for row in counted for told in (*row["event_ids"], *row["possible_ids"])]
    assert sorted(named) == events
    assert all(
        row["events"] == len(row["event_ids"]) and row["possible"] == len(row["possible_ids"]) for row in counted
    )
    for row in counted:
        handled = [task for task in world.handlers() if task["incident_id"] == row["incident_id"]]
        open_ones = [task for task in handled if task["stage"] == "dispatched"]
        assert bool(open_ones) == (row["state"] == "open")
