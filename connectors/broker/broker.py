"""A real Apache Kafka on this machine: one KRaft node, on loopback, as a daemon with its data in one folder."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import time
import uuid
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import psutil

from gridhub.connectors.broker import jars, java
from gridhub.connectors.broker.errors import BrokerError
from gridhub.connectors.broker.locks import exclusive
from gridhub.connectors.broker.process import PidFile, demand_free
from gridhub.connectors.broker.properties import HOST, render, server_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MIN_FREE_MB = 512
POLL_S = 0.05
FORMAT_TIMEOUT_S = 60
LOG_LINES_SHOWN = 12
# Short-lived and small on purpose: the quick compiler and the serial collector halve start and memory of a small broker.
JVM_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
)


@dataclass(frozen=True)
class BrokerStatus:
    """One look at the broker: `pid` and `uptime_s` are None unless it runs."""

    running: bool
    pid: int | None
    bootstrap: str
    version: str
    uptime_s: float | None
    data: str


class Broker:
    """
    The embedded broker of one data folder; any number of objects and commands may speak for the same one.

    Args:
        data: folder of everything it writes: `kafka/` (data) and `logs/kafka.log` below it.
        port: where clients connect, on 127.0.0.1.
        controller_port: where its controller listens, on 127.0.0.1.
        heap_mb: Java heap; 128 is the floor that Kafka starts with.
        properties: Kafka broker properties on top of the built-in ones.
        min_free_mb: free disk space below which it refuses to start.
        cache: folder of the jars; unset: the user's cache folder (`jars.default_cache`).
        repository: Maven repository to fetch from; unset: GRIDHUB_BROKER_REPOSITORY, else the client's default.
    """

    def __init__(  # noqa: PLR0913  # each is one independent setting of the broker
        self,
        data: Path,
        port: int,
        controller_port: int,
        *,
        heap_mb: int = 192,
        properties: Mapping[str, str] | None = None,
        min_free_mb: int = MIN_FREE_MB,
        cache: Path | None = None,
        repository: str | None = None,
    ) -> None:
        self.data = data.absolute()
        self.port = port
        self.controller_port = controller_port
        self.heap_mb = heap_mb
        self.properties = dict(properties or {})
        self.min_free_mb = min_free_mb
        self.cache = (cache or jars.default_cache()).absolute()
        self.repository = repository or os.environ.get("GRIDHUB_BROKER_REPOSITORY")
        self._home = self.data / "kafka"
        self._log = self.data / "logs" / "kafka.log"
        self._console = self.data / "logs" / "kafka-console.log"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """The address that clients are given: host:port."""
        return f"{HOST}:{self.port}"

    def start(self, timeout_s: float = 60, on_progress: Callable[[str], None] | None = None) -> None:
        """
        Leaves a broker running that answers metadata requests; does nothing when it already runs.

        The first start of a user fetches the jars, the first of a data folder formats it; neither counts
        against `timeout_s`, the seconds the broker then has to answer.

        Raises:
            BrokerError: it cannot start; the message says why and what to do. Nothing is left running.
        """
        say = on_progress or (lambda _: None)
        self._make_folders()
        with exclusive(self._home / "start.lock", lambda: say("Waiting: another start of this broker is under way.")):
            if (running := self._running()) is not None:
                self._demand_same_port(running)
                say(f"The broker already runs at {self.bootstrap}, pid {running.pid}.")
                return
            self._start(timeout_s, say)

    def stop(self, timeout_s: float = 15) -> None:
        """Ends the broker cleanly, or after `timeout_s` by force; does nothing when it does not run."""
        if (running := self._running()) is not None and (process := self._process(running)) is not None:
            process.terminate()
            if not self._ended(process, timeout_s):
                self.kill()
        self._pid_path.unlink(missing_ok=True)

    def kill(self) -> None:
        """Ends the broker at once (SIGKILL), as a crash would; does nothing when it does not run."""
        if (running := self._running()) is not None and (process := self._process(running)) is not None:
            process.kill()
            self._ended(process, timeout_s=10)

    def status(self) -> BrokerStatus:
        """Whether the broker runs, where, and for how long."""
        running = self._running()
        return BrokerStatus(
            running=running is not None,
            pid=running.pid if running else None,
            bootstrap=f"{HOST}:{running.port}" if running else self.bootstrap,
            version=jars.pinned().version,
            uptime_s=round(max(0.0, time.time() - running.started), 1) if running else None,
            data=str(self.data),
        )

    # -- the parts of a start, in order -------------------------------------------------------------------------

    def _make_folders(self) -> None:
        try:
            self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._log.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BrokerError(
                f"Cannot write to {self.data} ({error.strerror}): choose another GRIDHUB_DATA_DIR."
            ) from error

    def _start(self, timeout_s: float, say: Callable[[str], None]) -> None:
        self._demand_space()
        demand_free(self.port, "GRIDHUB_BROKER_PORT")
        demand_free(self.controller_port, "GRIDHUB_BROKER_CONTROLLER_PORT")
        found = java.find()
        class_path = jars.provide(self.cache, self.repository, say)
        self._write_configuration()
        command = self._java_command(found, class_path)
        if not (self._home / "data" / "meta.properties").exists():
            say("Formatting the broker's data folder.")
            self._format(command)
        say(f"Starting Kafka {jars.pinned().version} at {self.bootstrap}.")
        written = self._log.stat().st_size if self._log.exists() else 0
        child = self._child = self._spawn(command)
        try:
            self._await_answer(child, time.monotonic() + timeout_s, written)
        except BaseException:
            child.kill()
            child.wait()
            self._pid_path.unlink(missing_ok=True)
            raise

    def _demand_space(self) -> None:
        free_mb = shutil.disk_usage(self._home).free // 2**20
        if free_mb < self.min_free_mb:
            raise BrokerError(
                f"Only {free_mb} MB are free on the disk of {self.data}, {self.min_free_mb} MB are demanded: free some "
                "space, choose another GRIDHUB_DATA_DIR, or lower GRIDHUB_BROKER_MIN_FREE_MB."
            )

    def _write_configuration(self) -> None:
        properties = server_properties(self._home / "data", self.port, self.controller_port, self.properties)
        self._properties_path.write_text(render(properties), encoding="ascii")
        logging = resources.files(__package__).joinpath("log4j2.properties").read_bytes()
        (self._home / "log4j2.properties").write_bytes(logging)
        # Java unpacks its compression libraries here; a killed broker leaves them behind
        shutil.rmtree(self._home / "tmp", ignore_errors=True)
        (self._home / "tmp").mkdir()

    def _java_command(self, found: java.Java, class_path: list[Path]) -> list[str]:
        return [
            str(found.program),
            f"-Xmx{self.heap_mb}m",
            *JVM_OPTIONS,
            f"-XX:ErrorFile={self.data / 'logs' / 'kafka-crash.log'}",
            f"-Djava.io.tmpdir={self._home / 'tmp'}",
            f"-Dlog4j2.configurationFile={self._home / 'log4j2.properties'}",
            f"-Dgridhub.log={self._log}",
            "-cp",
            ":".join(map(str, class_path)),
        ]

    def _format(self, command: list[str]) -> None:
        """Gives the empty data folder its identity, with this node as the only voter and all current features."""
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "--ignore-formatted", "-t", _cluster_id()]
        try:
            subprocess.run(
                [*command, *tool, "-c", str(self._properties_path)],
                env=_environment(),
                capture_output=True,
                text=True,
                timeout=FORMAT_TIMEOUT_S,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            said = (error.stderr or error.stdout).strip()
            raise BrokerError(f"Kafka refused to format {self._home / 'data'}:\n{said}") from error
        except subprocess.TimeoutExpired as error:
            raise BrokerError(
                f"Formatting took over {FORMAT_TIMEOUT_S} s: the machine is overloaded, try again."
            ) from error

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Starts the broker in a session of its own, so that neither Ctrl-C nor our end reaches it."""
        with self._console.open("wb") as console:
            child = subprocess.Popen(
                [*command, "kafka.Kafka", str(self._properties_path)],
                env=_environment(),
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        started = psutil.Process(child.pid).create_time()
        PidFile(child.pid, started, self.port, self.controller_port).write(self._pid_path)
        return child

    def _await_answer(self, child: subprocess.Popen[bytes], deadline: float, written: int) -> None:
        while not _answers(self.port):
            if child.poll() is not None:
                raise BrokerError(f"The broker ended while starting; its last words:\n{self._last_words(written)}")
            if time.monotonic() > deadline:
                raise BrokerError(
                    "The broker did not answer in time and was stopped: give it more time or a less busy machine; "
                    f"its last words:\n{self._last_words(written)}"
                )
            time.sleep(POLL_S)

    # -- what it looks at -------------------------------------------------------------------------------------------

    @property
    def _pid_path(self) -> Path:
        return self._home / "broker.pid"

    @property
    def _properties_path(self) -> Path:
        return self._home / "server.properties"

    def _running(self) -> PidFile | None:
        if self._child is not None:
            self._child.poll()  # buries our own child, which would else stay as a zombie
        recorded = PidFile.read(self._pid_path)
        return recorded if recorded is not None and self._process(recorded) is not None else None

    def _process(self, recorded: PidFile) -> psutil.Process | None:
        return recorded.process(argument=str(self._properties_path))

    def _ended(self, process: psutil.Process, timeout_s: float) -> bool:
        """Waits for the process to end; False when it has not after `timeout_s`."""
        try:
            process.wait(timeout_s)
        except psutil.TimeoutExpired:
            return False
        return True

    def _demand_same_port(self, running: PidFile) -> None:
        if running.port != self.port:
            raise BrokerError(
                f"The broker of {self.data} already runs at {HOST}:{running.port} (pid {running.pid}): "
                f"stop it first, or set GRIDHUB_BROKER_PORT to {running.port}."
            )

    def _last_words(self, written: int) -> str:
        """The end of what this start wrote to its console and, from byte `written` on, to its log."""
        words = self._console.read_text(encoding="utf-8", errors="replace").splitlines()
        if self._log.exists():
            with self._log.open("rb") as log:
                log.seek(written)
                words += log.read().decode("utf-8", "replace").splitlines()
        return "\n".join(words[-LOG_LINES_SHOWN:]) or f"(nothing; see {self._log})"


def _cluster_id() -> str:
    """A new id in Kafka's own form, 16 random bytes in URL-safe base64; not starting with "-", which reads as an option."""
    drawn = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    return drawn if not drawn.startswith("-") else _cluster_id()


def _environment() -> dict[str, str]:
    """What the broker gets to see of our environment: no secrets, no foreign Java options, file names in UTF-8."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8"}


def _answers(port: int) -> bool:
    """Whether a broker at that port answers a metadata request with itself in it."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False  # not listening yet: spares librdkafka's complaints and back-off
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        return bool(AdminClient({"bootstrap.servers": f"{HOST}:{port}", "log_level": 0}).list_topics(timeout=5).brokers)
    except KafkaException:
        return False
