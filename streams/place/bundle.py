"""A version of the grids as it travels on hub.grids: the folder as a zip archive in parts, and a manifest that vouches for it."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from gridhub.streams.place.rows import read_bytes

PART_BYTES = 512 * 1024
"""Below the broker's own limit of a message, with room for headers."""
MOST_BYTES = 128 * 1024 * 1024
_MOST_UNPACKED = 192 * 1024 * 1024
_MOST_FILES = 100
_NAME = re.compile(r"(keys/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\.(csv|geojson)", re.ASCII)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that zip can say: the same files give the same bytes

Words = Annotated[StrictStr, Field(min_length=1, max_length=500)]


class BundleError(ValueError):
    """A version on the topic cannot be used; the message says why."""


class Manifest(BaseModel):
    """Who put which version in force since when, and how its archive is recognised."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Annotated[StrictInt, Field(ge=1, le=1)] = 1
    version: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{12}$")]
    valid_from_ms: Annotated[StrictInt, Field(ge=-(2**53), le=2**53)]
    sha256: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[StrictInt, Field(ge=1, le=MOST_BYTES)]
    parts: Annotated[StrictInt, Field(ge=1, le=MOST_BYTES // PART_BYTES + 1)]
    grids: Annotated[StrictInt, Field(ge=1)]
    accepted: tuple[Words, ...] = ()  # kinds of findings that were confirmed
    actor: Words
    reason: Words
    published_at_ms: Annotated[StrictInt, Field(ge=0, le=2**53)]
    previous: Annotated[StrictStr, Field(pattern=r"^([0-9a-f]{64})?$")] = ""  # sha-256 of the manifest before this one

    @property
    def key(self) -> bytes:
        """The manifest's key on the topic: every one is kept, so the topic is the audit trail."""
        return f"manifest/{self.published_at_ms}-{self.version}".encode()

    def content(self) -> bytes:
        """The manifest's value on the topic."""
        return self.model_dump_json().encode()

    @property
    def digest(self) -> str:
        """What the next manifest names as `previous`."""
        return hashlib.sha256(self.content()).hexdigest()


def read_manifest(value: bytes) -> Manifest:
    """The manifest of a message; BundleError for anything else."""
    try:
        return Manifest.model_validate_json(value)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "it"
        raise BundleError(f"the manifest is wrong: {where}: {problem['msg']}") from error


def pack(folder: Traversable) -> bytes:
    """The catalogue files of a folder as one archive, the same bytes for the same files. BundleError when too large."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(_names(folder)):
            place, _, last = name.rpartition("/")
            content = read_bytes(folder / place if place else folder, last)
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    packed = target.getvalue()
    if len(packed) > MOST_BYTES:
        raise BundleError(f"the archive has {len(packed)} bytes, more than {MOST_BYTES}")
    return packed


def unpack(packed: bytes, manifest: Manifest) -> Traversable:
    """The folder in an archive, after it was found to be the one that the manifest vouches for; BundleError otherwise."""
    if hashlib.sha256(packed).hexdigest() != manifest.sha256 or len(packed) != manifest.size_bytes:
        raise BundleError("the archive is not the one that the manifest names (sha-256)")
    try:
        archive = zipfile.ZipFile(io.BytesIO(packed))
    except zipfile.BadZipFile as error:
        raise BundleError(f"the archive cannot be read: {error}") from error
    entries = archive.infolist()
    if len(entries) > _MOST_FILES or sum(entry.file_size for entry in entries) > _MOST_UNPACKED:
        raise BundleError("the archive has too many files, or too large ones")
    strange = [entry.filename for entry in entries if not _NAME.fullmatch(entry.filename)]
    if strange:
        raise BundleError(f"the archive has a file that is no part of a catalogue: {strange[0][:100]!r}")
    return cast("Traversable", zipfile.Path(archive))


def parts(packed: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The archive as (key, value) messages."""
    digest = hashlib.sha256(packed).hexdigest()
    for number, start in enumerate(range(0, len(packed), PART_BYTES)):
        yield part_key(digest, number), packed[start : start + PART_BYTES]


def part_key(sha256: str, number: int) -> bytes:
    """The key of an archive's part; the first has number 0."""
    return f"part/{sha256}/{number:05d}".encode()


def join(manifest: Manifest, found: Mapping[bytes, bytes]) -> bytes | None:
    """The archive from its parts by key; None while one is missing."""
    keys = [part_key(manifest.sha256, number) for number in range(manifest.parts)]
    return b"".join(found[key] for key in keys) if all(key in found for key in keys) else None


def _names(folder: Traversable) -> Iterator[str]:
    """The files of a catalogue folder that belong to a version."""
    for item in folder.iterdir():
        if item.is_file() and _NAME.fullmatch(item.name):
            yield item.name
    keys = folder / "keys"
    if keys.is_dir():
        yield from (f"keys/{item.name}" for item in keys.iterdir() if _NAME.fullmatch(f"keys/{item.name}"))
