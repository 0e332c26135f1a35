"""Laws of the outbound rooms, tried on random streams of events and statuses."""

from __future__ import annotations

import json
from collections import Counter
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import fastavro
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridhub.streams.memory import MemoryState
from gridhub.streams.rooms import stages

AVSC = Path(__file__).parents[2] / "schemas" / "avsc" / "hub"
AREAS = {"420202005": ["420202005001001", "420202005001002", "420202005001", "420202005"], "420202": ["420202"]}
AREAS |= {"420203001": ["420203001001001"]}
CATEGORIES = [
    "power_outage",
    "dark_street",
    "lift_alarm",
    "fire",
    "weather_rain",
    "pension_verification",
    "theft",
    "gone",
]
LAWS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def events(draw, most=25):
    """Rows of LOCATED: few places, ids and keys, so that they meet; some broken in ways that the schema allows."""
    rows = []
    for _ in range(draw(st.integers(0, most))):
        area = draw(st.sampled_from(list(AREAS)))
        codes = draw(st.lists(st.sampled_from(AREAS[area]), min_size=0, max_size=2, unique=True))
        at = st.integers(1_789_990_000_000, 1_790_010_000_000)
        point = draw(st.none() | st.tuples(st.floats(115.0, 115.02), st.floats(30.2, 30.21)))
        rows.append({
            "source": draw(st.sampled_from(["power", "public-security", "meteorology"])),
            "event_id": draw(st.sampled_from([f"e{n}" for n in range(12)]) | st.text(max_size=5)),
            "type": "t", "category": draw(st.sampled_from(CATEGORIES)), "severity": draw(st.integers(1, 4)),
            "status": draw(st.sampled_from(["actual", "actual", "exercise", "test"])),
            "planned": draw(st.sampled_from([False, False, False, True])), "occurred_at": draw(at),
            "received_at": 1_790_000_000_000, "title": draw(st.sampled_from(["停电", "路灯不亮", "", None])),
            "text": draw(st.text(max_size=8)), "schema_id": 1, "admission": "a", "area": area, "grid_ids": codes,
            "subject_keys": draw(st.lists(st.sampled_from(["transformer:1", "transformer:2", "person:a", "odd"]), max_size=2)),
            "method": "code", "confidence": 1.0, "lon": point and point[0], "lat": point and point[1],
            "exact_point": point is not None, "place_name": draw(st.sampled_from(["某处", None])), "catalogue": "c",
        })  # fmt: skip
    return rows


def cuts(rows, where):
    """The rows in parts, cut at these places."""
    ends = [0, *sorted({at % (len(rows) + 1) for at in where}), len(rows)]
    return [rows[start:end] for start, end in pairwise(ends)]


def told(results):
    """Everything that was published and journalled, as a multiset, without the place of a row in its batch."""
    found = Counter()
    for result in results:
        for kind in ("tasks", "incidents"):
            found.update(json.dumps(row, sort_keys=True) for row in getattr(result, kind, None).to_pylist())
        found.update(json.dumps({**row, "row": 0}, sort_keys=True) for row in result.decisions)
    return found


@LAWS
@given(rows=events(), where=st.lists(st.integers(0, 25), max_size=4))
def test_cutting_a_stream_into_batches_changes_nothing(tools, rows, where):
    """The same decisions, tasks and incidents with their versions, and the same state, however batches fall."""
    whole, parts = tools.world(), tools.world()
    found, sent = whole.take(*rows)
    pieces = [parts.take(*piece) for piece in cuts(rows, where)]
    assert told([sent]) == told([piece[1] for piece in pieces])
    decided = [json.dumps({**row, "row": 0}) for row in found.decisions]
    assert decided == [json.dumps({**row, "row": 0}) for piece in pieces for row in piece[0].decisions]
    assert whole.state == parts.state


@LAWS
@given(rows=events())
def test_every_event_becomes_exactly_one_thing(tools, rows):
    """Located = opened + merged + possible + attached + duplicate, and each row is kept or refused."""
    world = tools.world()
    found, sent = world.take(*rows)
    assert len(found.decisions) == len(rows)
    assert found.kept.num_rows + found.refused.num_rows == len(rows)
    assert sorted([*found.kept.column("row").to_pylist(), *found.refused.column("row").to_pylist()]) == list(
        range(len(rows))
    )
    counted = Counter(decision["outcome"] for decision in found.decisions)
    assert counted["duplicate"] == found.refused.num_rows
    assert counted["opened"] + counted["attached"] == len(world.incidents)
    assert counted["merged"] == sum(incident["events"] - 1 for incident in world.incidents.values())
    assert counted["possible"] == sum(incident["possible"] for incident in world.incidents.values())
    assert sent.incidents.num_rows == found.snapshots.num_rows == found.kept.num_rows


@LAWS
@given(rows=events(), before=events(most=6))
def test_a_replay_from_the_same_state_gives_the_same_ids(tools, rows, before):
    """After a crash, the same batch on the same state decides the same; the rooms write nothing themselves."""
    world = tools.world()
    world.take(*before)
    kept = dict(world.state)
    first = world.take(*rows)
    again = tools.world(state=MemoryState(kept))
    second = again.take(*rows)
    assert told([first[1]]) == told([second[1]])
    assert first[0].decisions == second[0].decisions
    assert world.state == again.state


@LAWS
@given(rows=events(), seed=st.randoms())
def test_the_order_of_independent_areas_is_irrelevant(tools, rows, seed):
    """Areas share nothing: moving their events past each other changes no outcome."""
    ids = {(row["source"], row["event_id"]): row["area"] for row in rows}
    rows = [row for row in rows if ids[row["source"], row["event_id"]] == row["area"]]
    queues = {area: [row for row in rows if row["area"] == area] for area in AREAS}
    mixed = []
    while any(queues.values()):
        mixed.append(queues[seed.choice([area for area in AREAS if queues[area]])].pop(0))
    one, other = tools.world(), tools.world()
    assert told([one.take(*rows)[1]]) == told([other.take(*mixed)[1]])
    assert one.state == other.state


@LAWS
@given(rows=events())
def test_tasks_are_made_once_and_for_somebody(tools, rows):
    """No task id is created twice, versions have no gap, each incident has a handler or waits for a parent's end."""
    _, sent = tools.world().take(*rows)
    versions = {}
    for task in sent.tasks.to_pylist():
        versions.setdefault(task["task_id"], []).append(task["version"])
        assert task["recipient"].partition(":")[2]
        assert task["recipient_name"]
        assert task["task_id"].startswith(f"{task['incident_id']}-{task['action']}-{task['role']}-")
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
    handled = {task["incident_id"] for task in sent.tasks.to_pylist() if task["action"] == "handle"}
    newest = {incident["incident_id"]: incident for incident in sent.incidents.to_pylist()}
    waiting = {name for name, incident in newest.items() if incident["inhibited"]}
    assert handled | waiting == set(newest)
    assert all(newest[name]["parent_id"] for name in waiting)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from([*stages.STAGES_ZH, "cancel", "nonsense"]),
        st.sampled_from(["a", "b", "A "]),
        st.integers(-100_000, 10_000_000),
    ),
    max_size=60,
)


def run_steps(world, steps):
    """Each step as a status of one task (or a command for its incident), against what is known then."""
    results = []
    for number, (which, stage, actor, at) in enumerate(steps):
        names = sorted(world.tasks)
        if not names:
            break
        task_id = names[which % len(names)]
        row = world.step(task_id, stage, actor, at=world.now + at, status_id=f"s{number}")
        if stage == "cancel":
            row |= {"kind": "command", "incident_id": world.tasks[task_id]["incident_id"]}
        results.append((row, world.report(row)))
    return results


@LAWS
@given(rows=events(most=4), steps=STEPS)
def test_no_sequence_of_statuses_lets_a_handler_close_the_own_task(tools, rows, steps):
    """Whoever checked or closed a task is none of those who worked on it; nothing but allowed steps happens."""
    world = tools.world()
    world.take(*rows)
    workers, stage_of = {}, {name: task["stage"] for name, task in world.tasks.items()}
    for row, done in run_steps(world, steps):
        person = row["actor"].strip().lower()
        assert len(done.decisions) == 1
        assert (done.refused.num_rows == 1) == (done.decisions[0]["outcome"] == "refused")
        for task in done.tasks.to_pylist():
            name, stage = task["task_id"], task["stage"]
            if row["kind"] == "status" and name == row["task_id"] and row["stage"] == stages.EXTENDED:
                assert stage == stage_of[name]  # more time is asked for: the task stays where it is
                assert person in workers[name]
            elif row["kind"] == "status" and name == row["task_id"]:
                assert stage in stages.TRANSITIONS[stage_of[name]]
                if stage in {"checked", "closed", "reworked"}:
                    assert person not in workers.get(name, set())
                if stage in {"accepted", "handling", "reported"}:
                    workers.setdefault(name, set()).add(person)
            stage_of[name] = stage
    for incident in world.incidents.values():
        mine = [task for task in world.handlers() if task["incident_id"] == incident["incident_id"]]
        assert any(stages.is_open(task["stage"]) for task in mine) == (incident["state"] == "open")


@LAWS
@given(rows=events(most=4), steps=STEPS, where=st.lists(st.integers(0, 60), max_size=4))
def test_cutting_statuses_into_batches_changes_nothing(tools, rows, steps, where):
    """The same reports in other batches give the same tasks, incidents and state."""
    rehearsal = tools.world()
    rehearsal.take(*rows)
    reports = [row for row, _ in run_steps(rehearsal, steps)]
    parts = tools.world()
    parts.take(*rows)
    done = [parts.report(*piece) for piece in cuts(reports, where)]
    whole = tools.world()
    whole.take(*rows)
    assert told([whole.report(*reports)]) == told(done)
    assert whole.state == parts.state == rehearsal.state


def schema(name):
    """A schema of the hub, parsed."""
    return fastavro.parse_schema(json.loads((AVSC / f"{name}.avsc").read_text(encoding="utf-8")))


def encodes(record, parsed):
    """Whether the record is exactly what the schema names, and can be written."""
    assert set(record) == {field["name"] for field in parsed["fields"]}
    fastavro.schemaless_writer(BytesIO(), parsed, record, strict=True)


@settings(LAWS, max_examples=20)
@given(rows=events(most=8), steps=STEPS)
def test_all_that_goes_out_is_writable_with_the_hub_s_schemas(tools, rows, steps):
    """Incidents, tasks and decisions have exactly the fields of their Avro schemas, with values that fit."""
    world = tools.world()
    found, sent = world.take(*rows)
    done = [result for _, result in run_steps(world, steps)]
    names = {"incidents": schema("Incident"), "tasks": schema("Task")}
    for result in (sent, *done):
        for kind, parsed in names.items():
            for record in getattr(result, kind).to_pylist():
                encodes(record, parsed)
    origin = {
        "origin_topic": "t",
        "origin_partition": 0,
        "origin_offset": 0,
        "chain": "c",
        "seq": 1,
        "prev": "",
        "hash": "h",
        "entries": [],  # of the inbound stage only
    }
    for record in [row for result in (found, sent, *done) for row in result.decisions]:
        encodes({name: value for name, value in record.items() if name != "row"} | origin, schema("Decision"))
