"""One run of the crash matrix: `python bench/crash/cell.py kill --seed 3 --folder /tmp/x`; its result is one JSON line.

A hub takes a simulated city's events; meanwhile its fault's story is told. Then every event is compared with the
simulator's truth, half of the incidents are worked off, and everything is ended.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from faults import FAULTS
from hub import Cell
from recovery import seconds_to_recover

from gridhub.connectors.demo.check import Report, check, wait_drained
from gridhub.connectors.demo.closing import close_some, not_closed

DRAIN_S = 180.0
RECOVER_S = 150.0
CLOSED_PERCENT = 50  # a tenth did not see that a killed worker's last changes were missing (SABOTAGE=state-after)
Line = dict[str, Any]


def run(cell: Cell) -> Line:
    """Tell the story, wait, count; the line of this run."""
    truth = cell.folder / "truth.jsonl"
    with cell.running():
        began = time.monotonic()
        load_thread = threading.Thread(target=cell.publish, args=(truth,), name="load", daemon=True)
        load_thread.start()
        cell.fault.story(cell)
        cell.say("the fault is over")
        recovered_s = seconds_to_recover(cell.kafka, cell.town.settings.group, cell.stages, RECOVER_S)
        load_thread.join()
        if cell.failed is not None:
            raise cell.failed
        drained = _drained(cell)
        seconds = time.monotonic() - began
        cell.say("checking every event against the simulator's truth")
        report = check(cell.kafka, cell.codec, truth)
        wrongly_open = _close_some(cell) if drained else []
        line = _line(cell, report, seconds, recovered_s)
    if not drained:
        return line | {"hung": f"not worked off after {DRAIN_S:.0f} s"}
    return _told(cell, line, report, wrongly_open)


def _drained(cell: Cell) -> bool:
    names = [name for stage in cell.stages for name in stage]
    return wait_drained(cell.kafka, cell.town.settings.group, names, DRAIN_S)


def _close_some(cell: Cell) -> list[str]:
    """Work off many of the incidents: the state of tasks and incidents must have survived too."""
    incidents = close_some(cell.kafka, cell.codec, CLOSED_PERCENT)
    return not_closed(cell.kafka, cell.codec, incidents) if _drained(cell) else sorted(incidents)


def _line(cell: Cell, report: Report, seconds: float, recovered_s: float | None) -> Line:
    return {
        "fault": cell.name,
        "seed": cell.seed,
        "events": report.produced,
        "lost": report.lost,
        "doubled": report.doubled,
        "out_of_order": report.out_of_order,
        "seconds": round(seconds, 1),
        "wrong_reason": len(report.wrong_reason),
        "precision": round(report.wide.precision, 4),
        "recall": round(report.wide.recall, 4),
        "recovered_s": recovered_s,
        "hands": len(cell.hands),
        "planned_hands": cell.planned_hands,
        **({"sabotage": cell.sabotage} if cell.sabotage else {}),
    }


def _told(cell: Cell, line: Line, report: Report, wrongly_open: list[str]) -> Line:
    problems = report.problems()
    if wrongly_open:
        problems.append(f"{len(wrongly_open)} incidents are not in the state that ticketing brought them to.")
    for problem in problems:
        cell.say(f"WRONG: {problem}")
    return line | {"problems": len(problems)}


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run one cell; its line on stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fault", choices=FAULTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--span", type=float, default=40.0, help="seconds over which the events are published")
    parser.add_argument("--sabotage", help="a bug of inject/injected.py in every worker")
    parser.add_argument("--folder", type=Path, required=True, help="an empty folder for everything that is written")
    chosen = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _as_interrupt)
    shutil.rmtree(chosen.folder, ignore_errors=True)
    chosen.folder.mkdir(parents=True)
    folder = chosen.folder.absolute()
    make = partial(Cell, chosen.fault, chosen.seed, chosen.events, chosen.span, folder, chosen.sabotage)
    return _tell(make)


def _tell(make: Callable[[], Cell]) -> int:
    try:
        line = run(make())
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(json.dumps(line) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
