"""`gridhub task`: reports and decisions become one record each for the area's lane; show reads the newest version."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from kafka.errors import KafkaTimeoutError

from gridhub.streams import sending, task_cli
from gridhub.streams.cli import gridhub

INCIDENT = "420202005-1f2e3d4c5b6a7988"
TASK = f"{INCIDENT}-handle-department_unit-governance-420202-r3"
REPORTER = ["--actor", "wang", "--note", "已清理", "--id", "k1"]
DECIDER = ["--actor", "zhao", "--reason", "情况属实", "--id", "k1"]


def run(*words):
    """The command's result."""
    return CliRunner().invoke(gridhub, ["task", *words])


@pytest.mark.parametrize(
    ("words", "stage"),
    [
        (["accept"], "accepted"),
        (["start"], "handling"),
        (["report"], "reported"),
        (["return"], "returned"),
        (["extend"], "extended"),
        (["check"], "checked"),
        (["check", "--fail"], "reworked"),
        (["close"], "closed"),
    ],
)
def test_a_report_asks_for_its_stage(sent, words, stage):
    """One TaskStatus, keyed by the area in the task's id, and printed."""
    done = run(*words, TASK, *REPORTER)
    assert done.exit_code == 0, done.output
    ((area, record),) = sent
    assert (area, record) == ("420202005", json.loads(done.stdout))
    assert (record["task_id"], record["stage"], record["actor"], record["note"], record["status_id"]) == (
        TASK, stage, "wang", "已清理", "k1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (["approve"], {}),
        (["refuse"], {}),
        (["resume"], {}),
        (["cancel"], {}),
        (["reopen"], {}),
        (["arbitrate", "--to", "street:420202005"], {"recipient": "street:420202005"}),
        (
            ["suspend", "--cause", "parts", "--until", "2026-12-01T09:00"],
            {"cause": "parts", "until": 1_796_086_800_000},
        ),
    ],
)
def test_a_decision_names_the_task_and_its_incident(sent, words, fields):
    """One Command with what this decision needs."""
    done = run(*words, TASK, *DECIDER)
    assert done.exit_code == 0, done.output
    ((area, record),) = sent
    assert (area, record) == ("420202005", json.loads(done.stdout))
    assert record | fields == record
    assert (record["kind"], record["task_id"], record["incident_id"], record["actor"], record["reason"]) == (
        words[0], TASK, INCIDENT, "zhao", "情况属实",
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ["accept", "nonsense", *REPORTER],
        ["accept", TASK],
        ["approve", TASK, "--actor", "zhao"],
        ["arbitrate", TASK, *DECIDER],
        ["suspend", TASK, *DECIDER, "--cause", "parts"],
        ["suspend", TASK, *DECIDER, "--cause", "parts", "--until", "tomorrow"],
        ["show", "nonsense"],
    ],
)
def test_wrong_use_publishes_nothing(sent, words):
    """Exit 2 with a sentence."""
    assert run(*words).exit_code == 2
    assert sent == []


def test_without_kafka_it_says_so(sent, monkeypatch):
    """Exit 1, and what to look at."""

    def away(*_):
        raise KafkaTimeoutError

    monkeypatch.setattr(sending, "publish", away)
    done = run("accept", TASK, *REPORTER)
    assert (done.exit_code, "GRIDHUB_KAFKA" in done.output, sent) == (1, True, [])


class Topic:
    """Stands for hub.tasks: two versions of the task, one of another that names it."""

    def __init__(self, *_):
        self.closed = False

    def records(self, _topic, needles):
        """Whatever holds the task's id."""
        versions = [(2, "handling"), (1, "dispatched")]
        yield from ((None, {"task_id": needles[0], "version": version, "stage": stage}) for version, stage in versions)
        yield None, {"task_id": "another", "version": 9, "stage": "closed"}

    def close(self):
        """Nothing to leave."""


def test_show_tells_the_newest_version_and_what_may_follow(monkeypatch):
    """The stage, and what the machine allows from there."""
    monkeypatch.setattr(task_cli, "Reader", Topic)
    monkeypatch.setattr(task_cli, "load_codec", lambda *_: None)
    shown = json.loads(run("show", TASK).stdout)
    assert (shown["version"], shown["stage"]) == (2, "handling")
    assert shown["allowed"].startswith("reported, returned, extended, suspended; by command approve")


def test_show_says_when_there_is_no_such_task(monkeypatch):
    """Exit 1 with a sentence."""
    monkeypatch.setattr(task_cli, "Reader", Topic)
    monkeypatch.setattr(task_cli, "load_codec", lambda *_: None)
    monkeypatch.setattr(Topic, "records", lambda *_: iter(()))
    done = run("show", TASK)
    assert (done.exit_code, f"There is no task {TASK}." in done.output) == (1, True)
