"""The soak's judgement: what is flat, what grows, and what repeats."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "bench" / "soak"
LINE = {
    "rate": 500,
    "workers": [{"worker": "worker-1", "growth": 0.01, "slope_mb_per_h": 3.0, "unanswered": 0}],
    "lag_first_quarter": 40,
    "lag_last_quarter": 60,
    "drained": True,
    "repeated_warnings": {},
}


@pytest.fixture
def soak(monkeypatch):
    """The soak as a module, with its sibling."""
    monkeypatch.syspath_prepend(str(SOAK))
    import soak as module

    yield module
    for name in ("soak", "samples"):
        sys.modules.pop(name, None)


def test_a_slope_is_per_hour(soak):
    """Ten MB in ten minutes are sixty an hour, whatever lies around the line; a level line has none."""
    sample = sys.modules["samples"].Sample
    grows = [sample(at_s, 200 + at_s / 60 + (-1) ** at_s * 0.5, 0) for at_s in range(0, 600, 5)]
    assert soak.slope_per_h(grows, "rss_mb") == pytest.approx(60, abs=1)
    assert soak.slope_per_h([sample(at_s, 200, 0) for at_s in range(9)], "rss_mb") == pytest.approx(0, abs=1e-6)
    assert soak.slope_per_h(grows[:2], "rss_mb") == 0


def test_what_repeats_is_counted_by_its_event():
    """Loud lines of the log by event; stack traces that are no JSON count too; what is merely told does not."""
    sys.path.insert(0, str(SOAK))
    try:
        from samples import complaints
    finally:
        sys.path.remove(str(SOAK))
    lines = [
        b'{"level":"warning","event":"lane fenced"}',
        b'{"level":"warning","event":"lane fenced","partition":3}',
        b'{"level":"error","event":"boom"}',
        b'{"level":"info","event":"batch"}',
        b"Traceback (most recent call last):",
        b"",
    ]
    assert complaints(lines) == {"warning: lane fenced": 2, "error: boom": 1, "not a line of the log": 1}


def test_a_flat_run_is_good(soak):
    """A little growth and a little lag are none."""
    assert soak.problems(LINE, 0.05) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (
            {"workers": [{"worker": "worker-1", "growth": 0.08, "slope_mb_per_h": 31.0, "unanswered": 0}]},
            "memory of worker-1",
        ),
        (
            {"workers": [{"worker": "worker-1", "growth": 0.0, "slope_mb_per_h": 0.0, "unanswered": 9}]},
            "did not answer 9",
        ),
        ({"lag_last_quarter": 3000}, "lag grew"),
        ({"drained": False}, "worked off"),
        ({"repeated_warnings": {"warning: lane fenced": 9}}, "9 times: warning: lane fenced"),
    ],
)
def test_a_run_that_is_not_flat_is_told(soak, change, word):
    """Memory, lag, what is left over, warnings: each by itself spoils a run."""
    (problem,) = soak.problems(LINE | change, 0.05)
    assert word in problem
