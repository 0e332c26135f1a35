"""track: stage by stage, never closed by its handler, returned upward, ended with its incident."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridhub.streams.rooms import stages

MINUTE_MS = 60_000


@pytest.fixture
def task_id(world, tools):
    """The handling task of one incident, dispatched to a grid member."""
    world.take(tools.event("e1", category="exposed_garbage", severity=4))
    return world.handlers()[0]["task_id"]


def refusal(done):
    """Reason and row of each refusal."""
    return [(row["reason"], row["row"]) for row in done.refused.to_pylist()]


def test_a_task_goes_its_way_and_the_incident_closes_with_it(world, task_id):
    """Accepted, handled, reported by one; checked and closed by another; then the incident is closed."""
    world.finish(task_id)
    task = world.tasks[task_id]
    assert (task["stage"], task["handler"], task["checker"], task["version"]) == ("closed", "wang", "li", 6)
    incident = world.incidents[task["incident_id"]]
    assert (incident["state"], incident["closed_at"], incident["changed_by"]) == ("closed", world.now, "s5")
    assert not any(key.startswith(b"m|") for key in world.state)


def test_what_nobody_needs_any_more_is_cancelled_with_the_incident(world, task_id):
    """Open assist tasks end without a result; those that wait for their check stay."""
    world.finish(task_id)
    others = [task for task in world.tasks.values() if task["action"] != "handle"]
    assert {task["stage"] for task in others} == {"cancelled"}
    assert {task["note"] for task in others} == {"事件已结案"}


def test_reported_help_still_waits_for_its_check(world, task_id):
    """Work that was done is not thrown away when the incident closes first."""
    helper = next(name for name, task in world.tasks.items() if task["action"] == "assist")
    world.report(*(world.step(helper, stage, "zhao") for stage in ("accepted", "handling", "reported")))
    world.finish(task_id)
    assert world.tasks[helper]["stage"] == "reported"
    world.report(world.step(helper, "checked", "li"), world.step(helper, "closed", "li"))
    assert world.tasks[helper]["stage"] == "closed"


def test_an_incident_waits_for_all_its_handlers(world, tools):
    """Two streets handle a warning: it closes with the second."""
    rain = {"category": "weather_rain", "area": "420202", "grid_ids": ["420202"], "exact_point": False}
    world.take(tools.event("w1", **rain))
    first, second = (task["task_id"] for task in world.handlers())
    world.finish(first)
    assert {incident["state"] for incident in world.incidents.values()} == {"open"}
    world.finish(second)
    assert {incident["state"] for incident in world.incidents.values()} == {"closed"}


@pytest.mark.parametrize("stage", ["checked", "closed", "reworked"])
@pytest.mark.parametrize("actor", ["wang", " Wang ", "ＷＡＮＧ"])
def test_the_handler_never_judges_the_own_work(world, task_id, stage, actor):
    """Neither check nor close nor rework, in any spelling of the name."""
    world.report(*(world.step(task_id, step) for step in ("accepted", "handling", "reported")))
    if stage == "closed":
        world.report(world.step(task_id, "checked", "li"))
    done = world.report(world.step(task_id, stage, actor))
    assert refusal(done) == [("same_actor", 0)]
    assert done.tasks.num_rows == 0


def test_who_handled_a_part_of_it_may_not_check_either(world, task_id):
    """A second person who took over is a handler as well as the first."""
    world.report(world.step(task_id, "accepted", "wang"), world.step(task_id, "handling", "zhao"))
    world.report(world.step(task_id, "reported", "zhao"))
    assert [refusal(world.report(world.step(task_id, "checked", who))) for who in ("wang", "zhao", "li")] == [
        [("same_actor", 0)], [("same_actor", 0)], [],
    ]  # fmt: skip


def test_a_status_for_an_unknown_task_is_refused(world):
    """The hub gave no such task."""
    done = world.report(world.step("420202005-0-handle-street-1", "accepted"))
    assert refusal(done) == [("unknown_task", 0)]
    assert (done.decisions[0]["area"], done.decisions[0]["outcome"]) == ("420202005", "refused")


def test_a_command_for_an_unknown_incident_is_refused(world):
    """The hub opened no such incident."""
    assert refusal(world.report(world.cancel("420202005-0"))) == [("unknown_incident", 0)]


@pytest.mark.parametrize(
    "stage", ["handling", "reported", "checked", "closed", "dispatched", "cancelled", "", "lost", None]
)
def test_a_step_that_the_table_does_not_allow_is_refused(world, task_id, stage):
    """From dispatched only accepted and returned; a sender learns what would do."""
    done = world.report(world.step(task_id, stage, "li"))
    assert refusal(done) == [("wrong_transition", 0)]
    assert "accepted, returned" in done.refused.to_pylist()[0]["detail"]


@pytest.mark.parametrize(
    "changes", [{"actor": ""}, {"actor": " "}, {"actor": None}, {"status_id": ""}, {"status_id": None}]
)
def test_a_status_without_id_or_actor_is_refused(world, task_id, changes):
    """Nobody did it is nobody's word."""
    done = world.report(world.step(task_id, "accepted", **{"actor": "wang"} | changes))
    assert refusal(done) == [("missing_field", 0)]


def test_the_same_status_again_is_ignored(world, task_id):
    """A sender may repeat what it is not sure to have sent, in the same batch or later."""
    status = world.step(task_id, "accepted")
    assert refusal(world.report(status, status)) == [("duplicate", 1)]
    assert refusal(world.report(status)) == [("duplicate", 0)]
    assert world.tasks[task_id]["version"] == 2


def test_senders_number_their_own_statuses(world, task_id):
    """The same id of another ticketing system is another status."""
    first = world.step(task_id, "accepted", status_id="1", sender="a")
    done = world.report(first, world.step(task_id, "handling", status_id="1", sender="b"))
    assert refusal(done) == []


def test_a_refused_status_may_come_again(world, task_id):
    """What came too early is taken when its turn comes, with the same id."""
    early = world.step(task_id, "handling")
    assert refusal(world.report(early)) == [("wrong_transition", 0)]
    assert refusal(world.report(world.step(task_id, "accepted"), early)) == []


@pytest.mark.parametrize(("minutes", "overdue"), [(15, False), (16, True)])
def test_a_task_accepted_after_its_limit_is_overdue(world, task_id, minutes, overdue):
    """The limit itself is in time."""
    world.now += minutes * MINUTE_MS
    done = world.report(world.step(task_id, "accepted"))
    assert done.tasks.to_pylist()[0]["overdue"] is overdue
    assert done.decisions[0]["reason"] == ("overdue" if overdue else "")


def test_work_reported_after_its_limit_is_overdue_and_stays_so(world, task_id):
    """Late work is work, and it was late."""
    world.report(world.step(task_id, "accepted"), world.step(task_id, "handling"))
    world.now += 4320 * MINUTE_MS + 1
    world.report(world.step(task_id, "reported"), world.step(task_id, "checked", "li"))
    assert world.tasks[task_id]["overdue"] is True


def test_a_time_is_neither_before_the_stage_nor_in_the_future(world, tools, task_id):
    """A sender's clock cannot make late work punctual, nor a stage end next year."""
    world.now += 20 * MINUTE_MS
    world.report(world.step(task_id, "accepted", at=tools.now - 10**9))
    assert world.tasks[task_id]["stage_since"] == tools.now
    world.report(world.step(task_id, "handling", at=tools.now + 10**12))
    assert world.tasks[task_id]["stage_since"] == world.now


def test_a_returned_task_goes_one_level_up(world, tools, task_id):
    """退单: to the station, with the returns counted, new time to accept and the old time to finish."""
    world.now += MINUTE_MS
    finish_by = world.tasks[task_id]["finish_by"]
    done = world.report(world.step(task_id, "returned", note="不属本网格"))
    old, new = done.tasks.to_pylist()
    assert (old["stage"], old["returns"]) == ("returned", 1)
    assert new["task_id"] == f"{old['incident_id']}-handle-grid_station-420202005001-r1"
    assert (new["recipient"], new["stage"], new["returns"], new["version"]) == (
        "grid_station:420202005001",
        "dispatched",
        1,
        1,
    )
    assert (new["accept_by"], new["finish_by"]) == (world.now + 15 * MINUTE_MS, finish_by)
    assert "不属本网格" in new["note"]
    assert new["task_id"] in world.incidents[old["incident_id"]]["task_ids"]
    assert done.decisions[0]["task_ids"] == [old["task_id"], new["task_id"]]


def test_a_task_returned_by_everybody_ends_at_the_city(world, task_id):
    """Station, community, street, the district's and the city's grid centre, where nobody arbitrates; there it stays."""
    clocks = world.facts.clocks
    patient = replace(clocks, file=clocks.file.model_copy(update={"arbitrate_after": 20}))
    world.facts = replace(world.facts, clocks=patient)
    recipients, here = [], task_id
    while True:
        done = world.report(world.step(here, "returned"))
        if done.refused.num_rows:
            break
        here = done.tasks.to_pylist()[-1]["task_id"]
        recipients.append(world.tasks[here]["recipient"])
    assert recipients == [
        "grid_station:420202005001", "community:420202005001", "street:420202005",
        "department_unit:governance-420202", "department_unit:governance-420200",
    ]  # fmt: skip
    assert refusal(done) == [("wrong_transition", 0)]
    assert (world.tasks[here]["stage"], world.tasks[here]["returns"]) == ("dispatched", 5)
    world.finish(here)
    assert {incident["state"] for incident in world.incidents.values()} == {"closed"}


def test_two_returns_to_one_recipient_are_one_task(world, tools):
    """Two streets return a district's warning to its grid centre: one task, told of both."""
    rain = {"category": "weather_rain", "area": "420202", "grid_ids": ["420202"], "exact_point": False}
    world.take(tools.event("w1", **rain))
    world.report(*(world.step(task["task_id"], "returned") for task in world.handlers()))
    still_open = [task for task in world.handlers() if stages.is_open(task["stage"])]
    assert [(task["recipient"], task["version"]) for task in still_open] == [("department_unit:governance-420202", 2)]


def test_returned_help_goes_to_nobody(world, task_id):
    """Who cannot assist says so; the handler goes on alone."""
    helper = next(name for name, task in world.tasks.items() if task["action"] == "assist")
    done = world.report(world.step(helper, "returned"))
    assert [task["stage"] for task in done.tasks.to_pylist()] == ["returned"]
    assert done.incidents.num_rows == 0


def test_cancel_ends_the_incident_and_its_open_tasks(world, task_id):
    """作废: one command, all open tasks; closed ones stay closed."""
    incident_id = world.tasks[task_id]["incident_id"]
    done = world.report(world.cancel(incident_id, note="误报"))
    assert world.incidents[incident_id]["state"] == "cancelled"
    assert {task["stage"] for task in world.tasks.values()} == {"cancelled"}
    assert {task["note"] for task in world.tasks.values()} == {"误报"}
    assert (done.decisions[0]["outcome"], done.decisions[0]["task_ids"]) == ("cancelled", list(world.tasks))


def test_a_second_cancel_and_a_status_after_it_are_refused(world, task_id):
    """What ended stays ended."""
    incident_id = world.tasks[task_id]["incident_id"]
    done = world.report(world.cancel(incident_id), world.cancel(incident_id), world.step(task_id, "accepted"))
    assert refusal(done) == [("wrong_transition", 1), ("wrong_transition", 2)]


def test_an_unknown_command_is_refused(world, task_id):
    """There is only cancel."""
    command = world.cancel(world.tasks[task_id]["incident_id"], stage="delete")
    assert refusal(world.report(command)) == [("wrong_transition", 0)]


def test_a_handler_cannot_cancel_the_own_incident(world, task_id):
    """Cancelling would be a way to close one's own work."""
    world.report(world.step(task_id, "accepted", "wang"))
    command = world.cancel(world.tasks[task_id]["incident_id"], actor="wang")
    assert refusal(world.report(command)) == [("same_actor", 0)]


def test_each_report_leaves_one_decision(world, task_id):
    """Taken or refused, in row order, with sender and id."""
    done = world.report(world.step(task_id, "closed"), world.step(task_id, "accepted"))
    assert [(row["row"], row["outcome"], row["event_id"], row["source"]) for row in done.decisions] == [
        (0, "refused", "s1", "tickets"), (1, "accepted", "s2", "tickets"),
    ]  # fmt: skip


def test_a_status_is_remembered_by_sender_and_id(world, task_id):
    """The state keeps 8 bytes of ms, as for events."""
    world.report(world.step(task_id, "accepted"))
    assert world.state[b"q|tickets|s1"] == world.now.to_bytes(8, "big")
