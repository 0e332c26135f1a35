"""Columns in place of rows: what is read equals what aiokafka reads, what is written is read back, whatever the mixture."""

from __future__ import annotations

import asyncio
import gc
import struct
import weakref
from collections import OrderedDict, defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.errors import (
    ConcurrentTransactions,
    CorruptRecordException,
    NoError,
    NotCoordinatorError,
    OffsetOutOfRangeError,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol import produce as aiokafka_produce
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from gridhub.streams.transport import Batch, Output, Outputs, Records
from gridhub.streams.transport import pace as pace_module
from gridhub.streams.transport.batch import cut, merge
from gridhub.streams.transport.columns import Column, _few, _many, fill, place
from gridhub.streams.transport.fetch import _take, drain
from gridhub.streams.transport.murmur2 import partitions
from gridhub.streams.transport.pace import Pace
from gridhub.streams.transport.records import columns, first_offset, join, last_offset, sizes
from gridhub.streams.transport.requests import Produce
from gridhub.streams.transport.sender import PAUSES_S, LaneSender

PLACE, HOME = TopicPartition("t", 0), TP("t", 0)
CONTROL, APPENDED, ABORT, COMMIT = 0x20, 0x08, 0, 1

texts = st.none() | st.binary(max_size=6)
headers = st.lists(st.tuples(st.text(max_size=3), texts), max_size=2)
rows = st.tuples(texts, texts, headers, st.integers(0, 10**12))
batches = st.tuples(st.lists(rows, min_size=1, max_size=4), st.sampled_from([0, 1, 2]), st.booleans(), st.booleans())
markers = st.tuples(st.sampled_from([ABORT, COMMIT]), st.sampled_from([1, 2]))


def written(rows, base, producer=0, *, marker=False, packed=False, appended=False):
    """A batch of records as a broker keeps it: `producer` 0 writes without transactions."""
    builder = DefaultRecordBatchBuilder(2, int(packed), int(producer > 0), -1, -1, 0, 1 << 20)
    for number, (key, value, lines, timestamp) in enumerate(rows):
        builder.append(number, timestamp, key, value, lines)
    if producer:
        builder.set_producer_state(producer, 0, 0)
    data = bytearray(builder.build())
    struct.pack_into(">q", data, 0, base)
    attributes = struct.unpack_from(">h", data, 21)[0] | CONTROL * marker | APPENDED * appended
    struct.pack_into(">h", data, 21, attributes)
    struct.pack_into(">I", data, 17, calc_crc32c(bytes(data[21:])))
    return bytes(data)


def log(story):
    """A partition's bytes, and the aborted transactions as a broker tells them: (producer, first offset)."""
    data, end, open_at, aborted = b"", 0, {}, []
    for entry in story:
        if len(entry) == 2:
            kind, producer = entry
            data += written([(struct.pack(">hh", 0, kind), b"\0" * 6, [], 0)], end, producer, marker=True)
            if (began := open_at.pop(producer, None)) is not None and kind == ABORT:
                aborted.append((producer, began))
            end += 1
        else:
            found, producer, packed, appended = entry
            data += written(found, end, producer, packed=packed, appended=appended)
            if producer:
                open_at.setdefault(producer, end)
            end += len(found)
    return data, aborted, end


def fetched(data, aborted, start, level=READ_COMMITTED):
    """Aiokafka's answer to a fetch, and the position that it moves."""
    state = SimpleNamespace(paused=False, position=start)
    state.consumed_to = lambda position: setattr(state, "position", position)
    assignment = SimpleNamespace(active=True, state_value=lambda _tp: state, tps={PLACE})
    records = PartitionRecords(PLACE, MemoryRecords(data), list(aborted), start, None, None, True, level)
    return FetchResult(PLACE, assignment=assignment, partition_records=records, backoff=0), state


def as_rows(records):
    """What a row says, but for its timestamp's type, which a column has once."""
    return [(r.offset, r.timestamp, r.key, r.value, r.headers, r.serialized_value_size) for r in records]


@given(st.lists(batches | markers, max_size=8), st.integers(0, 12), st.sampled_from([READ_COMMITTED, READ_UNCOMMITTED]))
def test_columns_hold_what_aiokafka_reads(story, start, level):
    """Aborted and control records are left out, reading begins inside of a batch, and the position is the same."""
    data, aborted, end = log(story)
    start = min(start, end)
    theirs, their_state = fetched(data, aborted, start, level)
    ours, our_state = fetched(data, aborted, start, level)
    records = _take(ours, 10_000)
    assert as_rows(records or []) == as_rows(theirs.getall())
    assert our_state.position == their_state.position
    assert not ours.has_more()


@given(st.lists(batches | markers, min_size=1, max_size=8), st.integers(1, 5))
def test_a_limit_only_spreads_the_records_over_more_reads(story, limit):
    """What several reads give is what one gives; each stops behind the batch that reaches the limit."""
    data, aborted, _ = log(story)
    whole, end = fetched(data, aborted, 0)
    wanted = as_rows(_take(whole, 10_000) or [])
    result, state = fetched(data, aborted, 0)
    found = []
    while result.has_more():
        found += as_rows(_take(result, limit) or [])
    assert found == wanted
    assert state.position == end.position


def fetcher(**results):
    """As much of a fetcher as reading asks for."""
    subscriptions = SimpleNamespace(is_assigned=lambda tp: tp.topic != "gone")
    found = OrderedDict((TopicPartition(topic, 0), result) for topic, result in results.items())
    return SimpleNamespace(
        _records=found, _subscriptions=subscriptions, _wait_consume_future=None, _notify=lambda _: None
    )


def test_a_damaged_record_is_an_error_and_not_skipped():
    """The checksum is looked at; nothing moves, so that the same records are fetched again."""
    data, _, _ = log([([(b"k", b"v", [], 0)], 0, False, False)] * 2)
    result, state = fetched(data[:-1] + b"\x7f", [], 0)
    source = fetcher(t=result)
    with pytest.raises(CorruptRecordException):
        drain(source, {HOME}, 100)
    assert (state.position, dict(source._records)) == (0, {})


def test_what_others_fetched_is_left_and_what_is_not_ours_is_dropped():
    """Only partitions that are asked for are read; an error waits until there is nothing else to give."""
    data, _, _ = log([([(b"k", b"v", [], 0)], 0, False, False)])
    result, _ = fetched(data, [], 0)
    error = FetchError(error=OffsetOutOfRangeError({}), backoff=0)
    source = fetcher(t=result, gone=object(), other=object(), wrong=error)
    asked = {HOME, TP("wrong", 0)}
    assert as_rows(drain(source, asked, 100)[HOME]) == [(0, 0, b"k", b"v", (), 1)]
    assert [tp.topic for tp in source._records] == ["other", "wrong"]
    with pytest.raises(OffsetOutOfRangeError):
        drain(source, asked, 100)
    assert drain(source, asked, 100) == {}


def test_what_was_read_is_let_go_without_the_garbage_collector():
    """Nothing of aiokafka's answer lives on in a ring of references: it counts in megabytes."""
    data, _, _ = log([([(b"k", b"v", [], 0)], 0, False, False)])
    result, _ = fetched(data, [], 0)
    source = weakref.ref(result._partition_records)
    gc.disable()
    try:
        records = _take(result, 100)
        del result
        assert source() is None
    finally:
        gc.enable()
    assert len(records) == 1


def some(first, count, *, lines=None, tp=HOME):
    """Records with offsets from `first` on."""
    offsets = list(range(first, first + count))
    keys, values = [b"%d" % o for o in offsets], [b"v%d" % o for o in offsets]
    return Records(tp, keys, values, range(first, first + count), [5] * count, lines, 1)


def test_records_are_rows_too():
    """Each place gives aiokafka's row, a part gives columns again, and a hole in the offsets is kept."""
    records = Records(HOME, [None, b"k"], [b"v", None], [3, 7], [1, 2], [(("a", b"b"),), ()], 1)
    assert [row.offset for row in records] == [records[0].offset, records[-1].offset] == [3, 7]
    assert (records[0].headers, records[1].headers, records[0].timestamp_type) == ((("a", b"b"),), (), 1)
    assert (records[1].serialized_key_size, records[1].serialized_value_size) == (1, -1)
    assert as_rows(records[1:]) == as_rows(records)[1:]
    assert (first_offset(records), last_offset(records), sizes(records)) == (3, 7, [1, 1])
    assert isinstance(some(4, 3).offsets, range)


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3), min_size=1, max_size=4), st.booleans())
def test_cutting_and_joining_changes_nothing(counts, with_headers):
    """Pieces of columns put together are the columns, whatever the limits; headers stay with their records."""
    tps = [TP(f"t{number}", 2) for number in range(len(counts))]
    parts = {
        tp: join([
            some(sum(lengths[:i]), n, tp=tp, lines=[(("h", b"%d" % i),)] * n if with_headers and i % 2 else None)
            for i, n in enumerate(lengths)
        ])
        for tp, lengths in zip(tps, counts, strict=True)
    }  # fmt: skip
    wanted = {tp: as_rows(records) for tp, records in parts.items() if len(records)}
    for limit_bytes, limit_events in ((5, 100), (1000, 2), (1, 1), (10**9, 10**9)):
        pieces = [Batch(SimpleNamespace(partition=2), 1, *piece[:1], None, piece.size)
                  for piece in cut(parts, limit_bytes, limit_events)]  # fmt: skip
        assert all(len(piece) <= limit_events for piece in pieces)
        if pieces:
            whole = merge(pieces)
            assert {tp: as_rows(records) for tp, records in whole.parts.items()} == wanted
            assert whole.size == sum(sum(sizes(records)) for records in parts.values())
            assert whole.ends == {tp: found[-1][0] + 1 for tp, found in wanted.items()}


def test_columns_of_a_topic():
    """A batch gives keys and values of a topic, of rows as of columns, and nothing of a topic without records."""
    row = SimpleNamespace(key=b"k", value=b"v")
    batch = Batch(SimpleNamespace(partition=0), 1, {HOME: some(0, 2), TP("u", 0): [row]})
    assert batch.columns("t") == ([b"0", b"1"], [b"v0", b"v1"])
    assert batch.columns("u") == columns([row]) == ([b"k"], [b"v"])
    assert batch.columns("w") == ([], [])


singles = st.builds(Output, st.sampled_from("ab"), st.integers(-1, 2), texts, texts)
pairs = st.lists(st.tuples(texts, texts), max_size=5)


@st.composite
def bulks(draw):
    """Outputs with one partition, one each, or none; some with headers."""
    found = draw(pairs)
    each = st.lists(st.integers(0, 2), min_size=len(found), max_size=len(found))
    lines = [(("h", b"%d" % number),) for number in range(len(found))] if draw(st.booleans()) else None
    keys, values = [key for key, _ in found], [value for _, value in found]
    return Outputs(draw(st.sampled_from("ab")), keys, values, draw(st.integers(-1, 2) | each), lines)


@given(st.lists(singles | bulks(), max_size=6))
def test_outputs_find_their_partitions_in_order(outputs):
    """As if each record were placed alone: first those with a partition, then those placed by their key."""
    wanted = defaultdict(list)
    for late in (False, True):
        for output in outputs:
            for topic, partition, key, value, lines in one_by_one(output):
                if (partition < 0) == late:
                    home = partitions([key or b""], 3)[0] if late else partition
                    wanted[TP(topic, home)].append((key, value, lines))
    found = {
        tp: list(zip(column.keys, column.values, column.headers or [()] * len(column.keys), strict=True))
        for tp, column in place(outputs, {"a": 3, "b": 3}).items()
        if column.keys
    }
    assert found == wanted


def one_by_one(output):
    """Each record of an output: topic, partition, key, value, headers."""
    if isinstance(output, Output):
        return [(*output, ())]
    count = len(output.keys)
    places = [output.partition] * count if isinstance(output.partition, int) else output.partition
    lines = output.headers or [()] * count
    return [(output.topic, *each) for each in zip(places, output.keys, output.values, lines, strict=True)]


@given(st.lists(st.integers(0, 5), min_size=1), st.lists(st.binary(max_size=20), min_size=1, max_size=8))
def test_few_and_many_are_placed_alike(places, keys):
    """Small columns go without numpy, to the same partitions in the same order."""
    assert sorted(_few(places)) == sorted(_many(places)) == sorted(_few(np.array(places)))
    assert partitions(keys * 9, 7) == partitions(keys, 7) * 9


def test_a_partition_is_missing():
    """One partition too few is a mistake of the work, and said."""
    with pytest.raises(ValueError, match="2 outputs to a, but 1 partitions"):
        place([Outputs("a", [b"1", b"2"], [b"", b""], [0])], {})


@given(st.lists(st.tuples(texts, texts, headers), min_size=1, max_size=30), st.integers(100, 400))
def test_what_is_filled_is_read_back(found, limit):
    """Record batches hold the records in order, each batch as many as go in, but at least one."""
    column = Column([r[0] for r in found], [r[1] for r in found], [tuple(r[2]) for r in found])
    back, first = [], 0
    while first < len(found):
        builder = BatchBuilder(limit, 0, is_transactional=1)
        count = fill(builder, column, first)
        assert count == builder.record_count() > 0
        data = builder._build()
        assert count == 1 or len(data) <= limit
        back += list(MemoryRecords(bytes(data)).next_batch())
        first += count
    assert [(r.key, r.value, r.headers) for r in back] == [(key, value, lines) for key, value, lines in found]


async def test_large_transactions_wait_for_one_another(monkeypatch):
    """While enough is under way the next one waits for an end, in order; what never ends is waited for no longer than said."""
    monkeypatch.setattr(pace_module, "PATIENCE_S", 30.0)
    pace, order = Pace(100), list[int]()

    async def lane(number):
        await pace.room()
        with pace.working(60):
            order.append(number)
            await gate.wait()

    gate = asyncio.Event()
    lanes = [asyncio.create_task(lane(number)) for number in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert order == [0, 1]
    gate.set()
    await asyncio.gather(*lanes)
    assert order == [0, 1, 2, 3, 4]
    monkeypatch.setattr(pace_module, "PATIENCE_S", 0.0)
    with pace.working(100):
        await pace.room()


async def test_a_busy_coordinator_is_asked_again_soon():
    """Each refusal in a row waits longer; any other answer is aiokafka's to judge, and ends the row."""
    sender = LaneSender.__new__(LaneSender)
    busy = {NoError.errno, ConcurrentTransactions.errno}
    assert [sender.pause_s(busy, 0.02) for _ in range(len(PAUSES_S) + 1)] == [*PAUSES_S, PAUSES_S[-1]]
    assert sender.pause_s({NotCoordinatorError.errno}, 0.05) == 0.05
    assert sender.pause_s(busy, 0.02) == PAUSES_S[0]
    assert sender.pause_s({NoError.errno}, None) is None
    assert sender.refused == 0
    await asyncio.sleep(0)


def test_a_produce_request_is_the_same_bytes_as_aiokafkas():
    """Joined once, with what aiokafka puts in front: header, then size."""
    topics = [("a", [(0, b"x" * 1000), (3, b"")]), ("ünicode", [(1, b"z")]), ("none", [])]
    plain = aiokafka_produce.ProduceRequest_v7("id", -1, 15000, topics).encode()
    ours = Produce("id", -1, 15000, topics).prepare({0: (3, 13)}).encode()
    assert len(ours) == len(plain)
    with_header = b"header" + ours
    assert len(with_header) == len(plain) + 6
    assert b"size" + with_header == b"sizeheader" + plain
