"""Ticks: a lane is asked now and then what there is to do without any record, such as what falls due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gridhub.streams.transport.batch import Batch, Effects, State, Work


class Ticker:
    """Says when the next tick is due: `every_s` after the last one was begun, never while the lane is closed; 0: no ticks."""

    def __init__(self, every_s: float, work: Work | None, wake: Callable[[], None]) -> None:
        self._every_s, self._wake = every_s, wake
        self.work: Work = work or _nothing
        self._timer: asyncio.TimerHandle | None = None
        self.due = False

    def ring(self) -> None:
        """The next tick is due now: the lane has opened, or knows that there is more to do."""
        if self._every_s:
            self.due = True
            self._wake()

    def wind(self) -> None:
        """A tick begins; the next one is due after its time."""
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self.ring)

    def stop(self) -> None:
        """No more ticks until `ring` or `wind`."""
        self.due = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nothing(_batch: Batch, _state: State) -> Effects:
    return Effects()
