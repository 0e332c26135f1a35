"""Open311 on a real broker and a real socket: a report becomes an event, the hub's words become its state, a step becomes a status."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path

import httpx
import pytest
import uvicorn
from confluent_kafka.admin import NewTopic
from georeport import GeoReport

from gridhub.connectors.broker import free_port
from gridhub.connectors.open311 import keys
from gridhub.connectors.open311.server import running_app
from gridhub.connectors.open311.services import Services
from gridhub.schemas.codec import Decoded
from gridhub.schemas.registry import local_codec
from gridhub.streams import city, topics

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
REPORTS = "dept.citizen-hotline.events"
CODEC = local_codec()


@pytest.fixture
def hub(cluster):
    """The topics on the session's broker; those that are there already stay."""
    for name in (
        REPORTS,
        *(t.name for t in (topics.INCIDENTS, topics.TASKS, topics.JOURNAL, topics.QUARANTINE, topics.STATUS)),
    ):
        made = cluster.admin.create_topics([NewTopic(name, 2, 1, config={"cleanup.policy": "delete"})])
        with contextlib.suppress(Exception):
            made[name].result(30)
    return cluster


@contextlib.contextmanager
def served(bootstrap, folder, **limits):
    """The whole server; its address."""
    services, port = Services.load(city.load()), free_port()
    base = f"http://127.0.0.1:{port}"
    with running_app(bootstrap, CODEC, services, folder, folder / "keys.json", base, **limits) as app:
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert until(lambda: server.started)
            yield f"{base}/open311/v2"
        finally:
            server.should_exit = True
            thread.join()


def until(question, seconds=60):
    """Ask until the answer is yes."""
    deadline = time.monotonic() + seconds
    while not (answer := question()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


def tell(hub, topic, name, example, **changes):
    """One committed record of the hub."""
    record = json.loads((EXAMPLES / name / f"{example}.json").read_text()) | changes
    hub.write(topic, [(b"k", CODEC.encode(f"gridhub.hub.{name}", record))], end="commit")
    return record


def records(hub, topic):
    """What lies on a topic and can be read; other tests write there too."""
    found = CODEC.decode_many([m.value() for m in hub.read(topic, 2) if m.value()])
    return [one.record for one in found if isinstance(one, Decoded)]


def test_a_report_and_its_task_through_kafka(hub, tmp_path):
    """Reported twice, one event; its task's stage is told; a step lands on hub.status; a store made anew answers the same."""
    reporting = keys.add(tmp_path / "keys.json", "app", ("report",))
    handling = keys.add(tmp_path / "keys.json", "desk", ("handle",))
    fields = {"api_key": reporting, "service_code": "exposed_garbage", "lat": "30.2134", "long": "115.0661",
              "description": "垃圾没人收", "phone": "13971112222"}  # fmt: skip
    with served(hub.bootstrap, tmp_path) as url:
        told = [httpx.post(f"{url}/requests.json", data=fields, timeout=30).json()[0] for _ in range(2)]
        name = told[0]["service_request_id"]
        assert told[1] == told[0]
        (event,) = [one for one in records(hub, REPORTS) if one["id"] == name]
        assert (event["type"], event["text"]) == ("exposed_garbage", "垃圾没人收")
        incident = f"420202001-{name[:16]}"
        tell(hub, topics.INCIDENTS.name, "Incident", "open", incident_id=incident, sources=["citizen-hotline"],
             event_ids=[f"citizen-hotline/{name}"])  # fmt: skip
        task = tell(hub, topics.TASKS.name, "Task", "dispatched", incident_id=incident, task_id=f"{incident}-handle")
        client = GeoReport(url)
        assert until(lambda: _told(client, name) == ("open", "派遣"))
        step = {"api_key": handling, "service_request_id": name, "status": "OPEN", "update_id": "1", "account_id": "p7"}
        assert httpx.post(f"{url}/servicerequestupdates.json", data=step, timeout=30).status_code == 200
        (status,) = [one for one in records(hub, topics.STATUS.name) if one.get("task_id") == task["task_id"]]
        assert (status["stage"], status["actor"], status["sender"]) == ("accepted", "p7", "open311/desk")
        before = client.get_service_request(name)
    for file in tmp_path.glob("citizen-hotline.sqlite*"):
        file.unlink()
    with served(hub.bootstrap, tmp_path) as url:
        assert until(lambda: httpx.get(f"{url}/requests.json").status_code == 200)
        assert GeoReport(url).get_service_request(name) == before


def _told(client, name):
    found = client.get_service_request(name)
    return found["status"], found["status_notes"]


def test_what_no_kafka_took_is_sent_when_there_is_one(hub, tmp_path):
    """Reported while nothing answers: a token; a later run of the server sends it, and the token leads to the id."""
    key = keys.add(tmp_path / "keys.json", "app", ("report",))
    fields = {"api_key": key, "service_code": "flooding", "address_string": f"黄石港区 {tmp_path.name}"}
    with served(f"127.0.0.1:{free_port()}", tmp_path, answer_s=0.5) as url:
        (told,) = httpx.post(f"{url}/requests.json", data=fields, timeout=60).json()
    with served(hub.bootstrap, tmp_path) as url:
        assert until(lambda: httpx.get(f"{url}/tokens/{told['token']}.json").status_code == 200)
        found = f"{url}/tokens/{told['token']}.json"
        assert until(lambda: httpx.get(found).json()[0]["service_request_id"] == told["token"])
    assert [one["id"] for one in records(hub, REPORTS)].count(told["token"]) == 1
