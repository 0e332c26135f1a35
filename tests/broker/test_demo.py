"""The demo as a user runs it: a process, its last line, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest
from kafka import KafkaConsumer

from gridhub.connectors.broker import free_port

EVENTS = 1200
KEYS = {
    "produced", "received", "admitted", "refused", "duplicates", "merged", "incidents", "tasks", "lost", "doubled",
    "seconds", "events_per_second",
}  # fmt: skip


@pytest.fixture
def environment(tmp_path):
    """Ports of its own and a data folder of its own."""
    ports = {
        name: str(free_port())
        for name in (
            "GRIDHUB_BROKER_PORT", "GRIDHUB_BROKER_CONTROLLER_PORT", "GRIDHUB_REGISTRY_PORT", "GRIDHUB_METRICS_PORT",
        )
    }  # fmt: skip
    return {**os.environ, **ports, "GRIDHUB_DATA_DIR": str(tmp_path / "data"), "GRIDHUB_SESSION_TIMEOUT_S": "6"}


def _command(*options):
    return [sys.executable, "-m", "gridhub.streams.cli", "demo", *options]


def _run(environment, *options):
    done = subprocess.run(
        _command("--events", str(EVENTS), *options), env=environment, capture_output=True, text=True, timeout=280,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def _leftovers(folder):
    """Processes that still name the demo's folder in their command line or environment."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            words = " ".join(process.info["cmdline"] or []) + process.environ().get("GRIDHUB_DATA_DIR", "")
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
        if str(folder) in words and process.pid != os.getpid():
            found.append(words)
    return found


def _right(totals):
    """Every total equals the simulator's truth; `demo` itself ends with 1 when a reason or a place is wrong."""
    assert set(totals) >= KEYS
    assert totals["produced"] == totals["received"] == totals["admitted"] + totals["refused"] == EVENTS
    assert (totals["lost"], totals["doubled"], totals["wrong_reason"], totals["out_of_order"]) == (0, 0, 0, 0)
    assert totals["grid_right"] == 1.0
    # what nobody could tell apart is the dice's, not the hub's: a few pairs in a run of this size
    assert totals["wrong_pairs"] <= 0.02 * totals["pairs"]
    assert totals["indistinct"] <= 0.06 * totals["pairs"]
    assert totals["recall"] >= 0.95
    assert totals["pairs"] > 200
    assert totals["closed"] > 20
    assert totals["tasks"] > totals["incidents"] > 100


@pytest.mark.broker
def test_a_demo_ends_with_totals_that_equal_the_truth(environment, tmp_path):
    """Exit code 0, one JSON line, a table by department, no process left."""
    totals, messages = _run(environment, "--workers", "1")
    _right(totals)
    assert "public-security" in messages
    assert _leftovers(tmp_path) == []


@pytest.mark.crash
def test_kills_a_broker_restart_and_changing_workers_change_no_total(environment, tmp_path):
    """Kill -9 of workers, the broker restarted, a worker added and another removed: the same law."""
    totals, messages = _run(
        environment, "--workers", "2", "--kills", "2", "--broker-restarts", "1", "--churn", "--rate", "50"
    )
    _right(totals)
    assert messages.count("kill -9") == 2
    assert "the broker runs again" in messages
    assert _leftovers(tmp_path) == []


def _await(question, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if question():
            return True
        time.sleep(0.2)
    return False


@pytest.mark.broker
def test_a_demo_without_end_shows_tasks_and_ends_on_ctrl_c(environment, tmp_path):
    """A second terminal sees tasks with kafka-python and metrics over HTTP; who kills a worker is told that it starts
    again; Ctrl-C ends all processes.
    """
    log = (tmp_path / "demo.log").open("w+")
    demo = subprocess.Popen(_command("--rate", "30"), env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        text = (tmp_path / "demo.log").read_text
        assert _await(lambda: "Stop with Ctrl-C" in text(), 90), text()
        consumer = KafkaConsumer(
            "hub.tasks", bootstrap_servers=f"127.0.0.1:{environment['GRIDHUB_BROKER_PORT']}",
            auto_offset_reset="earliest", isolation_level="read_committed", consumer_timeout_ms=30_000,
        )  # fmt: skip
        assert next(iter(consumer)).key
        consumer.close()
        address = f"http://127.0.0.1:{environment['GRIDHUB_METRICS_PORT']}/metrics"
        with urllib.request.urlopen(address, timeout=5) as answer:
            assert b"gridhub_tasks_dispatched_total" in answer.read()
        (worker,) = (child for child in psutil.Process(demo.pid).children() if "worker-1" in child.cmdline())
        worker.kill()
        assert _await(lambda: "worker-1 was ended from outside (SIGKILL); it is started again." in text(), 30), text()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 0
        assert _await(lambda: _leftovers(tmp_path) == [], 2)
    finally:
        demo.kill()
        demo.wait()
        log.close()
