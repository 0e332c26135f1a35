"""Processes and mounts of a cell's own: the kernel ends and removes them with the cell's first process."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from functools import cache

_DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"]
_ALONE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


@cache
def alone() -> tuple[str, ...]:
    """What to put before a command so that it runs in namespaces of its own; empty where the system forbids it."""
    for rights in ([], ["--map-root-user"]):
        prefix = [*_DIES_WITH_US, *_ALONE, *rights]
        with suppress(OSError):
            if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
                return tuple(prefix)
    return ()
