"""Copies of other workers' states: whoever takes a lane over that it has followed reads only the changelog's tail.

A thread reads the changelogs of the lanes that Faust's assignor made this worker the standby of, and applies them to
stores in this worker's own folder. It reads committed records only and writes nothing to Kafka, so an owner cannot notice
whether its copy is quick, slow, frozen or gone. Whatever goes wrong here costs the copy, never a lane of this worker.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faust.types import TP

from gridhub.streams.transport.changelog import Chunk, OffsetGoneError, Reader
from gridhub.streams.transport.errors import StateError
from gridhub.streams.transport.plan import Plan
from gridhub.streams.transport.space import Space

RETRY_S = 5.0
CHECK_S = 1.0
STOP_S = 15.0
FROZEN_S = 3600.0  # asleep for so long, the changelog's tombstones may be gone before we saw them
MARGIN = 2  # of the free disk that a lane needs: a copy gives way before a lane does


@dataclass(eq=False, slots=True)
class _Copy:
    """One followed lane: `warm` once it has been at the end of its changelog."""

    path: Path
    store: Any
    position: int
    warm: bool = False


class Standby:
    """The copies that one worker keeps. `follow` and `open` are for the event loop; neither waits for Kafka."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.log = plan, plan.log.bind(part="standby")
        self._wanted: dict[TP, Path] = {}
        self._copies: dict[TP, _Copy] = {}
        self._not_before: dict[TP, float] = {}
        self._lock = threading.Lock()  # over the three above; never held while Kafka is asked or a store opened
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._space = Space(plan.options.state_dir, MARGIN * plan.options.min_free_bytes, plan.options.max_state_bytes)

    def follow(self, lanes: Mapping[TP, Path], ours: Collection[TP] = ()) -> None:
        """From now on keep copies of the lanes with these changelogs in these folders, and of no others.

        A copy of what has become `ours` stays until the lane takes it by `open`.
        """
        with self._lock:
            self._wanted = {**lanes, **{tp: copy.path for tp, copy in self._copies.items() if tp in ours}}
            let_go = [self._copies.pop(tp) for tp in self._copies.keys() - self._wanted.keys()]
        for copy in let_go:
            copy.store.close()
        if lanes and self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._run, name="standby", daemon=True)
            self._thread.start()

    def open(self, path: Path) -> Any:
        """The store of this folder: the copy that was kept warm, which is followed no more, else opened anew."""
        with self._lock:
            tp = next((tp for tp, wanted in self._wanted.items() if wanted == path), None)
            copy = None
            if tp is not None:
                del self._wanted[tp]
                copy = self._copies.pop(tp, None)
        if copy is not None:
            return copy.store
        assert self.plan.open_store is not None
        return self.plan.open_store(path)

    def warm(self) -> int:
        """How many copies have been at the end of their changelogs."""
        with self._lock:
            return sum(copy.warm for copy in self._copies.values())

    def stop(self) -> None:
        """Let all copies go; their files stay."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_S)
        self.follow({})

    # -- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        again = True
        while again and not self._stop.is_set():
            reader = Reader(self.plan.options.bootstrap, "standby")
            try:
                again = self._turns(reader)
            except Exception as error:  # noqa: BLE001  # whatever it is: copies must not cost a lane
                self.log.warning("following stopped, it begins anew", error=repr(error))
                self._stop.wait(RETRY_S)
            finally:
                reader.close()

    def _turns(self, reader: Reader) -> bool:
        """Follow until told to stop; False when there is no more room for copies."""
        reading: dict[TP, _Copy] = {}
        checked_at, turn_at = float("-inf"), time.time()
        while not self._stop.is_set():
            if time.time() - turn_at > FROZEN_S:
                self._begin_anew()
            turn_at = time.time()
            if time.monotonic() - checked_at > CHECK_S:
                checked_at = time.monotonic()
                if not self._has_room():
                    return False
                self._begin(reader)
            self._adjust(reader, reading)
            self._read(reader, reading)
        return True

    def _has_room(self) -> bool:
        try:
            self._space.check()
        except StateError as error:
            self.log.error("copies of other workers' states are given up, and removed", why=str(error))
            with self._lock:
                paths = list(self._wanted.values())
            self.follow({})
            for path in paths:
                shutil.rmtree(path, ignore_errors=True)
            return False
        return True

    def _begin(self, reader: Reader) -> None:
        """Open the stores that are wanted and not there yet."""
        with self._lock:
            missing = {
                tp: path
                for tp, path in self._wanted.items()
                if tp not in self._copies and time.monotonic() >= self._not_before.get(tp, 0.0)
            }
        for tp, path in missing.items():
            if self._stop.is_set():
                return
            self._guarded(tp, lambda tp=tp, path=path: self._open_copy(reader, tp, path))  # type: ignore[misc]  # bound now

    def _open_copy(self, reader: Reader, tp: TP, path: Path) -> None:
        assert self.plan.open_store is not None
        store = self.plan.open_store(path)
        try:
            copy = _Copy(path, store, self._place(reader, store, tp))
        except BaseException:
            store.close()
            raise
        with self._lock:
            wanted = self._wanted.get(tp) == path
            if wanted:
                self._copies[tp] = copy
        if not wanted:  # the lane became ours, or somebody else's, meanwhile
            store.close()

    def _place(self, reader: Reader, store: Any, tp: TP) -> int:
        """Where to read on; a store that cannot be trusted begins anew, as in `restore`."""
        begin, end = reader.bounds(tp)
        position = store.position(tp)
        if position is None or not begin <= position <= end:
            store.reset(tp)
            return begin
        return int(position)

    def _adjust(self, reader: Reader, reading: dict[TP, _Copy]) -> None:
        """Let the reader read for the copies that there are."""
        with self._lock:
            copies = dict(self._copies)
        for tp in [tp for tp, copy in reading.items() if copies.get(tp) is not copy]:
            del reading[tp]
            reader.drop(tp)
        for tp in copies.keys() - reading.keys():
            reader.add(tp, copies[tp].position)
            reading[tp] = copies[tp]

    def _read(self, reader: Reader, reading: dict[TP, _Copy]) -> None:
        try:
            chunks = reader.read()
        except OffsetGoneError as error:
            self.log.warning("a copy's place in its changelog is gone, it begins anew", partition=error.tp.partition)
            self._forget(error.tp)
            return
        for tp, chunk in chunks.items():
            self._guarded(tp, lambda tp=tp, chunk=chunk: self._apply(tp, reading[tp], chunk))  # type: ignore[misc]  # bound now

    def _apply(self, tp: TP, copy: _Copy, chunk: Chunk) -> None:
        with self._lock:
            if self._copies.get(tp) is not copy:
                return  # it was taken over since this was fetched: its owner reads on by itself
            copy.store.apply(chunk.changes, chunk.position)
            copy.position = chunk.position
            if chunk.at_end and not copy.warm:
                copy.warm = True
                self.log.info("a lane is followed", topic=tp.topic, partition=tp.partition, position=copy.position)

    def _guarded(self, tp: TP, step: Callable[[], None]) -> None:
        """Do something for one copy; if it fails, that copy is let go and begun again later."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  # whatever it is: a copy must not cost a lane
            self.log.warning("a copy is let go for now", topic=tp.topic, partition=tp.partition, error=repr(error))
            self._forget(tp)

    def _forget(self, tp: TP) -> None:
        with self._lock:
            copy = self._copies.pop(tp, None)
            self._not_before[tp] = time.monotonic() + RETRY_S
        if copy is not None:
            copy.store.close()

    def _begin_anew(self) -> None:
        self.log.warning("this worker was frozen, its copies begin anew")
        with self._lock:
            for tp, copy in self._copies.items():
                copy.store.reset(tp)
            tps = list(self._copies)
        for tp in tps:
            self._forget(tp)
