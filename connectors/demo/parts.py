"""The processes of a demo: each in its own session, each ended with the demo, whatever ends the demo."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG: the kernel ends the child when its parent dies
_LIBC = ctypes.CDLL(None)
_SPAWNER = ThreadPoolExecutor(1, "spawner")
"""Starts every part: the death signal follows the thread that started the child, and this one lives to the end."""


class Part:
    """One `gridhub …` process with its log below `folder`; can be started again under the same name."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name, self.command, self.environment = name, command, dict(environment)
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; output goes to its log file."""
        _SPAWNER.submit(self._spawn).result()

    def _spawn(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603  # our own command line, no shell
                [sys.executable, "-m", "gridhub.streams.cli", *self.command],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # it makes one system call and touches no lock
            )

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs or before it started."""
        return self._process.poll() if self._process is not None else None

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        if self.running and self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def wait_stopped(self, deadline: float) -> None:
        """Wait until it has ended; kill -9 after the deadline (monotonic seconds)."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        self.kill()

    def last_words(self, lines: int = 8) -> str:
        """The end of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])
        return ""


def _die_with_parent() -> None:
    _LIBC.prctl(_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)


def pick_port(wanted: int, taken: set[int]) -> int:
    """The wanted port when it is free on loopback, else the next free one; never one of `taken`."""
    for port in range(wanted, wanted + 500):
        if port not in taken and _free(port):
            taken.add(port)
            return port
    raise OSError(f"no free port from {wanted} to {wanted + 499}")


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
