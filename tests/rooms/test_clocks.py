"""Clocks and timers of tasks: reminded, raised up the organisation, rested, checked in time; the same however late it rings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridhub.streams.rooms import clocks, stages

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
GARBAGE = {"category": "exposed_garbage", "severity": 4}
STATION, COMMUNITY, STREET = "grid_station:420202005001", "community:420202005001", "street:420202005"
DISTRICT, CITY = "department_unit:governance-420202", "department_unit:governance-420200"
WORKING = 1_790_560_800_000  # 2026-09-28 10:00 in Huangshi, a Monday; holidays from 10-01 to 10-07


@pytest.fixture
def task_id(world, tools):
    """The handling task of one incident, dispatched to a grid member."""
    world.take(tools.event("e1", **GARBAGE))
    return world.handlers()[0]["task_id"]


def later(world, minutes):
    """So many minutes on, and what rings till then: its decisions."""
    world.now += round(minutes * MINUTE_MS)
    return [row for done in world.ring() for row in done.decisions]


def about(decisions, task_id):
    """Outcome and reason of the decisions that name this task first."""
    return [(row["outcome"], row["reason"]) for row in decisions if row["task_ids"][:1] == [task_id]]


def work(world, task_id, *steps, actor="wang"):
    """Reports of one person, none of them refused."""
    for stage in steps:
        assert world.report(world.step(task_id, stage, actor)).refused.num_rows == 0


def refused(done):
    """The reasons of what was refused."""
    return [row["reason"] for row in done.refused.to_pylist()]


def test_a_reminder_comes_before_the_limit(world, task_id):
    """催办: five minutes before the quarter of an hour is over, once."""
    assert about(later(world, 9.9), task_id) == []
    assert about(later(world, 0.1), task_id) == [("reminded", "accept")]
    task = world.tasks[task_id]
    assert (task["reminded_at"], task["version"], task["overdue"], task["changed_by"]) == (
        world.now, 2, False, f"timer/remind/{world.now}",
    )  # fmt: skip
    assert about(later(world, 4.9), task_id) == []


def test_a_breach_is_raised_to_the_unit_above(world, task_id):
    """督办: at the limit the task is overdue, the grid station knows, and the journal tells."""
    decisions = [row for row in later(world, 15) if row["outcome"] == "escalated" and row["task_ids"][0] == task_id]
    task = world.tasks[task_id]
    assert (task["overdue"], task["escalations"], task["escalated_to"], task["stage"]) == (
        True,
        1,
        STATION,
        "dispatched",
    )
    (decision,) = decisions
    told = world.tasks[decision["task_ids"][1]]
    assert (told["recipient"], told["action"], told["stage"]) == (STATION, "inform", "dispatched")
    assert told["title"].startswith("【督办】")
    assert (told["created_at"], told["accept_by"], told["overdue"]) == (world.now, None, False)
    assert (decision["decided_at"], decision["reason"], decision["room"], decision["note"]) == (
        world.now, "accept", "ring", STATION,
    )  # fmt: skip
    assert told["task_id"] in world.incidents[task["incident_id"]]["task_ids"]


def test_it_is_raised_level_by_level_to_the_top(world, task_id):
    """Each hour one level: station, community, street, district, city; then nobody is left to tell."""
    seen = []
    for minutes in (15, 60, 60, 60, 60):
        later(world, minutes)
        seen.append(world.tasks[task_id]["escalated_to"])
    assert seen == [STATION, COMMUNITY, STREET, DISTRICT, CITY]
    assert world.tasks[task_id]["escalations"] == 5
    assert world.timers(task_id) == []
    version = world.tasks[task_id]["version"]
    later(world, 3 * 24 * 60)
    assert world.tasks[task_id]["version"] == version


def test_who_has_a_task_of_the_incident_already_gets_a_note_on_it(world, tools):
    """The community knows of it already: a note on its own task, and no second one."""
    world.take(tools.event("e1", category="tree_down", severity=2))
    handler = world.handlers()[0]["task_id"]
    before = len(world.tasks)
    later(world, 15)
    raised = world.tasks[handler]["escalated_to"]
    street = [task for task in world.tasks.values() if task["recipient"] == STREET]
    later(world, 20)
    assert raised == STATION
    assert world.tasks[handler]["escalated_to"] == STREET
    assert [(task["task_id"], "督办" in world.tasks[task["task_id"]]["note"]) for task in street] == [
        (street[0]["task_id"], True)
    ]
    assert len(world.tasks) > before


def test_who_accepts_stops_the_clock_to_accept(world, task_id):
    """The timer goes with the stage: nothing rings for a task that was accepted in time."""
    world.now += 14 * MINUTE_MS
    world.ring()
    work(world, task_id, "accepted")
    ((kind, due),) = world.timers(task_id)
    assert (kind, due) == ("remind", world.tasks[task_id]["finish_by"] - 8 * HOUR_MS)
    assert about(later(world, 60), task_id) == []


def test_who_accepts_late_is_late_and_raises_nobody_for_it_again(world, task_id):
    """A new clock begins its levels anew; that the first limit was passed stays."""
    later(world, 15)
    work(world, task_id, "accepted")
    task = world.tasks[task_id]
    assert (task["overdue"], task["escalations"], task["escalated_to"]) == (True, 0, None)
    assert ("escalated", "accept") not in about(later(world, 24 * 60), task_id)


def test_work_that_is_not_done_in_time_is_raised_too(world, task_id):
    """The time to finish has a reminder and levels of its own."""
    work(world, task_id, "accepted", "handling")
    decisions = later(world, 4320)
    assert about(decisions, task_id) == [("reminded", "finish"), ("escalated", "finish")]
    assert world.tasks[task_id]["escalated_to"] == STATION


def test_a_report_that_nobody_checks_is_raised_above_the_unit_that_checks(world, task_id):
    """核查超期: the station was to check; the community hears of it."""
    work(world, task_id, "accepted", "handling", "reported")
    task = world.tasks[task_id]
    assert (task["check_unit"], task["check_by"] > world.now) == (STATION, True)
    world.now = task["check_by"]
    world.ring()
    task = world.tasks[task_id]
    assert (task["overdue"], task["escalated_to"], task["stage"]) == (True, COMMUNITY, "reported")


def test_who_hears_of_a_late_check_after_the_close_is_let_go_with_it(world, tools, task_id):
    """Help that was reported but never checked is raised after the incident closed; nothing of it stays open."""
    helper = next(name for name, task in world.tasks.items() if task["action"] == "assist")
    work(world, helper, "accepted", "handling", "reported", actor="sun")
    world.finish(task_id)
    later(world, 7 * 24 * 60)
    assert any(stages.is_open(task["stage"]) for task in world.tasks.values() if task["action"] == "inform")
    work(world, helper, "checked", "closed", actor="li")
    assert not any(stages.is_open(task["stage"]) for task in world.tasks.values())
    assert world.incidents[world.tasks[helper]["incident_id"]]["state"] == "closed"


def test_an_ended_task_has_no_timer(world, task_id):
    """Closed, cancelled, returned: nothing rings for them."""
    world.finish(task_id)
    assert all(world.timers(name) == [] for name in world.tasks)
    assert later(world, 30 * 24 * 60) == []


def test_who_is_only_informed_is_not_reminded(world, tools):
    """Inform tasks have no limits, so no timers."""
    world.take(tools.event("e1"))
    informed = [task["task_id"] for task in world.tasks.values() if task["action"] == "inform"]
    assert informed
    assert all(world.timers(name) == [] for name in informed)


# suspended


def test_a_suspension_rests_the_clock_and_ends_by_itself(world, task_id):
    """挂账: three days do not count; then the task goes on, in the journal too."""
    work(world, task_id, "accepted", "handling")
    before, until = world.tasks[task_id]["finish_by"], world.now + 3 * DAY_MS
    world.report(world.step(task_id, "suspended", cause="parts", until=until))
    task = world.tasks[task_id]
    assert (task["suspend_reason"], task["suspended_until"]) == ("parts", until)
    assert world.timers(task_id) == [("pause", until)]
    decisions = later(world, 4 * 24 * 60)
    assert about(decisions, task_id)[0] == ("handling", "resumed")
    task = world.tasks[task_id]
    assert (task["stage"], task["stage_since"], task["paused_ms"]) == ("handling", until, 3 * DAY_MS)
    assert (task["finish_by"], task["suspended_until"]) == (before + 3 * DAY_MS, None)


def test_a_suspension_may_end_earlier(world, task_id):
    """By the handler's report or a command, and only what it lasted does not count."""
    work(world, task_id, "accepted")
    before = world.tasks[task_id]["finish_by"]
    world.report(world.step(task_id, "suspended", cause="parts", until=world.now + 3 * DAY_MS))
    world.now += DAY_MS
    incident = world.tasks[task_id]["incident_id"]
    done = world.report(world.order("resume", incident, task_id=task_id, actor="zhao"))
    assert (done.decisions[0]["outcome"], world.tasks[task_id]["handler"]) == ("handling", "wang")
    assert world.tasks[task_id]["finish_by"] == before + DAY_MS
    assert [kind for kind, _ in world.timers(task_id)] == ["remind"]


@pytest.mark.parametrize(
    ("cause", "days"), [("lunch", 1), ("", 1), (None, 1), ("parts", None), ("parts", 0), ("parts", -1), ("parts", 15.1)]
)
def test_a_clock_rests_for_a_listed_reason_only(world, task_id, cause, days):
    """No reason that is not on the list, no rest without an end, none longer than the reason has days."""
    work(world, task_id, "accepted")
    until = None if days is None else world.now + round(days * DAY_MS)
    done = world.report(world.step(task_id, "suspended", cause=cause, until=until))
    assert refused(done) == ["not_listed"]
    detail = done.refused.to_pylist()[0]["detail"]
    assert "parts" in detail


# extended


def ask(world, task_id, word, actor="zhao"):
    """A command on the task."""
    return world.report(world.order(word, world.tasks[task_id]["incident_id"], task_id=task_id, actor=actor))


def test_more_time_is_asked_for_and_granted_by_somebody_else(world, task_id):
    """延期: the request changes no limit; the approval gives the first time once more."""
    work(world, task_id, "accepted")
    before = world.tasks[task_id]["finish_by"]
    done = world.report(world.step(task_id, "extended", note="等交警"))
    task = world.tasks[task_id]
    assert (done.decisions[0]["outcome"], task["stage"], task["extension_asked_by"], task["finish_by"]) == (
        "extension_asked", "accepted", "wang", before,
    )  # fmt: skip
    assert refused(ask(world, task_id, "approve", " Wang")) == ["same_actor"]
    assert ask(world, task_id, "approve").decisions[0]["outcome"] == "extended"
    task = world.tasks[task_id]
    assert (task["stage"], task["finish_by"], task["extensions"]) == ("extended", before + 4320 * MINUTE_MS, 1)


def test_a_request_may_be_refused_and_made_again(world, task_id):
    """Stage and limit stay; nothing waits for an answer then."""
    work(world, task_id, "accepted")
    before = world.stored(task_id)
    world.report(world.step(task_id, "extended"))
    assert refused(world.report(world.step(task_id, "extended"))) == ["wrong_transition"]
    assert ask(world, task_id, "refuse").decisions[0]["outcome"] == "extension_refused"
    after = world.stored(task_id)
    assert {name: after[name] for name in ("stage", "finish_by", "remind_at", "breach_at")} == {
        name: before[name] for name in ("stage", "finish_by", "remind_at", "breach_at")
    }
    assert refused(ask(world, task_id, "approve")) == ["wrong_transition"]
    assert refused(world.report(world.step(task_id, "extended"))) == []


def test_only_who_handles_it_asks_and_not_without_end(world, task_id):
    """Another person's request is refused; so is one more than the file allows."""
    work(world, task_id, "accepted")
    assert refused(world.report(world.step(task_id, "extended", "li"))) == ["wrong_actor"]
    for _ in range(world.facts.clocks.file.extend.most):
        world.report(world.step(task_id, "extended"))
        ask(world, task_id, "approve")
    assert refused(world.report(world.step(task_id, "extended"))) == ["wrong_transition"]


# returned, arbitrated, reworked


def returned(world, task_id, times):
    """The task that came of so many returns."""
    here = task_id
    for _ in range(times):
        here = world.report(world.step(here, "returned", "wang")).tasks.to_pylist()[-1]["task_id"]
    return here


def test_the_time_to_finish_survives_returns(world, task_id):
    """A returned and re-dispatched task does not get its time back, and says so by its timer."""
    finish_by = world.tasks[task_id]["finish_by"]
    world.now += 3 * HOUR_MS
    again = returned(world, task_id, 2)
    assert (world.tasks[again]["finish_by"], world.timers(task_id)) == (finish_by, [])
    world.now = finish_by - MINUTE_MS
    third = world.report(world.step(again, "returned", "zhang")).tasks.to_pylist()[-1]
    assert third["accept_by"] > world.now
    world.now = finish_by
    world.ring()
    second = returned(world, task_id, 0)
    assert world.tasks[second]["stage"] == "returned"


def test_who_has_not_accepted_is_bound_by_the_old_time_to_finish(world, task_id):
    """Where the time to finish ends before the time to accept, it is the limit in force."""
    world.now = world.tasks[task_id]["finish_by"] - 5 * MINUTE_MS
    again = returned(world, task_id, 1)
    assert clocks.limit_of(world.stored(again)) == world.tasks[again]["finish_by"] < world.tasks[again]["accept_by"]
    later(world, 5)
    assert (world.tasks[again]["overdue"], world.tasks[again]["escalated_to"]) == (True, COMMUNITY)


def test_after_too_many_returns_an_arbiter_decides(world, task_id):
    """强制仲裁: the third return goes to the district's grid centre; reports do nothing there."""
    here = returned(world, task_id, 3)
    task = world.tasks[here]
    assert (task["recipient"], task["stage"], task["returns"]) == (DISTRICT, "arbitrating", 3)
    done = world.report(world.step(here, "returned"))
    assert (refused(done), "arbitrate" in done.refused.to_pylist()[0]["detail"]) == (["wrong_transition"], True)
    assert world.timers(here)[0][0] == "remind"


def arbitrated(world, here, recipient):
    """The arbiter's decision."""
    incident = world.tasks[here]["incident_id"]
    return world.report(world.order("arbitrate", incident, task_id=here, actor="zhao", recipient=recipient))


def test_whom_the_arbiter_names_may_not_return_it(world, task_id):
    """The decision binds: a new task with the old time to finish, the arbiter's own ended."""
    finish_by = world.tasks[task_id]["finish_by"]
    here = returned(world, task_id, 3)
    done = arbitrated(world, here, STREET)
    assert (done.decisions[0]["outcome"], done.decisions[0]["reason"]) == ("arbitrated", STREET)
    assert world.tasks[here]["stage"] == "returned"
    new = done.tasks.to_pylist()[-1]
    assert (new["recipient"], new["stage"], new["arbitrated"], new["finish_by"]) == (
        STREET,
        "dispatched",
        True,
        finish_by,
    )
    assert refused(world.report(world.step(new["task_id"], "returned"))) == ["wrong_transition"]
    world.finish(new["task_id"])
    assert {incident["state"] for incident in world.incidents.values()} == {"closed"}


def test_the_arbiter_may_keep_it(world, task_id):
    """Naming itself, the centre has to accept like everybody else."""
    here = returned(world, task_id, 3)
    arbitrated(world, here, DISTRICT)
    task = world.tasks[here]
    assert (task["stage"], task["arbitrated"], task["accept_by"]) == ("dispatched", True, world.now + 15 * MINUTE_MS)


@pytest.mark.parametrize(
    "unit", ["", "street", "street:1", "mayor:420202", "street:420202999", "grid_member:420202005"]
)
def test_an_arbiter_names_a_unit_that_there_is(world, task_id, unit):
    """Roles, places and digits are checked."""
    assert refused(arbitrated(world, returned(world, task_id, 3), unit)) == ["wrong_transition"]


def test_rework_has_the_time_that_was_left(world, task_id):
    """返工: the days that the report waited for its check are nobody's."""
    work(world, task_id, "accepted", "handling")
    world.now += DAY_MS
    work(world, task_id, "reported")
    left = world.tasks[task_id]["finish_by"] - world.now
    world.now += 2 * DAY_MS
    work(world, task_id, "reworked", actor="li")
    task = world.tasks[task_id]
    assert (task["finish_by"] - world.now, task["check_by"]) == (left, None)


# work time


def test_office_work_is_counted_in_working_days(tools):
    """Ten working days from 28 September lead over the National Day's week: to 16 October, not to 8."""
    world = tools.world(now=WORKING)
    world.take(tools.event("e1", category="pension_verification", source="social-security", occurred_at=WORKING))
    task = world.handlers()[0]
    assert task["finish_by"] == 1_792_116_000_000  # 2026-10-16 10:00; 10-10 is a swap day
    assert task["accept_by"] == WORKING + DAY_MS


def test_a_rest_in_work_time_gives_back_what_was_left(tools):
    """Suspended over the holidays: as much office time is left after it as before."""
    world = tools.world(now=WORKING)
    world.take(tools.event("e1", category="pension_verification", source="social-security", occurred_at=WORKING))
    task_id = world.handlers()[0]["task_id"]
    work(world, task_id, "accepted", "handling")
    calendar, before = world.facts.organisation.calendar, world.tasks[task_id]["finish_by"]
    world.report(world.step(task_id, "suspended", cause="absent", until=WORKING + 20 * DAY_MS))
    world.now += 20 * DAY_MS
    world.ring()
    after = world.tasks[task_id]["finish_by"]
    assert calendar.elapsed_ms(world.now, after, "work") == calendar.elapsed_ms(WORKING, before, "work")


# severity, and ringing late


def test_a_limit_that_comes_nearer_takes_its_timer_along(world, tools):
    """More severe: the time to finish shrinks, and so does the wait for its reminder."""
    world.take(tools.event("e1", **GARBAGE))
    handler = world.handlers()[0]["task_id"]
    work(world, handler, "accepted")
    world.take(tools.event("e2", **GARBAGE | {"severity": 2}))
    task = world.tasks[handler]
    assert task["finish_by"] == world.now + 240 * MINUTE_MS
    assert world.timers(handler) == [("remind", task["finish_by"] - 30 * MINUTE_MS)]


def test_ringing_late_writes_what_ringing_in_time_writes(tools):
    """A worker that was down for a week: the same tasks and decisions, with the same times."""

    def told(*minutes):
        world = tools.world()
        world.take(tools.event("e1", **GARBAGE))
        task = world.handlers()[0]["task_id"]
        world.report(
            world.step(task, "accepted"), world.step(task, "suspended", cause="parts", until=world.now + DAY_MS)
        )
        rows = [row for step in minutes for row in later(world, step)]
        return rows, world.tasks, world.incidents, dict(world.state)

    week = 7 * 24 * 60
    assert told(week) == told(*[week / 56] * 56)


def test_a_timer_that_the_task_does_not_demand_changes_nothing(world, task_id):
    """Should one ever be left over, its task is not touched."""
    done = world.stored(task_id)
    world.state.apply({b"t|" + task_id.encode(): None})
    assert about(later(world, 60), task_id) == []
    world.store({**done, "stage": stages.CLOSED})
    assert world.timers(task_id) == []


def test_a_category_without_limits_is_never_overdue(world, task_id):
    """No limit, no timer."""
    task = {**world.stored(task_id), "accept_by": None, "finish_by": None}
    world.store(clocks.started(task, world.now, world.facts))
    assert (clocks.limit_of(task), world.timers(task_id)) == (None, [])


def test_a_reminder_may_be_left_out(world, tools):
    """remind_min 0: the breach is the first that rings."""
    file = world.facts.clocks.file
    silent = file.stages.model_copy(update={"accept": file.stages.accept.model_copy(update={"remind_min": 0})})
    clock = replace(world.facts.clocks, file=file.model_copy(update={"stages": silent}), _asked={})
    world.facts = replace(world.facts, clocks=clock)
    world.take(tools.event("e1", **GARBAGE))
    handler = world.handlers()[0]["task_id"]
    assert world.timers(handler) == [("accept", world.now + 15 * MINUTE_MS)]
