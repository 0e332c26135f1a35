"""When a lane may begin a large transaction: not while so much is under way that it would only wait, and hold memory.

More at a time would wait for the same processor and be smaller than they become by waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 1.0  # then the next one begins all the same: those under way may be waiting for something else than us


class Pace:
    """`room_bytes` is what may be under way when another large transaction begins; first come first served."""

    def __init__(self, room_bytes: int) -> None:
        self._room_bytes, self._under_way = room_bytes, 0
        self._waiters: list[asyncio.Future[None]] = []

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

    async def room(self) -> None:
        """Wait until less is under way, or for PATIENCE_S."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_S
        while self._under_way >= self._room_bytes and (left_s := until - loop.time()) > 0:
            self._waiters.append(waiter := loop.create_future())
            await asyncio.wait([waiter], timeout=left_s)
