"""Bytes to records and back: Confluent framing around Avro, read with the writer's schema, handed out in our newest.

Times are plain int milliseconds, dates int days: a datetime per field costs more than the rest of the decoding.

fastavro, behind the walker of scan.py, is the reference. In front of it are readers and writers made for one schema each
(decoding.py, encoding.py, several times faster); whatever they do not take as it stands, the reference judges, message by
message.
"""

from __future__ import annotations

import copy
import struct
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import fastavro
from fastavro.validation import validate

from gridhub.schemas.decoding import FAULTS, Read, Unreadable, reader
from gridhub.schemas.encoding import Writers
from gridhub.schemas.form import BadSchema, Form, deeper_than, form
from gridhub.schemas.scan import MAX_DEPTH, MAX_ITEMS, Allowance, Malformed, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_BYTES = 1_048_576
_HEADER = struct.Struct(">bI")
_MAGIC = 0


class BadRecord(ValueError):  # noqa: N818  # the other outcome beside Decoded
    """A message or record that does not fit; refused, never retried. `reason` is a word of the hub's reason list."""

    reason: ClassVar[str] = "bad_bytes"

    def __init__(self, detail: str, schema_id: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.schema_id = schema_id


class BadFrame(BadRecord):
    """Not Confluent framing: shorter than five bytes, or the first byte is not 0."""


class TooLarge(BadRecord):
    """Over the size limit of one message."""

    reason = "too_large"


class UnknownSchema(BadRecord):
    """The registry does not have this id, or what it has is no Avro record."""

    reason = "unknown_schema"


class Decoded(NamedTuple):
    """One message read: the writer's schema id, the record's full name, and the record in our newest form."""

    schema_id: int
    name: str
    record: dict[str, Any]


def frame(schema_id: int, body: bytes) -> bytes:
    """A message in Confluent's wire format: byte 0, the id as 4 bytes big-endian, the Avro body."""
    return _HEADER.pack(_MAGIC, schema_id) + body


def unframe(data: bytes) -> tuple[int, memoryview]:
    """Schema id and body of a framed message, without a copy; BadFrame when it is not framed."""
    return _framed_id(data), memoryview(data)[_HEADER.size :]


def _framed_id(data: bytes) -> int:
    if len(data) < _HEADER.size:
        raise BadFrame(f"{len(data)} bytes are too short for a framed message")
    magic, schema_id = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise BadFrame(f"the first byte is {magic & 0xFF}, not 0: not Confluent framing")
    return int(schema_id)


class Codec:
    """Encodes by subject and decodes by schema id, within limits; one bad message never stops the others.

    `readers` are the texts of our newest schemas: a record of the same full name is handed out with their fields.
    `lookup` gives the text of an id not seen before; it may raise UnknownSchema (refuse) or any other error that is
    not a BadRecord (retry later), which passes through.
    """

    def __init__(
        self,
        readers: Iterable[str] = (),
        lookup: Callable[[int], str] | None = None,
        *,
        max_bytes: int = MAX_BYTES,
        max_items: int = MAX_ITEMS,
    ) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.ids: dict[str, int] = {}
        self.max_bytes = max_bytes
        self.max_items = max_items
        self._lookup = lookup
        self._forms: dict[int, Form] = {}
        self._refused: dict[int, str] = {}
        self._readers = {newest.name: newest for newest in map(form, readers)}
        self._quick: dict[bytes, tuple[int, str, Read]] = {}  # by the five bytes that lead a message
        self._writers: dict[int, Writers] = {}

    def add(self, schema_id: int, text: str, *names: str) -> None:
        """Learn a schema by its id, and under which subjects `encode` shall write it; BadSchema when it is none."""
        ready = form(text)
        self._forms[schema_id] = ready
        self.schemas[schema_id] = ready.parsed
        self._learn_to_read(schema_id, ready)
        self._writers.pop(schema_id, None)
        self.ids.update(dict.fromkeys(names, schema_id))

    def encode(self, subject: str, record: dict[str, Any]) -> bytes:
        """The framed message of a record, with its defaults filled in; BadRecord when it does not fit the schema.

        A subject that was never added is a KeyError: that is a mistake in our code, not in the data.
        """
        return self.encode_many(subject, (record,))[0]

    def encode_many(self, subject: str, records: Sequence[dict[str, Any]]) -> list[bytes]:
        """The framed messages of records of one subject, in order; BadRecord at the first that does not fit."""
        schema_id = self.ids[subject]
        slow = partial(self._write, schema_id)
        write = self._writers_of(schema_id).exact
        return self._checked(write(records, slow) if write else list(map(slow, records)), schema_id)

    def encode_rows(self, subject: str, rows: Sequence[dict[str, Any]]) -> list[bytes]:
        """As `encode_many`, of rows that know more than the record: keys that are no fields of it are left out."""
        schema_id = self.ids[subject]
        names = self.fields(subject)

        def slow(row: dict[str, Any]) -> bytes:
            return self._write(schema_id, {name: row[name] for name in names if name in row})

        write = self._writers_of(schema_id).rows
        return self._checked(write(rows, slow) if write else list(map(slow, rows)), schema_id)

    def encode_columns(self, subject: str, columns: Sequence[Sequence[Any]]) -> list[bytes]:
        """The framed messages of columns, one per field in the order of `fields`, all of one length; else as `encode_many`."""
        schema_id = self.ids[subject]
        if write := self._writers_of(schema_id).columns:
            return self._checked(write(columns, partial(self._write, schema_id)), schema_id)
        names = self.fields(subject)
        return self.encode_many(subject, [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)])

    def fields(self, subject: str) -> list[str]:
        """The names of a subject's fields, in the schema's order."""
        return [field["name"] for field in self._forms[self.ids[subject]].parsed["fields"]]

    def _checked(self, messages: list[bytes], schema_id: int) -> list[bytes]:
        """The messages; TooLarge or BadRecord where one is beyond the limits, which a short one cannot be."""
        ready, least = self._forms[schema_id], min(self.max_items, self.max_bytes)
        for data in messages:
            if len(data) >= least or ready.hollow:
                self._check(data, schema_id, ready)
        return messages

    def _writers_of(self, schema_id: int) -> Writers:
        if schema_id not in self._writers:
            ready = self._forms[schema_id]
            self._writers[schema_id] = Writers(ready.parsed, ready.named, _HEADER.pack(_MAGIC, schema_id))
        return self._writers[schema_id]

    def _write(self, schema_id: int, record: dict[str, Any]) -> bytes:
        """The reference's way to write a record."""
        ready = self._forms[schema_id]
        if ready.recursive and deeper_than(record, 2 * MAX_DEPTH):
            raise BadRecord(f"{ready.name}: nested too deeply", schema_id)  # the libraries would run out of stack
        if not _valid(record, ready.parsed):
            raise BadRecord(_misfit(ready, record), schema_id)
        out = BytesIO()
        out.write(_HEADER.pack(_MAGIC, schema_id))
        try:
            fastavro.schemaless_writer(out, ready.parsed, record, strict_allow_default=True)
        except Exception as error:  # fastavro raises whatever the wrong value provokes
            raise BadRecord(_misfit(ready, record), schema_id) from error
        return out.getvalue()

    def decode(self, data: bytes) -> Decoded:
        """The record of a framed message; BadRecord (also BadFrame, TooLarge, UnknownSchema) when it has none."""
        if len(data) > self.max_bytes:
            raise TooLarge(f"{len(data)} bytes; the limit is {self.max_bytes}")
        schema_id = _framed_id(data)
        writer = self._forms.get(schema_id) or self._learn(schema_id)
        self._check(data, schema_id, writer)
        reader = self._readers.get(writer.name, writer)
        return Decoded(schema_id, writer.name, self._read(data, schema_id, writer, reader))

    def decode_many(self, messages: Iterable[bytes]) -> list[Decoded | BadRecord]:
        """What each message holds or why it is refused, in order; raises only what `lookup` raises (retry later)."""
        quick, most = self._quick, min(self.max_bytes, self.max_items)
        found: list[Decoded | BadRecord] = []
        for data in messages:
            known = quick.get(data[:5])
            if known is not None and len(data) < most:  # so that it cannot hold too many items
                schema_id, name, read = known
                try:
                    found.append(Decoded(schema_id, name, read(data)))
                    continue
                except FAULTS:
                    pass  # judged below
            found.append(self._decode_or_refuse(data))
        return found

    def unknown(self, messages: Iterable[bytes]) -> set[int]:
        """Schema ids in these messages that were never seen: fetch them before decoding where blocking is wrong."""
        ids = {_HEADER.unpack_from(data)[1] for data in messages if len(data) >= _HEADER.size and data[0] == _MAGIC}
        return ids - self._forms.keys() - self._refused.keys()

    def _learn_to_read(self, schema_id: int, writer: Form) -> None:
        newest = self._readers.get(writer.name, writer)
        self._quick.pop(head := _HEADER.pack(_MAGIC, schema_id), None)
        if newest.identity != writer.identity or writer.hollow or writer.recursive:
            return
        with suppress(Unreadable):
            self._quick[head] = schema_id, writer.name, reader(writer.parsed, writer.named, _HEADER.size)

    def _decode_or_refuse(self, data: bytes) -> Decoded | BadRecord:
        try:
            return self.decode(data)
        except BadRecord as refusal:
            return refusal

    def _check(self, data: bytes, schema_id: int, ready: Form) -> None:
        if len(data) > self.max_bytes:
            raise TooLarge(f"{len(data)} bytes; the limit is {self.max_bytes}", schema_id)
        try:
            scan(ready.walk, data, _HEADER.size, Allowance(self.max_items))
        except Malformed as fault:
            raise BadRecord(f"{ready.name}: {fault}", schema_id) from fault

    def _read(self, data: bytes, schema_id: int, writer: Form, reader: Form) -> dict[str, Any]:
        stream = BytesIO(data)
        stream.seek(_HEADER.size)
        newest = None if reader.identity == writer.identity else reader.parsed
        try:
            record: Any = fastavro.schemaless_reader(stream, writer.parsed, newest)
        except Exception as error:  # whatever the walker let pass and the two schemas cannot agree on
            raise BadRecord(f"{writer.name}: schema {schema_id} does not lead to our newest one", schema_id) from error
        return copy.deepcopy(record) if newest and reader.shared_defaults else record

    def _learn(self, schema_id: int) -> Form:
        if self._lookup is None or schema_id in self._refused:
            raise UnknownSchema(self._refused.get(schema_id, f"no schema {schema_id} is known"), schema_id)
        try:
            self.add(schema_id, self._lookup(schema_id))
        except BadSchema as error:
            self._refused[schema_id] = f"schema {schema_id}: {error}"
            raise UnknownSchema(self._refused[schema_id], schema_id) from error
        return self._forms[schema_id]


def _misfit(ready: Form, record: Any) -> str:
    """Which top field does not fit, by name and type; the value is left out, it may be personal data."""
    if not isinstance(record, dict):
        return f"{ready.name}: a record is a dict, not {type(record).__name__}"
    fields = {field["name"]: field for field in ready.parsed["fields"]}
    if extra := sorted(map(str, record.keys() - fields.keys())):
        return f"{ready.name}: no such field: {', '.join(extra)}"
    for name, field in fields.items():
        if name not in record and "default" not in field:
            return f"{ready.name}: field {name} is missing"
        if name in record and not _fits(record[name], field["type"], ready.parsed):
            return f"{ready.name}: field {name} does not take this {type(record[name]).__name__}"
    return f"{ready.name}: the record does not fit its schema"


def _fits(value: Any, kind: Any, parsed: dict[str, Any]) -> bool:
    return _valid({"value": value}, parsed | {"name": "Whole", "fields": [{"name": "value", "type": kind}]})


def _valid(record: Any, parsed: dict[str, Any]) -> bool:
    """Whether each value has its field's type; the writer itself would write 1 for 1.5, and true for "no"."""
    try:
        return bool(validate(record, parsed, raise_errors=False))
    except Exception:  # noqa: BLE001  # any failure to judge the value means that it does not fit
        return False
