"""Fetching and checking the broker's jars, against a Maven repository on loopback."""

from __future__ import annotations

import hashlib
import ipaddress
import shutil
import ssl
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gridhub.connectors.broker import Broker, BrokerError, free_port, jars
from gridhub.connectors.broker.jars import Jar, JarList

CONTENT = {"alpha": b"first jar" * 1000, "beta": b"second jar" * 1000}
WANTED = JarList(
    "9.9",
    tuple(
        Jar(f"org.example:{name}:1.0", hashlib.sha256(text).hexdigest(), len(text)) for name, text in CONTENT.items()
    ),
)


class QuietFiles(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_):
        """Keeps the test's output clean."""


class Repository(QuietFiles):
    """Serves files and notes what was asked for; of a file named in `cut`, only the half, that often."""

    asked: list[str]
    cut: dict[str, int]

    def do_GET(self):
        name = Path(self.path).name
        self.asked.append(name)
        self.cut[name] = self.cut.get(name, 0) - 1
        super().do_GET()

    def copyfile(self, source, outputfile):
        whole = source.read()
        broken = self.cut[Path(self.path).name] >= 0
        outputfile.write(whole[: len(whole) // 2] if broken else whole)


@pytest.fixture
def repository(tmp_path):
    """A Maven repository with both jars: its address, its folder, and what it notes (`Repository`)."""
    folder = tmp_path / "repository"
    for name, text in CONTENT.items():
        place = folder / "org" / "example" / name / "1.0"
        place.mkdir(parents=True)
        (place / f"{name}-1.0.jar").write_bytes(text)
    handler = type("Serving", (Repository,), {"asked": [], "cut": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder, handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _small_list(request, monkeypatch):
    """Two small jars stand for Kafka's, but in the tests that are about the real list."""
    if "real_list" not in request.fixturenames:
        monkeypatch.setattr(jars, "pinned", lambda: WANTED)


@pytest.fixture
def real_list():
    """Leaves the pinned list as it is."""


def own_certificate(folder):
    """A file with a fresh key and a certificate for 127.0.0.1 that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a city's proxy")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "own.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return file


def say_nothing(_message):
    """For tests that are not about progress."""


def jars_asked(served):
    """How often each jar was asked for; checksum files do not count."""
    return sorted(name for name in served.asked if name.endswith(".jar"))


def test_fetches_in_class_path_order_and_only_once(tmp_path, repository):
    """The first call fetches each jar and says so; the second asks the repository for nothing."""
    address, _, served = repository
    messages = []
    found = jars.provide(tmp_path / "cache", address, messages.append)
    assert [path.name for path in found] == ["alpha-1.0.jar", "beta-1.0.jar"]
    assert [path.read_bytes() for path in found] == list(CONTENT.values())
    assert messages[-1].startswith("Fetching Kafka: 2 of 2 jars")
    assert jars.provide(tmp_path / "cache", address, messages.append) == found
    assert jars_asked(served) == ["alpha-1.0.jar", "beta-1.0.jar"]


def test_names_a_damaged_jar_and_fetches_it_again(tmp_path, repository):
    """One flipped byte is found, told with both checksums, and only that jar is fetched anew."""
    address, _, served = repository
    found = jars.provide(tmp_path / "cache", address, say_nothing)
    damaged = b"X" + CONTENT["beta"][1:]
    found[1].write_bytes(damaged)
    served.asked.clear()
    messages = []
    jars.provide(tmp_path / "cache", address, messages.append)
    assert found[1].read_bytes() == CONTENT["beta"]
    assert jars_asked(served) == ["beta-1.0.jar"]
    for word in ("beta-1.0.jar", hashlib.sha256(damaged).hexdigest(), WANTED.jars[1].sha256):
        assert word in messages[0]


def test_wrong_bytes_from_the_repository_are_refused(tmp_path, repository):
    """A jar with another checksum never enters the cache; the message names jar, expected and got."""
    address, folder, _ = repository
    (folder / "org/example/alpha/1.0/alpha-1.0.jar").write_bytes(b"evil")
    got = hashlib.sha256(b"evil").hexdigest()
    with pytest.raises(BrokerError, match=f"alpha-1.0.jar came with SHA-256 {got}, expected {WANTED.jars[0].sha256}"):
        jars.provide(tmp_path / "cache", address, say_nothing)
    assert not list((tmp_path / "cache").rglob("alpha*"))


def test_interrupted_download_is_tried_again(tmp_path, repository):
    """A connection that ends half way costs a second attempt, and no half file is left."""
    address, _, served = repository
    served.cut["beta-1.0.jar"] = 1
    found = jars.provide(tmp_path / "cache", address, say_nothing)
    assert [path.read_bytes() for path in found] == list(CONTENT.values())
    assert jars_asked(served) == ["alpha-1.0.jar", "beta-1.0.jar", "beta-1.0.jar"]


def test_download_that_is_always_interrupted_leaves_nothing(tmp_path, repository):
    """When the connection never lasts, the error names the jar; only whole jars are in the cache."""
    address, _, served = repository
    served.cut["beta-1.0.jar"] = 99
    with pytest.raises(BrokerError, match="beta-1"):
        jars.provide(tmp_path / "cache", address, say_nothing)
    assert {path.name for path in (tmp_path / "cache" / "kafka-9.9").iterdir()} <= {"alpha-1.0.jar"}


def test_missing_jar_names_its_coordinate(tmp_path, repository):
    """A repository without the jar is told apart from no network."""
    address, folder, _ = repository
    shutil.rmtree(folder / "org" / "example" / "beta")
    with pytest.raises(BrokerError, match=r"answers, but does not hand out org\.example:beta:1\.0"):
        jars.provide(tmp_path / "cache", address, say_nothing)


def test_simultaneous_fetches_share_one_download(tmp_path, repository):
    """Two checkouts that start at once fetch each jar once; the second waits for the first."""
    address, _, served = repository
    failures = []

    def fetch():
        try:
            jars.provide(tmp_path / "cache", address, say_nothing)
        except BrokerError as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert jars_asked(served) == ["alpha-1.0.jar", "beta-1.0.jar"]


def test_left_overs_of_a_killed_fetch_are_removed(tmp_path, repository):
    """What a killed download left behind is gone after the next one."""
    address, _, _ = repository
    left = tmp_path / "cache" / "kafka-9.9" / ".fetch-killed"
    left.mkdir(parents=True)
    (left / "half.jar").write_bytes(b"half")
    jars.provide(tmp_path / "cache", address, say_nothing)
    assert sorted(path.name for path in left.parent.iterdir()) == ["alpha-1.0.jar", "beta-1.0.jar"]


def test_trusts_the_authorities_of_the_machine(tmp_path, monkeypatch, repository):
    """A repository whose certificate only SSL_CERT_FILE vouches for is fetched from; without that it is refused."""
    _, folder, _ = repository
    certificate = own_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=str(folder)))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"https://127.0.0.1:{server.server_port}"
    try:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        with pytest.raises(BrokerError, match="certificate verify failed"):
            jars.provide(tmp_path / "cache", address, say_nothing)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert len(jars.provide(tmp_path / "cache", address, say_nothing)) == 2
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_whole_cache_needs_no_network(tmp_path, repository):
    """Once the jars are there, an unreachable repository does not matter."""
    address, _, _ = repository
    found = jars.provide(tmp_path / "cache", address, say_nothing)
    assert jars.provide(tmp_path / "cache", f"http://127.0.0.1:{free_port()}", say_nothing) == found


def test_unusable_cache_folder_names_the_setting(tmp_path, repository):
    """A cache folder that cannot be made is told with the setting to change."""
    address, _, _ = repository
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BrokerError, match="GRIDHUB_BROKER_CACHE"):
        jars.provide(tmp_path / "file", address, say_nothing)


def test_cache_folder_follows_setting_then_xdg_then_home(tmp_path, monkeypatch):
    """GRIDHUB_BROKER_CACHE comes before XDG_CACHE_HOME, that before ~/.cache."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("GRIDHUB_BROKER_CACHE", raising=False)
    assert jars.default_cache() == tmp_path / ".cache" / "gridhub"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert jars.default_cache() == Path("/xdg/gridhub")
    monkeypatch.setenv("GRIDHUB_BROKER_CACHE", "/chosen")
    assert jars.default_cache() == Path("/chosen")


def test_start_without_network_says_what_to_do(tmp_path):
    """An empty cache and an unreachable repository: one sentence with the jar, the cause and the settings."""
    broker = Broker(
        tmp_path / "data",
        free_port(),
        free_port(),
        cache=tmp_path / "cache",
        repository=f"http://127.0.0.1:{free_port()}",
    )
    with pytest.raises(
        BrokerError, match=r"Cannot fetch (alpha|beta)-1.0.jar.*refused.*HTTPS_PROXY.*GRIDHUB_BROKER_REPOSITORY"
    ):
        broker.start()
    assert not broker.status().running


@pytest.mark.broker
@pytest.mark.usefixtures("real_list")
def test_damaged_jar_of_kafka_stops_an_offline_start(tmp_path, broker):
    """A damaged jar in a copy of the real cache is named, and without network the broker does not run with it."""
    copy = tmp_path / "cache"
    shutil.copytree(broker.cache / "kafka-4.1.2", copy / "kafka-4.1.2")
    victim = copy / "kafka-4.1.2" / "kafka-clients-4.1.2.jar"
    with victim.open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\x00\xff\x00")
    messages = []
    unreachable = f"http://127.0.0.1:{free_port()}"
    offline = Broker(tmp_path / "data", free_port(), free_port(), cache=copy, repository=unreachable)
    with pytest.raises(BrokerError, match=r"Cannot fetch kafka-clients-4\.1\.2\.jar"):
        offline.start(on_progress=messages.append)
    assert "kafka-clients-4.1.2.jar" in messages[0]
    assert jars.sha256(victim) in messages[0]


@pytest.mark.usefixtures("real_list")
def test_pinned_list_is_complete_and_sound():
    """One version, no jar twice, every checksum a SHA-256, and the four jars whose absence shows late or never."""
    wanted = jars.pinned()
    names = [jar.file_name for jar in wanted.jars]
    assert len(set(names)) == len(names) == 33
    assert all(len(bytes.fromhex(jar.sha256)) == 32 and jar.size_bytes > 0 for jar in wanted.jars)
    assert f"kafka_2.13-{wanted.version}.jar" in names
    for artifact in ("kafka-storage-api", "log4j-slf4j-impl", "kafka-share-coordinator", "commons-validator"):
        assert any(name.startswith(f"{artifact}-") for name in names)
