"""The crash matrix itself: a quick cell of it, what it calls good, and that nothing outlives it."""

from __future__ import annotations

import importlib.util
import json
import random
import re
import signal
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import psutil
import pytest

from gridhub.connectors.simulator.city import City as SimulatedCity
from gridhub.streams import city as city_data
from gridhub.streams.records import Reason

MATRIX = Path(__file__).parents[2] / "bench" / "crash" / "matrix.py"
GOOD = {"fault": "kill", "seed": 1, "events": 300, "lost": 0, "doubled": 0, "out_of_order": 0, "wrong_reason": 0}
QUICK = ["--seed", "1", "--events", "300", "--span", "8"]


def started(*arguments):
    """The matrix as a process."""
    command = [sys.executable, str(MATRIX), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def matrix(monkeypatch):
    """The matrix as a module, as a script's siblings would import it."""
    monkeypatch.syspath_prepend(str(MATRIX.parent))
    spec = importlib.util.spec_from_file_location("crash_matrix", MATRIX)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in ("alone", "faults", "filling", "garbage", "poison"):
        sys.modules.pop(name, None)


@pytest.mark.crash
@pytest.mark.broker
def test_a_cell_breaks_the_hub_and_counts():
    """Workers are killed three times; the line has every key of the contract, nothing is lost, the exit code is 0."""
    run = started("kill", *QUICK)
    said, words = run.communicate(timeout=240)
    line = json.loads(said)
    assert words.count("kill -9") == 3
    assert {key: line[key] for key in GOOD} == GOOD, words
    assert line["seconds"] > 0
    assert line["recovered_s"] is not None
    assert run.returncode == 0, words


@pytest.mark.crash
@pytest.mark.broker
def test_nothing_outlives_an_interrupt(tmp_path, monkeypatch):
    """Ctrl-C in the midst of a run ends it with 130; its processes and its folder are gone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    run = started("pause", *QUICK)
    for word in run.stderr:
        if "worker-2 joins" in word:
            break
    family = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert len(family) >= 4, "cell, broker, registry, workers"
    _, alive = psutil.wait_procs(family, timeout=20)
    assert (run.returncode, alive, list(tmp_path.iterdir())) == (130, [], [])


@pytest.mark.parametrize("key", ["lost", "doubled", "out_of_order", "wrong_reason", "hands", "problems"])
def test_a_run_with_a_loss_is_not_good(matrix, key):
    """One event lost, doubled, out of order or refused for a wrong reason, or one worker helped up, spoils a run."""
    assert matrix.is_good(GOOD)
    assert not matrix.is_good(GOOD | {key: 1})


def test_a_hang_is_not_good(matrix):
    """A run that did not end is a failure, whatever was counted by then."""
    assert not matrix.is_good(GOOD | {"hung": "no end after 480 s"})


def test_a_hang_is_told(matrix):
    """A run that takes longer than its limit is ended and printed as hung."""
    cell = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.PIPE)
    line = matrix._answer(cell, {"fault": "kill", "seed": 1, "events": 300}, 0.2)
    matrix._end(cell)
    assert line["hung"]
    assert line["lost"] is None
    assert cell.poll() is not None


def test_poison_lies_between_good_events(matrix):
    """The city's own messages stay as they are; each poisoned one bears the mark, is to be refused as broken, and is of no matter."""
    poison = sys.modules["poison"]
    facts = city_data.load(None)
    good = list(SimulatedCity(facts.catalogue, facts.departments, 1).generate(600, 1, 1_790_000_000_000))
    mixed = list(poison.among(iter(good), None, random.Random(1)))
    bad = [message for message in mixed if message.truth.fault == "poison"]
    assert [message for message in mixed if message.truth.fault != "poison"] == good
    assert len(bad) > 40
    for message in bad:
        assert poison.MARK in json.dumps(message.record, default=str)
        assert (message.truth.kind, message.truth.expected_reason) == ("refused", Reason.BROKEN)
        assert message.truth.true_matter is None
    runs = [sum(1 for _ in run) for fault, run in groupby(mixed, lambda m: m.truth.fault) if fault == "poison"]
    assert {1, 2} < set(runs)


def test_every_sabotage_is_told_of():
    """The page names each bug that can be put into workers, and no other."""
    source = (MATRIX.parent / "inject" / "injected.py").read_text(encoding="utf-8")
    names = set(re.findall(r'^    "([a-z-]+)": \w+,$', source, re.MULTILINE)) - {"poison"}
    page = (MATRIX.parents[2] / "docs" / "crash.md").read_text(encoding="utf-8")
    table = page.partition("## Is the check able to see")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == names


def test_an_unknown_fault_is_wrong_use():
    """A fault that does not exist ends with 2 and the names of those that do."""
    run = started("earthquake")
    _, words = run.communicate(timeout=60)
    assert run.returncode == 2
    assert "kill, pause" in words
