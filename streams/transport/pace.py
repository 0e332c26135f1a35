"""How often a worker's lanes begin transactions: at once while few come, evenly spread when there would be too many."""

from __future__ import annotations

import asyncio


class Pace:
    """At most `per_s` turns a second on average, first come first served; `burst` of them at once after a rest.

    A transaction costs the same for one event as for hundreds. Where events trickle into many lanes, waiting a turn
    lets a lane's events gather, and bounds what the worker spends on transactions. With less to do nobody waits, and
    with more the transactions are so large that there are never so many.
    """

    def __init__(self, per_s: float, burst: int = 4) -> None:
        self._apart_s = 1.0 / per_s
        self._slack_s = burst * self._apart_s
        self._next_at = 0.0

    async def turn(self) -> None:
        """Wait for our turn."""
        now = asyncio.get_running_loop().time()
        self._next_at = max(self._next_at, now - self._slack_s) + self._apart_s
        if self._next_at > now:
            await asyncio.sleep(self._next_at - now)
