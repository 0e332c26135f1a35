"""hub.grids: versions of the grids, put together from their parts, checked once more, and put in the order of time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gridhub.streams import topics
from gridhub.streams.city import City
from gridhub.streams.place.bundle import BundleError, Manifest, join, read_manifest, unpack
from gridhub.streams.place.findings import Report
from gridhub.streams.place.folder_check import check_folder
from gridhub.streams.place.source import read_source
from gridhub.streams.place.versions import Version
from gridhub.streams.shelf import Told, first_line, item_text

_MOST_WAITING_BYTES = 256 * 1024 * 1024


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
        except Exception as error:  # noqa: BLE001  # whatever a version breaks, it is the version that is wrong
            self._tell(key, applied=False, detail=first_line(error))
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
        self.told.append(Told(topics.GRIDS.name, item_text(key), applied, detail))
