"""What offsets say of a lane: whether it goes back, and whether the broker lost what was committed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faust.types import TP

    from gridhub.streams.transport.batch import Batch


def goes_back(batch: Batch, next_offset: Mapping[TP, int], log: Any) -> bool:
    """Whether the batch holds what is committed already: somebody moved the consumer behind our back.

    A rewind that was given up may still reach the consumer's thread, and aiokafka begins anew when a position
    lies outside of the log.
    """
    behind = {tp: offset for tp, offset in batch.starts.items() if offset < next_offset[tp]}
    for tp, offset in behind.items():
        log.warning("read what is committed", topic=tp.topic, offset=offset, committed=next_offset[tp])
    return bool(behind)


def tell_lost(before: Mapping[TP, int], now: Mapping[TP, int], log: Any) -> None:
    """Log each committed offset that is lower than it was."""
    for tp, known in before.items():
        if now.get(tp, known) < known:
            log.error("committed offset went back: the broker lost it", topic=tp.topic, was=known, now=now[tp])
