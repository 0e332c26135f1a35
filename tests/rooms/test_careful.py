"""Poison events: only the bad event is refused, each other one goes on, and our own trouble is told apart."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridhub.streams.careful import TooManyBroken, broken_rows, carefully
from gridhub.streams.records import REFUSAL, Reason


class NotNowError(Exception):
    """The world is not ready."""


def rows(values):
    """A batch whose `value` decides what becomes of each row."""
    return pa.RecordBatch.from_pydict({"value": pa.array(values, pa.string())})


def run(part):
    """The values; raises on a batch with a bad or a late one in it."""
    values = part.column("value").to_pylist()
    if "late" in values:
        raise NotNowError("the registry does not answer")
    if "bad" in values:
        raise KeyError("our bug")
    return values


def careful(values, most=100):
    """`carefully` on these values."""
    return carefully(rows(values), run, later=(NotNowError,), most=most)


def test_a_good_batch_is_run_once_as_a_whole():
    """No row by row while nothing is wrong."""
    assert careful(["a", "b"]) == ([(0, ["a", "b"])], [])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_only_the_bad_row_is_refused(place):
    """At the begin, in the middle and at the end."""
    values = ["a", "b"]
    values.insert(place, "bad")
    results, broken = careful(values)
    assert [(index, type(error)) for index, error in broken] == [(place, KeyError)]
    assert results == [(index, [value]) for index, value in enumerate(values) if value != "bad"]


@given(st.lists(st.sampled_from(["a", "b", "bad"]), max_size=30))
def test_each_row_is_in_exactly_one_result_or_broken(values):
    """Rows in = rows of results + broken rows, in order, none twice."""
    results, broken = careful(values, most=1000)
    seen = [first + offset for first, result in results for offset in range(len(result))] + [row for row, _ in broken]
    assert sorted(seen) == list(range(len(values)))
    assert {values[row] for row, _ in broken} <= {"bad"}
    assert all(result == values[first : first + len(result)] for first, result in results)


@pytest.mark.parametrize("values", [["late"], ["a", "late"], ["bad", "late"], ["bad", "a", "late"]])
def test_later_passes_through(values):
    """What says nothing about the event is never taken for a bad event."""
    with pytest.raises(NotNowError):
        careful(values)


def test_too_many_in_a_row_stop_the_worker():
    """The third of three in a row is one too many."""
    with pytest.raises(TooManyBroken, match=r"3 events in a row.*our bug"):
        careful(["a", "bad", "bad", "bad", "a"], most=3)


def test_a_good_row_in_between_begins_the_count_anew():
    """Two and two are not four in a row."""
    results, broken = careful(["bad", "bad", "a", "bad", "bad"], most=3)
    assert (len(results), len(broken)) == (1, 4)


def test_broken_rows_lead_back_to_the_message():
    """A batch with a `row` column keeps it; source and event id are told where they are known; the error is named."""
    batch = pa.RecordBatch.from_pydict({"row": [7, 9], "source": ["power", "power"], "event_id": ["e7", "e9"]})
    refused = broken_rows(batch, [(1, KeyError("x"))], "deduplicate")
    assert refused.schema == REFUSAL
    (row,) = refused.to_pylist()
    assert (row["row"], row["source"], row["event_id"], row["room"]) == (9, "power", "e9", "deduplicate")
    assert row["reason"] == Reason.BROKEN
    assert "KeyError" in row["detail"]


def test_broken_rows_of_raw_messages_are_counted_by_position():
    """A batch without such columns: the position is the row, source and event id are not known."""
    (row,) = broken_rows(rows(["a", "bad"]), [(1, ValueError())], "admit").to_pylist()
    assert (row["row"], row["source"], row["event_id"]) == (1, None, None)
