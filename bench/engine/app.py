"""The job as an app on the project's transport: two stages, exactly-once, state in RocksDB with its changelog.

Started by the harness: `python app.py`, with what `job.Run` reads in the environment.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path
from typing import Any

import faust
import job
import parts
import pyarrow as pa
import structlog
import uvloop
from job import PARTITIONS, Run
from work import Stages

from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.transport import BatchSchema, Effects, LaneGroup, Options, Plan, Silent, install

BATCH_EVENTS = int(os.environ.get("BENCH_BATCH_EVENTS", "4000"))
QUEUE_BYTES, MEMORY_BYTES = 1 << 20, 10 << 20  # a batch per lane; a record takes twice its bytes in memory
FETCH_BYTES = 2 << 20
FOLLOWING_MS = 5  # the second stage follows the first one's rhythm
SWITCH_S = 0.0005  # the thread that fetches must not wait 5 ms for its turn


def make_app() -> faust.App:
    """The app, ready to be started."""
    middle, changelog = Run.group + ".mid", Run.group + ".state"
    state_dir = Path(Run.state)
    app = faust.App(
        Run.group,
        broker="batch://" + Run.broker,
        store="memory://",
        datadir=Run.state,
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        stream_wait_empty=False,
        canonical_url=f"http://worker-{Run.worker}",
    )
    options = Options(
        bootstrap=(Run.broker,),
        state_dir=state_dir,
        partition_counts=dict.fromkeys((middle, Run.norm, Run.task), PARTITIONS),
        batch_events=BATCH_EVENTS,
        queue_bytes=QUEUE_BYTES,
        memory_bytes=MEMORY_BYTES,
        fetch_bytes=FETCH_BYTES,
    )
    second = LaneGroup("merge", (middle,), changelog, commit_interval_ms=FOLLOWING_MS)
    groups = (LaneGroup("locate", tuple(Run.inputs)), second)
    install(app, Plan(groups, options, Silent(), structlog.get_logger(), RocksStore))
    _agents(app, middle)
    return app


def _agents(app: faust.App, middle: str) -> None:
    stages = Stages()
    clocks = parts.measure(Path(file)) if (file := os.environ.get("BENCH_PARTS")) else None

    def locate(batch: Any, state: Any) -> Effects:  # noqa: ARG001  # a lane's work is given its state
        job.first()
        values = [value for topic in Run.inputs for value in batch.columns(topic)[1]]
        if clocks is not None:
            clocks.count(len(values))
        return Effects(stages.locate(values, middle))

    def merge(batch: Any, state: Any) -> Effects:
        keys, values = batch.columns(middle)
        return Effects(*stages.merge(keys, values, state, Run.norm, Run.task, batch.partition))

    for name, topics, work in (("locate", Run.inputs, locate), ("merge", [middle], merge)):
        app.agent(app.topic(*topics, schema=BatchSchema(), acks=False), name=name)(_hand_over(work))


def _hand_over(work: Any) -> Any:
    async def agent(batches: Any) -> None:
        async for batch in batches:
            batch.hand_over(work)

    return agent


def main() -> None:
    """Work until told to stop."""
    pa.set_cpu_count(1)
    sys.setswitchinterval(SWITCH_S)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    uvloop.install()
    app = make_app()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    faust.Worker(app, loglevel="warning").execute_from_commandline()


if __name__ == "__main__":
    main()
