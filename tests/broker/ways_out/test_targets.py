"""`gridhub sinks run` killed with -9 again and again, beside a target in every kind of trouble and one that only hangs."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gridhub.connectors.broker import free_port
from gridhub.streams import topics

TASKS, VERSIONS, SEED = 20, 2, 7
KEYS = TASKS * VERSIONS
MOODS = ("well", "well", "error", "mute", "late", "cut")
SECRET = "whsec_" + "a" * 32


class Target(ThreadingHTTPServer):
    """Acts once on each idempotency key. How it answers is up to the dice, until it is told to be `well`; a patient one waits for `open`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port, book, *, moody=False, opened=True):
        super().__init__(("127.0.0.1", port), _Take)
        self.dice, self.lock, self.moody, self.book = random.Random(SEED), threading.Lock(), moody, book
        self.came, self.acted = Counter(), {}
        self.open = threading.Event()
        if opened:
            self.open.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self, key, task):
        """The mood for this request; acts unless it is an error or this key was acted on before."""
        with self.lock:
            self.came[key] += 1
            mood = self.dice.choice(MOODS) if self.moody else "well"
            if mood != "error" and key not in self.acted:
                self.acted[key] = (task["task_id"], task["version"])
                self.book.append((self, key))
            return mood


class _Take(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.open.wait()
        mood = self.server.take(self.headers["idempotency-key"], json.loads(body))
        if mood == "late":  # it has acted, but answers when nobody waits any more
            time.sleep(0.7)
        if mood in {"mute", "cut"}:
            self.close_connection = True
            return
        with contextlib.suppress(OSError):
            self.send_response(500 if mood == "error" else 204)
            self.send_header("content-length", "0")
            self.end_headers()
            if mood == "late":  # and once more
                self.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    def log_message(self, *_):
        """Silent."""

    def handle(self):
        with contextlib.suppress(ConnectionError):
            super().handle()


@pytest.fixture
def targets():
    """Makes targets that are ended at the end, and their common book of who acted when."""
    made, book = [], []

    def make(port=0, **kind):
        made.append(Target(port, book, **kind))
        return made[-1]

    yield make, book
    for one in made:
        one.open.set()
        one.shutdown()
        one.server_close()


@pytest.fixture
def sinks(hub, tmp_path):
    """Starts `gridhub sinks run` for these targets (name: port) of one recipient; ended at the end."""
    running = []

    def start(ports, recipient, metrics_port=0):
        impatient = {"timeout_s": 0.5, "attempts": 3, "first_wait_s": 0.05, "longest_wait_s": 0.2, "break_after": 5,
                     "break_s": 0.5, "redeliver_s": 1.0, "parallel": 4}  # fmt: skip
        rows = [{"name": name, "kind": "webhook", "url": f"http://127.0.0.1:{port}/tasks", "secret_env": "SINK_SECRET",
                 "tasks": {"recipient": [recipient]}, **impatient} for name, port in ports.items()]  # fmt: skip
        (tmp_path / "sinks.yaml").write_text(yaml.safe_dump({"targets": rows}))
        arguments = ("sinks", "run", "--file", tmp_path / "sinks.yaml", "--metrics-port", metrics_port)
        running.append(hub.start(*arguments, SINK_SECRET=SECRET))
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.wait()


def test_every_task_reaches_its_target_once(hub, targets, sinks, until):
    """Down, 500, mute, late, twice, and four kills: each target acts once on each version, in order; who hangs slows nobody."""
    make, book = targets
    well, hanging, port = make(), make(opened=False), free_port()
    recipient, names = hub.cluster.name("unit"), [hub.cluster.name(stem) for stem in ("well", "hanging", "moody")]
    ports = dict(zip(names, (well.server_port, hanging.server_port, port), strict=True))
    rows = [{"task_id": f"{recipient}-{n}", "version": v, "recipient": recipient} for n in range(TASKS)
            for v in range(1, VERSIONS + 1)]  # fmt: skip
    hub.tasks(*rows[: KEYS // 2])

    page = f"http://127.0.0.1:{(metrics_port := free_port())}/metrics"

    def killed_when(question):
        sink = sinks(ports, recipient, metrics_port)
        assert until(question), (len(well.acted), len(book))
        sink.kill()
        sink.wait()

    killed_when(lambda: len(well.acted) >= KEYS // 4)  # moody is not even there
    moody = make(port, moody=True)
    killed_when(lambda: len(moody.acted) >= KEYS // 8)
    hub.tasks(*rows[KEYS // 2 :])
    killed_when(
        lambda: len(well.acted) == KEYS and len(moody.acted) >= KEYS // 2 and shown(page, "oldest", names[1]) > 0
    )
    assert hanging.acted == {}  # the one that hangs has kept nobody waiting
    hanging.open.set()
    killed_when(lambda: len(hanging.acted) >= KEYS // 2)
    moody.moody = False
    sinks(ports, recipient, metrics_port)
    assert until(lambda: all(len(one.acted) == KEYS for one in (well, hanging, moody)))
    assert until(lambda: taken(hub, names) == KEYS * len(names))
    assert until(
        lambda: [shown(page, what, name) for what in ("oldest", "parked", "circuit") for name in names] == [0.0] * 9
    )
    assert shown(page, "deliveries", names[1], fate="taken") > 0
    for one in (well, hanging, moody):
        assert sorted(one.acted.values()) == sorted((row["task_id"], row["version"]) for row in rows)
        assert in_order(one.acted.values())
    assert last(book, well) < first(book, hanging)
    assert sum(moody.came.values()) > KEYS  # it really was in trouble


def shown(page, what, target, **labels):
    """What the page says of a target's series; -1 as long as there is no page."""
    try:
        text = httpx.get(page).text
    except httpx.TransportError:
        return -1.0
    found = [one for family in text_string_to_metric_families(text) for one in family.samples
             if one.name.startswith(f"gridhub_sink_{what}") and one.labels == {"target": target, **labels}]  # fmt: skip
    return found[0].value


def taken(hub, names):
    """How many deliveries are noted as taken; no key is noted so twice."""
    noted = Counter(
        (row["target"], row["delivery_id"]) for row in hub.records(topics.DELIVERIES.name) if row["fate"] == "taken"
    )
    ours = {key: count for key, count in noted.items() if key[0] in names}
    assert set(ours.values()) <= {1}
    return len(ours)


def in_order(versions):
    """Whether the versions of each task were acted on one after the other."""
    seen = Counter()
    for task_id, version in versions:
        seen[task_id] += 1
        if version != seen[task_id]:
            return False
    return True


def first(book, target):
    """When this target acted first, as a place in the book."""
    return next(place for place, (who, _) in enumerate(book) if who is target)


def last(book, target):
    """When it acted last."""
    return max(place for place, (who, _) in enumerate(book) if who is target)
