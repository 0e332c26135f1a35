"""What can be put into a worker's code: bugs in the rooms, and each way of breaking exactly-once that the matrix must see.

A sabotage is as small as the mistake it stands for. `make crash SABOTAGE=name` runs the matrix with it: a run that ends well
is a hole in the check.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from gridhub.streams import road
from gridhub.streams.transport import Output, Outputs, thread
from gridhub.streams.transport.lane import Lane
from gridhub.streams.transport.lane_state import LaneState
from gridhub.streams.transport.producer import LaneProducer, Load
from gridhub.streams.transport.requests import ANYBODY

POISON_MARK = b"POISON-"
GAP_S = 0.1  # between two transactions that should be one: mistakes have such a gap, only shorter


def poison() -> None:
    """The inbound road raises on messages whose id bears the mark."""
    inbound = road.inbound

    def raising(batch: Any, *more: Any) -> Any:
        if any(POISON_MARK in (value or b"") for value in batch.column("value").to_pylist()):
            raise ZeroDivisionError("a bug of our own, put there by the crash matrix")
        return inbound(batch, *more)

    road.inbound = raising


def reads_uncommitted() -> None:
    """Lanes read what was never committed."""
    make = AIOKafkaConsumer.__init__

    def anything(self: Any, *args: Any, **options: Any) -> None:
        make(self, *args, **(options | {"isolation_level": "read_uncommitted"}))

    thread.aiokafka.AIOKafkaConsumer.__init__ = anything


def offsets_first() -> None:
    """The batch's offsets are committed in a transaction before its effects: who dies in between has lost them."""
    commit = LaneProducer.commit

    async def twice(self: Any, loads: Sequence[Load], member: Any) -> Any:
        await commit(self, [Load([], load.offsets, note=load.note) for load in loads], member)
        await asyncio.sleep(GAP_S)
        return await commit(self, loads, member)

    LaneProducer.commit = twice  # type: ignore[method-assign]


def offsets_after() -> None:
    """The batch's offsets are committed in a transaction after its effects: who dies in between does them again."""

    async def twice(self: Any, loads: Sequence[Load], member: Any) -> Any:
        last = await commit(self, [replace(load, offsets={}) for load in loads], member)
        await asyncio.sleep(GAP_S)
        await commit(self, [Load([], load.offsets, note=load.note) for load in loads], member)
        return last

    commit = LaneProducer.commit
    LaneProducer.commit = twice  # type: ignore[method-assign]
    _allow_no_offsets()


def _allow_no_offsets() -> None:
    send = AIOKafkaProducer.send_offsets_to_transaction

    async def some(self: Any, marks: dict[TopicPartition, OffsetAndMetadata], group: str) -> None:
        if marks:
            await send(self, marks, group)

    AIOKafkaProducer.send_offsets_to_transaction = some


def state_first() -> None:
    """The changelog is written in a transaction of its own before the outputs: a death in between leaves a memory of what never was."""

    async def twice(self: Any, loads: Sequence[Load], member: Any) -> Any:
        last = await commit(self, [replace(load, outputs=[], offsets={}) for load in loads], member)
        await asyncio.sleep(GAP_S)
        await commit(self, [replace(load, changelog=None, changes={}) for load in loads], member)
        return last

    commit = LaneProducer.commit
    LaneProducer.commit = twice  # type: ignore[method-assign]
    _allow_no_offsets()


def state_after() -> None:
    """The changelog is written after the outputs: a death in between forgets what was done."""

    async def twice(self: Any, loads: Sequence[Load], member: Any) -> Any:
        await commit(self, [replace(load, changelog=None, changes={}) for load in loads], member)
        await asyncio.sleep(GAP_S)
        return await commit(self, [replace(load, outputs=[], offsets={}) for load in loads], member)

    commit = LaneProducer.commit
    LaneProducer.commit = twice  # type: ignore[method-assign]
    _allow_no_offsets()


def nobody_is_fenced() -> None:
    """Each owner has a transactional id of its own, and is nobody's member: a zombie may go on writing."""
    make, commit = LaneProducer.__init__, LaneProducer.commit

    def own(self: Any, transactional_id: str, *more: Any) -> None:
        make(self, f"{transactional_id}-{random.getrandbits(64):x}", *more)

    async def of_anybody(self: Any, loads: Sequence[Load], _member: Any) -> Any:
        return await commit(self, loads, ANYBODY)

    LaneProducer.__init__ = own  # type: ignore[method-assign]
    LaneProducer.commit = of_anybody  # type: ignore[method-assign]


def store_before_commit() -> None:
    """The local store takes the changes before the transaction is committed, and is believed afterwards."""

    async def transact(self: Any, batch: Any, effects: Any, seat: Any) -> None:
        kept = self.state
        if kept.store is not None and effects.changes:
            kept.store.apply(effects.changes, kept.store.position(kept.changelog) or 0)
            await asyncio.sleep(GAP_S)
        await right(self, batch, effects, seat)

    right = Lane._transact  # noqa: SLF001  # it is this that is broken
    Lane._transact = transact  # type: ignore[method-assign]  # noqa: SLF001


def skips_restore() -> None:
    """A lane's state is believed as it lies there, however old."""

    async def nothing(self: Any) -> None:
        if self.changelog is not None and self.store is None:
            folder = self._plan.options.state_dir / f"{self._name}-{self._partition}"  # as restore does
            self.store = self._plan.open_store(folder)  # as above
            if self.store.position(self.changelog) is None:
                self.store.reset(self.changelog)

    LaneState.restore = nothing  # type: ignore[method-assign]


def turns_batches_round() -> None:
    """What a batch sends goes out last first."""

    async def turned(self: Any, loads: Sequence[Load], member: Any) -> Any:
        outputs = [[_turned(output) for output in reversed(load.outputs)] for load in loads]
        pairs = zip(loads, outputs, strict=True)
        return await commit(self, [replace(load, outputs=out) for load, out in pairs], member)

    commit = LaneProducer.commit
    LaneProducer.commit = turned  # type: ignore[method-assign]


def _turned(output: Output | Outputs) -> Output | Outputs:
    """One output as it is; columns of outputs with their rows turned round."""
    if isinstance(output, Output):
        return output
    spread = output.partition if isinstance(output.partition, int) else list(reversed(output.partition))
    headers = None if output.headers is None else list(reversed(output.headers))
    rows = {"keys": list(reversed(output.keys)), "values": list(reversed(output.values))}
    return replace(output, **rows, partition=spread, headers=headers)


INJECTED: dict[str, Callable[[], None]] = {
    "poison": poison,
    "reads-uncommitted": reads_uncommitted,
    "offsets-first": offsets_first,
    "offsets-after": offsets_after,
    "state-first": state_first,
    "state-after": state_after,
    "nobody-is-fenced": nobody_is_fenced,
    "store-before-commit": store_before_commit,
    "skips-restore": skips_restore,
    "turns-batches-round": turns_batches_round,
}
