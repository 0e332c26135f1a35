"""Exactly once, in order, whatever dies: each fault of `faults.py` on real processes and a real broker.

The seed is drawn anew in each run and printed with the result; GRIDHUB_CRASH_SEED repeats one.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).with_name("faults.py")
SEED = int(os.environ.get("GRIDHUB_CRASH_SEED") or random.randrange(10_000))
LIMIT_S = 200


def told(fault):
    """The result of one fault, as `faults.py` prints it; its processes end with it, also when it takes too long."""
    command = [sys.executable, str(FAULTS), fault, "--seed", str(SEED), "--events", "6000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            said, complaint = run.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            run.terminate()  # it ends what it started
            raise
    assert said, complaint
    return json.loads(said.splitlines()[-1])


@pytest.mark.crash
@pytest.mark.broker
@pytest.mark.timeout(LIMIT_S + 30)
@pytest.mark.parametrize(
    "fault", ["kill", "kill_same", "state_gone", "pause", "broker_stop", "broker_kill", "scale", "everything"]
)
def test_nothing_is_lost_doubled_or_out_of_order(fault):
    """Every input comes out once, numbered 1..n per key without holes, in its order; who is asked to stop does so."""
    result = told(fault)
    assert result["events"] == 6000
    assert (result["lost"], result["doubled"], result["out_of_order"]) == (0, 0, 0), result
    assert set(result["exit_codes"].values()) == {0}, result
