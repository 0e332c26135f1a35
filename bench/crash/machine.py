"""The faults of a worker's machine: its disk fills up, its clock jumps. Each is confined to the cell's own mounts and processes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alone import alone

if TYPE_CHECKING:
    from hub import Cell

STATE_DISK_MB = 200
STATE_LIMIT_MB = 128  # below this the transport stops a worker
STOP_LIMIT_S = 60.0
HASTY = 0.6  # how often a worker is started again before its disk has space
FAKETIME = "faketime/libfaketimeMT.so.1"
_STEP_BYTES = 1 << 20


def small_disk(cell: Cell) -> None:
    """The first worker's state gets a disk of its own; it vanishes with the cell's own mounts."""
    folder = cell.folder / "worker-1" / "state"
    folder.mkdir(parents=True)
    size = f"size={STATE_DISK_MB}m,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "gridhub-crash", str(folder)], check=True)


def disk_full(cell: Cell) -> None:
    """A worker's disk fills up: it stops and says so, also when started too early. Space is freed, it starts again."""
    cell.at(cell.draw.uniform(0.2, 0.5))
    part = next(part for part in cell.town.workers if part.name == "worker-1")
    cell.expect(part)
    cell.planned_hands += 1
    ballast = cell.state_of(part) / "ballast"
    left_mb = cell.draw.choice((0, STATE_LIMIT_MB - 20))
    _fill(ballast, left_mb)
    cell.say(f"the disk of {part.name} has {left_mb} MB left")
    _await_end(cell, part)
    cell.rest(0, 8)
    if cell.draw.random() < HASTY:
        cell.revive(part)
        cell.expect(part)
        _await_end(cell, part)
    ballast.unlink()
    cell.revive(part)


def _fill(ballast: Path, left_mb: int) -> None:
    """Fill the disk up to `left_mb`; the worker may write meanwhile, so it is asked again what is free before each step."""
    with ballast.open("wb") as file, _until_full():
        while (free := shutil.disk_usage(ballast.parent).free - (left_mb << 20)) > 0:
            size = file.seek(0, os.SEEK_END)
            os.posix_fallocate(file.fileno(), size, min(free, _STEP_BYTES))


@contextmanager
def _until_full() -> Iterator[None]:
    """A disk that has no space left is what was wanted."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def _await_end(cell: Cell, part: Any) -> None:
    """The worker must end by itself, with its sentence."""
    deadline = time.monotonic() + STOP_LIMIT_S
    while part.running and time.monotonic() < deadline:
        time.sleep(0.2)
    words = part.last_words(40)
    if part.running:
        cell.wrong(f"{part.name} did not stop on a full disk")
        part.kill()
    elif part.exit_code != 1 or "worker stopped" not in words or "tate" not in words:
        cell.wrong(f"{part.name} stopped on a full disk with {part.exit_code} and without its sentence: {words}")


def own_clock(cell: Cell, number: int | None) -> dict[str, str]:
    """The first worker's clock is told by a file."""
    if number != 0:
        return {}
    library = _faketime()
    assert library is not None
    _set_clock(cell, 0)
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(cell.folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def clock_jump(cell: Cell) -> None:
    """One worker's wall clock is set forward by hours, back to just behind the others', and right again."""
    for share, seconds in ((0.15, cell.draw.uniform(600, 50_000)), (0.45, -cell.draw.uniform(20, 240)), (0.7, 0)):
        cell.at(share)
        _set_clock(cell, seconds)
        cell.say(f"the clock of worker-1 is off by {seconds:.0f} s")


def _set_clock(cell: Cell, seconds: float) -> None:
    draft = cell.folder / "clock.new"
    draft.write_text(f"{seconds:+.0f}\n")
    draft.replace(cell.folder / "clock")


def _faketime() -> Path | None:
    return next((path for path in Path("/usr/lib").glob(f"*/{FAKETIME}")), None)


def no_faketime() -> str | None:
    """Why a clock cannot be faked here."""
    return None if _faketime() else "it needs libfaketime; on Debian: apt-get install libfaketime"


def no_mounts() -> str | None:
    """Why a small disk cannot be mounted here."""
    return None if alone() else "it needs a mount of its own (unshare and setpriv, as root or in a user namespace)"
