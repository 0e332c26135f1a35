"""Committed offsets, asked for with every error taken seriously, and when no transaction may change them any more.

From version 2 on, an OffsetFetch answer carries the group's error (coordinator loading, not the coordinator) beside an
empty list of partitions. aiokafka 0.14 does not look at it and takes "loading" for "nothing committed"; after a broker
restart a consumer would begin anew and double everything. Seen here, hence this module.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NoError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.structs import TopicPartition

from gridhub.streams.transport.errors import Unstable
from gridhub.streams.transport.requests import UNSTABLE, StableOffsetFetch

PATIENCE_S = 10.0
PAUSE_S = 0.1
UNSTABLE_PAUSE_S = 0.02  # of most transactions that is more than they have to go
_MOVED = (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError)


class Committed(NamedTuple):
    """A committed offset, and the text that stands beside it."""

    offset: int
    note: str


async def committed_offsets(coordinator: Any, tps: Iterable[TopicPartition]) -> dict[TopicPartition, Committed]:
    """What the group has committed of each partition that it has committed; KafkaError when it cannot be learned in time.

    Waits until no transaction holds offsets of these partitions: what is answered is not changed by anybody who is no
    member of the group any more.
    """
    wanted: dict[str, list[int]] = defaultdict(list)
    for tp in tps:
        wanted[tp.topic].append(tp.partition)
    until = time.monotonic() + PATIENCE_S
    while True:
        await coordinator.ensure_coordinator_known()
        try:
            return await _ask(coordinator, list(wanted.items()))
        except (*_MOVED, GroupLoadInProgressError, Unstable) as error:
            if isinstance(error, _MOVED):
                coordinator.coordinator_dead()
            if time.monotonic() > until:
                raise
            pause_s = UNSTABLE_PAUSE_S if isinstance(error, Unstable) else PAUSE_S
        await asyncio.sleep(pause_s)


async def _ask(coordinator: Any, wanted: list[tuple[str, list[int]]]) -> dict[TopicPartition, Committed]:
    answer = await coordinator._send_req(StableOffsetFetch(coordinator.group_id, wanted))  # noqa: SLF001  # the only way to this group's coordinator
    _raise_for(answer.error_code)
    found = {}
    for topic, partitions, _ in answer.topics:
        for partition, offset, _, note, code, _ in partitions:
            _raise_for(code)
            if offset >= 0:
                found[TopicPartition(topic, partition)] = Committed(offset, note or "")
    missing = sum(len(numbers) for _, numbers in wanted) - sum(len(partitions) for _, partitions, _ in answer.topics)
    if missing:
        raise KafkaError(f"the coordinator left out {missing} partitions of its answer")
    return found


def _raise_for(code: int) -> None:
    if code == UNSTABLE:
        raise Unstable
    error = for_code(code)
    if error is not NoError:
        raise error()
