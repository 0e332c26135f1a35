"""The tables and words that travel the road: column layouts, reasons, and what a room gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

import pyarrow as pa


class Reason(StrEnum):
    """Why an event did not go on. The text is the metric label, the log word and the value in hub.quarantine."""

    BAD_BYTES = "bad_bytes"  # not Confluent framing, or not readable with its schema
    UNKNOWN_SCHEMA = "unknown_schema"  # the schema id is not in the registry, or is no department record
    TOO_LARGE = "too_large"  # over the size limit of one message
    UNKNOWN_DEPARTMENT = "unknown_department"  # a topic or source that no department owns
    WRONG_DEPARTMENT = "wrong_department"  # the record says another department than the topic it came on
    MISSING_FIELD = "missing_field"  # event id, type or time is empty
    WRONG_TIME = "wrong_time"  # in the future beyond the tolerance, or older than the limit
    UNKNOWN_TYPE = "unknown_type"  # the department's mapping has no category for this event type
    NOT_ADMITTED = "not_admitted"  # not on the approved list (社区协助事项准入制度)
    NOT_LOCATED = "not_located"  # no way led to a place
    PLACES_CONTRADICT = "places_contradict"  # two ways lead to different places
    OUTSIDE_CITY = "outside_city"  # located, but not in this city
    DUPLICATE = "duplicate"  # same source and event id within the retention; journal only
    UNKNOWN_TASK = "unknown_task"  # a status for a task that the hub did not give
    UNKNOWN_INCIDENT = "unknown_incident"  # a command for an incident that the hub did not open
    UNKNOWN_EVENT = "unknown_event"  # a command about an event that does not wait there, or is no longer kept
    WRONG_TRANSITION = "wrong_transition"  # the stage table does not allow this step
    SAME_ACTOR = "same_actor"  # the handler tried to check or close the own work
    WRONG_ACTOR = "wrong_actor"  # somebody asked for more time who does not handle the task
    NOT_LISTED = "not_listed"  # a suspension without a listed reason and an end within its days
    BROKEN = "broken"  # our bug: the rooms raised on this one event


class Outcome(StrEnum):
    """What became of a located event. The texts are those of `gridhub try` and of the journal."""

    OPENED = "opened"
    MERGED = "merged"
    POSSIBLE = "possible"
    ATTACHED = "attached"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()])


STRINGS = pa.list_(pa.string())

RAW = _schema(
    topic=pa.string(),
    partition=pa.int32(),
    offset=pa.int64(),
    timestamp_ms=pa.int64(),  # the broker's time of the record
    key=pa.binary(),
    value=pa.binary(),
)
"""Messages as they lie in Kafka, in offset order per topic and partition."""

EVENT = _schema(
    row=pa.int32(),  # index into the RAW batch: leads back to the original bytes
    source=pa.string(),  # department code
    event_id=pa.string(),
    type=pa.string(),  # the department's own word
    category=pa.string(),  # the city's category code (config/categories.csv)
    severity=pa.int8(),  # 1 特别重大 … 4 一般
    status=pa.string(),  # actual | exercise | test (CAP 1.2)
    planned=pa.bool_(),  # planned or periodic work: never merged with neighbours
    occurred_at=pa.int64(),  # ms since the epoch, UTC
    received_at=pa.int64(),  # ms, the broker's time
    title=pa.string(),
    text=pa.string(),
    subject_keys=STRINGS,  # "kind:value", e.g. transformer:T-0012; same kind and other value = not the same matter
    schema_id=pa.int32(),
    admission=pa.string(),  # id of the admission rule that let it in
    # the ways to a place, in the order in which normalise tries them
    code=pa.string(),
    code_system=pa.string(),  # nbs | mca | null
    key_table=pa.string(),
    key_value=pa.string(),
    lon=pa.float64(),
    lat=pa.float64(),
    crs=pa.string(),
    address=pa.string(),
    area_shape=pa.string(),  # JSON: {"codes": […]} | {"circle": [lon, lat, km]} | GeoJSON geometry; WGS-84
    # of a warning: what kind of message it is, what it speaks about, and when it holds (CAP 1.2)
    message=pa.string(),  # alert | update | cancel; null for what is no warning
    references=STRINGS,  # event ids of the same source: superseded by an update, ended by a cancel
    valid_from=pa.int64(),  # ms
    valid_until=pa.int64(),  # ms
)
"""Admitted events: one common form, not yet on the grid."""

LOCATED = _schema(
    row=pa.int32(),
    source=pa.string(),
    event_id=pa.string(),
    type=pa.string(),
    category=pa.string(),
    severity=pa.int8(),
    status=pa.string(),
    planned=pa.bool_(),
    occurred_at=pa.int64(),
    received_at=pa.int64(),
    title=pa.string(),
    text=pa.string(),
    subject_keys=STRINGS,
    schema_id=pa.int32(),
    admission=pa.string(),
    area=pa.string(),  # 9-digit street code, or the 6-digit county or city code of a wide event
    grid_ids=STRINGS,  # smallest set of codes that covers the place; one 15-digit grid where the place is a point
    method=pa.string(),  # code | key | coordinates | address | area
    confidence=pa.float64(),  # 0 … 1
    lon=pa.float64(),  # WGS-84; the event's own point, else the place's representative point
    lat=pa.float64(),
    exact_point=pa.bool_(),  # the point is the event's own
    place_name=pa.string(),
    catalogue=pa.string(),  # version of the grid catalogue that placed it
    message=pa.string(),  # alert | update | cancel; null for what is no warning
    references=STRINGS,  # event ids of the same source: superseded by an update, ended by a cancel
    valid_from=pa.int64(),  # ms
    valid_until=pa.int64(),  # ms
)
"""Events on the grid: the rows of hub.located."""

REFUSAL = _schema(
    row=pa.int32(),
    source=pa.string(),
    event_id=pa.string(),
    room=pa.string(),
    reason=pa.string(),
    detail=pa.string(),  # a sentence for the publisher; never personal data
    candidates=STRINGS,
)
"""What a room refused; `row` leads back to the original bytes."""


@cache
def empty(schema: pa.Schema) -> pa.RecordBatch:
    """A batch of this layout without rows; made once, most batches refuse nothing."""
    return pa.RecordBatch.from_pylist([], schema=schema)


@dataclass(frozen=True, slots=True)
class Split:
    """What a room gives back. Law: rows in = kept rows + refused rows; each row of the input is in exactly one."""

    kept: pa.RecordBatch
    refused: pa.RecordBatch = field(default_factory=lambda: empty(REFUSAL))


def table(schema: pa.Schema, rows: list[dict[str, object]]) -> pa.RecordBatch:
    """A batch of this layout from rows; a missing key is null."""
    return pa.RecordBatch.from_pylist(rows, schema=schema) if rows else empty(schema)
