"""Room for the state: a clear sentence before the disk, or the space that was given, is full."""

from __future__ import annotations

import pytest

from gridhub.streams.transport import StateError, space
from gridhub.streams.transport.space import Space


def test_enough_room_is_no_trouble(tmp_path):
    """Neither limit is reached."""
    Space(tmp_path, 1, 1 << 40).check()


def test_a_disk_that_fills_up_is_told(tmp_path):
    """With how much is free, what the limit is and what to do."""
    with pytest.raises(StateError, match=r"Only \d+ MB are free .*Free space, or move"):
        Space(tmp_path, 1 << 60).check()


def test_a_state_that_grows_too_large_is_told(tmp_path, monkeypatch):
    """The files of all lanes together; they are added up now and then only."""
    (tmp_path / "outbound-0").mkdir()
    (tmp_path / "outbound-0" / "1.sst").write_bytes(b"x" * 600_000)
    room = Space(tmp_path, 1, 1 << 20)
    room.check()
    (tmp_path / "outbound-1").mkdir()
    (tmp_path / "outbound-1" / "1.sst").write_bytes(b"x" * 600_000)
    room.check()
    monkeypatch.setattr(space, "COUNT_S", -1.0)
    with pytest.raises(StateError, match="takes 1 MB, the limit is 1 MB"):
        room.check()


def test_no_limit_of_size_is_none(tmp_path):
    """Without a limit nothing is added up."""
    (tmp_path / "big").write_bytes(b"x" * 100_000)
    Space(tmp_path, 1).check()
