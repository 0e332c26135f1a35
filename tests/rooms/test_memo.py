"""The memo of a lane without a changelog: written beside its offsets, the newest counts."""

from __future__ import annotations

import pytest

from gridhub.streams.transport.memo import MOST_BYTES, Memo


def test_an_empty_memo_writes_nothing():
    """A lane that keeps nothing leaves the text beside its offsets empty."""
    assert Memo().note == ""
    assert Memo().after({}).note == ""
    assert Memo().get_many([b"a"]) == [None]


def test_what_was_put_is_read_back_from_its_note():
    """Values, deletions and text beyond ASCII come back."""
    memo = Memo().after({b"j|head": '[3,"链"]'.encode(), b"x": b"1"}).after({b"x": None})
    again = Memo.newest([memo.note])
    assert again.get_many([b"j|head", b"x"]) == ['[3,"链"]'.encode(), None]
    assert again.number == 2


def test_the_newest_of_several_topics_counts():
    """A batch moves the offsets of the topics that it read only; the others keep an older note, or one of nobody's."""
    old = Memo().after({b"a": b"old"})
    new = old.after({b"a": b"new"})
    assert Memo.newest([new.note, old.note, "", "by hand", "[]", "[1,2]"]).get_many([b"a"]) == [b"new"]


def test_a_memo_does_not_change():
    """A transaction that fails leaves the lane with what it had."""
    memo = Memo().after({b"a": b"1"})
    memo.after({b"a": b"2"})
    assert memo.get_many([b"a"]) == [b"1"]


def test_what_is_too_long_for_a_broker_is_an_error():
    """Never a commit that the broker refuses for ever."""
    with pytest.raises(ValueError, match="keeps 3500 bytes at most"):
        _ = Memo().after({b"a": b"x" * MOST_BYTES}).note
