"""`gridhub route`: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gridhub.streams.routing_cli import route

FILE = Path(__file__).parents[2] / "config" / "routing.yaml"


def line_of(text):
    """The first line of the bundled file with this text in it."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.fixture
def run():
    """Call the command with these words."""
    return lambda *words: CliRunner().invoke(route, list(words))


def test_test_prints_one_line_per_task_and_the_handler_first(run):
    """Who, in which time, and by which rule."""
    done = run("test", "--category", "fire", "--severity", "2", "--code", "420202005001001")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert [line["action"] for line in lines].count("handle") == 1
    assert lines[0] == {
        "action": "handle", "recipient": "department_unit:fire-420202", "recipient_name": "黄石港区 消防救援大队",
        "accept_min": 2, "finish_min": 60.0, "route": "root/fire-and-gas",
        "line": line_of("department: fire, action: handle, accept_min: 2"), "left_out": 0,
    }  # fmt: skip


@pytest.mark.parametrize("words", [("--category", "x", "--code", "420202"), ("--category", "fire", "--code", "1")])
def test_test_with_an_unknown_word_is_wrong_use(run, words):
    """Exit 2 and a sentence that says where to look."""
    done = run("test", *words)
    assert done.exit_code == 2
    assert "There is no" in done.stderr


def test_check_accepts_the_bundled_tree(run):
    """Exit 0 and its version."""
    done = run("check", str(FILE))
    assert done.exit_code == 0
    assert json.loads(done.stdout)["version"].startswith("2026-11+")


def test_check_names_what_is_wrong(run, tmp_path):
    """Exit 1 and a sentence on stderr, nothing on stdout."""
    changed = tmp_path / "routing.yaml"
    changed.write_text(FILE.read_text(encoding="utf-8").replace("[fire, gas_leak]", "[fire, gas]"), encoding="utf-8")
    done = run("check", str(changed))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no such category: gas." in done.stderr
