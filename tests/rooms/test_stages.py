"""The machine of a task's stages: every stage against every report and command, and nothing beside the table."""

from __future__ import annotations

import orjson
import pytest

from gridhub.streams.rooms import stages
from gridhub.streams.rooms.assignment import NEW_TASK, whole
from gridhub.streams.rooms.ledger import task_key
from gridhub.streams.rooms.orders import ORDERS
from gridhub.streams.rooms.stages import COMMAND, MACHINE, REPORT, STAGES_ZH, TRANSITIONS

HOUR_MS = 3_600_000
STORED = [stage for stage in STAGES_ZH if stage != stages.REGISTERED]
COMMANDS = ["approve", "refuse", "suspend", "resume", "arbitrate", "cancel"]


@pytest.fixture
def task_id(world, tools):
    """The handling task of one incident, dispatched to a grid member."""
    world.take(tools.event("e1", category="exposed_garbage", severity=4))
    return world.handlers()[0]["task_id"]


def put(world, task_id, stage, **values):
    """Set the task into a stage, as if it had come there; wang handles it."""
    task = {**world.stored(task_id), "stage": stage, "workers": ["wang"], "handler": "wang", **values}
    if stage == stages.SUSPENDED:
        task |= {"suspend_reason": "parts", "suspended_until": world.now + HOUR_MS}
    if stage in stages.UNCHECKED:
        task |= {"check_by": world.now + HOUR_MS, "check_unit": "grid_station:420202005001"}
    world.store(task)


def refusal(done):
    """Reason and detail of the one refusal; None when there is none."""
    rows = done.refused.to_pylist()
    return (rows[0]["reason"], rows[0]["detail"]) if rows else None


@pytest.mark.parametrize("asked", [*STORED, stages.REGISTERED, "lost", ""])
@pytest.mark.parametrize("stage", STORED)
def test_every_report_at_every_stage(world, task_id, stage, asked):
    """What the table allows is taken by the right person; all else is refused with what is allowed."""
    put(world, task_id, stage)
    who = "li" if asked in stages.JUDGEMENT else "wang"
    done = world.report(world.step(task_id, asked, who, cause="parts", until=world.now + HOUR_MS))
    if asked in TRANSITIONS[stage]:
        assert refusal(done) is None
        now = world.tasks[task_id]
        assert now["stage"] == (stage if asked == stages.EXTENDED else asked)
        assert now["extension_asked_by"] == ("wang" if asked == stages.EXTENDED else None)
    else:
        reason, detail = refusal(done)
        assert (reason, stages.allowed(stage) in detail) == ("wrong_transition", True)
        assert done.tasks.num_rows == 0


@pytest.mark.parametrize("word", COMMANDS)
@pytest.mark.parametrize("stage", STORED)
def test_every_command_at_every_stage(world, task_id, stage, word):
    """Commands too go by the table; `refuse` moves nothing and asks only for a request."""
    put(world, task_id, stage, extension_asked_by="wang")
    world.store({**world.stored(task_id), "task_id": f"{task_id}-x", "stage": "dispatched"})
    incident = world.stored_incident(world.stored(task_id)["incident_id"])
    world.store_incident({**incident, "task_ids": [*incident["task_ids"], f"{task_id}-x"]})
    order = world.order(
        word, incident["incident_id"], task_id=task_id, actor="zhao", cause="parts", until=world.now + HOUR_MS,
        recipient="street:420202005",
    )  # fmt: skip
    done = world.report(order)
    following = {step.following for step in MACHINE if step[::3] == (stage, word) and step.by == COMMAND}
    if following:
        assert refusal(done) is None
        assert world.tasks[task_id]["stage"] in following
    elif word == "refuse":
        assert (refusal(done), world.tasks[task_id]["stage"], world.tasks[task_id]["extension_asked_by"]) == (
            None, stage, None,
        )  # fmt: skip
    else:
        assert refusal(done)[0] == "wrong_transition"
        assert stages.allowed(stage) in refusal(done)[1]


def test_the_table_is_closed():
    """Each step leads from a known stage to a known one, stands once, and its command exists."""
    assert {step.stage for step in MACHINE} | {step.following for step in MACHINE} == set(STAGES_ZH)
    assert len(set(MACHINE)) == len(MACHINE)
    assert {step.word for step in MACHINE if step.by == COMMAND} == set(ORDERS) - {"refuse"} | {"cancel"}
    assert set(stages.MEANING) == set(STAGES_ZH)
    assert all(step.word == step.following for step in MACHINE if step.by == REPORT)


def test_every_stage_is_reached_and_every_open_one_can_end():
    """No dead entry: from registered each stage is reached, and from each open one a way leads to closed."""
    reached, waiting = set(), [stages.REGISTERED]
    while waiting:
        stage = waiting.pop()
        if stage not in reached:
            reached.add(stage)
            waiting += [step.following for step in MACHINE if step.stage == stage]
    assert reached == set(STAGES_ZH)
    ending = {stages.CLOSED}
    for _ in STAGES_ZH:
        ending |= {step.stage for step in MACHINE if step.following in ending}
    assert ending == set(STAGES_ZH) - {stages.CANCELLED}


def test_only_the_hub_and_commands_do_what_no_report_may():
    """Cancelling, arbitrating, reopening and the dispatch itself are nobody's report."""
    told = {following for steps in TRANSITIONS.values() for following in steps}
    assert told.isdisjoint({"cancelled", "arbitrating", "reopened", "dispatched", "registered"})


def test_a_task_of_an_older_state_is_read_and_gets_its_clock(world, task_id):
    """What an earlier version wrote has none of the later fields: it goes on, and its timer is set then."""
    old = {name: value for name, value in world.stored(task_id).items() if name not in NEW_TASK}
    world.drop_timers()
    world.state[task_key(task_id)] = orjson.dumps(
        {**old, "workers": [], "span_ms": old["finish_by"] - old["created_at"]}
    )
    assert whole(old)["check_unit"] is None
    world.report(world.step(task_id, "accepted"))
    assert world.tasks[task_id]["stage"] == "accepted"
    assert world.timers(task_id)[0][0] == "remind"
