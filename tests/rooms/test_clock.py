"""The worker's clock: the wall's, or a file's in a rehearsal."""

from __future__ import annotations

import time

import pytest

from gridhub.streams import clock
from gridhub.streams.settings import SettingsError, load


def test_without_a_file_the_wall_clock_counts():
    """In ms since 1970."""
    before = time.time_ns() // 1_000_000
    assert before <= clock.chosen(None)() <= time.time_ns() // 1_000_000


def test_a_rehearsal_reads_the_time_from_its_file(tmp_path):
    """Forward as it is written; never back, and a file that is half written or gone leaves the time as it was."""
    path = tmp_path / "clock"
    path.write_text("1000\n")
    now_ms = clock.chosen(path)
    seen = [now_ms()]
    for text in ("2000", "1500", "", "x1", "-5", "2001"):
        path.write_text(text)
        seen.append(now_ms())
    path.unlink()
    assert [*seen, now_ms()] == [1000, 2000, 2000, 2000, 2000, 2000, 2001, 2001]


@pytest.mark.parametrize("content", [None, "", "soon", "1" * 40 + "x"])
def test_a_rehearsal_without_a_time_does_not_begin(tmp_path, content):
    """The sentence names the setting."""
    path = tmp_path / "clock"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match="GRIDHUB_CLOCK_FILE"):
        clock.chosen(load(clock_file=path).clock_file)
