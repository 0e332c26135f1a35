"""What only the embedded registry promises: its topic, several of them on one Kafka, outages, and bounded requests."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid

import httpx
import orjson
import pytest
import uvicorn
from confluent_kafka import Producer
from kafka import KafkaConsumer, TopicPartition
from starlette.testclient import TestClient

from gridhub.connectors.broker import Broker, free_port
from gridhub.connectors.registry.api import create_app
from gridhub.connectors.registry.errors import RegistryError
from gridhub.connectors.registry.keeping import MemoryLog, StoreDown
from gridhub.connectors.registry.log import KafkaLog
from gridhub.connectors.registry.records import Version, decode, schema_record
from gridhub.connectors.registry.requests import MAX_BODY_BYTES
from gridhub.connectors.registry.server import running_app
from gridhub.connectors.registry.store import Store
from gridhub.connectors.registry.subjects import Subjects

LAMP = '{"type":"record","name":"Lamp","fields":[{"name":"id","type":"string"}]}'
JSON = {"content-type": "application/json"}


def lamp(n: object) -> str:
    """A schema that nobody else has."""
    return json.dumps({"type": "record", "name": f"Lamp_{n}", "fields": [{"name": "id", "type": "string"}]})


def fresh() -> str:
    """A name that nobody used before."""
    return uuid.uuid4().hex


@pytest.fixture
def http():
    """A registry without Kafka behind it, on a real socket."""
    subjects = Subjects()
    port = free_port()
    app = create_app(Store(subjects, MemoryLog(subjects)))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client
    server.should_exit = True
    thread.join()


@contextlib.contextmanager
def opened(bootstrap: str, write_s: float = 8.0):
    """A registry's state and log on this Kafka, read to the end."""
    subjects = Subjects()
    log = KafkaLog(bootstrap, subjects, write_s=write_s)
    log.start()
    try:
        assert log.wait_loaded(30)
        yield Store(subjects, log)
    finally:
        log.stop()


def eventually(check, timeout_s: float = 30) -> None:
    """Wait until `check` is true."""
    end = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < end, "did not become true in time"
        time.sleep(0.05)


def messages(bootstrap: str):
    """Everything in `_schemas`."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, isolation_level="read_committed")
    partition = TopicPartition("_schemas", 0)
    consumer.assign([partition])
    consumer.seek_to_beginning()
    end, found = consumer.end_offsets([partition])[partition], []
    while consumer.position(partition) < end:
        found += consumer.poll(timeout_ms=500).get(partition, [])
    consumer.close()
    return found


class TestRequests:
    """Refusals before anything is decided."""

    def test_a_long_body_is_refused_while_it_is_read(self, http):
        """413, whether or not its length was announced."""
        long = b" " * (MAX_BODY_BYTES + 1)
        assert http.post("/subjects/a/versions", content=long, headers=JSON).status_code == 413
        chunks = (b" " * 65536 for _ in range(MAX_BODY_BYTES // 65536 + 2))
        assert http.post("/subjects/a/versions", content=chunks, headers=JSON).status_code == 413

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
    def test_what_a_web_page_could_send_is_refused(self, http, kind):
        """A form of some web page cannot register anything: 415."""
        body = orjson.dumps({"schema": LAMP})
        assert http.post("/subjects/a/versions", content=body, headers={"content-type": kind}).status_code == 415
        assert http.get("/subjects").json() == []

    def test_another_host_name_is_refused(self, http):
        """A name that somebody let point to this machine does not lead in."""
        assert http.get("/subjects", headers={"host": "evil.example"}).status_code == 400

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"{", b'{"schema": 5}', b"{}", b"\xff", b"[" * 100_000, b'{"schema":"' + b"[" * 100_000 + b'"}'],
    )
    def test_a_malformed_body_is_422(self, http, body):
        """Never a 500."""
        answer = http.post("/subjects/a/versions", content=body, headers=JSON)
        assert (answer.status_code, answer.json()["error_code"]) == (422, 42201)

    def test_a_deeply_nested_schema_is_422(self, http):
        """Nesting is bounded before anything recursive looks at it."""
        text = '{"type":"array","items":' * 90 + '"int"' + "}" * 90
        answer = http.post("/subjects/a/versions", json={"schema": text})
        assert (answer.status_code, answer.json()["error_code"]) == (422, 42201)

    @pytest.mark.parametrize(
        "more",
        [
            {"schemaType": "JSON"},
            {"references": [{"name": "a", "subject": "b", "version": 1}]},
            {"metadata": {"tags": {}}},
            {"ruleSet": {"domainRules": []}},
        ],
    )
    def test_what_it_does_not_keep_it_refuses(self, http, more):
        """Rather than dropping a part of the request in silence."""
        answer = http.post("/subjects/a/versions", json={"schema": LAMP} | more)
        assert (answer.status_code, answer.json()["error_code"]) == (422, 42201)

    @pytest.mark.parametrize("version", ["0", "-2", "x", "2147483648", "9" * 400, "٣"])
    def test_a_wrong_version_is_42202(self, http, version):
        """Versions are numbers from 1."""
        http.post("/subjects/a/versions", json={"schema": LAMP})
        answer = http.get(f"/subjects/a/versions/{version}")
        assert (answer.status_code, answer.json()["error_code"]) == (422, 42202)

    @pytest.mark.parametrize("subject", ["a" * 256, "a%00b", "a%0Ab"])
    def test_a_wrong_subject_is_42208(self, http, subject):
        """Subjects are printable and not longer than 255 characters."""
        answer = http.post(f"/subjects/{subject}/versions", json={"schema": LAMP})
        assert (answer.status_code, answer.json()["error_code"]) == (422, 42208)

    def test_nothing_is_deleted_for_good(self, http):
        """A freed id would be given again, and old messages would be read with the wrong schema: 42205."""
        http.post("/subjects/a/versions", json={"schema": LAMP})
        for path in ("/subjects/a", "/subjects/a/versions/1"):
            answer = http.delete(f"{path}?permanent=true")
            assert (answer.status_code, answer.json()["error_code"]) == (422, 42205)

    def test_every_error_is_json_with_a_code(self, http):
        """Also where no path or method fits."""
        for answer in (http.get("/nope"), http.put("/subjects"), http.get("/schemas/ids/x"), http.get("/config/x")):
            assert answer.json().keys() == {"error_code", "message"}
            assert answer.headers["content-type"].startswith("application/vnd.schemaregistry.v1+json")

    def test_a_refused_schema_says_why(self, http):
        """The 409 names the field, and so does the verbose check."""
        http.post("/subjects/a/versions", json={"schema": LAMP})
        fields = [{"name": "id", "type": "string"}, {"name": "pole", "type": "string"}]
        more = {"schema": json.dumps(json.loads(LAMP) | {"fields": fields})}
        assert "field pole" in http.post("/subjects/a/versions", json=more).json()["message"]
        verdict = http.post("/compatibility/subjects/a/versions/latest?verbose=true", json=more).json()
        assert verdict["is_compatible"] is False
        assert "field pole" in verdict["messages"][0]

    def test_spelling_makes_no_new_version(self, http):
        """White space and the order of keys do not matter; a doc does."""
        one = http.post("/subjects/a/versions", json={"schema": LAMP}).json()
        tree = dict(reversed(json.loads(LAMP).items()))
        assert http.post("/subjects/a/versions", json={"schema": json.dumps(tree, indent=4)}).json() == one
        assert http.post("/subjects/a/versions", json={"schema": json.dumps(tree | {"doc": "d"})}).json() != one

    def test_a_deleted_version_can_come_back(self, http):
        """Registered again after a deletion it gets a new version number and keeps its id."""
        one = http.post("/subjects/a/versions", json={"schema": LAMP}).json()
        assert http.delete("/subjects/a/versions/latest").json() == 1
        assert http.get("/subjects/a/versions").json()["error_code"] == 40401
        assert http.get("/subjects/a/versions?deleted=true").json() == [1]
        assert http.post("/subjects/a/versions", json={"schema": LAMP}).json() == one
        assert http.get("/subjects/a/versions").json() == [2]

    def test_levels_can_be_taken_back(self, http):
        """Without its own level a subject follows the global one."""
        http.put("/config/a", json={"compatibility": "NONE"})
        assert http.delete("/config/a").json() == {"compatibilityLevel": "NONE"}
        assert http.get("/config/a").json()["error_code"] == 40408
        http.put("/config", json={"compatibility": "FORWARD"})
        assert http.get("/config/a?defaultToGlobal=true").json() == {"compatibilityLevel": "FORWARD"}


@pytest.mark.broker
class TestTopic:
    """The records in Kafka."""

    def test_records_are_those_of_confluent(self, broker):
        """Keys and values have exactly the fields that Confluent's registry reads."""
        name = fresh()
        with opened(broker.bootstrap) as store:
            version = store.register(name, lamp(name))
            store.set_level(name, "FULL")
            store.delete_subject(name)
        found = {}
        for message in messages(broker.bootstrap):
            entry = decode(message.key, message.value)
            if entry and entry.key.get("subject") == name:
                found[entry.key["keytype"]] = (entry.key, entry.value)
        assert found == {
            "SCHEMA": (
                {"keytype": "SCHEMA", "subject": name, "version": 1, "magic": 1},
                {"subject": name, "version": 1, "id": version.id, "schema": lamp(name), "deleted": False},
            ),
            "CONFIG": ({"keytype": "CONFIG", "subject": name, "magic": 0}, {"compatibilityLevel": "FULL"}),
            "DELETE_SUBJECT": (
                {"keytype": "DELETE_SUBJECT", "subject": name, "magic": 0},
                {"subject": name, "version": 1},
            ),
        }

    def test_a_new_registry_knows_what_the_old_one_wrote(self, broker):
        """Versions, levels and deletions are read back at the start."""
        name, gone = fresh(), fresh()
        with opened(broker.bootstrap) as store:
            written = store.register(name, lamp(name))
            store.set_level(name, "FORWARD")
            lost = store.register(gone, lamp(gone))
            store.delete_subject(gone)
        with opened(broker.bootstrap) as store:
            assert store.version(name, "latest") == written
            assert store.subjects.level(name) == "FORWARD"
            assert gone not in store.subjects.names()
            assert store.by_id(lost.id)[0].text == lost.text

    def test_registries_on_one_kafka_agree(self, broker):
        """Two of them, written to at the same time, never give one id to two schemas, and end up knowing the same."""
        mark = fresh()
        with opened(broker.bootstrap) as one, opened(broker.bootstrap) as two:
            stores = [one, two]

            def write(number: int) -> None:
                for n in range(6):
                    stores[number].register(f"{mark}-{number}-{n}", lamp(f"{mark}_{number}_{n}"))
                    stores[number].register(f"{mark}-shared-{n}", lamp(f"{mark}_shared_{n}"))

            threads = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            eventually(lambda: one.subjects.names(mark) == two.subjects.names(mark))
            versions = [store.version(name, "1") for store in stores for name in store.subjects.names(mark)]
        assert len({version.id for version in versions}) == 18
        assert len({(version.id, version.text) for version in versions}) == 18
        assert {version.version for version in versions} == {1}

    def test_what_another_program_writes_is_taken_in_or_left_alone(self, broker):
        """A version from a Confluent registry counts; what is no record of a registry does not stop the reader."""
        name = fresh()
        foreign = schema_record(Version(name, 7, 900_001, lamp(name)))
        key, value = foreign.encode()
        value = orjson.dumps(orjson.loads(value) | {"md5": "x", "references": [], "metadata": None})
        odd = [
            (b"\xff", b"x"),
            (b"[]", b"{}"),
            (b'{"keytype":"SCHEMA"}', b'"text"'),
            (b'{"keytype":"NEW"}', b"{}"),
        ]
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        with opened(broker.bootstrap) as store:
            for pair in [*odd, (key, value)]:
                producer.produce("_schemas", key=pair[0], value=pair[1])
            assert producer.flush(30) == 0
            eventually(lambda: store.subjects.by_id(900_001))
            assert store.version(name, "7").text == lamp(name)
            assert store.register(name + "x", lamp(name + "x")).id > 900_001

    def test_a_tombstone_forgets(self, broker):
        """A permanent deletion by a Confluent registry is followed."""
        name = fresh()
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        with opened(broker.bootstrap) as store:
            version = store.register(name, lamp(name))
            producer.produce("_schemas", key=schema_record(version).encode()[0], value=None)
            producer.flush()
            eventually(lambda: not store.subjects.by_id(version.id))
            assert store.subjects.names(name, deleted=True) == []


@pytest.mark.broker
def test_reads_go_on_while_the_broker_is_away(tmp_path):
    """Broker killed: reads and known schemas are answered, a write is 503/50001; after its return writes work again."""
    own = Broker(tmp_path, free_port(), free_port())
    own.start()
    try:
        with opened(own.bootstrap, write_s=3.0) as store:
            _outage(own, create_app(store))
    finally:
        own.stop()


def _outage(own, app):
    with TestClient(app, base_url="http://127.0.0.1") as http:
        eventually(lambda: http.get("/subjects").status_code == 200)
        made = http.post("/subjects/a/versions", json={"schema": LAMP}).json()
        own.kill()
        refused = http.post("/subjects/b/versions", json={"schema": lamp("b")})
        assert (refused.status_code, refused.json()["error_code"]) == (503, 50001)
        assert json.loads(http.get(f"/schemas/ids/{made['id']}").json()["schema"]) == json.loads(LAMP)
        assert http.post("/subjects/a/versions", json={"schema": LAMP}).json() == made
        own.start()
        eventually(lambda: http.post("/subjects/b/versions", json={"schema": lamp("b")}).status_code == 200, 60)
        assert http.get("/subjects").json() == ["a", "b"]


@pytest.mark.broker
@pytest.mark.parametrize("notice", ["by reading", "by writing"])
def test_a_replaced_topic_is_read_anew(tmp_path, notice):
    """Kafka's data deleted under a running registry: it forgets what is not written anywhere any more."""
    own = Broker(tmp_path, free_port(), free_port())
    own.start()
    try:
        with opened(own.bootstrap, write_s=3.0) as store:
            for n in range(5):
                store.register(f"old-{n}", lamp(n))
            own.stop()
            shutil.rmtree(tmp_path / "kafka" / "data")
            own.start()
            if notice == "by writing":
                eventually(lambda: is_registered(store, "new", lamp("new")))
            eventually(lambda: not store.subjects.names("old"))
            eventually(lambda: is_registered(store, "new", lamp("new")))
            assert store.subjects.names() == ["new"]
    finally:
        own.stop()


def is_registered(store: Store, subject: str, text: str) -> bool:
    """Whether it could be registered now."""
    with contextlib.suppress(RegistryError):
        store.register(subject, text)
        return True
    return False


@pytest.mark.broker
def test_the_command_serves_until_it_is_told_to_stop(broker, tmp_path):
    """`gridhub registry` answers on its port, on loopback, and ends with 0 on SIGTERM."""
    port = free_port()
    command = [sys.executable, "-c", "from gridhub.connectors.registry.cli import registry; registry()"]
    environment = os.environ | {"GRIDHUB_KAFKA": broker.bootstrap, "GRIDHUB_REGISTRY_PORT": str(port)}
    with subprocess.Popen(command, env=environment, cwd=tmp_path) as process:
        try:
            eventually(lambda: answers(f"http://127.0.0.1:{port}/subjects"))
        finally:
            process.terminate()
        assert process.wait(30) == 0


def answers(url: str) -> bool:
    """Whether the address answers 200."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).status_code == 200
    return False


def test_without_kafka_it_says_that_it_is_not_ready():
    """Nothing is answered from an empty memory: 503/50001 until the topic was read."""
    with (
        running_app(f"127.0.0.1:{free_port()}") as app,
        TestClient(app, base_url="http://127.0.0.1") as http,
    ):
        answer = http.get("/schemas/ids/1")
    assert (answer.status_code, answer.json()["error_code"]) == (503, 50001)


def test_a_write_before_the_topic_was_read_is_refused():
    """StoreDown, at once."""
    log = KafkaLog(f"127.0.0.1:{free_port()}", Subjects())
    with pytest.raises(StoreDown):
        log.write(list)


@pytest.mark.parametrize(("key", "value"), [(b"", None), (b"\xff", None), (b"[]", None), (b"{}", b"5"), (b"{}", b"{")])
def test_what_is_no_record_is_left_alone(key, value):
    """Such a message is None, never an error."""
    assert decode(key, value) is None
