"""`gridhub route`: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.routing_cli import route

FILE = Path(__file__).parents[2] / "config" / "routing.yaml"


def line_of(text):
    """The first line of the bundled file with this text in it."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.fixture(scope="module")
def catalogue():
    """The bundled catalogue, read once."""
    return Catalogue.load()


@pytest.fixture
def run(catalogue, monkeypatch):
    """Call the command with these words."""
    monkeypatch.setattr(Catalogue, "load", lambda *_: catalogue)
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


SMALL = """\
version: "2"
max_fanout: 5
finish_min: {1: 60, 2: 120, 3: 240, 4: 480}
departments: {power: 供电公司, water: 水务公司}
time_intervals:
  - name: night
    time_intervals:
      - times: [{start_time: "22:00", end_time: "24:00"}]
      - times: [{start_time: "00:00", end_time: "07:00"}]
inhibit_rules:
  - name: burst-main
    source_matchers: [category="water_main_burst"]
    target_matchers: [category="water_outage", severity>=3]
    equal: [community]
    lasts: 6h
route:
  name: root
  recipients:
    - {role: grid_member, action: handle}
  routes:
    - name: water
      matchers: [matter_group="water"]
      continue: true
      recipients:
        - {role: department_unit, department: water, action: handle}
    - name: street-told
      matchers: [severity>=3, area=~"420202.*"]
      group_by: [street]
      group_wait: 10m
      group_interval: 1h
      mute_time_intervals: [night]
      recipients:
        - {role: street, action: inform}
"""
TREE = """\
root  [line 17]
│   → handle 主办 grid_member  [line 19]
├── water  [line 21]  {category in water_main_burst water_outage}  continue
│       → handle 主办 department_unit:water  [line 25]
└── street-told  [line 26]  {severity in 3 4; area=~"420202.*"}  (groups by street (wait 600 s, interval 3600 s); mute in night)
        → inform 知会 street  [line 33]
time interval night
line 11: inhibit burst-main: category="water_main_burst" holds back category="water_outage", severity>=3; equal community, status; 360 min at most
silences: at most 7 days; a second person above 10% of the city, 10% of the categories or 50 incidents in 24 h
"""


@pytest.fixture
def small(tmp_path):
    """A small routing file with all that there is."""
    path = tmp_path / "routing.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return str(path)


def test_show_prints_the_tree_with_lines(run, small):
    """Routes, matchers, recipients, groups, intervals, inhibit rules and limits."""
    done = run("show", "--file", small)
    assert done.exit_code == 0
    version, _, rest = done.stdout.partition("\n")
    assert version.startswith("routing.yaml 2+")
    assert rest == TREE


ASKED = ("--category", "water_outage", "--severity", "4", "--code", "420202005001001", "--source", "water")


def test_test_says_by_which_line_and_until_when(run, small):
    """By day the group's wait, by night the end of the night; what may cost lives has neither."""
    done = run("test", *ASKED, "--file", small, "--at", "2026-11-23T23:30")
    handled, informed = (json.loads(line) for line in done.stdout.splitlines())
    assert (handled["recipient"], handled["line"]) == ("department_unit:water-420202", 25)
    assert "waits_until" not in handled
    assert {name: informed[name] for name in ("line", "waits_until", "group_by", "group_wait_s")} == {
        "line": 33, "waits_until": "2026-11-24T07:00:00+08:00", "group_by": ["street"], "group_wait_s": 600,
    }  # fmt: skip
    done = run("test", *ASKED, "--file", small, "--at", "2026-11-23T12:00")
    assert "waits_until" not in json.loads(done.stdout.splitlines()[1])
    danger = ("--category", "brawl", "--code", "420202005001001", "--file", small, "--at", "2026-11-23T23:30")
    assert "waits_until" not in run("test", *danger).stdout


def test_test_with_an_open_source_says_what_holds_the_tasks_back(run, small):
    """The rule, its line, the source; another community holds nothing back."""
    done = run("test", *ASKED, "--file", small, "--open", "water_main_burst:2", "--at", "2026-11-23T12:00")
    first, *rest = (json.loads(line) for line in done.stdout.splitlines())
    assert first == {
        "kept_back": "inhibited", "by": "burst-main", "line": 11, "source": "open1(water_main_burst:2)",
        "at_most_until": "2026-11-23T18:00:00+08:00",
    }  # fmt: skip
    assert {line["kept_back"] for line in rest} == {"burst-main"}
    elsewhere = run("test", *ASKED, "--file", small, "--open", "water_main_burst:2:420202005002")
    assert "kept_back" not in elsewhere.stdout


def test_test_with_a_silence_says_which(run, small):
    """Its matchers and its end; danger to life is refused."""
    done = run("test", *ASKED, "--file", small, "--silence", 'category="water_outage",severity>=4')
    first = json.loads(done.stdout.splitlines()[0])
    assert (first["kept_back"], first["by"]) == ("silenced", "try-1")
    assert first["matchers"] == ['category="water_outage"', "severity>=4"]
    refused = run("test", *ASKED, "--file", small, "--silence", 'category="fire"')
    assert (refused.exit_code, "never silenced" in refused.stderr) == (2, True)


@pytest.mark.parametrize("words", [("--open", "water"), ("--open", "fire:9"), ("--silence", "noise"), ("--live",)])
def test_test_with_what_cannot_be_read_is_wrong_use(run, small, words):
    """Exit 2, nothing on stdout."""
    done = run("test", *ASKED, "--file", small, *words)
    assert (done.exit_code, done.stdout) == (2, "")
