"""`gridhub try`: one result per line, whatever the line holds."""

from __future__ import annotations

import json
from importlib import resources

import pytest
from click.testing import CliRunner

from gridhub.streams.try_cli import try_road

KEYS = {"event_id", "outcome", "reason", "grid_ids", "method", "confidence", "incident_id", "tasks"}


def _power(name):
    return json.loads((resources.files("gridhub.schemas") / "examples" / "PowerEvent" / name).read_text("utf-8"))


def _try(department, lines):
    done = CliRunner().invoke(try_road, ["--department", department], input="\n".join(lines))
    return done, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["power", "Power", "电力"])
def test_an_outage_opens_an_incident_with_tasks(name):
    """The department may be named by its code, its English or its Chinese name."""
    done, results = _try(name, [json.dumps(_power("outage.json"))])
    assert done.exit_code == 0, done.output
    assert set(results[0]) >= KEYS
    assert results[0]["outcome"] == "opened"
    assert len(results[0]["grid_ids"][0]) == 15
    assert {task["action"] for task in results[0]["tasks"]} >= {"handle"}


def test_the_same_line_twice_is_a_duplicate():
    """The second one names the incident of the first and makes no task."""
    line = json.dumps(_power("outage.json"))
    _, results = _try("power", [line, line])
    assert [r["outcome"] for r in results] == ["opened", "duplicate"]
    assert results[1]["reason"] == "duplicate"
    assert results[1]["incident_id"] == results[0]["incident_id"]
    assert results[1]["tasks"] == []


@pytest.mark.parametrize(
    "line",
    [
        "garbage",
        "[1]",
        "null",
        "{}",
        '{"a": 1}',
        '"\\ud800"',
        "1e999",
        "[" * 5000,
        "\x00\x01",
        '{"event": {"eventNo": 5}}',
    ],
)
def test_garbage_is_refused_and_the_next_line_still_counts(line):
    """A refused result with a sentence, no stack trace; the line after it goes its way."""
    done, results = _try("power", [line, json.dumps(_power("outage.json"))])
    assert done.exit_code == 0, done.output
    assert [r["outcome"] for r in results] == ["refused", "opened"]
    assert results[0]["reason"] == "bad_bytes"
    assert set(results[0]) >= KEYS


def test_times_may_be_written_as_text():
    """ISO 8601 in place of milliseconds leads to the same result."""
    record = _power("outage.json")
    text = json.loads(json.dumps(record))
    text["header"]["sendTime"] = "2026-11-20T08:00:00+08:00"
    _, results = _try("power", [json.dumps(text)])
    assert results[0]["outcome"] == "opened"
    text["header"]["sendTime"] = "yesterday"
    _, results = _try("power", [json.dumps(text)])
    assert results[0]["reason"] == "bad_bytes"


def test_an_unknown_department_is_wrong_use():
    """Exit code 2 and a sentence that names the known ones."""
    done, results = _try("astrology", ["{}"])
    assert (done.exit_code, results) == (2, [])
    assert "public-security" in done.stderr


def test_the_moment_to_judge_by_can_be_given():
    """An old event is refused now and taken at its own time."""
    record = _power("outage.json")
    record["event"]["occurTime"] = record["header"]["sendTime"] = 1_600_000_000_000  # 2020-09-13
    assert _try("power", [json.dumps(record)])[1][0]["reason"] == "wrong_time"
    done = CliRunner().invoke(try_road, ["--department", "power", "--at", "2020-09-14"], input=json.dumps(record))
    assert json.loads(done.stdout)["outcome"] == "opened"
