"""The journal's chain: continued over restarts; whatever is done to a record is told, at that record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridhub.schemas.codec import Decoded
from gridhub.schemas.registry import local_codec
from gridhub.streams.journal import Chain, digest
from gridhub.streams.journal_check import KINDS, PartitionCheck, Placed, check
from gridhub.streams.memory import MemoryState
from gridhub.streams.messages import SUBJECTS

LANE = "outbound-3"


def decided(number):
    """A decision before it is on the chain."""
    return {
        "source": "power", "event_id": f"e{number}", "area": "420202005", "room": "deduplicate", "outcome": "opened",
        "reason": "近", "incident_id": f"420202005-{number}", "task_ids": ["t"], "score": {"total": 0.5},
        "rules": {"matching": "1"}, "origin_topic": "hub.located", "origin_partition": 3, "origin_offset": number,
        "decided_at": 1_790_000_000_000 + number, "parent_id": "", "actor": "", "note": "", "entries": [],
    }  # fmt: skip


def chain_of(sizes, name=LANE):
    """Records of a chain written in as many batches, each by a worker that knows only the state."""
    state, records, number = MemoryState(), [], 0
    for size in sizes:
        chain = Chain(name, state)
        records += chain.extend(decided(number + i) for i in range(size))
        number += size
        state.apply(chain.head())
    return records


def found(records, **known):
    """(kind, offset) of what is wrong with records of partition 3, in order; `known` are heads by stage."""
    heads = {f"{stage}-3": head for stage, head in known.items()}
    checked = PartitionCheck(3, from_begin=True, known=heads)
    for offset, record in enumerate(records):
        checked.take(Placed(offset, record))
    return [(finding.kind, finding.offset) for finding in checked.end()]


def rehashed(record, **changes):
    """The record with changes and the hash that it would then have."""
    changed = record | changes
    return changed | {"hash": digest(changed)}


@given(st.lists(st.integers(0, 5), max_size=8))
def test_the_chain_goes_on_over_restarts(sizes):
    """However the records were cut into batches, the chain is the same and has no break."""
    records = chain_of(sizes)
    assert found(records) == []
    assert records == chain_of([sum(sizes)])
    assert [record["seq"] for record in records] == list(range(1, sum(sizes) + 1))


def test_the_first_record_follows_nothing_and_the_others_the_one_before():
    """`prev` is empty at first, then the hash before it."""
    records = chain_of([3])
    assert [record["prev"] for record in records] == ["", records[0]["hash"], records[1]["hash"]]
    assert all(record["chain"] == LANE and record["hash"] == digest(record) for record in records)


@pytest.mark.parametrize("field", ["event_id", "decided_at", "score", "seq", "prev", "hash", "entries", "note"])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_changed_record_is_found_at_its_place(place, field):
    """Whichever field was changed, it is the first that is told, with the hash it should have and the one it names."""
    records = chain_of([5])
    new = {"decided_at": 9, "seq": 99, "score": {}, "entries": ["0 refused admit x y"]}.get(field, "0" * 32)
    records[place] = records[place] | {field: new}
    (first, *_) = check(records, 3)
    assert (first.kind, first.offset) == ("changed", place)
    assert (first.expected, first.found) == (digest(records[place]), records[place]["hash"])


def test_one_changed_byte_of_the_message_is_found_at_that_record():
    """Every single byte of a record as it lies in Kafka: flipped, it is unreadable or changed, there and nowhere before."""
    codec, records = local_codec(), chain_of([4])
    values = codec.encode_many(SUBJECTS["Decision"], records)
    for at in range(len(values[2])):
        bad = bytearray(values[2])
        bad[at] ^= 1
        read = codec.decode_many([*values[:2], bytes(bad), values[3]])
        checked = PartitionCheck(3, from_begin=True)
        for offset, one in enumerate(read):
            fits = isinstance(one, Decoded) and one.name == "gridhub.hub.Decision"
            checked.take(Placed(offset, one.record) if fits else Placed(offset, None, "not readable"))
        first = checked.end()[0]
        assert (first.offset, first.kind in {"changed", "unreadable"}) == (2, True), (at, first)


@pytest.mark.parametrize("place", [0, 2, 3])
def test_a_record_replaced_with_a_right_hash_is_found_at_its_place(place):
    """The record after it names another one; it is not the one after it that is blamed."""
    records = chain_of([5])
    records[place] = rehashed(records[place], event_id="other")
    assert found(records) == [("replaced", place)]


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_removed_record_is_found(place):
    """The record behind the hole is named, with the number that should stand there."""
    records = chain_of([5])
    del records[place]
    (finding,) = check(records, 3)
    assert (finding.kind, finding.offset) == ("removed", place)
    assert (finding.expected, finding.found) == (f"no. {place + 1}", f"no. {place + 2}")


def test_records_in_another_order_are_told_from_removed_ones():
    """The one that came too early is named."""
    records = chain_of([6])
    records[2], records[4] = records[4], records[2]
    assert found(records) == [("reordered", 2)]


@pytest.mark.parametrize("right", [True, False])
def test_an_inserted_record_is_found_at_its_place(right):
    """With a right hash and a right link too: the record that the next one does not follow was put in."""
    records = chain_of([5])
    false = rehashed(records[2], event_id="other") if right else records[2] | {"event_id": "other"}
    records.insert(2, false)
    assert found(records)[0] == ("inserted" if right else "changed", 2)
    records[2], records[3] = records[3], records[2]
    assert found(records)[0] == ("inserted" if right else "changed", 3)


def test_a_record_twice_is_found():
    """A doubled record does not follow itself."""
    records = chain_of([3])
    assert found([records[0], records[1], records[1], records[2]]) == [("doubled", 2)]


def test_a_missing_begin_is_right_only_where_kafka_deleted_it():
    """After retention the rest still holds; in a partition that begins at offset 0 nothing can have been deleted."""
    rest = chain_of([9])[4:]
    assert check(rest, 3, from_begin=False) == []
    (finding,) = check(rest, 3)
    assert (finding.kind, finding.offset, finding.expected) == ("removed", 0, "no. 1")


def test_a_cut_end_is_found_with_a_remembered_head():
    """What is left is whole; only who remembers the end sees that it is gone. Also when nothing at all is left."""
    records = chain_of([6])
    head = {6: records[5]["hash"]}
    assert found(records, outbound=head) == []
    assert found(records[:4]) == []
    assert found(records[:4], outbound=head) == [("truncated", 3)]
    assert found([], outbound=head) == [("truncated", -1)]


def test_a_chain_written_anew_is_found_with_a_remembered_head():
    """Everything from record 3 on is other and fits together: the remembered record is not there."""
    records = chain_of([2])
    state = MemoryState({b"j|head": b'[2,"%s"]' % records[1]["hash"].encode()})
    anew = [*records, *Chain(LANE, state).extend(decided(90 + n) for n in range(4))]
    assert found(anew) == []
    assert found(anew, outbound={4: chain_of([6])[3]["hash"]}) == [("forked", 3)]


def test_two_chains_lie_in_one_partition():
    """Inbound and outbound records may come in any mixture; a break of one says nothing about the other."""
    out, into = chain_of([4]), chain_of([3], "inbound-3")
    mixed = [out[0], into[0], into[1], out[1], out[2], into[2], out[3]]
    assert found(mixed) == []
    assert found([record for record in mixed if record is not into[1]]) == [("removed", 4)]


def test_a_chain_of_another_partition_and_one_of_nobody_are_found():
    """Only the two chains of the partition itself belong there, however well they are linked."""
    assert found(chain_of([2], "outbound-4")) == [("misplaced", 0), ("misplaced", 1)]
    assert found(chain_of([1], "forged-3")) == [("misplaced", 0)]


def test_what_is_no_record_and_what_has_another_key_is_found():
    """Bytes that are no Decision, and a record that was sent with another area's key."""
    checked = PartitionCheck(3, from_begin=True)
    checked.take(Placed(0, None, "too short"))
    checked.take(Placed(1, chain_of([1])[0], "420281"))
    assert [(f.kind, f.offset, f.found) for f in checked.end()] == [
        ("unreadable", 0, "too short"), ("rekeyed", 1, "420281")
    ]  # fmt: skip


def test_a_long_rest_is_not_kept_in_memory():
    """After the first finding a chain's records are counted only."""
    records = chain_of([2000])
    del records[10]
    checked = PartitionCheck(3, from_begin=True)
    for offset, record in enumerate(records):
        checked.take(Placed(offset, record))
    chain = checked.chains[LANE]
    assert ([f.kind for f in checked.end()], chain.records) == (["removed"], 1999)
    assert len(chain.odd) + len(chain.behind) < 600


def test_every_kind_is_told_in_words():
    """What the command prints says what it means."""
    records = chain_of([3])
    del records[1]
    assert check(records, 3)[0].to_json()["means"] == KINDS["removed"]


def test_fields_that_came_later_change_no_older_hash():
    """A record of the time before them, read with today's schema, has them empty; filled ones are part of the hash."""
    old = {"source": "power", "event_id": "e1", "seq": 1}
    new = old | {"parent_id": "", "actor": "", "note": "", "entries": []}
    assert digest(new) == digest(old)
    assert digest(new | {"actor": "zhang"}) != digest(old)
