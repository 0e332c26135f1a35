"""Anchors: signed ends of chains, kept elsewhere."""

from __future__ import annotations

import pytest

from gridhub.streams.anchors import Anchor, AnchorError, known, read_anchors, read_key

KEY = b"k" * 32
ANCHOR = Anchor(chain="outbound-3", partition=3, seq=7, hash="ab" * 16, at=1_795_173_030_000)


def written(path, *lines):
    """A file of these lines."""
    path.write_bytes(b"\n".join(lines))
    return path


def test_what_was_signed_is_read_back(tmp_path):
    """A line of JSON that holds everything; empty lines are left out; without a key signatures are not looked at."""
    file = written(tmp_path / "a", ANCHOR.signed(KEY).to_line(), b"", ANCHOR.to_line())
    assert [anchor.seq for anchor in read_anchors(file, None)] == [7, 7]
    assert read_anchors(written(tmp_path / "b", ANCHOR.signed(KEY).to_line()), KEY) == [ANCHOR.signed(KEY)]


@pytest.mark.parametrize("changes", [{"seq": 6}, {"hash": "cd" * 16}, {"chain": "outbound-2"}, {"signature": ""}])
def test_a_changed_anchor_is_refused_with_its_line(tmp_path, changes):
    """Who may write the file but does not hold the key can change nothing in it."""
    bad = ANCHOR.signed(KEY).model_copy(update=changes)
    file = written(tmp_path / "a", ANCHOR.signed(KEY).to_line(), bad.to_line())
    with pytest.raises(AnchorError, match="line 2: the signature is not one of this key"):
        read_anchors(file, KEY)


def test_what_is_no_anchor_and_a_short_key_are_told(tmp_path):
    """A sentence, not a stack trace."""
    with pytest.raises(AnchorError, match="line 1 is no anchor"):
        read_anchors(written(tmp_path / "a", b"{}"), None)
    with pytest.raises(AnchorError, match="it needs 32"):
        read_key(written(tmp_path / "k", b"short\n"))
    assert read_key(written(tmp_path / "k2", KEY, b"")) == KEY


def test_an_anchor_counts_more_than_the_state():
    """Who can write the state's topic can change what it remembers, but not what was kept elsewhere."""
    heads = {"outbound-3": (7, "00"), "outbound-4": (1, "11")}
    assert known([ANCHOR], heads) == {"outbound-3": {7: ANCHOR.hash}, "outbound-4": {1: "11"}}
