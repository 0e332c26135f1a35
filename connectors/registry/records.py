"""The records of the `_schemas` topic, byte for byte as Confluent's registry keeps them: JSON keys and JSON values.

A topic written here can be taken over by a Confluent registry and the other way round. Key types: SCHEMA, CONFIG,
MODE, DELETE_SUBJECT, CLEAR_SUBJECT, NOOP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a subject: the schema's id and text, and whether it was (softly) deleted."""

    subject: str
    version: int
    id: int
    text: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the topic; a value of None is a tombstone."""

    key: dict[str, Any]
    value: dict[str, Any] | None

    def encode(self) -> tuple[bytes, bytes | None]:
        """Key and value as they lie in Kafka."""
        return orjson.dumps(self.key), None if self.value is None else orjson.dumps(self.value)


def decode(key: bytes | None, value: bytes | None) -> Record | None:
    """The record of a Kafka message, or None when it is none of the registry's (it is left alone then)."""
    try:
        head, body = orjson.loads(key or b""), None if value is None else orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(head, dict) or not isinstance(body, dict | None):
        return None
    return Record(head, body)


def schema_record(version: Version) -> Record:
    """A version, registered or (softly) deleted."""
    return Record(
        {"keytype": "SCHEMA", "subject": version.subject, "version": version.version, "magic": 1},
        {
            "subject": version.subject,
            "version": version.version,
            "id": version.id,
            "schema": version.text,
            "deleted": version.deleted,
        },
    )


def level_record(subject: str | None, level: str | None) -> Record:
    """The compatibility level of a subject, or of all without their own (None); a level of None takes it back."""
    value = None if level is None else {"compatibilityLevel": level}
    return Record({"keytype": "CONFIG", "subject": subject, "magic": 0}, value)


def deleted_subject_record(subject: str, last: int) -> Record:
    """All versions of a subject up to `last` are (softly) deleted."""
    return Record({"keytype": "DELETE_SUBJECT", "subject": subject, "magic": 0}, {"subject": subject, "version": last})


def noop_record() -> Record:
    """Says nothing: who has read it back has read all before it."""
    return Record({"keytype": "NOOP", "magic": 0}, None)
