"""A real Apache Kafka on this machine: one KRaft node, on loopback, as a daemon with its data in one folder."""

from __future__ import annotations

import os
import shutil
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from gridhub.connectors.broker import jars, java
from gridhub.connectors.broker.errors import BrokerError
from gridhub.connectors.broker.locks import exclusive
from gridhub.connectors.broker.node import Node
from gridhub.connectors.broker.process import PidFile, demand_free
from gridhub.connectors.broker.properties import HOST, server_properties

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

MIN_FREE_MB = 512
POLL_S = 0.05
KILL_TIMEOUT_S = 10


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
    """The embedded broker of one data folder; any number of objects and commands may speak for the same one.

    Args:
        data: folder of everything it writes: `kafka/` (data) and `logs/kafka.log` below it.
        port: where clients connect, on 127.0.0.1.
        controller_port: where its controller listens, on 127.0.0.1.
        heap_mb: Java heap; 128 is the floor that Kafka starts with.
        properties: Kafka broker properties on top of the built-in ones (`properties.DEFAULTS`).
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
        self._node = Node(self.data)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """The address that clients are given: host:port."""
        return f"{HOST}:{self.port}"

    def start(self, timeout_s: float = 60, on_progress: Callable[[str], None] | None = None) -> None:
        """Leaves a broker running that answers metadata requests; does nothing when it already runs.

        The first start of a user fetches the jars, the first of a data folder formats it; neither counts
        against `timeout_s`, the seconds the broker then has to answer.

        Raises:
            BrokerError: it cannot start; the message says why and what to do. Nothing is left running.
        """
        say = on_progress or (lambda _: None)
        with self._explained():
            self._node.make_folders()
            lock = self._node.home / "start.lock"
            with exclusive(lock, lambda: say("Waiting: another start of this broker is under way.")):
                if (running := self._running()) is not None:
                    self._demand_same_port(running)
                    say(f"The broker already runs at {self.bootstrap}, pid {running.pid}.")
                else:
                    self._start(timeout_s, say)

    def stop(self, timeout_s: float = 15) -> None:
        """Ends the broker cleanly, or after `timeout_s` by force; does nothing when it does not run."""
        with self._explained():
            if (process := self._process()) is not None:
                with suppress(psutil.NoSuchProcess):  # it may end by itself this very moment
                    process.terminate()
                if not _ended(process, timeout_s):
                    self.kill()
            self._node.pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """Ends the broker at once (SIGKILL), as a crash would; does nothing when it does not run."""
        with self._explained():
            if (process := self._process()) is not None:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
                _ended(process, KILL_TIMEOUT_S)

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

    def _start(self, timeout_s: float, say: Callable[[str], None]) -> None:
        self._demand_space()
        self._demand_ports()
        program = java.find().program
        command = self._node.java_command(program, jars.provide(self.cache, self.repository, say), self.heap_mb)
        node = self._node
        node.configure(server_properties(node.store, self.port, self.controller_port, self.properties))
        if not node.is_formatted:
            say("Formatting the broker's data folder.")
            node.format(command)
        say(f"Starting Kafka {jars.pinned().version} at {self.bootstrap}.")
        said_before = node.log_size()
        child = self._child = node.spawn(command)
        try:
            started = psutil.Process(child.pid).create_time()
            PidFile(child.pid, started, self.port, self.controller_port).write(node.pid_file)
            self._await_answer(child, time.monotonic() + timeout_s, said_before)
        except BaseException:  # Ctrl-C too: what did not become a broker must not stay
            child.kill()
            child.wait()
            node.pid_file.unlink(missing_ok=True)
            raise

    def _await_answer(self, child: subprocess.Popen[bytes], deadline: float, said_before: int) -> None:
        while not _answers(self.port):
            if child.poll() is not None:
                self._demand_ports()  # somebody may have taken one since we looked
                words = self._node.last_words(said_before)
                raise BrokerError(f"The broker ended while starting; mend what its last words name:\n{words}")
            if time.monotonic() > deadline:
                words = self._node.last_words(said_before)
                raise BrokerError(
                    f"The broker did not answer in time and was stopped: give it longer. It said:\n{words}"
                )
            time.sleep(POLL_S)

    def _demand_space(self) -> None:
        free_mb = shutil.disk_usage(self.data).free // 2**20
        if free_mb < self.min_free_mb:
            raise BrokerError(
                f"Only {free_mb} MB are free on the disk of {self.data}, {self.min_free_mb} MB are demanded: free some "
                "space, choose another GRIDHUB_DATA_DIR, or lower GRIDHUB_BROKER_MIN_FREE_MB."
            )

    def _demand_ports(self) -> None:
        demand_free(self.port, "GRIDHUB_BROKER_PORT")
        demand_free(self.controller_port, "GRIDHUB_BROKER_CONTROLLER_PORT")

    def _demand_same_port(self, running: PidFile) -> None:
        if running.port != self.port:
            raise BrokerError(
                f"The broker of {self.data} already runs at {HOST}:{running.port} (pid {running.pid}): "
                f"stop it first, or set GRIDHUB_BROKER_PORT to {running.port}."
            )

    def _running(self) -> PidFile | None:
        """The pid file of the live broker; None when there is no file, or its process is gone."""
        if self._child is not None:
            self._child.poll()  # buries our own child, which would else stay as a zombie
        recorded = PidFile.read(self._node.pid_file)
        return recorded if recorded and recorded.process(str(self._node.configuration)) else None

    def _process(self) -> psutil.Process | None:
        running = self._running()
        return running.process(str(self._node.configuration)) if running else None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns the system's own refusals (rights, read-only, disk full) into a BrokerError."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise BrokerError(
                f"Cannot use {self.data} ({reason}): mend that, or choose another GRIDHUB_DATA_DIR."
            ) from error
        except psutil.AccessDenied as error:
            raise BrokerError(
                f"The broker (pid {error.pid}) belongs to another user: ask that user to stop it."
            ) from error


def _ended(process: psutil.Process, timeout_s: float) -> bool:
    """Waits for the process to end; False when it has not after `timeout_s`."""
    try:
        process.wait(timeout_s)
    except psutil.TimeoutExpired:
        return False
    return True


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
