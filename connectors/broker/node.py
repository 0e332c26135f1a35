"""The broker's folder and its Java commands: configure, format, spawn."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from gridhub.connectors.broker.errors import BrokerError
from gridhub.connectors.broker.properties import render

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT_TIMEOUT_S = 60
LOG_LINES_SHOWN = 12
# Short-lived and small on purpose: the quick compiler and the serial collector start sooner, take less memory and, in
# runs of some hundred thousand events, less processor time than Java's defaults (figures in docs/broker.md).
JVM_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
)


@dataclass(frozen=True)
class Node:
    """One Kafka node's files, all below `data`: `kafka/` (private to its owner) and `logs/`."""

    data: Path

    @property
    def home(self) -> Path:
        """Folder of everything but the logs."""
        return self.data / "kafka"

    @property
    def store(self) -> Path:
        """Folder of the messages."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """What the broker says; of bounded size (log4j2.properties)."""
        return self.data / "logs" / "kafka.log"

    @property
    def console(self) -> Path:
        """What Java itself says; of the last start only."""
        return self.data / "logs" / "kafka-console.log"

    @property
    def pid_file(self) -> Path:
        """Where a start notes its process."""
        return self.home / "broker.pid"

    @property
    def configuration(self) -> Path:
        """The server.properties; its path on a command line marks the process as this folder's broker."""
        return self.home / "server.properties"

    def make_folders(self) -> None:
        """Makes the folders that do not exist yet."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log.parent.mkdir(parents=True, exist_ok=True)

    def configure(self, properties: Mapping[str, str]) -> None:
        """Writes the configuration anew, and clears what a killed broker unpacked (Java's compression libraries)."""
        self.configuration.write_text(render(properties), encoding="ascii")
        logging = resources.files(__package__).joinpath("log4j2.properties").read_bytes()
        (self.home / "log4j2.properties").write_bytes(logging)
        shutil.rmtree(self.home / "tmp", ignore_errors=True)
        (self.home / "tmp").mkdir()

    def java_command(self, program: Path, class_path: list[Path], heap_mb: int) -> list[str]:
        """The command line up to the class to run."""
        return [
            str(program),
            f"-Xmx{heap_mb}m",
            *JVM_OPTIONS,
            f"-XX:ErrorFile={self.data / 'logs' / 'kafka-crash.log'}",
            f"-Djava.io.tmpdir={self.home / 'tmp'}",
            f"-Dlog4j2.configurationFile={self.home / 'log4j2.properties'}",
            f"-Dgridhub.log={self.log}",
            "-cp",
            ":".join(map(str, class_path)),
        ]

    @property
    def is_formatted(self) -> bool:
        """Whether the store has its identity already."""
        return (self.store / "meta.properties").exists()

    def format(self, command: list[str]) -> None:
        """Gives the empty store its identity, with this node as the only voter and all features of this version."""
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "--ignore-formatted", "-t", _cluster_id()]
        try:
            subprocess.run(  # noqa: S603  # our own list of arguments, no shell
                [*command, *tool, "-c", str(self.configuration)],
                env=_environment(),
                capture_output=True,
                text=True,
                timeout=FORMAT_TIMEOUT_S,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            said = (error.stderr or error.stdout).strip()
            raise BrokerError(f"Kafka refused to format {self.store}; mend what it names:\n{said}") from error
        except subprocess.TimeoutExpired as error:
            raise BrokerError(
                f"Formatting took over {FORMAT_TIMEOUT_S} s, the machine is overloaded: try again."
            ) from error

    def spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Starts the broker in a session of its own, so that neither Ctrl-C nor our end reaches it."""
        with self.console.open("wb") as console:
            return subprocess.Popen(  # noqa: S603  # our own list of arguments, no shell
                [*command, "kafka.Kafka", str(self.configuration)],
                env=_environment(),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )

    def log_size(self) -> int:
        """Bytes in the log now."""
        return self.log.stat().st_size if self.log.exists() else 0

    def last_words(self, since: int) -> str:
        """The end of what the last start wrote to its console and, from byte `since` on, to its log; no stack traces."""
        words = self.console.read_text(encoding="utf-8", errors="replace").splitlines()
        if self.log.exists():
            with self.log.open("rb") as log:
                log.seek(since)
                words += log.read().decode("utf-8", "replace").splitlines()
        told = [word for word in words if not word.startswith("\tat ")]
        return "\n".join(told[-LOG_LINES_SHOWN:]) or f"(nothing; see {self.log})"


def _cluster_id() -> str:
    """A new id in Kafka's form: 16 random bytes, URL-safe base64, no leading "-" (the tool would read an option)."""
    drawn = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    return drawn if not drawn.startswith("-") else _cluster_id()


def _environment() -> dict[str, str]:
    """What the broker gets to see of our environment: no secrets, no foreign Java options, file names in UTF-8."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8"}
