"""A target that is away, answers errors, hangs and forgets to answer; a sink process killed on the way: every task arrives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from confluent_kafka.admin import NewTopic

from gridhub.connectors.sinks.log import parked
from gridhub.schemas.registry import local_codec
from gridhub.streams import topics

EXAMPLE = Path(__file__).parents[2] / "schemas" / "examples" / "Task" / "dispatched.json"
TASKS = 40
SEED = 7


class Target(ThreadingHTTPServer):
    """Acts once on each idempotency key; how it answers is up to the dice, until it is told to be well."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Take)
        self.dice = random.Random(SEED)
        self.lock = threading.Lock()
        self.came, self.acted = Counter(), []
        self.well = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self, key):
        """(act?, answer) for a request with this key."""
        with self.lock:
            self.came[key] += 1
            mood = "well" if self.well else self.dice.choice(["well", "well", "error", "hang", "mute"])
            if mood in {"well", "mute"} and key not in self.acted:
                self.acted.append(key)
            return mood


class _Take(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        mood = self.server.take(self.headers["idempotency-key"])
        if mood == "hang":
            time.sleep(1.5)
        if mood in {"hang", "mute"}:
            self.close_connection = True
            return
        self.send_response(500 if mood == "error" else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Silent."""


@pytest.fixture
def hub(cluster):
    """The three topics on the session's broker; those that are there already stay."""
    for topic in (topics.TASKS, topics.DELIVERIES, topics.PARKED):
        made = cluster.admin.create_topics([NewTopic(topic.name, 2, 1, config={"cleanup.policy": "delete"})])
        with contextlib.suppress(Exception):
            made[topic.name].result(30)
    return cluster


@pytest.fixture
def target():
    """A target on a real socket."""
    server = Target()
    yield server
    server.shutdown()
    server.server_close()


def process(hub, target, name, recipient):
    """A sink process for this target."""
    command = [sys.executable, str(Path(__file__).with_name("sink_process.py")), hub.bootstrap,
               f"http://127.0.0.1:{target.server_port}/tasks", name, recipient]  # fmt: skip
    return subprocess.Popen(command, env={**os.environ, "SINK_SECRET": "whsec_" + "a" * 32}, stderr=subprocess.DEVNULL)


def wait(question, seconds=60):
    """Whether the question came true in time."""
    deadline = time.monotonic() + seconds
    while not question() and time.monotonic() < deadline:
        time.sleep(0.05)
    return question()


def publish(hub, recipient):
    """Two versions of each task, keyed by task id; the keys in order of each task."""
    codec, row = local_codec(), json.loads(EXAMPLE.read_text())
    pairs = []
    for number in range(TASKS // 2):
        for version in (1, 2):
            task = {**row, "task_id": f"{recipient}-{number}", "version": version, "recipient": recipient}
            pairs.append((task["task_id"].encode(), codec.encode("hub.tasks-value", task)))
    hub.write(topics.TASKS.name, pairs)
    return {f"{recipient}-{number}.{version}" for number in range(TASKS // 2) for version in (1, 2)}


def told(hub, name):
    """The fates that hub.deliveries holds for this target, by key."""
    rows = [
        found.record for found in local_codec().decode_many([m.value() for m in hub.read(topics.DELIVERIES.name, 2)])
    ]
    return Counter((row["delivery_id"], row["fate"]) for row in rows if row["target"] == name)


def test_every_task_arrives_and_is_acted_on_once(hub, target):
    """Killed twice on the way, beside a target in every mood: all keys acted on, one `taken` each, nothing left parked."""
    name, recipient = hub.name("desk"), hub.name("unit")
    keys = publish(hub, recipient)
    for share in (0.2, 0.5):
        sink = process(hub, target, name, recipient)
        try:
            assert wait(lambda share=share: len(target.acted) >= share * TASKS), target.came
        finally:
            sink.kill()
            sink.wait()
    target.well = True
    sink = process(hub, target, name, recipient)
    try:
        assert wait(lambda: set(target.acted) == keys)
        assert wait(lambda: sum(n for (_, fate), n in told(hub, name).items() if fate == "taken") >= TASKS)
        assert wait(lambda: asyncio.run(parked(hub.bootstrap, local_codec(), name)) == {})
    finally:
        sink.kill()
        sink.wait()
    assert len(target.acted) == len(keys)
    taken = {key: n for (key, fate), n in told(hub, name).items() if fate == "taken"}
    assert taken == {f"{name}/{key}": 1 for key in keys}
