"""docs/metrics.md says what the code does, and every series has a reader."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from gridhub.streams.series import SERIES, Series

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "grafana"))  # scripts, not a package: nobody installs them

from make_metrics_table import PAGE, uses, with_table  # noqa: E402 - importable only from here on

TEXT = PAGE.read_text(encoding="utf-8")


def ad_hoc() -> set[str]:
    """The series that the page lists for questions of the moment."""
    return set(re.findall(r"`(gridhub_[a-z_]+)`", TEXT.partition("## For ad-hoc use")[2]))


def test_the_table_is_the_one_of_the_code() -> None:
    """Writing the table anew changes nothing."""
    assert with_table(TEXT) == TEXT


@pytest.mark.parametrize("series", SERIES, ids=lambda series: series.name)
def test_a_series_has_a_line(series: Series) -> None:
    """Name, kind, labels and meaning of each series stand in one line."""
    (line,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{series.name}` |")]
    assert f"| {series.kind} |" in line
    assert series.help in line
    assert [label for label in series.labels if f"`{label}`" not in line] == []


def test_no_name_outside_the_table() -> None:
    """The page speaks of no series that does not exist."""
    assert set(re.findall(r"`(gridhub_[a-z_]+)`", TEXT)) == {series.name for series in SERIES}


def test_every_series_has_a_reader_or_is_for_ad_hoc_use() -> None:
    """A series that no panel and no rule reads is listed for ad-hoc use, and no other one is."""
    unread = {name for name, readers in uses().items() if not readers}
    assert unread == ad_hoc()


def test_lost_marks_are_said() -> None:
    """Without the marks around the table the script refuses instead of losing the page's text."""
    with pytest.raises(ValueError, match="marks"):
        with_table("no marks")
