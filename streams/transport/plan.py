"""How an app uses the transport: which topics share a lane, where its state is, and the limits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gridhub.streams.transport.space import Space

if TYPE_CHECKING:
    from gridhub.streams.transport.batch import Work


class Observer(Protocol):
    """Who counts. Every method is called from the event loop and must be quick."""

    def transaction(self, lane: str, partition: int, result: str, seconds: float, events: int) -> None:
        """A transaction ended: result is committed, retried, fenced or dropped."""
        ...

    def restored(self, lane: str, partition: int, keys: int, seconds: float) -> None:
        """A lane's state was brought up to its changelog's end."""
        ...

    def rebalanced(self, lanes: Sequence[tuple[str, int]]) -> None:
        """The worker owns these lanes now."""
        ...


class Silent:
    """The Observer that counts nothing."""

    def transaction(self, lane: str, partition: int, result: str, seconds: float, events: int) -> None:
        """Not counted."""

    def restored(self, lane: str, partition: int, keys: int, seconds: float) -> None:
        """Not counted."""

    def rebalanced(self, lanes: Sequence[tuple[str, int]]) -> None:
        """Not counted."""


@dataclass(frozen=True, slots=True)
class LaneGroup:
    """Topics with equal partition counts whose partition n is worked by one lane, in one transaction.

    `changelog` names the compacted topic of its state; None means that it keeps a memo beside its offsets and no more.
    With `tick_s` an open lane does the work `tick` so often on an empty batch, never while it does another; without
    effects there is no transaction. `commit_interval_ms` is the group's own, where that of all is not meant: a stage
    that reads what another one writes gets its events in that one's rhythm, and need not wait a second time.
    """

    name: str
    topics: tuple[str, ...]
    changelog: str | None = None
    tick_s: float = 0.0
    tick: Work | None = None
    commit_interval_ms: int | None = None

    def __post_init__(self) -> None:
        assert (self.tick is not None) == (self.tick_s > 0), "ticks need both `tick_s` and `tick`"
        assert self.tick is None or self.changelog is not None, "ticks without state would forget what they did"


@dataclass(frozen=True, slots=True)
class Options:
    """The transport's limits. Times in seconds unless the name says otherwise."""

    bootstrap: tuple[str, ...]
    state_dir: Path
    partition_counts: dict[str, int]  # of every topic written to by key
    transaction_timeout_s: float = 15.0
    session_timeout_s: float = 10.0
    heartbeat_s: float = 1.0
    fetch_wait_ms: int = 20  # while there is something to do
    idle_wait_ms: int = 500  # while there is nothing to do; the first record ends the wait all the same
    gather_ms: int = 8  # that the broker may keep a fetch while few events come, so that more come with it
    commit_interval_ms: int = 25  # between two departures of a group's small batches, which share a transaction
    batch_events: int = 2000  # most events in one transaction
    batch_bytes: int = 4 << 20  # of keys and values in one transaction; the record that reaches it is the last
    queue_bytes: int = 2 << 20  # that a lane may hold before its topics are no longer fetched
    fetch_bytes: int = 8 << 20  # of one answer of a broker, as compressed as it is written
    memory_bytes: int = 32 << 20  # that all lanes may hold together
    compression: str | None = None  # of what is written: gzip; snappy, lz4, zstd with the library `cramjam`
    min_free_bytes: int = 128 << 20  # free disk below which a lane with state stops the worker
    max_state_bytes: int = 0  # of all local state together, above which the same happens; 0: no limit
    standby: bool = False  # follow the changelogs of the lanes whose standby Faust's assignor made us


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the consumer needs to know; put on the app by `install`."""

    groups: tuple[LaneGroup, ...]
    options: Options
    observer: Observer
    log: Any
    open_store: Callable[[Path], Any] | None = None
    by_topic: dict[str, LaneGroup] = field(init=False)
    space: Space = field(init=False)

    def __post_init__(self) -> None:
        table = {topic: group for group in self.groups for topic in group.topics}
        object.__setattr__(self, "by_topic", table)
        limits = self.options
        object.__setattr__(self, "space", Space(limits.state_dir, limits.min_free_bytes, limits.max_state_bytes))

    def interval_s(self, group: LaneGroup) -> float:
        """From one departure of a group's small batches to the next, at least."""
        own = group.commit_interval_ms
        return (self.options.commit_interval_ms if own is None else own) / 1000


def install(app: Any, plan: Plan) -> None:
    """Tell this app's transport its plan; before the app starts.

    aiokafka describes each request in several debug lines, and Faust lets all loggers make lines that its handlers then
    drop (4 % of a worker's time): unless somebody gave aiokafka's logger a level, it gets one.
    """
    app.lane_plan = plan
    logger = logging.getLogger("aiokafka")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
