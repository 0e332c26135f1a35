"""admit: from bytes to one common form. What no department may send, or sends wrongly, stops here.

The order of the checks is the order of the reasons: too large, unreadable, not this department's, incomplete, at a
wrong time, of an unknown type, not on the approved list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from gridhub.connectors.sources.values import WrongValueError
from gridhub.streams.records import EVENT, REFUSAL, Reason, Split, table
from gridhub.streams.topics import department_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridhub.connectors.sources.departments import Department, Departments
    from gridhub.schemas.codec import BadRecord, Decoded
    from gridhub.streams.admissions import Admissions
    from gridhub.streams.place.catalogue import Catalogue

ROOM = "admit"
DAY_MS = 86_400_000
_MOST_CHARACTERS = 200
# What Python raises when a value has another type or size than the mapping expects. Anything else is our own mistake.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far ahead and how old an event's time may be, and how large one message."""

    future_tolerance_s: float = 300.0
    max_age_s: float = 30 * 86_400.0
    max_bytes: int = 1_048_576


@dataclass(frozen=True, slots=True)
class InboundFacts:
    """All that the two inbound rooms know; replaced as a whole when a part of it changes."""

    departments: Departments
    admissions: Admissions
    catalogue: Catalogue
    decode: Callable[[list[bytes]], list[Decoded | BadRecord]]
    limits: Limits = Limits()


class Refused(NamedTuple):
    """Why one event does not go on, in a sentence for its publisher."""

    reason: Reason
    detail: str


Row = dict[str, Any]


def admit(batch: pa.RecordBatch, facts: InboundFacts, now_ms: int) -> Split:
    """Admit RAW messages as EVENT rows, or refuse them; every input row is in exactly one of the two, in order.

    `now_ms` decides whether a time is plausible and an admission valid. Nothing that is in a message raises.
    """
    kept: list[Row] = []
    refused: list[Row] = []
    topics, times = batch.column("topic").to_pylist(), batch.column("timestamp_ms").to_pylist()
    owners = {topic: facts.departments.by_code.get(department_of(topic or "") or "") for topic in set(topics)}
    for number, read in enumerate(_read(batch.column("value").to_pylist(), facts)):
        owner = owners[topics[number]]
        row: Row = {"row": number, "received_at": now_ms if times[number] is None else times[number]}
        row["source"] = owner.code if owner else None  # only the owner can write to a department's topic
        if isinstance(read, Refused):
            said: Refused | None = read
        elif owner is None:
            said = Refused(Reason.UNKNOWN_DEPARTMENT, f"No department owns the topic {topics[number]}.")
        else:
            said = _not_theirs(owner, read, facts.departments) or _judge(owner, read, row, facts, now_ms)
        if said is None:
            kept.append(row)
        else:
            refused.append(_refusal(row, said))
    return _split(kept, refused)


def _read(values: Sequence[bytes | None], facts: InboundFacts) -> list[Decoded | Refused]:
    """Each message decoded, or why it could not be; messages over the limit are not even looked at."""
    most = facts.limits.max_bytes
    results: list[Decoded | Refused | None] = [_unread(value, most) for value in values]
    open_rows = [number for number, result in enumerate(results) if result is None]
    answers = facts.decode([value for number in open_rows if (value := values[number]) is not None])
    for number, answer in zip(open_rows, answers, strict=True):
        if isinstance(answer, tuple):  # a Decoded; what is not is a BadRecord
            results[number] = answer
        else:
            results[number] = Refused(Reason(answer.reason), _sentence(answer.detail))
    return [result for result in results if result is not None]


def _unread(value: bytes | None, most: int) -> Refused | None:
    if value is None:
        return Refused(Reason.BAD_BYTES, "The message has no value; departments' topics are not compacted.")
    if len(value) > most:
        return Refused(Reason.TOO_LARGE, f"The message has {len(value)} bytes; the limit is {most}.")
    return None


def _judge(department: Department, read: Decoded, row: Row, facts: InboundFacts, now_ms: int) -> Refused | None:
    """Fill the row from the record; the first reason against it, or None when it is admitted."""
    row["schema_id"] = read.schema_id
    try:
        row.update(department.event(read.record))
    except _UNREADABLE as error:
        return Refused(Reason.MISSING_FIELD, _unreadable(error))
    return _incomplete(row) or _mistimed(row, facts.limits, now_ms) or _unapproved(row, facts.admissions, now_ms)


def _not_theirs(department: Department, read: Decoded, departments: Departments) -> Refused | None:
    if read.name != department.record:
        if read.name not in departments.records and not read.name.startswith("gridhub.dept."):
            return Refused(Reason.UNKNOWN_SCHEMA, f"{read.name} is no department's record.")
        return Refused(
            Reason.WRONG_DEPARTMENT, f"The topic of {department.code} carries {department.record}, not {read.name}."
        )
    return _said_otherwise(department, read, departments)


def _said_otherwise(department: Department, read: Decoded, departments: Departments) -> Refused | None:
    """A record that names its own department must name the one whose topic it came on, by code or alias."""
    if department.said_source is None:
        return None
    try:
        said = department.said_source(read.record)
    except _UNREADABLE as error:
        return Refused(Reason.MISSING_FIELD, _unreadable(error))
    if said is None:
        return Refused(Reason.MISSING_FIELD, "The record does not say which department it comes from.")
    named = departments.by_alias(said)
    if named is None:
        return Refused(Reason.UNKNOWN_DEPARTMENT, "The record names a department that the hub does not know.")
    if named.code != department.code:
        return Refused(Reason.WRONG_DEPARTMENT, f"The record says {named.code}, the topic {department.code}.")
    return None


def _incomplete(row: Row) -> Refused | None:
    for column, words in (("event_id", "id"), ("type", "type"), ("occurred_at", "time")):
        if row[column] is None:
            return Refused(Reason.MISSING_FIELD, f"The event has no {words}.")
    for column, words in (("event_id", "id"), ("type", "type")):
        if len(row[column]) > _MOST_CHARACTERS:
            return Refused(Reason.MISSING_FIELD, f"The event's {words} is longer than {_MOST_CHARACTERS} characters.")
    return None


def _mistimed(row: Row, limits: Limits, now_ms: int) -> Refused | None:
    ahead_ms = row["occurred_at"] - now_ms
    if ahead_ms > limits.future_tolerance_s * 1000:
        allowed = f"{limits.future_tolerance_s:g} s are allowed"
        return Refused(Reason.WRONG_TIME, f"The event's time lies {ahead_ms / 1000:.0f} s in the future; {allowed}.")
    if -ahead_ms > limits.max_age_s * 1000:
        allowed = f"{limits.max_age_s / 86_400:g} days are allowed"
        return Refused(Reason.WRONG_TIME, f"The event is {-ahead_ms / DAY_MS:.1f} days old; {allowed}.")
    return None


def _unapproved(row: Row, admissions: Admissions, now_ms: int) -> Refused | None:
    source, kind = row["source"], row["type"]
    if row["category"] is None:
        return Refused(Reason.UNKNOWN_TYPE, f"The mapping of {source} has no category for the type {_shown(kind)}.")
    row["admission"] = admissions.allows(source, kind, now_ms, row["category"])
    if row["admission"] is None:
        detail = (
            f"{source} has no valid approval to bring {row['category']} (type {_shown(kind)}) into the communities."
        )
        return Refused(Reason.NOT_ADMITTED, detail)
    return None


def _shown(word: str) -> str:
    """A publisher's word in a sentence, short, and only where it is a plain word that cannot hide anything personal."""
    return word if len(word) <= 40 and not any(map(str.isspace, word)) and sum(map(str.isdigit, word)) < 7 else "it has"


def _unreadable(error: Exception) -> str:
    """A sentence from our own words about a value; Python's own messages may repeat the value and are left out."""
    words = str(error) if isinstance(error, WrongValueError) else "a value has another type than the mapping expects"
    return _sentence(f"The record cannot be read: {words}")


def _sentence(words: str) -> str:
    return words if words.endswith(".") else f"{words}."


def _refusal(row: Row, said: Refused) -> Row:
    event_id = row.get("event_id")
    return {
        "row": row["row"],
        "source": row.get("source"),
        "event_id": event_id[:_MOST_CHARACTERS] if event_id else None,
        "room": ROOM,
        "reason": said.reason.value,
        "detail": said.detail,
        "candidates": [],
    }


def _split(kept: list[Row], refused: list[Row]) -> Split:
    """The two tables. Arrow takes no half surrogates and no numbers over 64 bits; a row with one is refused alone."""
    try:
        events = _columns(kept)
    except (pa.ArrowException, UnicodeError, OverflowError):
        sound = []
        for row in kept:
            if _fits(row):
                sound.append(row)
            else:
                odd = {"row": row["row"], "source": row["source"]}
                refused.append(
                    _refusal(odd, Refused(Reason.MISSING_FIELD, "A value is not text in UTF-8, or too large."))
                )
        events = _columns(sound)
    refused.sort(key=lambda row: int(row["row"]))
    return Split(events, table(REFUSAL, refused))


def _fits(row: Row) -> bool:
    try:
        _columns([row])
    except (pa.ArrowException, UnicodeError, OverflowError):
        return False
    return True


_EVENT_COLUMNS = list(zip(EVENT.names, EVENT.types, strict=True))


def _columns(rows: list[Row]) -> pa.RecordBatch:
    """Like records.table, column by column: a third of the time, and this is every event's way."""
    arrays = [pa.array([row.get(name) for row in rows], kind) for name, kind in _EVENT_COLUMNS]
    return pa.RecordBatch.from_arrays(arrays, schema=EVENT)
