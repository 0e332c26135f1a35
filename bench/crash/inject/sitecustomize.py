"""Python runs this file before a program when its folder is on PYTHONPATH: a worker of a cell with GRIDHUB_CRASH_INJECT.

Nothing of the product knows of it: the faults that are put into a worker's code are put there from outside.
"""

from __future__ import annotations

import os
import sys

if (names := os.environ.get("GRIDHUB_CRASH_INJECT")) and "worker" in sys.orig_argv:
    import injected

    for name in names.split(","):
        injected.INJECTED[name]()
