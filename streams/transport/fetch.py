"""Reading from Kafka in columns: aiokafka fetches, checks and parses; no object is made per record but its bytes.

aiokafka's own `getmany` makes a row of eleven fields of each record, which costs several times what parsing does. What it
decides is kept, with its own code where it has a function for it: aborted transactions and control records are skipped,
checksums are checked, reading begins inside of a batch of records where the position says so, positions move on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.errors import CorruptRecordException
from faust.types import TP

from gridhub.streams.transport.records import Records, join

FEW = 256  # records of one fetch, of all lanes together: so few that the next one may gather
ROUNDS = 3  # of gathering without a record: then none come any more
GATHERED_BYTES = 64 << 10  # end the gathering before its time
_KEY, _VALUE, _TIMESTAMP, _HEADERS = map(attrgetter, ("key", "value", "timestamp", "headers"))  # quicker than a loop


class Waits(NamedTuple):
    """How long the broker may keep a fetch, ms: one that finds nothing, or, while few records come, next to nothing."""

    busy: int  # while a partition is left out of the fetch, and would wait for its end
    calm: int  # while every partition is in it: the first record ends it
    gather: int  # while few records come with each: the broker gathers more of them, and the next fetch brings all there are


async def fetch(  # noqa: PLR0913  # what to read, how much, how long
    fetcher: Any, tps: Collection[TP], timeout_s: float, limit: int, waits: Waits, woken: Callable[[], bool]
) -> dict[TP, Records]:
    """What was fetched of these partitions, about `limit` records of each; waits for the first, or until it is woken.

    Raises what aiokafka found wrong with a partition, when nothing else is there to be given. To wake it, make `woken`
    true, then call `wake`.
    """
    until = time.monotonic() + timeout_s
    gathers = fetcher._fetch_min_bytes > 1  # noqa: SLF001  # as the last call left it
    while True:
        if fetcher._subscriptions.reassignment_in_progress:  # noqa: SLF001  # as in its fetched_records
            await fetcher._subscriptions.wait_for_assignment()  # noqa: SLF001
        found = drain(fetcher, tps, limit)
        if found:
            gathers = sum(map(len, found.values())) < FEW
        _set_waits(fetcher, tps, waits, gathers=gathers)
        left_s = until - time.monotonic()
        if found or left_s <= 0 or woken():
            return found
        news = fetcher._create_fetch_waiter()  # noqa: SLF001
        await asyncio.wait([news], timeout=min(left_s, ROUNDS * waits.gather / 1000) if gathers else left_s)
        gathers = gathers and news.done()  # else nothing comes any more
        if fetcher._closed:  # noqa: SLF001
            return {}
        if news.done():
            news.result()  # an error of the group comes this way
        else:
            news.cancel()


def _set_waits(fetcher: Any, tps: Collection[TP], waits: Waits, *, gathers: bool) -> None:
    """What the next fetch asks of the broker."""
    calm_or_busy = waits.calm if _is_calm(fetcher, tps) else waits.busy
    fetcher._fetch_max_wait_ms = waits.gather if gathers else calm_or_busy  # noqa: SLF001
    fetcher._fetch_min_bytes = GATHERED_BYTES if gathers else 1  # noqa: SLF001


def _is_calm(fetcher: Any, tps: Collection[TP]) -> bool:
    """Whether the next fetch asks for every partition: nothing is buffered, and nobody is without room for more."""
    subscription = fetcher._subscriptions.subscription  # noqa: SLF001
    assignment = subscription.assignment if subscription is not None else None
    return assignment is not None and not fetcher._records and all(tp in tps for tp in assignment.tps)  # noqa: SLF001


def wake(fetcher: Any) -> None:
    """Let a waiting `fetch` look again."""
    for waiter in list(fetcher._fetch_waiters):  # noqa: SLF001
        fetcher._notify(waiter)  # noqa: SLF001


def drain(fetcher: Any, tps: Collection[TP], limit: int) -> dict[TP, Records]:
    """Take what is buffered for these partitions; with what is left for others aiokafka goes on fetching."""
    found: dict[TP, Records] = {}
    buffered = fetcher._records  # noqa: SLF001
    for tp in list(buffered):
        if tp not in tps:
            if not fetcher._subscriptions.is_assigned(tp):  # noqa: SLF001
                del buffered[tp]
            continue
        result = buffered[tp]
        if found and not isinstance(result, FetchResult):
            break  # the error waits until nothing else is there to be given
        del buffered[tp]  # also when it raises: what was not given is fetched again
        fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001
        try:
            records = _take(result, limit) if isinstance(result, FetchResult) else result.check_raise()
        except CorruptRecordException:
            if not found:
                raise
            break  # it is fetched again, and raises again when there is nothing else to be given
        if records is not None:
            found[TP(*tp)] = records
        if result.has_more():
            buffered[tp] = result  # behind the others
    return found


def _take(result: Any, limit: int) -> Records | None:
    """Whole batches of records until `limit` records are there; the position moves behind them."""
    tp = result._topic_partition  # noqa: SLF001
    if not result.check_assignment(tp) or not result.has_more():
        return None
    source = result._partition_records  # noqa: SLF001
    # aiokafka's row maker, which we never start, holds `source` and with it all that was fetched: a ring that only the
    # garbage collector would open, and it counts objects, not megabytes (a worker grew to 4 GB in two minutes)
    source._records_iterator = None  # noqa: SLF001
    parts: list[Records] = []
    while source._records.has_next() and sum(map(len, parts)) < limit:  # noqa: SLF001
        part = _next_part(source, TP(*tp))
        if part is not None and len(part):
            parts.append(part)
    result._update_position()  # noqa: SLF001
    if not source._records.has_next():  # noqa: SLF001
        result._partition_records = None  # noqa: SLF001
    return join(parts) if parts else None  # type: ignore[return-value]  # joined columns are columns


def _next_part(source: Any, tp: TP) -> Records | None:
    """The next batch of records; None when a reader must not see it. `source` is aiokafka's PartitionRecords."""
    batch = source._records.next_batch()  # noqa: SLF001
    if source._check_crcs and not batch.validate_crc():  # noqa: SLF001
        raise CorruptRecordException(f"Invalid CRC - {tp}")
    hidden = _is_aborted(source, batch) or batch.is_control_batch
    part = None if hidden else _columns(batch, tp, source.next_fetch_offset)
    source.next_fetch_offset = batch.next_offset
    return part


def _is_aborted(source: Any, batch: Any) -> bool:
    """Whether the batch belongs to an aborted transaction; keeps account of who aborted, in aiokafka's own sets."""
    if source._isolation_level != READ_COMMITTED or batch.producer_id is None:  # noqa: SLF001
        return False
    source._consume_aborted_up_to(batch.base_offset)  # noqa: SLF001
    aborted = source._aborted_producers  # noqa: SLF001
    if batch.is_control_batch and source._contains_abort_marker(batch):  # noqa: SLF001
        aborted.discard(batch.producer_id)
    return bool(batch.is_transactional and batch.producer_id in aborted)


def _columns(batch: Any, tp: TP, start: int) -> Records:
    """The batch's records from offset `start` on: a fetch gives the whole batch that holds the position."""
    rows = list(batch)
    if rows and rows[0].offset < start:
        rows = [row for row in rows if row.offset >= start]
    headers = [tuple(row.headers) for row in rows] if any(map(_HEADERS, rows)) else None
    return Records(
        tp,
        list(map(_KEY, rows)),
        list(map(_VALUE, rows)),
        _offsets(rows),
        list(map(_TIMESTAMP, rows)),
        headers,
        rows[-1].timestamp_type if rows else 0,
    )


def _offsets(rows: list[Any]) -> Sequence[int]:
    """The rows' ascending offsets; a range where none is missing, without looking at each."""
    if rows and rows[-1].offset - rows[0].offset == len(rows) - 1:
        return range(rows[0].offset, rows[-1].offset + 1)
    return [row.offset for row in rows]
