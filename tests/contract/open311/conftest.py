"""A server with Kafka left out: what it sends is remembered, what the hub says is put into its store."""

from __future__ import annotations

import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from gridhub.connectors.broker import free_port
from gridhub.connectors.open311 import keys
from gridhub.connectors.open311.api import Parts, create_app
from gridhub.connectors.open311.follower import Follower
from gridhub.connectors.open311.gate import Gate
from gridhub.connectors.open311.services import Services
from gridhub.connectors.open311.store import Store
from gridhub.connectors.sinks.targets import Wanted
from gridhub.schemas.registry import local_codec
from gridhub.streams import city

EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples"
BASE = "http://127.0.0.1/open311/v2"
NOW_MS = 1_795_400_000_000
DEPARTMENT = "citizen-hotline"
CITY = city.load()
CODEC = local_codec()
_numbers = itertools.count(1)


@dataclass
class Sent:
    """In the outbox's place: remembers; `up` says whether Kafka answers."""

    store: Store
    up: bool = True
    events: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[tuple[dict[str, Any], str]] = field(default_factory=list)

    def report(self, event):
        """Take a report, if Kafka is up; every event fits its schema."""
        CODEC.encode(f"dept.{DEPARTMENT}.events-value", {**event, "source": DEPARTMENT})
        if self.up:
            self.events.append(event)
            self.store.sent(event["id"])
        return self.up

    def step(self, status, area):
        """Take a step of a task."""
        CODEC.encode("hub.status-gridhub.hub.TaskStatus", status)
        self.statuses.append((status, area))
        return self.up


@dataclass
class Hub:
    """A server: its application, its parts, and what the hub tells it."""

    app: FastAPI
    folder: Path
    store: Store
    sent: Sent
    follower: Follower
    now: list[int]
    caught_up: list[bool]

    def key(self, *may, until=None, **tasks):
        """A new key."""
        return keys.add(self.folder / "keys.json", f"k{next(_numbers)}", may, until, Wanted(**tasks))

    def tell(self, topic, name, example, **changes):
        """One record of the hub, as the follower reads it; the record."""
        record = json.loads((EXAMPLES / name / f"{example}.json").read_text()) | changes
        space = "dept" if topic.startswith("dept.") else "hub"
        self.follower._take(topic, [CODEC.encode(f"gridhub.{space}.{name}", record)])
        return record

    def dispatched(self, request_id, number=1, **task):
        """The hub opened an incident for this report and gave a task; its task."""
        incident = f"420202001-{number:016x}"
        ids = {
            "incident_id": incident,
            "title": "t",
            "sources": [DEPARTMENT],
            "event_ids": [f"{DEPARTMENT}/{request_id}"],
        }
        self.tell("hub.incidents", "Incident", "open", **ids)
        known = {"task_id": f"{incident}-handle-{number}", "incident_id": incident, **task}
        return self.tell("hub.tasks", "Task", "dispatched", **known)


@pytest.fixture
def hub(tmp_path):
    """A server with services, keys and a store of its own, generous with questions."""
    found = make_hub(tmp_path, reads=10_000, writes=10_000)
    yield found
    found.store.close()


@pytest.fixture
def narrow(tmp_path):
    """Makes a server with limits of its own; it and a plain client."""
    made = []

    def make(**limits):
        made.append(make_hub(tmp_path, **limits))
        return made[-1], TestClient(made[-1].app, BASE)

    yield make
    for one in made:
        one.store.close()


def make_hub(folder, **limits):
    """A server that has caught up."""
    store, now, caught_up = Store(folder / "store.sqlite"), [NOW_MS], [True]
    sent = Sent(store)
    gate = Gate(keys.Keys(folder / "keys.json"), "420200", **limits)
    parts = Parts(Services.load(CITY), store, sent, gate, lambda: caught_up[0], lambda: now[0], "http://127.0.0.1")
    follower = Follower("127.0.0.1:1", CODEC, store, DEPARTMENT)
    return Hub(create_app(parts), folder, store, sent, follower, now, caught_up)


@pytest.fixture
def http(hub):
    """A plain client of the server, without a socket."""
    return TestClient(hub.app, BASE, raise_server_exceptions=False)


@pytest.fixture
def url(hub):
    """The address of the server on a real socket."""
    port = free_port()
    config = uvicorn.Config(hub.app, host="127.0.0.1", port=port, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield f"http://127.0.0.1:{port}/open311/v2"
    server.should_exit = True
    thread.join()


@pytest.fixture
def report(hub, http):
    """Sends a report of a missing manhole cover, changed as asked; the answer."""
    key = hub.key("report")

    def send(path="/requests.json", headers=None, **changes):
        fields = {"api_key": key, "service_code": "manhole_cover", "lat": "30.2134", "long": "115.0661",
                  "description": "井盖缺失", **changes}  # fmt: skip
        return http.post(path, data={k: v for k, v in fields.items() if v is not None}, headers=headers)

    return send
