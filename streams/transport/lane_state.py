"""What a lane remembers: a local store that follows its changelog, or a memo beside its offsets."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from faust.types import TP

from gridhub.streams.transport.batch import State
from gridhub.streams.transport.changelog import Progress
from gridhub.streams.transport.errors import StateError
from gridhub.streams.transport.memo import Memo
from gridhub.streams.transport.plan import LaneGroup, Plan
from gridhub.streams.transport.restore import restore

Changes = dict[bytes, bytes | None]


class LaneState:
    """The store is opened by the first restore and stays open until `close`; the memo is that of the last rewind."""

    def __init__(self, group: LaneGroup, partition: int, plan: Plan, log: Any) -> None:
        self._name, self._partition, self._plan, self._log = group.name, partition, plan, log
        self.changelog = TP(group.changelog, partition) if group.changelog else None
        self.store: Any = None
        self.left_to_restore = 0  # records of the changelog
        self._memo = Memo()

    @property
    def view(self) -> State:
        """What work may read."""
        return self.store if self.store is not None else self._memo

    def remember(self, notes: Iterable[str]) -> None:
        """Take the memo from what stands beside the committed offsets."""
        self._memo = Memo.newest(notes)

    async def restore(self) -> None:
        """Bring the store up to its changelog's end; nothing where there is no changelog."""
        if self.changelog is None:
            return
        started = time.monotonic()
        if self.store is None:
            assert self._plan.open_store is not None
            self.store = self._plan.open_store(self._plan.options.state_dir / f"{self._name}-{self._partition}")
        try:
            keys = await restore(self.store, self.changelog, self._plan.options, self._tell, self._plan.space)
        finally:
            self.left_to_restore = 0
        self._plan.observer.restored(self._name, self._partition, keys, time.monotonic() - started)

    def _tell(self, progress: Progress) -> None:
        """From the restoring thread, every few seconds: how far it is."""
        self.left_to_restore = progress.left
        if progress.left:
            self._log.info("restoring", **progress.fields())

    def after(self, changes: Changes) -> Memo:
        """The memo with these changes; as it is where the state has a changelog. ValueError when it gets too long."""
        return self._memo if self.changelog is not None else self._memo.after(changes)

    def take(self, changes: Changes, memo: Memo, last: int | None) -> None:
        """These changes are committed; `last` is the offset of the last one in the changelog. StateError when the disk fails."""
        self._memo = memo
        if last is None:
            return
        try:
            self.store.apply(changes, last + 1)
        except Exception as error:
            raise StateError(f"State of lane {self._name}-{self._partition} cannot be written: {error}") from error

    def close(self) -> None:
        """Close the local store; its files stay for the next owner on this machine."""
        if self.store is not None:
            self.store.close()
            self.store = None
