"""What tests of the ways out share: topics, a schema registry on a socket, and `gridhub` as its users call it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from confluent_kafka.admin import NewTopic

from gridhub.connectors.broker import free_port
from gridhub.connectors.registry.api import create_app
from gridhub.connectors.registry.keeping import MemoryLog
from gridhub.connectors.registry.store import Store
from gridhub.connectors.registry.subjects import Subjects
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import Codec, Decoded
from gridhub.schemas.registry import connect, load_codec
from gridhub.streams import topics

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "schemas" / "examples" / "Task" / "dispatched.json"
TOPICS = ("dept.citizen-hotline.events", *(topic.name for topic in (topics.TASKS, topics.DELIVERIES, topics.PARKED,
          topics.STATUS, topics.INCIDENTS, topics.JOURNAL, topics.QUARANTINE)))  # fmt: skip


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """A registry on a socket that knows every schema; its address, and a codec that writes with its ids."""
    subjects, port = Subjects(), free_port()
    app = create_app(Store(subjects, MemoryLog(subjects)))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{port}"
    client = connect(url, tmp_path_factory.mktemp("schemas"))
    client.provision(catalogue())
    yield url, load_codec(client, catalogue())
    client.close()
    server.should_exit = True
    thread.join()


@dataclass
class Hub:
    """The session's broker with the hub's topics, and what a user of the command line needs to reach it."""

    cluster: Any
    codec: Codec
    environment: dict[str, str]

    def start(self, *arguments: object, **more: str) -> subprocess.Popen[bytes]:
        """`gridhub …` as a process of its own."""
        command = [sys.executable, "-m", "gridhub.streams.cli", *map(str, arguments)]
        return subprocess.Popen(command, env=self.environment | more, stderr=subprocess.DEVNULL)

    def tasks(self, *rows: dict[str, Any]) -> None:
        """Publish versions of tasks, in this order."""
        example = json.loads(EXAMPLE.read_text())
        full = [{**example, **row} for row in rows]
        self.cluster.write(
            topics.TASKS.name, [(r["task_id"].encode(), self.codec.encode("hub.tasks-value", r)) for r in full]
        )

    def records(self, topic: str) -> list[dict[str, Any]]:
        """What lies on a topic and was written with this registry's ids."""
        found = self.codec.decode_many([m.value() for m in self.cluster.read(topic, 2) if m.value()])
        return [one.record for one in found if isinstance(one, Decoded)]


@pytest.fixture
def hub(cluster, registry, tmp_path):
    """The hub as seen from outside; topics that are there already stay."""
    url, codec = registry
    for name in TOPICS:
        made = cluster.admin.create_topics([NewTopic(name, 2, 1, config={"cleanup.policy": "delete"})])
        with contextlib.suppress(Exception):
            made[name].result(30)
    own = {"GRIDHUB_KAFKA": cluster.bootstrap, "GRIDHUB_REGISTRY_URL": url, "GRIDHUB_DATA_DIR": str(tmp_path / "data")}
    return Hub(cluster, codec, {**os.environ, **own})


@pytest.fixture
def until() -> Callable[..., Any]:
    """Asks until the answer is yes; the last answer."""

    def ask(question, seconds=120):
        deadline = time.monotonic() + seconds
        while not (answer := question()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return answer

    return ask
