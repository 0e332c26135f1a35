"""Standing data: the city's files at the start, and on top of them what operators publish while the hub runs.

Each topic of standing data has a shelf. A shelf takes every message, and settles when a batch of them is over: what is
whole and right is applied, what is wrong is told and never applied. Nothing here speaks to Kafka.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources.abc import Traversable
from typing import NamedTuple, Protocol, cast

from pydantic import ValidationError

from gridhub.streams import topics
from gridhub.streams.admissions import AdmissionError, AdmissionRule, Admissions
from gridhub.streams.categories import Categories
from gridhub.streams.city import WRONG, City
from gridhub.streams.matching import Matching
from gridhub.streams.place.bundle import BundleError, Manifest, join, read_manifest, unpack
from gridhub.streams.place.findings import Report
from gridhub.streams.place.folder_check import check_folder
from gridhub.streams.place.source import read_source
from gridhub.streams.place.versions import Version
from gridhub.streams.routing import Routing

_MOST_WAITING_BYTES = 256 * 1024 * 1024
_DAY_MS = 86_400_000


class Told(NamedTuple):
    """What became of a change: of which topic, which item, whether it is in force, and a sentence."""

    topic: str
    item: str
    applied: bool
    detail: str


class Shelf(Protocol):
    """The changes of one topic."""

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take a message; None for its value withdraws the item."""

    def settle(self, city: City, now_ms: int) -> tuple[City, list[Told]]:
        """The city with everything that is whole and right, and what became of each change since the last time."""


class Standing:
    """The city as it is now. One thread takes and settles; `city` may be read by any."""

    def __init__(self, city: City, max_age_ms: int = 30 * _DAY_MS) -> None:
        """`city` as its files say; versions of the grids that ended longer than `max_age_ms` ago are let go."""
        self.city = city
        self.shelves: dict[str, Shelf] = {
            topics.CONFIG.name: RuleShelf(city),
            topics.ADMISSIONS.name: AdmissionShelf(city),
            topics.GRIDS.name: GridShelf(max_age_ms),
        }

    def take(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Take a message of one of the topics; one without a key has no item, and is left out."""
        if key is not None:
            self.shelves[topic].take(key, value)

    def settle(self, now_ms: int) -> list[Told]:
        """Put in force what is whole and right; what became of each change."""
        city, told = self.city, []
        for shelf in self.shelves.values():
            city, more = shelf.settle(city, now_ms)
            told += more
        self.city = city
        return told


@dataclass
class GridShelf:
    """hub.grids: versions of the grids, each in force since its day."""

    max_age_ms: int
    manifests: dict[bytes, Manifest] = field(default_factory=dict)  # waiting for their parts
    parts: dict[bytes, bytes] = field(default_factory=dict)
    versions: dict[bytes, Version] = field(default_factory=dict)  # in the order in which they were published
    told: list[Told] = field(default_factory=list)
    changed: bool = False

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take a part or a manifest."""
        if key.startswith(b"part/"):
            self._take_part(key, value)
        elif not key.startswith(b"manifest/"):
            self._tell(key, applied=False, detail="this key is none of a version of the grids")
        elif value is None:
            self.manifests.pop(key, None)
            self.changed |= self.versions.pop(key, None) is not None
        else:
            self._take_manifest(key, value)

    def settle(self, city: City, now_ms: int) -> tuple[City, list[Told]]:
        """Put whole versions in force. The catalogue is also a new one when a version's first day has come."""
        for key, manifest in list(self.manifests.items()):
            packed = join(manifest, self.parts)
            if packed is not None:
                del self.manifests[key]
                self._apply(key, manifest, packed)
                self._let_go(manifest.sha256)
        told, self.told = self.told, []
        catalogue = city.catalogue
        if self.changed:
            self.changed = False
            catalogue = city.catalogue.with_versions(self._needed(now_ms), now_ms)
            catalogue.warm()
        current = catalogue.at(now_ms)
        return (city if current is city.catalogue else replace(city, catalogue=current)), told

    def _let_go(self, sha256: str) -> None:
        """Forget the parts of an archive that no manifest waits for any more."""
        if all(manifest.sha256 != sha256 for manifest in self.manifests.values()):
            lead = f"part/{sha256}/".encode()
            self.parts = {key: part for key, part in self.parts.items() if not key.startswith(lead)}

    def _take_part(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.parts.pop(key, None)
            return
        self.parts[key] = value
        while sum(map(len, self.parts.values())) > _MOST_WAITING_BYTES:
            self.parts.pop(next(iter(self.parts)))

    def _take_manifest(self, key: bytes, value: bytes) -> None:
        try:
            manifest = read_manifest(value)
        except BundleError as error:
            self._tell(key, applied=False, detail=str(error))
            return
        if key == manifest.key:
            self.manifests[key] = manifest
        else:
            self._tell(key, applied=False, detail="the manifest stands under the key of another one")

    def _apply(self, key: bytes, manifest: Manifest, packed: bytes) -> None:
        try:
            folder = unpack(packed, manifest)
            report = Report(manifest.accepted)
            check_folder(folder, report)
            if report.errors:
                first = next(finding for finding in report.findings if finding.severity == "error")
                raise BundleError(f"{report.errors} errors, the first: {first.file} {first.code}: {first.text('en')}")
            source = read_source(folder)
            source.valid_at(None)
            if source.version != manifest.version:
                raise BundleError(f"its files are version {source.version}, the manifest says {manifest.version}")
        except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
            self._tell(key, applied=False, detail=str(error) or type(error).__name__)
            return
        self.versions[key] = Version(manifest.valid_from_ms, source)
        self.changed = True
        self._tell(key, applied=True, detail=f"{manifest.grids} grids, by {manifest.actor}: {manifest.reason}")

    def _needed(self, now_ms: int) -> list[Version]:
        """The versions that an event may still be located in, in the order in which they were published."""
        ordered = sorted(self.versions.values(), key=lambda version: version.begin_ms)
        ended = [version.begin_ms for version in ordered if version.begin_ms <= now_ms - self.max_age_ms]
        since = max(ended, default=None)
        return [v for v in self.versions.values() if since is None or v.begin_ms >= since]

    def _tell(self, key: bytes, *, applied: bool, detail: str) -> None:
        self.told.append(Told(topics.GRIDS.name, _text(key), applied, detail))


@dataclass
class AdmissionShelf:
    """hub.admissions: single rules of the approved list by their id; a withdrawn one is as the file has it."""

    start: City
    messages: dict[bytes, bytes | None] = field(default_factory=dict)
    rules: dict[bytes, AdmissionRule] = field(default_factory=dict)

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take a rule; the newest of an id counts."""
        self.messages.pop(key, None)
        self.messages[key] = value

    def settle(self, city: City, now_ms: int) -> tuple[City, list[Told]]:  # noqa: ARG002  # every shelf's form
        """The approved list with what was approved on top."""
        told = [self._judge(key, value) for key, value in self.messages.items()]
        self.messages.clear()
        if any(one.applied for one in told):
            admissions: Admissions = self.start.admissions
            for rule in self.rules.values():
                admissions = admissions.plus(rule)
            city = replace(city, admissions=admissions)
        return city, told

    def _judge(self, key: bytes, value: bytes | None) -> Told:
        detail, applied = "withdrawn", True
        if value is None:
            self.rules.pop(key, None)
            return Told(topics.ADMISSIONS.name, _text(key), applied, detail)
        try:
            rule = AdmissionRule.model_validate_json(value)
            self._check(rule, key)
            self.rules[key] = rule
            detail = f"approved by {rule.approver} on {rule.legal_basis}"
        except (ValidationError, AdmissionError) as error:
            applied, detail = False, _first_line(error)
        return Told(topics.ADMISSIONS.name, _text(key), applied, detail)

    def _check(self, rule: AdmissionRule, key: bytes) -> None:
        if rule.id.encode() != key:
            raise AdmissionError(f"the rule {rule.id} stands under the key of another one")
        if rule.department not in self.start.departments.by_code:
            raise AdmissionError(f"there is no department {rule.department}")
        unknown = [name for name in rule.categories if name not in self.start.categories]
        if unknown:
            raise AdmissionError(f"{unknown[0]} is no category")


@dataclass
class RuleShelf:
    """hub.config: rule files under keys `<file name>/<anything>`, each judged on top of those before it.

    Every key of its own is kept by the topic: after a restart the same files are in force, also when the newest is wrong.
    """

    start: City
    items: dict[bytes, bytes] = field(default_factory=dict)
    news: dict[bytes, str] = field(default_factory=dict)

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take a file."""
        self.items.pop(key, None)
        if value is not None:
            self.items[key] = value
        self.news[key] = "in force" if value is not None else "withdrawn"

    def settle(self, city: City, now_ms: int) -> tuple[City, list[Told]]:  # noqa: ARG002  # every shelf's form
        """The city by all right files in their order."""
        if not self.news:
            return city, []
        news, self.news = self.news, {}
        wrong: dict[bytes, str] = {}
        files: dict[str, bytes] = {}
        found = _by_files(city, self.start, files)
        for key, content in self.items.items():
            name = _text(key).partition("/")[0]
            try:
                found = _by_files(city, self.start, files | {name: content})
                files[name] = content
            except WRONG as error:
                wrong[key] = _first_line(error)
        told = [Told(topics.CONFIG.name, _text(k), k not in wrong, wrong.get(k, what)) for k, what in news.items()]
        return found, told


_RULE_FILES = ("categories.csv", "matching.yaml", "routing.yaml")


def _by_files(city: City, start: City, files: Mapping[str, bytes]) -> City:
    """The city with these rule files; what there is no file for is as at the start. Raises one of city.WRONG."""
    unknown = sorted(set(files) - set(_RULE_FILES))
    if unknown:
        raise ValueError(f"there is no rule file {unknown[0]}; the hub reads {', '.join(_RULE_FILES)}")
    categories, matching, routing = start.categories, start.matching, start.routing
    if "categories.csv" in files:
        categories = Categories.load(as_file("categories.csv", files["categories.csv"]))
        gone = {name for name in start.categories if name not in categories}
        if gone:
            raise ValueError(f"categories.csv: {min(gone)} is missing; departments and kept incidents name it")
    if "matching.yaml" in files:
        matching = Matching.parse(files["matching.yaml"], categories)
    if "routing.yaml" in files:
        routing = Routing.parse(files["routing.yaml"], categories)
    return replace(city, categories=categories, matching=matching, routing=routing)


def as_file(name: str, content: bytes) -> Traversable:
    """Bytes as a file that loaders read."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(name, content)
    return cast("Traversable", zipfile.Path(zipfile.ZipFile(target), name))


def settled(standing: Standing, messages: Iterable[tuple[str, bytes, bytes | None]], now_ms: int) -> list[Told]:
    """Take messages of (topic, key, value) and settle; what became of them."""
    for topic, key, value in messages:
        standing.take(topic, key, value)
    return standing.settle(now_ms)


def _text(key: bytes) -> str:
    return key[:200].decode("utf-8", "replace")


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
    return str(error).partition("\n")[0]
