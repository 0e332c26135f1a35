"""The running broker as the system sees it: its pid file, its process, its ports."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import psutil

from gridhub.connectors.broker.errors import BrokerError
from gridhub.connectors.broker.properties import HOST

if TYPE_CHECKING:
    from pathlib import Path

CLOCK_TOLERANCE_S = 2.0  # a process's start is counted from the boot, whose time is only known to the second


@dataclass(frozen=True)
class PidFile:
    """What a start leaves behind for later commands: the process (pid and start, s since 1970) and its ports."""

    pid: int
    started: float
    port: int
    controller_port: int

    def write(self, path: Path) -> None:
        """Replaces the pid file at once, so that no reader sees half of it."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)), encoding="ascii")
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> PidFile | None:
        """The pid file's content; None when there is none or it is not one."""
        try:
            return cls(**json.loads(path.read_text(encoding="ascii")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def process(self, argument: str) -> psutil.Process | None:
        """The live process that was started; None when it ended, even if its number now belongs to another one.

        Its start time proves it, or, after the machine's clock was set, the `argument` that only this broker has.
        """
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < CLOCK_TOLERANCE_S or argument in process.cmdline()
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (psutil.NoSuchProcess, ValueError, TypeError, OverflowError):
            return None


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def demand_free(port: int, setting: str) -> None:
    """Raises BrokerError, naming who listens there and the setting to change, unless `port` can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: old connections do not matter
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise BrokerError(
                f"Port {port} cannot be used ({error.strerror}, {_listener(port)}): "
                f"stop what uses it, or set {setting} to another port."
            ) from error


def _listener(port: int) -> str:
    """Who listens on that port, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1:] == (port,)
            if listens and connection.pid:
                return f"by {psutil.Process(connection.pid).name()}, pid {connection.pid}"
    except psutil.Error:
        pass
    return "by an unknown process"
