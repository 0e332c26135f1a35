"""The benchmark: its messages, its reference, its check, and that a run of two contenders comes out right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ENGINE = Path(__file__).parents[2] / "bench" / "engine"
COUNT = 3000
OWN = ("job", "data", "columns", "check", "summary", "contenders", "envs")


@pytest.fixture(scope="module")
def bench():
    """The benchmark's modules by name, imported as its scripts import each other."""
    sys.path.insert(0, str(ENGINE))
    try:
        yield {name: __import__(name) for name in OWN}
    finally:
        sys.path.remove(str(ENGINE))
        for name in OWN:
            sys.modules.pop(name)


@pytest.fixture(scope="module")
def outcome(bench):
    """What the plain implementation makes of the messages, event by event: located events and tasks, framed."""
    job, data = bench["job"], bench["data"]
    columns = data.columns(COUNT)
    locator, rules, norms, tasks = job.Locator(), job.Rules(), [], []
    for _, _, _, value in data.messages(columns):
        event = job.decode(value)
        grid, x, y = locator.one(event)
        if (found := rules.event(event, grid)) is not None:
            category, incident, opened = found
            norms.append(job.norm_value(event, category, grid, incident, opened=opened, x=x, y=y))
            tasks += job.task_values(event, category, grid, incident) if opened else []
    return data.expected(columns), norms, tasks


def judged(bench, want, norms, tasks):
    """The check's answer on these records."""
    check, job = bench["check"], bench["job"]
    found = check.Check(want)
    found.norms(check.table(norms, job.HEAD_NORM))
    found.tasks(check.table(tasks, job.HEAD_TASK))
    return found.result()


def test_plain_implementation_is_what_is_expected(bench, outcome):
    """The fast reference and the plain one, from bytes and event by event, agree on every record."""
    result = judged(bench, *outcome)
    assert result["right"], result
    assert (result["norms"], result["tasks"]) == (outcome[0].norms, outcome[0].tasks)


@pytest.mark.parametrize("flaw", ["lost", "doubled", "wrong"])
def test_one_flawed_record_is_found(bench, outcome, flaw):
    """One record lost, doubled or changed makes the run wrong, and is named so."""
    job, (want, norms, tasks) = bench["job"], outcome
    record = job.decode(norms[7])
    record["payload"]["note"] += "!"
    flawed = {
        "lost": norms[1:],
        "doubled": [*norms, norms[7]],
        "wrong": [*norms[:7], job.encode(job.HEAD_NORM, record), *norms[8:]],
    }
    result = judged(bench, want, flawed[flaw], tasks)
    assert not result["right"]
    assert {name: result[name] for name in ("lost", "doubled", "wrong")} == {
        name: int(name == flaw) for name in ("lost", "doubled", "wrong")
    }


def test_fewer_messages_are_the_first_of_more(bench):
    """A slow contender's messages are the beginning of a quick one's, over block borders too."""
    data = bench["data"]
    few, more = data.columns(100), data.columns(COUNT)
    assert all(np.array_equal(getattr(few, name), getattr(more.head(100), name)) for name in vars(few))


def test_medians_leave_disturbed_runs_out_and_compare_with_ours(bench):
    """A disturbed run does not count beside a quiet one; ratios are of our best to each."""
    run = {"guarantee": "exactly-once", "mode": "throughput", "right": True, "events": 10, "steady_events_per_second": 1,
           "broker_cpu_s_per_100k": 1.0, "peak_rss_mb": 1.0, "disturbed": False}  # fmt: skip
    lines = [
        {**run, "contender": "gridhub-2", "events_per_second": 4000, "cpu_s_per_100k": 1.0},
        {**run, "contender": "gridhub-2", "events_per_second": 10, "cpu_s_per_100k": 9.0, "disturbed": True},
        {**run, "contender": "kafka-streams-1", "events_per_second": 1000, "cpu_s_per_100k": 4.0},
        {"contender": "bytewax", "guarantee": "at-least-once", "mode": "throughput", "skipped": "not here"},
    ]
    ours, streams, bytewax = bench["summary"].medians(lines)
    assert (ours["contender"], ours["events_per_second"], ours["runs"]) == ("gridhub-2", 4000, 1)
    assert (streams["ratio_to_ours"], streams["cpu_share_of_ours"]) == (4.0, 0.25)
    assert bytewax["skipped"] == "not here"


@pytest.mark.broker
@pytest.mark.timeout(240)
def test_quick_run_of_two_contenders_is_right(tmp_path):
    """`make bench QUICK=1` for our engine and the plain loop: every record right, one line each with its figures."""
    command = [sys.executable, str(ENGINE / "run.py"), "--quick", "--only", "gridhub-1,python-loop", "--events", "3000"]
    places = ["--results", str(tmp_path / "results.jsonl"), "--data", str(tmp_path / "data")]
    done = subprocess.run([*command, *places], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = {line["contender"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert lines.keys() == {"gridhub-1", "python-loop"}
    assert all(line["events_per_second"] > 0 and line["peak_rss_mb"] > 0 for line in lines.values())
    runs = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert all(run["right"] and run["lost"] == run["doubled"] == run["wrong"] == 0 for run in runs)
    assert len({run["digest"] for run in runs}) == 1
