"""Trying again: how long a lane waits between two tries, and work that says "later"."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from gridhub.streams.transport.batch import Batch, Effects, State, Work
from gridhub.streams.transport.errors import Later

BACKOFF_S = (0.1, 0.3, 1.0, 2.0, 5.0)


def backoff_s(attempt: int) -> float:
    """The pause after this try, counted from 0."""
    return BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]


async def patiently(work: Work, batch: Batch, state: State, log: Any) -> Effects:
    """Run an agent's work; as long as it says "later", wait and run it again."""
    for attempt in count():
        try:
            return work(batch, state)
        except Later as error:
            pause_s = backoff_s(attempt)
            log.warning("work must wait", error=str(error), next_try_s=pause_s)
            await asyncio.sleep(pause_s)
    raise AssertionError("unreachable")
