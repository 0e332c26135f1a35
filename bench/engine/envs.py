"""The environments of the peers: made once below .gridhub/bench/envs, pinned, apart from the product's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".gridhub" / "bench"
PEERS = ROOT / "bench" / "peers"
JAVA = PEERS / "kafka-streams"
JARS = HOME / "envs" / "kafka-streams"
INSTALL_LIMIT_S = 600


class Unavailable(Exception):  # noqa: N818  # not an error of ours: it says why a peer is left out
    """This peer cannot be had here; the text says why."""


def python(name: str) -> Path:
    """The interpreter of a peer's environment, made and filled when there is none yet, or its pins have changed."""
    pins, folder = PEERS / f"{name}.txt", HOME / "envs" / name
    done, program = folder / "installed.txt", folder / "bin" / "python"
    if not done.exists() or done.read_bytes() != pins.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(_uv()), "pip", "install", "--quiet", "--python", str(program), "--requirement", str(pins))
        done.write_bytes(pins.read_bytes())
    return program


def kafka_streams() -> Path:
    """The folder of jars with the job in it, fetched through Maven and compiled when there is none yet."""
    source, pom, done = JAVA / "GridJob.java", JAVA / "pom.xml", JARS / "built.txt"
    state = source.read_text(encoding="utf-8") + pom.read_text(encoding="utf-8")
    if not done.exists() or done.read_text(encoding="utf-8") != state:
        for tool in ("mvn", "javac", "java"):
            if shutil.which(tool) is None:
                raise Unavailable(f"{tool} is not installed; on Debian: apt-get install maven default-jdk-headless")
        shutil.rmtree(JARS, ignore_errors=True)
        JARS.mkdir(parents=True)
        _run("mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={JARS}")
        _run("javac", "-encoding", "UTF-8", "-cp", f"{JARS}/*", "-d", str(JARS / "classes"), str(source))
        done.write_text(state, encoding="utf-8")
    return JARS


def ours() -> Path:
    """The interpreter of the product's environment: the one that runs the bench."""
    return Path(sys.executable)


def extras() -> Path | None:
    """A folder to put on the module path with what the product itself does not need; None when it cannot be had."""
    pins, folder = PEERS / "columnar.txt", HOME / "envs" / "columnar"
    done = folder / "installed.txt"
    try:
        if not done.exists() or done.read_bytes() != pins.read_bytes():
            shutil.rmtree(folder, ignore_errors=True)
            _run(
                str(_uv()),
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                str(folder),
                "--requirement",
                str(pins),
            )
            done.write_bytes(pins.read_bytes())
    except Unavailable:
        return None
    return folder


def reason(prepare: Callable[[], object]) -> str | None:
    """Why a peer cannot be had; None when it is there now."""
    try:
        prepare()
    except Unavailable as error:
        return str(error)
    return None


def _uv() -> Path:
    return Path(sys.executable).with_name("uv")


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_LIMIT_S)
    except subprocess.CalledProcessError as error:
        words = (error.stderr or error.stdout).strip().splitlines()[-3:]
        raise Unavailable(f"{Path(command[0]).name} failed: {' / '.join(words)}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{Path(command[0]).name}: {error}") from error
