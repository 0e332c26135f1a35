"""What the registry knows: the fold of all records of its topic. No I/O; the same records give the same answers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from gridhub.connectors.registry.records import Version
from gridhub.schemas.form import BadSchema, identity

if TYPE_CHECKING:
    from gridhub.connectors.registry.records import Record

DEFAULT_LEVEL = "FULL_TRANSITIVE"
DEFAULT_MODE = "READWRITE"


class Subjects:
    """Subjects, versions, ids and settings as of the last applied record; safe to read while records are applied."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self._versions: dict[str, dict[int, Version]] = {}
        self._ids: dict[str, int] = {}  # identity of the text -> id
        self._by_id: dict[int, list[Version]] = {}
        self._levels: dict[str | None, str] = {}
        self._modes: dict[str | None, str] = {}
        self._highest_id = 0

    def apply(self, record: Record) -> None:
        """Take in one record, in log order; an unknown key type or a malformed value changes nothing."""
        with self._lock:
            self._apply(record)

    def _apply(self, record: Record) -> None:
        subject = record.key.get("subject")
        match record.key.get("keytype"):
            case "SCHEMA":
                self._apply_schema(record)
            case "CONFIG":
                _set(self._levels, subject, (record.value or {}).get("compatibilityLevel"))
            case "MODE":
                _set(self._modes, subject, (record.value or {}).get("mode"))
            case "DELETE_SUBJECT":
                self._mark_deleted(str(subject), (record.value or {}).get("version"))
            case "CLEAR_SUBJECT":
                for version in list(self._versions.get(str(subject), {}).values()):
                    self._forget(version.subject, version.version)

    def names(self, prefix: str = "", *, deleted: bool = False) -> list[str]:
        """Subjects with at least one version, sorted; softly deleted ones only when asked for."""
        with self._lock:
            known = list(self._versions)
        return sorted(name for name in known if name.startswith(prefix) and self.versions(name, deleted=deleted))

    def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        """A subject's versions, oldest first; softly deleted ones only when asked for."""
        with self._lock:
            found = sorted(self._versions.get(subject, {}).values(), key=lambda version: version.version)
        return [version for version in found if deleted or not version.deleted]

    def by_id(self, schema_id: int) -> list[Version]:
        """Every version that carries this id, softly deleted ones too: old messages stay readable."""
        with self._lock:
            return list(self._by_id.get(schema_id, []))

    def find(self, subject: str, text: str, *, deleted: bool = False) -> Version | None:
        """The newest version of the subject with this very schema, however it is spelled."""
        wanted = identity(text)
        same = [version for version in self.versions(subject, deleted=deleted) if identity(version.text) == wanted]
        return same[-1] if same else None

    def next(self, subject: str, text: str) -> Version:
        """The version that registering this text would make; the same text under any subject has the same id."""
        with self._lock:
            number = max(self._versions.get(subject, {}), default=0) + 1
            return Version(subject, number, self._ids.get(identity(text), self._highest_id + 1), text)

    def level(self, subject: str | None) -> str | None:
        """The compatibility level set for this subject itself; for None, the global one, which always exists."""
        return self._levels.get(subject) or (DEFAULT_LEVEL if subject is None else None)

    def effective_level(self, subject: str) -> str:
        """The level that a registration under this subject is checked at."""
        return self.level(subject) or self.level(None) or DEFAULT_LEVEL

    def mode(self, subject: str | None) -> str:
        """READWRITE unless a record says otherwise."""
        return self._modes.get(subject) or self._modes.get(None) or DEFAULT_MODE

    @property
    def highest_id(self) -> int:
        """The highest schema id in use, 0 when there is none."""
        return self._highest_id

    def _apply_schema(self, record: Record) -> None:
        subject, number = str(record.key.get("subject")), record.key.get("version")
        if not isinstance(number, int):
            return
        self._forget(subject, number)
        if record.value is None:
            return
        version = _version(subject, number, record.value)
        if version is None:
            return
        self._versions.setdefault(subject, {})[number] = version
        self._by_id.setdefault(version.id, []).append(version)
        self._ids.setdefault(_identity_or_text(version.text), version.id)
        self._highest_id = max(self._highest_id, version.id)

    def _forget(self, subject: str, number: int) -> None:
        gone = self._versions.get(subject, {}).pop(number, None)
        if gone is None:
            return
        self._by_id[gone.id].remove(gone)
        if not self._by_id[gone.id]:
            del self._by_id[gone.id]
            self._ids.pop(_identity_or_text(gone.text), None)

    def _mark_deleted(self, subject: str, last: Any) -> None:
        for version in self.versions(subject):
            if isinstance(last, int) and version.version <= last:
                gone = Version(subject, version.version, version.id, version.text, deleted=True)
                self._versions[subject][version.version] = gone
                same = self._by_id[version.id]
                same[same.index(version)] = gone


def _set(table: dict[str | None, str], subject: str | None, value: Any) -> None:
    if isinstance(value, str):
        table[subject] = value
    else:
        table.pop(subject, None)


def _version(subject: str, number: int, value: dict[str, Any]) -> Version | None:
    schema_id, text = value.get("id"), value.get("schema")
    if not isinstance(schema_id, int) or not isinstance(text, str):
        return None
    return Version(subject, number, schema_id, text, deleted=bool(value.get("deleted")))


def _identity_or_text(text: str) -> str:
    """Another registry may have left schemas that are no JSON (protobuf): they are their own identity."""
    try:
        return identity(text)
    except BadSchema:
        return text
