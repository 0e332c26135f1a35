"""How long a killed worker's lanes stand still: kill -9 of one of two workers that hold a million keys of state.

    python bench/crash/takeover.py                     without and with a warm copy
    python bench/crash/takeover.py --standby 1 --keys 200000 --session 6

A real Kafka and two real workers; the changelog of the state is filled before they start. One JSON object per run on
stdout: `takeover_s` is from the kill to the last lane of the survivor open again (all lanes are given out anew), `restored_keys`
what its log says it read back meanwhile, `survivor_peak_mb` the most memory it had, `limit_s` what is asked for: 15 s without a copy, session + 2 s with one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from faults import FAULTS, Fault
from filling import fill
from hub import Cell

RESTART_S = 240.0
WITHOUT_COPY_S = 15.0
WITH_COPY_S = 2.0
OPENED, FOLLOWED = "lane opened", "a lane is followed"


def main() -> int:
    """Run the chosen cases; 1 when one of them took longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--standby", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--session", type=float, default=10.0, help="GRIDHUB_SESSION_TIMEOUT_S")
    parser.add_argument("--keep", action="store_true", help="keep the logs")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends us ends the hub too
    good = True
    for standby in chosen.standby:
        folder = Path(tempfile.mkdtemp(prefix="gridhub-takeover-"))
        line = run(folder, standby, chosen.keys, chosen.session)
        good = good and line["takeover_s"] <= line["limit_s"]
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        if chosen.keep:
            sys.stderr.write(f"The logs are in {folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if good else 1


def run(folder: Path, standby: int, keys: int, session_s: float) -> dict[str, Any]:
    """One hub, one kill."""
    special = {
        "GRIDHUB_STANDBY": str(standby), "GRIDHUB_SESSION_TIMEOUT_S": str(session_s), "GRIDHUB_BATCH_EVENTS": "2000",
    }  # fmt: skip
    FAULTS["takeover"] = Fault(
        lambda _cell: None, prepare=partial(fill, keys=keys), environment=lambda _cell, _number: special
    )
    cell = Cell("takeover", 1, 0, 1.0, folder)
    with cell.running():
        one, other = cell.town.workers
        if standby:
            await_count(cell, [one, other], FOLLOWED, cell.town.settings.partitions)
        before = said(other)
        begun = time.monotonic()
        cell.kill(one)
        await_count(cell, [other], OPENED, before.count(OPENED) + 2 * cell.town.settings.partitions)
        seconds = time.monotonic() - begun
        after, peak_mb = said(other)[len(before) :], most_memory_mb(other)
    return {
        "case": "takeover", "standby": standby, "keys": keys, "session_s": session_s, "takeover_s": round(seconds, 2),
        "restored_keys": restored(after), "survivor_peak_mb": peak_mb, "limit_s": session_s + WITH_COPY_S if standby else WITHOUT_COPY_S,
    }  # fmt: skip


def most_memory_mb(part: Any) -> int:
    """The most memory that a process had, as the kernel keeps account of it."""
    (line,) = [line for line in Path(f"/proc/{part.pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) >> 10


def said(part: Any) -> str:
    """A worker's whole log."""
    return str(part.last_words(1_000_000))


def await_count(cell: Cell, parts: list[Any], words: str, count: int) -> None:
    """Wait until these words were said so often by them together; TimeoutError after RESTART_S."""
    deadline = time.monotonic() + RESTART_S
    while sum(said(part).count(words) for part in parts) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{words!r} was not said {count} times within {RESTART_S:.0f} s: {said(parts[0])[-2000:]}"
            )
        time.sleep(0.05)
    cell.say(f"{count} times: {words}")


def restored(log: str) -> int:
    """The keys of all restores that a log tells of."""
    return sum(json.loads(line)["keys"] for line in log.splitlines() if '"state restored"' in line)


if __name__ == "__main__":
    sys.exit(main())
