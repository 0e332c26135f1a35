"""The job's records between framed Avro and Arrow: whole batches through pyruhvro where it is installed, else fastavro.

pyruhvro refuses a batch without naming the row, and takes trailing bytes; here every value is one that the bench wrote.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import job
import pyarrow as pa
import pyarrow.compute as pc

try:
    import pyruhvro
except ImportError:
    pyruhvro = None

_TEXT = {head: json.dumps(job.SCHEMAS[int.from_bytes(head[1:], "big")]) for head in job.HEADS.values()}
_FIELDS = {
    head: [field["name"] for field in job.SCHEMAS[int.from_bytes(head[1:], "big")]["fields"]]
    for head in job.HEADS.values()
}
_FIELDS_TEXT = {head: json.dumps(job.SCHEMAS[int.from_bytes(head[1:], "big")]["fields"]) for head in job.HEADS.values()}
_HEAD = {head: pa.scalar(head, pa.binary()) for head in job.HEADS.values()}
_HEAD_OF, _BODY_OF = itemgetter(slice(5)), itemgetter(slice(5, None))  # quicker than a loop
_NOTHING = pa.scalar(b"", pa.binary())
_KINDS = {"string": pa.string(), "long": pa.int64(), "int": pa.int32(), "double": pa.float64(), "boolean": pa.bool_()}


def by_shape(values: Sequence[bytes]) -> dict[bytes, Sequence[int]]:
    """The rows that can be read together, in order, by a header to read them with: schemas may differ in their name alone."""
    heads = set(map(_HEAD_OF, values))
    first = {_FIELDS_TEXT[head]: head for head in sorted(heads)}
    if len(first) == 1:
        return {head: range(len(values)) for head in first.values()}
    found: dict[bytes, list[int]] = {head: [] for head in first.values()}
    for row, value in enumerate(values):
        found[first[_FIELDS_TEXT[value[:5]]]].append(row)
    return dict(found)


def prefixed(prefix: bytes, texts: pa.Array) -> list[bytes]:
    """These texts behind a prefix, as bytes."""
    joined: list[bytes] = pc.binary_join_element_wise(pa.scalar(prefix), texts.cast(pa.binary()), _NOTHING).to_pylist()
    return joined


def read(head: bytes, values: Sequence[bytes]) -> pa.RecordBatch:
    """The records of values with this header, as columns."""
    if pyruhvro is None:
        return _plainly_read(head, values)
    return pyruhvro.deserialize_array(list(map(_BODY_OF, values)), _TEXT[head])


def write(head: bytes, columns: Sequence[pa.Array]) -> list[bytes]:
    """The framed values of rows given as the columns of this schema, in its order."""
    rows = pa.RecordBatch.from_arrays(list(columns), names=_FIELDS[head])
    if pyruhvro is None:
        return [job.encode(head, _plain(row)) for row in rows.to_pylist()]
    bodies = pyruhvro.serialize_record_batch(rows, _TEXT[head], 1)[0]
    framed: list[bytes] = pc.binary_join_element_wise(_HEAD[head], bodies, _NOTHING).to_pylist()
    return framed


def arrow_schema(head: bytes) -> pa.Schema:
    """The columns of this schema."""
    fields = job.SCHEMAS[int.from_bytes(head[1:], "big")]["fields"]
    return pa.schema([(field["name"], _kind(field["type"])) for field in fields])


def _kind(avro: Any) -> pa.DataType:
    if isinstance(avro, list):
        return _kind(avro[1])
    return _KINDS[avro] if isinstance(avro, str) else pa.map_(pa.string(), pa.string())


def _plainly_read(head: bytes, values: Sequence[bytes]) -> pa.RecordBatch:
    records = [job.decode(value) for value in values]
    return pa.RecordBatch.from_pylist(records, arrow_schema(head))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return row if "payload" not in row else {**row, "payload": dict(row["payload"])}
