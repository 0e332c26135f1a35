"""Between Kafka's records and the road's tables: what is read becomes a table, what the road gives becomes records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import pyarrow as pa

from gridhub.schemas.codec import BadRecord, Codec, Decoded
from gridhub.streams import topics
from gridhub.streams.records import LOCATED, RAW, Reason
from gridhub.streams.rooms.notices import notice_row
from gridhub.streams.rooms.outbound import STATUS

Record = dict[str, Any]

KEPT_BYTES = topics.HUB_BYTES - (64 << 10)
"""Larger originals stay where they are; their refusal names the place."""

SUBJECTS = {
    "LocatedEvent": "hub.located-value",
    "Incident": "hub.incidents-value",
    "Task": "hub.tasks-value",
    "Refusal": "hub.quarantine-value",
    "Decision": "hub.journal-value",
    "TaskStatus": "hub.status-gridhub.hub.TaskStatus",
    "Command": "hub.status-gridhub.hub.Command",
    "ParentNotice": "hub.status-gridhub.hub.ParentNotice",
}


_LAY = {"origin_topic": "topic", "origin_partition": "partition", "origin_offset": "offset"}


class Origin(NamedTuple):
    """Where a message lay, and its bytes."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


def origins(records: Any) -> list[Origin]:
    """The origins of records of one partition, in order; the transport's Records are columns already."""
    if hasattr(records, "offsets"):
        lay = repeat(records.tp.topic), repeat(records.tp.partition)
        return list(map(Origin, *lay, records.offsets, records.timestamps, records.keys, records.values))
    return [Origin(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value) for r in records]


def raw_table(messages: Sequence[Origin]) -> pa.RecordBatch:
    """The RAW table of these messages; a tombstone has empty bytes."""
    columns: list[tuple[Any, ...]] = list(zip(*messages, strict=True)) if messages else [()] * len(RAW)
    columns[5] = tuple(value or b"" for value in columns[5])
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, RAW, strict=True)], schema=RAW
    )


def located_columns(located: pa.RecordBatch, raw: pa.RecordBatch, names: Sequence[str]) -> list[list[Any]]:
    """The columns of LocatedEvent records, in the order of `names`: LOCATED rows, and where their RAW rows lay."""
    rows = located.column("row").to_pylist()
    lay = {name: raw.column(column).to_pylist() for name, column in _LAY.items()}
    return [
        [lay[name][row] for row in rows] if name in lay else located.column(name).to_pylist() for name in names
    ]  # fmt: skip


def located_records(located: pa.RecordBatch, raw: pa.RecordBatch) -> list[Record]:
    """The same as records, one by one."""
    names = [*(name for name in located.schema.names if name != "row"), *_LAY]
    return [dict(zip(names, row, strict=True)) for row in zip(*located_columns(located, raw, names), strict=True)]


def refusal_records(refused: pa.RecordBatch, messages: Sequence[Origin], now_ms: int) -> list[Record]:
    """Refusal records with the original bytes."""
    if not refused.num_rows:
        return []
    return [_refusal(row, messages[row["row"]], now_ms) for row in refused.to_pylist()]


def _refusal(row: Record, origin: Origin, now_ms: int) -> Record:
    kept = len(origin.value or b"") + len(origin.key or b"") <= KEPT_BYTES
    where = (
        ""
        if kept
        else f" Its bytes are too many to be kept here; they are in {origin.topic}, see partition and offset."
    )
    return {
        "source_topic": origin.topic,
        "source_partition": origin.partition,
        "source_offset": origin.offset,
        "key": origin.key if kept else None,
        "value": origin.value if kept else None,
        "source": row["source"] or topics.department_of(origin.topic),
        "event_id": row["event_id"],
        "schema_id": _schema_id(origin.value),
        "room": row["room"],
        "reason": row["reason"],
        "detail": f"{row['detail'] or ''}{where}",
        "candidates": row["candidates"] or [],
        "received_at": origin.timestamp_ms,
        "refused_at": now_ms,
    }


def _schema_id(value: bytes | None) -> int | None:
    framed = value is not None and len(value) >= 5 and value[0] == 0
    schema_id = int.from_bytes(value[1:5], "big", signed=True) if framed and value is not None else None
    return schema_id if schema_id is not None and schema_id >= 0 else None


class Readable(NamedTuple):
    """What could be read of a topic's messages: a table whose `row` leads to the message, and who could not."""

    table: pa.RecordBatch
    refused: list[Record]


def read_located(messages: Sequence[Origin], codec: Codec) -> Readable:
    """The LOCATED table of messages of hub.located."""
    rows: list[int] = []
    records: list[Record] = []
    refused = []
    for index, found in enumerate(codec.decode_many(origin.value or b"" for origin in messages)):
        if isinstance(found, Decoded) and found.name == "gridhub.hub.LocatedEvent":
            rows.append(index)
            records.append(found.record)
        else:
            refused.append(unreadable(index, found, "deduplicate"))
    columns = [[record.get(name) for record in records] if name != "row" else rows for name in LOCATED.names]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, LOCATED.types, strict=True)]
    return Readable(pa.RecordBatch.from_arrays(arrays, schema=LOCATED), refused)


def read_status(messages: Sequence[Origin], codec: Codec) -> Readable:
    """The STATUS table of messages of hub.status: reports, commands and notices of parents."""
    rows, refused = [], []
    for index, found in enumerate(codec.decode_many(origin.value or b"" for origin in messages)):
        if isinstance(found, Decoded) and found.name in _STATUS_ROWS:
            rows.append({**_STATUS_ROWS[found.name](found.record), "row": index})
        else:
            refused.append(unreadable(index, found, "track"))
    return Readable(pa.RecordBatch.from_pylist(rows, schema=STATUS), refused)


def _report(record: Record) -> Record:
    return {**record, "kind": "status"}


def _command(record: Record) -> Record:
    return {
        **record, "kind": "command", "status_id": record["command_id"], "stage": record["kind"],
        "note": record["reason"], "sender": "command",
    }  # fmt: skip


_STATUS_ROWS = {
    "gridhub.hub.TaskStatus": _report,
    "gridhub.hub.Command": _command,
    "gridhub.hub.ParentNotice": notice_row,
}


def unreadable(index: int, found: BadRecord | Decoded, room: str) -> Record:
    """The REFUSAL row of a message that is not what belongs on its topic."""
    if isinstance(found, BadRecord):
        reason, detail = found.reason, str(found)
    else:
        reason, detail = Reason.BAD_BYTES.value, f"The record {found.name} does not belong on this topic."
    return {
        "row": index, "source": None, "event_id": None, "room": room, "reason": reason,
        "detail": detail, "candidates": [],
    }  # fmt: skip


def decision_records(decisions: Iterable[Record], messages: Sequence[Origin]) -> list[Record]:
    """Decisions with where their messages lay, before they are put on the journal's chain."""
    return [_decision(row, messages[row["row"]]) for row in decisions]


def timer_decisions(decisions: Iterable[Record], partition: int) -> list[Record]:
    """Decisions that no message caused but a timer of this lane: their origin has no topic, and the offset -1."""
    nowhere = Origin("", partition, -1, 0, None, None)
    return [_decision(row, nowhere) for row in decisions]


def _decision(row: Record, origin: Origin) -> Record:
    record = {
        **row, "origin_topic": origin.topic, "origin_partition": origin.partition, "origin_offset": origin.offset
    }  # fmt: skip
    del record["row"]
    return record
