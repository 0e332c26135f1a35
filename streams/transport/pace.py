"""When a worker's lanes begin transactions: at once while little comes, evenly spread when there would be too many.

And when large ones are under way, the next waits until one of them ends: more at a time would only wait for the same
processor, hold memory meanwhile, and be smaller than they would become by waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 1.0  # then the next one begins all the same: those under way may be waiting for something else than us


class Pace:
    """At most `per_s` turns a second on average, first come first served; `burst` of them at once after a rest.

    A transaction costs the same for one event as for hundreds. Where events trickle into many lanes, waiting a turn
    lets a lane's events gather, and bounds what the worker spends on transactions. With less to do nobody waits, and
    with more the transactions are so large that there are never so many. `room_bytes` is what may be under way when
    another one begins.
    """

    def __init__(self, per_s: float, burst: int = 4, room_bytes: int = 8 << 20) -> None:
        self._room_bytes, self._under_way = room_bytes, 0
        self._waiters: list[asyncio.Future[None]] = []
        self._apart_s = 1.0 / per_s
        self._slack_s = burst * self._apart_s
        self._next_at = 0.0

    async def turn(self) -> None:
        """Wait for our turn."""
        now = asyncio.get_running_loop().time()
        self._next_at = max(self._next_at, now - self._slack_s) + self._apart_s
        if self._next_at > now:
            await asyncio.sleep(self._next_at - now)
        await self._room()

    @contextmanager
    def working(self, size: int) -> Iterator[None]:
        """So many bytes are under way, until the block ends."""
        self._under_way += size
        try:
            yield
        finally:
            self._under_way -= size
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:  # each looks again, in the order in which they came
                if not waiter.done():
                    waiter.set_result(None)

    async def _room(self) -> None:
        """Wait until less is under way, or for PATIENCE_S."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_S
        while self._under_way >= self._room_bytes and (left_s := until - loop.time()) > 0:
            self._waiters.append(waiter := loop.create_future())
            await asyncio.wait([waiter], timeout=left_s)
