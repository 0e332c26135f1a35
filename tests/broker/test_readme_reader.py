"""The reader that README.md shows reads real tasks from a real Kafka and registry."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import httpx
import pytest
import uvicorn
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from gridhub.connectors.broker import Broker, free_port
from gridhub.connectors.registry.server import running_app
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.registry import connect, load_codec

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "schemas/examples/Task").glob("*.json"))


@pytest.fixture
def registry(broker: Broker):
    """The address of an embedded registry in a thread, its schemas provisioned."""
    port = free_port()
    with running_app(broker.bootstrap) as app:
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run)
        thread.start()
        url = f"http://127.0.0.1:{port}"
        try:
            await_ready(f"{url}/subjects")
            yield url
        finally:
            server.should_exit = True
            thread.join()


def await_ready(url: str) -> None:
    """Returns once the registry has read its topic; the test's own time limit ends it otherwise."""
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        time.sleep(0.05)


def publish(bootstrap: str, topic: str, messages: list[tuple[str, bytes]]) -> None:
    """A new topic with these messages in it."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, 2, 1)])
    admin.close()
    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for sent in [producer.send(topic, value, key.encode()) for key, value in messages]:
            sent.get(30)


def test_the_reader_of_the_readme_prints_every_task(broker: Broker, registry: str) -> None:
    """With this run's addresses and topic in place of the demo's, it prints one line per task and ends."""
    topic = f"hub.tasks-{uuid.uuid4().hex[:8]}"  # other tests may have left a hub.tasks on this broker
    known = connect(registry)
    known.provision(catalogue())
    codec = load_codec(known, catalogue())
    tasks = [json.loads(path.read_text(encoding="utf-8")) for path in EXAMPLES]
    publish(broker.bootstrap, topic, [(task["task_id"], codec.encode("hub.tasks-value", task)) for task in tasks])
    (program,) = re.findall(r"^```python\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    assert '"hub.tasks"' in program
    program = (
        program.replace('"hub.tasks"', repr(topic))
        .replace("127.0.0.1:19092", broker.bootstrap)
        .replace("http://127.0.0.1:19081", registry)
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120, cwd=ROOT / "docs"
    )
    assert answer.returncode == 0, answer.stderr
    printed = answer.stdout.splitlines()
    assert sorted(line.split()[0] for line in printed) == sorted(task["task_id"] for task in tasks)
    assert all(task["title"] in answer.stdout for task in tasks)
