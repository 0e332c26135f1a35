"""The journal's chain: continued over restarts; a changed, a missing and an added record show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridhub.streams.journal import Chain, breaks, digest
from gridhub.streams.memory import MemoryState


def decided(number):
    """A decision before it is on the chain."""
    return {
        "decision": "opened",
        "event_id": f"e{number}",
        "at": 1_790_000_000_000 + number,
        "detail": {"为什么": "近"},
    }


def chain_of(sizes, name="outbound-3"):
    """Records of a chain written in as many batches, each by a worker that knows only the state."""
    state, records, number = MemoryState(), [], 0
    for size in sizes:
        chain = Chain(name, state)
        records += chain.extend(decided(number + i) for i in range(size))
        number += size
        state.apply(chain.head())
    return records


@given(st.lists(st.integers(0, 5), max_size=8))
def test_the_chain_goes_on_over_restarts(sizes):
    """However the records were cut into batches, the chain is the same and has no break."""
    records = chain_of(sizes)
    assert breaks(records) == []
    assert records == chain_of([sum(sizes)])
    assert [record["seq"] for record in records] == list(range(1, sum(sizes) + 1))


def test_the_first_record_follows_nothing_and_the_others_the_one_before():
    """`prev` is empty at first, then the hash before it."""
    records = chain_of([3])
    assert [record["prev"] for record in records] == ["", records[0]["hash"], records[1]["hash"]]
    assert all(record["chain"] == "outbound-3" and record["hash"] == digest(record) for record in records)


@pytest.mark.parametrize("field", ["decision", "event_id", "at", "detail", "seq", "prev", "chain"])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_tampering_is_found_at_that_record(place, field):
    """Whichever field was changed, the sentence names the record."""
    records = chain_of([5])
    here = records[place] | {field: 99 if field in {"at", "seq"} else "changed"}
    records[place] = here
    assert f"{here['chain']} no. {here['seq']}: the record does not have the hash it names." in breaks(records)


def test_tampering_with_a_new_hash_is_found_at_the_next_record():
    """Who changes a record and its hash breaks the link after it."""
    records = chain_of([5])
    records[2] = records[2] | {"event_id": "other"}
    records[2]["hash"] = digest(records[2])
    assert breaks(records) == ["outbound-3 no. 4: does not follow the record before it."]


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_missing_record_is_found(place):
    """The record after the hole says which one it follows."""
    records = chain_of([5])
    del records[place]
    assert breaks(records) == [f"outbound-3 no. {place + 2}: follows no. {place}."]


def test_a_record_twice_is_found():
    """A doubled record does not follow itself."""
    records = chain_of([3])
    assert breaks([records[0], records[1], records[1], records[2]]) == ["outbound-3 no. 2: follows no. 2."]


def test_a_part_of_a_chain_can_be_checked():
    """After retention dropped its begin, the rest still holds."""
    assert breaks(chain_of([9])[4:]) == []


def test_fields_that_came_later_change_no_older_hash():
    """A record of the time before them, read with today's schema, has them empty; filled ones are part of the hash."""
    old = {"source": "power", "event_id": "e1", "seq": 1}
    new = old | {"parent_id": "", "actor": "", "note": ""}
    assert digest(new) == digest(old)
    assert digest(new | {"actor": "zhang"}) != digest(old)
