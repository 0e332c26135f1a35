"""The schema registry as workers see it: any Confluent-compatible one, with a copy of every schema kept on disk."""

from __future__ import annotations

import json
import tempfile
import time
from hashlib import blake2b
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import httpx
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.schema_registry_client import ConfigCompatibilityLevel, Schema, ServerConfig

from gridhub.schemas import compat
from gridhub.schemas.catalogue import Entry, catalogue, readers
from gridhub.schemas.codec import MAX_BYTES, Codec, UnknownSchema
from gridhub.schemas.form import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMPATIBILITY = "FULL_TRANSITIVE"
_TIMEOUT_S = 10.0
_UNKNOWN_FOR_S = 30.0
_MOST_UNKNOWN = 10_000
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
P = ParamSpec("P")
T = TypeVar("T")


def _transport_errors() -> tuple[type[Exception], ...]:
    """confluent_kafka uses httpx2 where it is installed and httpx elsewhere; both raise their own TransportError."""
    found: list[type[Exception]] = [httpx.TransportError]
    if find_spec("httpx2"):
        import httpx2

        found.append(httpx2.TransportError)
    return tuple(found)


_UNREACHABLE = _transport_errors()


class RegistryLater(Exception):  # noqa: N818  # a state of the world, one of the hub's three kinds: refused, later, broken
    """The registry cannot be reached or cannot answer now: keep the offset and try again."""


class Incompatible(Exception):  # noqa: N818  # named for what it says
    """A schema may not follow the registered ones; `problems` are sentences for its author."""

    def __init__(self, subject: str, problems: list[str]) -> None:
        super().__init__(f"{subject}: " + " ".join(problems))
        self.subject = subject
        self.problems = problems


def _ask(call: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Run one call of the client and sort its errors into the hub's kinds; what is our mistake passes through."""
    try:
        return call(*given, **named)
    except _UNREACHABLE as error:
        raise RegistryLater(f"the schema registry does not answer: {type(error).__name__}") from error
    except SchemaRegistryError as error:
        if error.http_status_code == HTTPStatus.NOT_FOUND:
            raise UnknownSchema(f"the registry says: {error.error_message}") from error
        if error.http_status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.http_status_code in _LATER:
            raise RegistryLater(f"the schema registry answers {error.http_status_code}") from error
        raise


class Registry:
    """A Confluent-compatible registry. Schemas by id are also kept in `cache`, one JSON file each."""

    def __init__(self, client: SchemaRegistryClient, cache: Path | None = None) -> None:
        self._client = client
        self._cache = cache
        self._texts: dict[int, str] = {}
        self._unknown: dict[int, float] = {}
        self._ids: dict[str, int] = {}

    def provision(self, entries: Sequence[Entry]) -> dict[str, int]:
        """Register every schema that is not there yet, all or none; schema id by subject.

        Each subject is set to FULL_TRANSITIVE first. Incompatible when one may not follow the registered versions
        (nothing is registered then), RegistryLater when the registry does not answer.
        """
        texts = {entry.subject: entry.text for entry in entries}
        for subject, text in texts.items():
            self._require_compatible(subject, text)
        for subject in texts:
            self._set_level(subject)
        self._ids |= {subject: self._register(subject, text) for subject, text in texts.items()}
        return self.ids()

    def ids(self) -> dict[str, int]:
        """Schema id by subject, as provisioned or looked up through this object."""
        return dict(self._ids)

    def look_up(self, entries: Sequence[Entry]) -> dict[str, int]:
        """The ids of schemas that are registered already, nothing written; UnknownSchema when one is not."""
        for entry in entries:
            text = entry.text
            found = _ask(self._client.lookup_schema, entry.subject, Schema(text, "AVRO"))
            assert found.schema_id is not None
            self._ids[entry.subject] = found.schema_id
            self._keep(found.schema_id, text)
        return self.ids()

    def schema_by_id(self, schema_id: int) -> str:
        """The text of a schema: from memory, else from disk, else from the registry.

        UnknownSchema when the registry does not have it (remembered for 30 s, so that a flood of bad ids does not
        reach it), RegistryLater when it does not answer.
        """
        text = self._texts.get(schema_id) or self._from_disk(schema_id)
        if text is None:
            text = self._fetch(schema_id)
        self._keep(schema_id, text)
        return text

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _fetch(self, schema_id: int) -> str:
        if self._unknown.get(schema_id, 0.0) > time.monotonic():
            raise UnknownSchema(f"the registry has no schema {schema_id}", schema_id)
        try:
            found = _ask(self._client.get_schema, schema_id)
        except UnknownSchema as error:
            if len(self._unknown) >= _MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[schema_id] = time.monotonic() + _UNKNOWN_FOR_S
            raise UnknownSchema(f"the registry has no schema {schema_id}", schema_id) from error
        if (found.schema_type or "AVRO") != "AVRO" or not found.schema_str:
            raise UnknownSchema(f"schema {schema_id} is {found.schema_type}, not Avro", schema_id)
        return str(found.schema_str)

    def _require_compatible(self, subject: str, text: str) -> None:
        """The registry may hold any level; ours is checked here against what is there, before anything is written."""
        versions = self._versions(subject)
        if any(identity(text) == identity(old) for old in versions):
            return
        found = compat.check(COMPATIBILITY, text, versions)
        if found:
            raise Incompatible(subject, found)

    def _versions(self, subject: str) -> list[str]:
        try:
            numbers = _ask(self._client.get_versions, subject)
        except UnknownSchema:
            return []
        found = [_ask(self._client.get_version, subject, number) for number in numbers]
        return [str(version.schema.schema_str) for version in found]

    def _set_level(self, subject: str) -> None:
        _ask(self._client.set_config, subject, ServerConfig(compatibility=ConfigCompatibilityLevel[COMPATIBILITY]))

    def _register(self, subject: str, text: str) -> int:
        schema_id = _ask(self._client.register_schema, subject, Schema(text, "AVRO"))
        self._keep(schema_id, text)
        return schema_id

    def _from_disk(self, schema_id: int) -> str | None:
        path = self._path(schema_id)
        if path is None or not path.is_file():
            return None
        try:
            return str(json.loads(path.read_text("utf-8"))["schema"])
        except (ValueError, KeyError, TypeError):
            path.unlink(missing_ok=True)  # half-written by an older crash: the registry has it still
            return None

    def _keep(self, schema_id: int, text: str) -> None:
        known = self._texts.get(schema_id) == text
        self._texts[schema_id] = text
        path = self._path(schema_id)
        if path is None or known or path.is_file():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            json.dump({"id": schema_id, "schema": text}, file, ensure_ascii=False)
        Path(file.name).replace(path)

    def _path(self, schema_id: int) -> Path | None:
        return self._cache / f"{schema_id}.json" if self._cache else None


def connect(url: str, cache: Path | None = None) -> Registry:
    """A registry at this address (several, separated by commas, are tried in turn); nothing is asked yet.

    `cache` is the folder for copies of schemas, `<data_dir>/schemas`; None keeps none.
    """
    settings = {"url": url, "timeout": _TIMEOUT_S, "max.retries": 1, "retries.wait.ms": 100}
    return Registry(SchemaRegistryClient(settings), cache)


def load_codec(
    registry: Registry, entries: Sequence[Entry] = (), folders: Sequence[Path] = (), max_bytes: int = MAX_BYTES
) -> Codec:
    """A worker's codec: decodes any registered id, encodes the subjects that `registry.ids()` knows.

    `entries` that were not provisioned through this object are looked up; `folders` are departments outside the
    package. UnknownSchema when an entry was never registered, RegistryLater when the registry does not answer.
    """
    missing = [entry for entry in entries if entry.subject not in registry.ids()]
    registry.look_up(missing)
    codec = Codec(readers(folders).values(), registry.schema_by_id, max_bytes=max_bytes)
    for subject, schema_id in registry.ids().items():
        codec.add(schema_id, registry.schema_by_id(schema_id), subject)
    return codec


def local_codec(folders: Sequence[Path] = (), max_bytes: int = MAX_BYTES) -> Codec:
    """A codec without a registry, for `gridhub try` and tests: every record we know, by subject and by full name."""
    texts = readers(folders)
    codec = Codec(texts.values(), max_bytes=max_bytes)
    subjects: dict[str, list[str]] = {name: [name] for name in texts}
    for entry in catalogue(folders):
        subjects[entry.record].append(entry.subject)
    for name, text in texts.items():
        codec.add(local_id(name), text, *subjects[name])
    return codec


def local_id(record: str) -> int:
    """The id that stands for a record where there is no registry: 31 bits of its full name's digest."""
    return int.from_bytes(blake2b(record.encode(), digest_size=4).digest()) & 0x7FFF_FFFF
