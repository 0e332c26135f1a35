"""The broker's jars: a pinned list, fetched once per user, and checked by SHA-256 before every start."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
import tomllib
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import truststore

from gridhub.connectors.broker.errors import BrokerError
from gridhub.connectors.broker.locks import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jgo.maven import MavenContext

DOWNLOADS_AT_ONCE = 4
ATTEMPTS = 2
TIMEOUT_S = 15


@dataclass(frozen=True)
class Jar:
    """One pinned library: its coordinate `group:artifact:version`, and what its bytes must be."""

    coordinate: str
    sha256: str
    size_bytes: int

    @property
    def file_name(self) -> str:
        """The jar's name in the cache folder."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


@dataclass(frozen=True)
class JarList:
    """All jars of one Kafka version, in the order of the class path."""

    version: str
    jars: tuple[Jar, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all jars together."""
        return sum(jar.size_bytes for jar in self.jars)


def pinned() -> JarList:
    """The list that this version of gridhub runs on (`jars.toml`)."""
    text = resources.files(__package__).joinpath("jars.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return JarList(table["version"], tuple(Jar(**row) for row in table["jar"]))


def default_cache() -> Path:
    """The user's own cache folder: GRIDHUB_BROKER_CACHE, else `gridhub` below XDG_CACHE_HOME or ~/.cache."""
    if chosen := os.environ.get("GRIDHUB_BROKER_CACHE"):
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gridhub"


def provide(cache: Path, repository: str | None, say: Callable[[str], None]) -> list[Path]:
    """The checked jars in class-path order, fetched first where they are missing or damaged.

    Args:
        cache: folder shared by all checkouts of this user; the jars lie in `kafka-<version>` below it.
        repository: address of a Maven repository to use instead of the client's default one.
        say: told in words what is going on.

    Raises:
        BrokerError: no network, wrong bytes from the repository, or the cache cannot be written.
    """
    wanted = pinned()
    folder = cache / f"kafka-{wanted.version}"
    try:
        if _unfit(wanted, folder):
            with exclusive(cache / ".lock", lambda: say("Waiting: another start is fetching Kafka.")):
                _fetch_unfit(wanted, folder, repository, say)
    except OSError as error:
        raise BrokerError(_unusable(folder, error)) from error
    return [folder / jar.file_name for jar in wanted.jars]


def _fetch_unfit(wanted: JarList, folder: Path, repository: str | None, say: Callable[[str], None]) -> None:
    unfit = _unfit(wanted, folder)  # looked at again: the holder of the lock before us may have fetched them
    for jar, found in unfit.items():
        if found:
            say(f"{jar.file_name} in {folder} is damaged: SHA-256 {found}, expected {jar.sha256}; fetching it again.")
    if unfit:
        folder.mkdir(parents=True, exist_ok=True)
        _fetch(list(unfit), folder, repository, say)


def _unfit(wanted: JarList, folder: Path) -> dict[Jar, str]:
    """The jars that are absent (mapped to "") or damaged (to the SHA-256 found). Hashes all: 38 MB take 30 ms."""
    found = {jar: sha256(folder / jar.file_name) for jar in wanted.jars}
    return {jar: digest for jar, digest in found.items() if digest != jar.sha256}


def sha256(file: Path) -> str:
    """The file's SHA-256 in hex, or "" when there is no such file."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def _fetch(jars: list[Jar], folder: Path, repository: str | None, say: Callable[[str], None]) -> None:
    for left_over in folder.glob(".fetch-*"):  # of a start that was killed; we hold the lock, so nobody uses it
        shutil.rmtree(left_over)
    with _trusting_the_machine(), tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
        repositories = {"chosen": repository} if repository else None
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            tasks = {pool.submit(_fetch_one, jar, Path(scratch), folder, repositories): jar for jar in jars}
            left = set(tasks)
            try:
                while left:
                    done, left = wait(left, timeout=1, return_when=FIRST_EXCEPTION)
                    for task in done:
                        task.result()
                    say(_progress(jars, [tasks[task] for task in tasks if task.done()]))
            finally:
                pool.shutdown(cancel_futures=True)


@contextmanager
def _trusting_the_machine() -> Iterator[None]:
    """Adds the machine's own certificate authorities (SSL_CERT_FILE too) to those of requests, as pip does.

    Behind a city's inspecting proxy the repository's certificate is signed by an authority only the machine knows.
    """
    truststore.inject_into_ssl()
    try:
        yield
    finally:
        truststore.extract_from_ssl()


def _progress(jars: list[Jar], done: list[Jar]) -> str:
    megabytes = [round(sum(jar.size_bytes for jar in some) / 1e6) for some in (done, jars)]
    return f"Fetching Kafka: {len(done)} of {len(jars)} jars, {megabytes[0]} of {megabytes[1]} MB."


def _fetch_one(jar: Jar, scratch: Path, folder: Path, repositories: dict[str, str] | None) -> None:
    """Puts one checked jar into `folder` by an atomic rename; what is half or wrong never gets its name."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            fetched = _download(jar, scratch / f"{jar.file_name}.{attempt}", repositories)
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; jgo's "not there" a RuntimeError
            if attempt == ATTEMPTS or _is_local(error):
                raise BrokerError(_unreachable(jar, error)) from error
            time.sleep(1)
            continue
        if (digest := sha256(fetched)) == jar.sha256:
            fetched.replace(folder / jar.file_name)
            return
    raise BrokerError(
        f"{jar.file_name} came with SHA-256 {digest}, expected {jar.sha256}: something between here and the repository "
        "changes files; try another network, or name a trusted mirror in GRIDHUB_BROKER_REPOSITORY."
    )


def _download(jar: Jar, scratch: Path, repositories: dict[str, str] | None) -> Path:
    context = _context(scratch, repositories)
    group, artifact, version = jar.coordinate.split(":")
    fetched = context.resolver.download(context.project(group, artifact).at_version(version).artifact())
    assert fetched is not None
    return Path(fetched)


def _context(scratch: Path, repositories: dict[str, str] | None) -> MavenContext:
    from jgo.maven import MavenContext  # 0.4 s to import, needed once per user

    return MavenContext(repo_cache=scratch, remote_repos=repositories, timeout=TIMEOUT_S)


def _is_local(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}


def _unreachable(jar: Jar, error: Exception) -> str:
    if _is_local(error):
        return f"Cannot store {jar.file_name}: {error}; free disk space, or choose a folder in GRIDHUB_BROKER_CACHE."
    if isinstance(error, RuntimeError):
        return (
            f"The Maven repository answers, but does not hand out {jar.coordinate}: check the proxy, or name a mirror "
            "that has it in GRIDHUB_BROKER_REPOSITORY."
        )
    return (
        f"Cannot fetch {jar.file_name}, the Maven repository is not reachable ({_cause(error)}): check network and proxy "
        "(HTTPS_PROXY), or name a mirror in GRIDHUB_BROKER_REPOSITORY; this download is needed once per user."
    )


def _cause(error: Exception) -> str:
    """The innermost reason's kind and text; requests wraps it three deep."""
    inner: BaseException = error
    while inner.__context__ is not None:
        inner = inner.__context__
    return f"{type(inner).__name__}: {inner}"


def _unusable(folder: Path, error: OSError) -> str:
    return f"Cannot use {folder} for the jars ({error.strerror or error}): choose another GRIDHUB_BROKER_CACHE."
