"""The scripted day as a user runs it, on real parts and with chaos: the same timeline, and each task once at its target."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psutil
import pytest

from gridhub.connectors.broker import free_port
from gridhub.connectors.demo.day import script as scripts

PORTS = ("GRIDHUB_BROKER_PORT", "GRIDHUB_BROKER_CONTROLLER_PORT", "GRIDHUB_REGISTRY_PORT", "GRIDHUB_METRICS_PORT")
MOODS = {"error", "hang", "mute", "twice", "well"}


def demo(folder, *options):
    """The exit code, the timeline's lines, the totals and the messages of `gridhub demo --scenario day`."""
    ports = {name: str(free_port()) for name in PORTS}
    done = subprocess.run(
        [sys.executable, "-m", "gridhub.streams.cli", "demo", "--scenario", "day", *options],
        env={**os.environ, **ports, "GRIDHUB_DATA_DIR": str(folder)},
        capture_output=True, text=True, timeout=540, check=False,
    )  # fmt: skip
    *lines, last = done.stdout.splitlines()
    assert last.startswith("{"), done.stderr[-4000:]
    return done.returncode, [line.strip() for line in lines if not line.startswith("──")], json.loads(last), done.stderr


def left_over(folder):
    """Processes that still name the demo's folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            words = " ".join(process.info["cmdline"] or []) + process.environ().get("GRIDHUB_DATA_DIR", "")
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
        found += [words] if str(folder) in words and process.pid != os.getpid() else []
    return found


@pytest.mark.broker
def test_the_day_with_chaos_is_the_same_day(tmp_path):
    """Five workers killed, a broker restart, a sink killed, a target in every mood: every line, and every task once."""
    code, lines, totals, messages = demo(tmp_path / "data", "--chaos", "--seed", "1")
    assert code == 0, messages[-4000:]
    assert lines == list(scripts.load().expected())
    assert [totals[name] for name in ("missing", "extra", "target_wrong", "journal_wrong")] == [0, 0, 0, 0]
    assert totals["task_versions"] == sum(line.split()[2] == "任务" for line in lines)
    assert (totals["done"]["kill"], totals["done"]["broker"], totals["done"]["kill_sink"]) == (5, 1, 1)
    assert set(totals["target_met"]) == MOODS
    assert totals["repeated_deliveries"] > 0
    assert left_over(tmp_path) == []
