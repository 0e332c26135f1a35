"""A convoy: the small batches of a group's lanes, committed together.

A transaction costs the same for one lane as for a dozen: five questions and answers, and nearly all of what an event costs
while few come. So a lane whose batch is small waits for the next departure, and the lowest-numbered of the lanes that ride
commits for all of them with its own producer. All of it happens or nothing does; after trouble each of them opens anew.

Who may ride with whom changes from one departure to the next. That is safe because each rider's offsets are in the
transaction, with the member and generation under which the rider was given its lane: the coordinator refuses those of a
worker that the group has gone on without, and a lane's next owner waits until no transaction holds offsets of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from gridhub.streams.transport.errors import FencedMember
from gridhub.streams.transport.producer import Load

LOADING_S = 0.1  # then who is not ready takes the next one


class Rider(NamedTuple):
    """A lane's load, and the future of its last changelog offset."""

    lane: Any
    load: Load
    arrived: asyncio.Future[int | None]


Depart = Callable[[Sequence[Rider]], Awaitable[Sequence[int | None]]]


class Convoy:
    """Departs at once after a rest, then at most every `interval_s`; one at a time. To be used in one event loop."""

    def __init__(self, interval_s: float, depart: Depart) -> None:
        self._interval_s, self._depart = interval_s, depart
        self._next_at = 0.0
        self._gate: list[asyncio.Future[None]] = []  # lanes that wait until loading begins
        self._loading: set[asyncio.Future[None]] = set()  # those that the departure waits for
        self._loaded = asyncio.Event()
        self._riders: list[Rider] = []
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def seat(self) -> AsyncIterator[Seat]:
        """Wait until the next departure is loading; inside, `ride` or leave soon."""
        gate = asyncio.get_running_loop().create_future()
        self._gate.append(gate)
        self._go()
        try:
            await gate
            yield Seat(self, gate)
        finally:
            self.seated(gate)

    def seated(self, gate: asyncio.Future[None]) -> None:
        """The departure need not wait for this one; again is nothing."""
        self._loading.discard(gate)
        self._loaded.set()

    def board(self, rider: Rider) -> None:
        """Take this load along; one that comes late goes with the next departure."""
        self._riders.append(rider)
        self._go()

    def end(self) -> None:
        """Give up what is under way: the lanes are let go."""
        if self._task is not None:
            self._task.cancel()

    def _go(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drive(), name="convoy")

    async def _drive(self) -> None:
        loop = asyncio.get_running_loop()
        while self._gate or self._riders:
            await asyncio.sleep(self._next_at - loop.time())
            self._next_at = loop.time() + self._interval_s
            await self._load()
            riders, self._riders = [rider for rider in self._riders if not rider.arrived.done()], []
            if riders:
                await self._travel(riders)

    async def _load(self) -> None:
        gates, self._gate = [gate for gate in self._gate if not gate.done()], []
        self._loading = set(gates)
        for gate in gates:
            gate.set_result(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOADING_S):
                while self._loading:
                    self._loaded.clear()
                    await self._loaded.wait()

    async def _travel(self, riders: Sequence[Rider]) -> None:
        """Tell each rider how it went; what went wrong is for each lane to judge, in its own task."""
        try:
            ends = await self._depart(riders)
        except BaseException as error:
            trouble = error if isinstance(error, Exception) else ConnectionAbortedError("the departure was given up")
            for rider in riders:
                if not rider.arrived.done():
                    rider.arrived.set_exception(trouble)
            if trouble is not error:
                raise
            return
        for rider, end in zip(riders, ends, strict=True):
            if not rider.arrived.done():
                rider.arrived.set_result(end)


class Seat:
    """A place in a departure that is loading; for one load."""

    def __init__(self, convoy: Convoy, gate: asyncio.Future[None]) -> None:
        self._convoy, self._gate = convoy, gate

    async def ride(self, lane: Any, load: Load) -> int | None:
        """Commit this with the others'; gives the last changelog offset written for it. Raises what its producer raised."""
        rider = Rider(lane, load, asyncio.get_running_loop().create_future())
        self._convoy.board(rider)
        self.leave()
        return await rider.arrived

    def leave(self) -> None:
        """The departure need not wait for us."""
        self._convoy.seated(self._gate)


async def carry(riders: Sequence[Rider]) -> Sequence[int | None]:
    """Depart: the lowest-numbered of the lanes commits for all, as the member of the group that each of them belongs to."""
    lanes = [rider.lane for rider in riders]
    if len({lane.member for lane in lanes}) > 1:
        raise FencedMember("the lanes belong to different generations of the group")
    carrier = min(lanes, key=lambda lane: lane.partition)
    return await carrier.carry([rider.load for rider in riders])  # type: ignore[no-any-return]  # a Rider's lane is any
