"""The crash matrix: break a running hub in every way of `faults.py`, and count what is lost, doubled or out of order.

    python bench/crash/matrix.py                     every fault, seeds 1 to 3
    python bench/crash/matrix.py kill pause --seeds 5 --events 5000
    python bench/crash/matrix.py cut-link --seed 2 --keep
    python bench/crash/matrix.py join-leave --seed 1 --span 600 --events 45000
    python bench/crash/matrix.py kill pause --seed 1 --sabotage offsets-first

One JSON object per run on stdout, messages on stderr. Exit code 0: every run was good; 1: one was not, or hung; 2: wrong
use. Runs follow each other. Each is a process with processes and mounts of its own where the system allows that (Linux
namespaces), so that nothing outlives it, not even after kill -9.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from alone import alone
from faults import FAULTS

CELL = Path(__file__).with_name("cell.py")
MUST_BE_ZERO = ("lost", "doubled", "out_of_order", "wrong_reason", "hands", "problems")
LIMIT_S = 480.0
Line = dict[str, Any]


def main() -> int:
    """Run the chosen cells one after the other."""
    chosen = _arguments()
    _on_interrupt(_as_interrupt)  # also where a shell started us with SIGINT ignored
    good = True
    try:
        for name in chosen.faults:
            for seed in chosen.seeds:
                line = _cell(name, seed, chosen)
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()
                good = good and is_good(line)
    except KeyboardInterrupt:
        _say("Stopped.")
        return 130
    return 0 if good else 1


def is_good(line: Line) -> bool:
    """Whether nothing went wrong in a run, and it came to its end."""
    return "hung" not in line and "error" not in line and not any(line.get(key) for key in MUST_BE_ZERO)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="fault", help=f"of {', '.join(FAULTS)}; none or all: every one")
    parser.add_argument("--seeds", type=int, default=3, help="run each fault with the seeds 1 to this")
    parser.add_argument("--seed", type=int, help="run each fault with this seed only")
    parser.add_argument("--events", type=int, default=3000, help="events of the simulated city in each run")
    parser.add_argument("--span", type=float, default=40.0, help="seconds over which the events are published")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds beyond the span after which a run hangs")
    parser.add_argument(
        "--sabotage", help="put this bug into every worker: a run that ends well is a hole in the check"
    )
    parser.add_argument("--keep", action="store_true", help="keep the logs also of good runs")
    chosen = parser.parse_args()
    everything = not chosen.faults or chosen.faults == ["all"]
    chosen.faults = [name for name in FAULTS if _possible(name)] if everything else chosen.faults
    if unknown := set(chosen.faults) - FAULTS.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    if absent := [f"{name}: {why}" for name in chosen.faults if (why := FAULTS[name].missing())]:
        parser.error("; ".join(absent))
    if min(chosen.events, chosen.seeds, chosen.span, chosen.limit) <= 0:
        parser.error("--events, --seeds, --span and --limit are above 0")
    chosen.seeds = range(1, chosen.seeds + 1) if chosen.seed is None else [chosen.seed]
    return chosen


def _possible(name: str) -> bool:
    why = FAULTS[name].missing()
    if why:
        _say(f"{name} is left out: {why}")
    return why is None


def _cell(name: str, seed: int, chosen: argparse.Namespace) -> Line:
    folder = Path(tempfile.mkdtemp(prefix=f"gridhub-crash-{name}-{seed}-"))
    command = [sys.executable, str(CELL), name, "--seed", str(seed), "--folder", str(folder / "run")]
    command += ["--events", str(chosen.events), "--span", str(chosen.span)]
    command += ["--sabotage", chosen.sabotage] if chosen.sabotage else []
    cell = subprocess.Popen([*alone(), *command], stdout=subprocess.PIPE, start_new_session=True)
    line: Line = {}
    try:
        line = _answer(cell, {"fault": name, "seed": seed, "events": chosen.events}, chosen.limit + chosen.span)
        return line
    finally:
        _on_interrupt(signal.SIG_IGN)  # a second Ctrl-C must not leave anything behind
        _end(cell)
        if chosen.keep or (line and not is_good(line)):
            _say(f"The logs are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        _on_interrupt(_as_interrupt)


def _answer(cell: subprocess.Popen[bytes], begin: Line, limit_s: float) -> Line:
    unknown = dict.fromkeys(("lost", "doubled", "out_of_order", "seconds"))
    try:
        said, _ = cell.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        return begin | unknown | {"hung": f"no end after {limit_s:.0f} s"}
    if cell.returncode == 0 and said:
        line: Line = json.loads(said.splitlines()[-1])
        return line
    return begin | unknown | {"error": f"the run itself ended with {cell.returncode}; see stderr"}


def _end(cell: subprocess.Popen[bytes]) -> None:
    """End a cell and all that it started; with namespaces the kernel has done so once the first process is gone."""
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(cell.pid).children(recursive=True)
        cell.kill()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=20)
    cell.wait()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _on_interrupt(action: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, action)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
