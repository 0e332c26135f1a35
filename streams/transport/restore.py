"""Bring a lane's local state up to the end of its changelog, in a thread beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

from faust.types import TP

from gridhub.streams.transport.changelog import OffsetGoneError, Progress, Reader
from gridhub.streams.transport.plan import Options
from gridhub.streams.transport.space import Space

PATIENCE_S = 30.0  # without progress
AT_A_TIME = 4  # lanes that restore; more would only share the same processor and take more memory
Told = Callable[[Progress], None]
"""Called from the restoring thread every few seconds, and at the end."""


class _GivenUpError(Exception):
    """The lane is let go: nobody waits for this restore."""


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="restore")


async def restore(
    store: Any, changelog: TP, options: Options, told: Told | None = None, space: Space | None = None
) -> int:
    """Apply what the changelog holds beyond the store's position; gives the number of records applied.

    A store that is ahead of its changelog (the broker lost data), belongs to another changelog, or is too old for
    the changelog's tombstones is emptied and rebuilt, never trusted. Cancelled, it returns only when its thread has
    let go of the store. StateError when there is no more room in `space`.
    """
    stop = threading.Event()
    loop = asyncio.get_running_loop()
    watch = _Watch(told or _silent, space, stop)
    work = loop.run_in_executor(_threads(), _restore, store, changelog, options, watch)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        with contextlib.suppress(Exception):  # it is given up: whatever ended it changes nothing
            work.result()
        raise


class _Watch(NamedTuple):
    """Who is told of a restore, and what may end it."""

    told: Told
    space: Space | None
    stop: threading.Event

    def check(self) -> None:
        """_GivenUpError when the lane was let go, StateError when the disk is full."""
        if self.stop.is_set():
            raise _GivenUpError
        if self.space is not None:
            self.space.check()


def _restore(store: Any, changelog: TP, options: Options, watch: _Watch) -> int:
    reader = Reader(options.bootstrap, f"restore-{changelog.topic}-{changelog.partition}")
    try:
        begin, end = reader.bounds(changelog)
        position = store.position(changelog)
        if position is None or not begin <= position <= end:
            store.reset(changelog)
            position = begin
        progress = Progress(position, end)
        _apply(reader, changelog, store, progress, watch)
    except OffsetGoneError:
        store.reset(changelog)  # it was deleted while we began: the next try reads what there is
        raise TimeoutError(f"the begin of changelog {changelog.topic}-{changelog.partition} moved away") from None
    finally:
        reader.close()
    return progress.records


def _apply(reader: Reader, tp: TP, store: Any, progress: Progress, watch: _Watch) -> None:
    reader.add(tp, progress.position)
    progress_at, at_end = time.monotonic(), False
    while not at_end or progress.position < progress.end:  # a new leader may for a moment show less than there is
        watch.check()
        chunk = reader.read().get(tp)
        if chunk is not None:
            store.apply(chunk.changes, chunk.position)
            at_end, progress_at = chunk.at_end, time.monotonic()
            if progress.add(chunk.records, chunk.position):
                watch.told(progress)
        elif time.monotonic() - progress_at > PATIENCE_S:
            raise TimeoutError(f"changelog {tp.topic}-{tp.partition} stands at {progress.position} of {progress.end}")
    watch.told(progress)
    if progress.records:
        store.flush(wait=False)


def _silent(_progress: Progress) -> None:
    """Nobody is told."""
