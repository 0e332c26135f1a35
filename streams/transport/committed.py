"""Committed offsets, asked for with every error taken seriously.

From version 2 on, an OffsetFetch answer carries the group's error (coordinator loading, not the coordinator) beside an
empty list of partitions. aiokafka 0.14 does not look at it and takes "loading" for "nothing committed"; after a broker
restart a consumer would begin anew and double everything. Seen here, hence this module.
"""

from __future__ import annotations

import asyncio
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
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.structs import TopicPartition

ATTEMPTS = 100
PAUSE_S = 0.1
_MOVED = (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError)


class Committed(NamedTuple):
    """A committed offset, and the text that stands beside it."""

    offset: int
    note: str


async def committed_offsets(coordinator: Any, tps: Iterable[TopicPartition]) -> dict[TopicPartition, Committed]:
    """What the group has committed of each partition that it has committed; KafkaError when it cannot be learned in time."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for tp in tps:
        wanted[tp.topic].append(tp.partition)
    for attempt in range(ATTEMPTS):
        await coordinator.ensure_coordinator_known()
        try:
            return await _ask(coordinator, list(wanted.items()))
        except (*_MOVED, GroupLoadInProgressError) as error:
            if isinstance(error, _MOVED):
                coordinator.coordinator_dead()
            if attempt == ATTEMPTS - 1:
                raise
        await asyncio.sleep(PAUSE_S)
    raise AssertionError("unreachable")


async def _ask(coordinator: Any, wanted: list[tuple[str, list[int]]]) -> dict[TopicPartition, Committed]:
    request = OffsetFetchRequest(coordinator.group_id, wanted)
    answer = await coordinator._send_req(request)  # noqa: SLF001  # the only way to this group's coordinator
    _raise_for(getattr(answer, "error_code", 0))
    found = {}
    for topic, partitions in answer.topics:
        for partition, offset, note, code in partitions:
            _raise_for(code)
            if offset >= 0:
                found[TopicPartition(topic, partition)] = Committed(offset, note or "")
    missing = sum(len(numbers) for _, numbers in wanted) - sum(len(partitions) for _, partitions in answer.topics)
    if missing:
        raise KafkaError(f"the coordinator left out {missing} partitions of its answer")
    return found


def _raise_for(code: int) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error()
