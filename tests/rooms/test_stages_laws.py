"""Laws of the closed loop on random days: each open task has the timer that its stage demands, and a replay is the same."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridhub.streams.rooms import clocks, stages
from gridhub.streams.timer_keys import named

MINUTE_MS, DAY_MS = 60_000, 86_400_000
LAWS = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CITY = "department_unit:governance-420200"
CATEGORIES = ["exposed_garbage", "power_outage", "lift_alarm", "pension_verification", "tree_down", "weather_rain"]
PEOPLE = ["wang", "li", "zhao"]
WHO = st.sampled_from(PEOPLE)
WHICH = st.integers(0, 30)

EVENT = st.tuples(st.just("event"), st.sampled_from(CATEGORIES), st.integers(1, 4), st.booleans())
WAIT = st.tuples(st.just("wait"), st.integers(1, 40_000))
REPORT = st.tuples(
    st.just("report"), WHICH, st.sampled_from([*stages.STAGES_ZH]), WHO, st.sampled_from(["parts", "lunch"])
)
NEXT = st.tuples(
    st.just("next"), st.integers(0, 2), st.sampled_from([0, 0, 0, 1, 2, 3]), WHO
)  # what the table allows, so that tasks get far
WALK = st.tuples(st.just("walk"), st.integers(0, 2), st.integers(2, 5), WHO)  # so many steps on, by one person
ORDER = st.tuples(
    st.just("order"),
    WHICH,
    st.sampled_from(["approve", "refuse", "suspend", "resume", "arbitrate", "cancel", "reopen"]),
    WHO,
    st.booleans(),
)
STEPS = st.lists(st.one_of(EVENT, WAIT, NEXT, NEXT, WALK, REPORT, ORDER), max_size=40)
DAYS = st.builds(lambda first, steps: [first, *steps], EVENT, STEPS)


def live(world, tools, day, check=None):
    """Lead a world through a day; everything that went out, in order."""
    out = []
    for number, (kind, *step) in enumerate(day):
        if kind == "event":
            category, severity, here = step
            at = tools.event(f"e{number}", category=category, severity=severity, occurred_at=world.now)
            found, sent = world.take(at if here else {**at, "lon": 115.2})
            results = [sent]
            out += found.decisions
        elif kind == "wait":
            world.now += step[0] * MINUTE_MS
            results = world.ring()
        elif kind == "walk":
            rows = (chosen(world, "next", (step[0], 0, step[2])) for _ in range(step[1]))
            results = [world.report(row) for row in rows if row]
        else:
            results = [world.report(row)] if (row := chosen(world, kind, step)) else []
        out += [[done.task_rows, done.incident_rows, done.decisions, done.notices] for done in results]
        if check is not None:
            check(world)
    return out


def chosen(world, kind, step):
    """The row of a report or command about one of the world's tasks."""
    names = sorted(name for name, task in world.tasks.items() if kind != "next" or task["action"] == "handle")
    if not names:
        return None
    task = world.tasks[names[step[0] % len(names)]]
    name, until = task["task_id"], world.now + 2 * DAY_MS
    if kind == "report":
        return world.step(name, step[1], step[2], cause=step[3], until=until)
    if kind == "next":
        following = stages.TRANSITIONS[task["stage"]]
        return (
            world.step(name, following[step[1] % len(following)], step[2], cause="parts", until=until)
            if following
            else None
        )
    about = {} if step[1] == "cancel" and step[3] else {"task_id": name}
    return world.order(
        step[1], task["incident_id"], actor=step[2], cause="parts", until=until, recipient="street:420202005", **about
    )


def by_the_law(task, there):
    """Whether these are the timers that the task demands, as docs/tasks.md says it."""
    if task["stage"] == stages.SUSPENDED:
        return there == [("pause", task["suspended_until"])]
    if task["stage"] in stages.ENDED or task["action"] == "inform":
        return there == []
    limit = clocks.limit_of(task)
    if limit is None or not there:
        return there == [] and (limit is None or (task["overdue"] and task["escalated_to"] in {CITY, None}))
    ((kind, due),) = there
    if kind == "remind":
        return due < limit and task["escalations"] == 0
    first = task["escalations"] == 0 and task["escalated_to"] is None
    return kind == clocks.kind_of(task) and (due == limit or due > limit) and (first or task["overdue"])


def obeyed(world):
    """Every task of the state has its timers, and no timer belongs to what is no task."""
    there = {}
    for key, _ in world.state.due(2**62, 100_000):
        kind, subject = named(key)
        if kind in clocks.KINDS:
            there.setdefault(subject, []).extend(timer for timer in world.timers(subject) if timer[0] == kind)
    names = [key[2:].decode() for key in world.state if key.startswith(b"t|")]
    assert set(there) <= set(names)
    for name in names:
        task = world.stored(name)
        assert by_the_law(task, there.get(name, [])), (task, there.get(name))
        assert task["stage"] in stages.STAGES_ZH


@LAWS
@given(day=DAYS)
def test_each_open_task_has_exactly_the_timer_that_its_stage_demands(tools, day):
    """After every event, report, command and ring."""
    live(tools.world(), tools, day, obeyed)


@LAWS
@given(day=DAYS)
def test_a_replay_gives_the_same_records(tools, day):
    """Rows, decisions and state are the same the second time: nothing is drawn, nothing depends on the run."""
    first, second = tools.world(), tools.world()
    assert live(first, tools, day) == live(second, tools, day)
    assert dict(first.state) == dict(second.state)


@LAWS
@given(day=DAYS)
def test_stages_move_only_by_the_table(tools, day):
    """Each version's stage follows from the one before by a line of the machine, versions grow by one, time goes on."""
    world = tools.world()
    last = {}
    steps = {(step.stage, step.following) for step in stages.MACHINE}
    for item in live(world, tools, day):
        for task in item[0] if isinstance(item, list) else ():
            before = last.get(task["task_id"])
            last[task["task_id"]] = task
            if before is None:
                assert (task["version"], task["stage"] in {"dispatched", "arbitrating"}) == (1, True)
                continue
            assert task["version"] == before["version"] + 1
            assert task["stage"] == before["stage"] or (before["stage"], task["stage"]) in steps
            assert task["stage_since"] >= before["stage_since"] or task["stage"] == before["stage"]


@LAWS
@given(day=DAYS)
def test_no_handler_ever_closes(tools, day):
    """Whoever accepted, handled or reported a task is never its checker."""
    world = tools.world()
    for item in live(world, tools, day):
        for task in item[0] if isinstance(item, list) else ():
            assert task["checker"] is None or task["checker"] not in task["workers"]


@LAWS
@given(day=DAYS)
def test_an_open_incident_has_somebody_who_handles_it(tools, day):
    """Unless it waits for a parent, or all its tasks were cancelled one by one, an open incident has an open handling task."""
    world = tools.world()
    live(world, tools, day)
    for name in world.incidents:
        incident = world.stored_incident(name)
        if incident["state"] != "open" or incident["inhibited"]:
            continue
        tasks = [world.stored(task_id) for task_id in incident["task_ids"]]
        assert any(task["action"] == "handle" and stages.is_open(task["stage"]) for task in tasks)
