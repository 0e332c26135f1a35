"""What one may do with the registry: each public method is one operation of the REST interface, with its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.connectors.registry import errors
from gridhub.connectors.registry.keeping import StoreDown
from gridhub.connectors.registry.records import Version, deleted_subject_record, level_record, schema_record
from gridhub.schemas import compat
from gridhub.schemas.form import BadSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridhub.connectors.registry.keeping import Log
    from gridhub.connectors.registry.records import Record
    from gridhub.connectors.registry.subjects import Subjects

_HIGHEST_VERSION = 2**31 - 1
_LONGEST_SUBJECT = 255


class Store:
    """The registry's operations on what it knows (`subjects`) and where it keeps it (`log`).

    Every method raises RegistryError for a refusal; those that write raise it with 50001 when Kafka is away.
    """

    def __init__(self, subjects: Subjects, log: Log) -> None:
        self.subjects = subjects
        self._log = log

    def require_loaded(self) -> None:
        """50001 until the topic has been read once: an empty answer would be a wrong one."""
        if not self._log.loaded:
            raise errors.store_down("The registry has not read its topic yet")

    def register(self, subject: str, text: str) -> Version:
        """Register a schema, or find it when the subject has it already (this works while Kafka is away, too)."""
        _require_subject(subject)
        _require_schema(text)
        known = self.subjects.find(subject, text)
        if known is None:
            self._write(lambda: self._registration(subject, text))
            known = self.subjects.find(subject, text)
        assert known is not None
        return known

    def look_up(self, subject: str, text: str, *, deleted: bool = False) -> Version:
        """The version of the subject with this schema; 40401 or 40403 when there is none."""
        self.version_numbers(subject, deleted=deleted)
        _require_schema(text)
        found = self.subjects.find(subject, text, deleted=deleted)
        if found is None:
            raise errors.no_schema()
        return found

    def version_numbers(self, subject: str, *, deleted: bool = False) -> list[int]:
        """The subject's versions; 40401 when it has none."""
        found = [version.version for version in self.subjects.versions(subject, deleted=deleted)]
        if not found:
            raise errors.no_subject(subject)
        return found

    def version(self, subject: str, wanted: str, *, deleted: bool = False) -> Version:
        """One version by its number, or the last one by "latest" or "-1"; 40401, 40402 or 42202."""
        number = _version_number(wanted)
        self.version_numbers(subject, deleted=deleted)
        versions = self.subjects.versions(subject, deleted=deleted)
        found = versions[-1:] if number is None else [v for v in versions if v.version == number]
        if not found:
            raise errors.no_version(number)
        return found[0]

    def by_id(self, schema_id: int) -> list[Version]:
        """Every version with this id; 40403 when there is none."""
        found = self.subjects.by_id(schema_id)
        if not found:
            raise errors.no_schema(schema_id)
        return found

    def problems(self, subject: str, text: str, wanted: str | None) -> list[str]:
        """Why the schema may not follow one version of the subject, or (None) those its level names."""
        _require_schema(text)
        earlier = self.subjects.versions(subject) if wanted is None else [self.version(subject, wanted)]
        return compat.check(self.subjects.effective_level(subject), text, [version.text for version in earlier])

    def set_level(self, subject: str | None, level: object) -> str:
        """Set the compatibility level of a subject, or the global one (None); 42203 when it is none."""
        if not isinstance(level, str) or level not in compat.LEVELS:
            raise errors.bad_level(level)
        if subject is not None:
            _require_subject(subject)
        self._write(lambda: [level_record(subject, level)])
        return level

    def drop_level(self, subject: str | None) -> str:
        """Take the level back; gives the one that was set. 40408 when the subject had none of its own."""
        before = self.subjects.level(subject)
        if before is None:
            raise errors.no_level(str(subject))
        self._write(lambda: [level_record(subject, None)])
        return before

    def delete_version(self, subject: str, wanted: str) -> int:
        """Delete one version softly: it is no longer offered, but its id stays readable."""
        number = self.version(subject, wanted).version

        def decide() -> Sequence[Record]:
            version = self.version(subject, str(number))
            return [schema_record(Version(subject, number, version.id, version.text, deleted=True))]

        self._write(decide)
        return number

    def delete_subject(self, subject: str) -> list[int]:
        """Delete all versions of a subject softly; gives their numbers."""
        numbers = self.version_numbers(subject)
        self._write(lambda: [deleted_subject_record(subject, self.version_numbers(subject)[-1])])
        return numbers

    def _registration(self, subject: str, text: str) -> Sequence[Record]:
        """Decided on the newest state: another registry may have been here since the request came."""
        if self.subjects.find(subject, text):
            return []
        if self.subjects.mode(subject) != "READWRITE":
            raise errors.not_permitted(f"Subject '{subject}' is in mode {self.subjects.mode(subject)}.")
        found = self.problems(subject, text, None)
        if found:
            raise errors.incompatible(found)
        return [schema_record(self.subjects.next(subject, text))]

    def _write(self, decide: Callable[[], Sequence[Record]]) -> None:
        try:
            self._log.write(decide)
        except StoreDown as error:
            raise errors.store_down(str(error)) from error


def _require_subject(subject: str) -> None:
    if not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise errors.bad_subject(subject)


def _require_schema(text: str) -> None:
    try:
        compat.parsed(text)
    except BadSchema as error:
        raise errors.bad_schema(str(error)) from error


def _version_number(wanted: str) -> int | None:
    if wanted in ("latest", "-1"):
        return None
    if not wanted.isascii() or not wanted.isdigit() or not 0 < int(wanted[:11]) <= _HIGHEST_VERSION:
        raise errors.bad_version(wanted[:20])
    return int(wanted)
