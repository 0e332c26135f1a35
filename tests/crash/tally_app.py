"""A small two-stage app on the transport: pass on by key, then count per key in local state. For crash tests."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import faust
import structlog

from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.transport import Batch, BatchSchema, Effects, LaneGroup, Options, Output, Plan, State, install

PARTITIONS = 4
TOPICS = ("tally.in", "tally.mid", "tally.out", "tally.state")


def say(*words: object) -> None:
    """One line in the log."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Quiet:
    """Counts nothing."""

    def transaction(self, lane: str, partition: int, result: str, seconds: float, events: int) -> None:
        """Say what did not go well."""
        if result != "committed":
            say("transaction", lane, partition, result, events)

    def restored(self, lane: str, partition: int, keys: int, seconds: float) -> None:
        """Say it."""
        say("restored", lane, partition, keys)

    def rebalanced(self, lanes: Sequence[tuple[str, int]]) -> None:
        """Say it."""
        say("lanes", lanes)


def forward(batch: Batch, state: State) -> Effects:
    """Send each record on by its key."""
    return Effects([Output("tally.mid", -1, r.key, r.value) for rows in batch.parts.values() for r in rows])


def count(batch: Batch, state: State) -> Effects:
    """Count per key; the output says which number the record is."""
    rows = [r for part in batch.parts.values() for r in part]
    keys = list({r.key for r in rows})
    counts = {k: int(v or b"0") for k, v in zip(keys, state.get_many(keys), strict=True)}
    effects = Effects()
    for r in rows:
        counts[r.key] += 1
        effects.outputs.append(Output("tally.out", batch.partition, r.key, r.value + b" %d" % counts[r.key]))
    effects.changes = {k: b"%d" % v for k, v in counts.items()}
    return effects


def make_app(bootstrap: str, data: Path, name: str) -> faust.App:
    """The app of one worker."""
    app = faust.App(
        "tally",
        broker=f"batch://{bootstrap}",
        store="memory://",
        datadir=str(data / name),
        topic_partitions=PARTITIONS,
        web_enabled=False,
        stream_wait_empty=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        canonical_url=f"http://{name}",
        broker_session_timeout=6.0,
        broker_heartbeat_interval=1.0,
    )
    options = Options(
        bootstrap=(bootstrap,),
        state_dir=data / name,
        partition_counts=dict.fromkeys(TOPICS, PARTITIONS),
        session_timeout_s=6.0,
        transaction_timeout_s=10.0,
    )
    groups = (LaneGroup("forward", ("tally.in",)), LaneGroup("count", ("tally.mid",), "tally.state"))
    install(app, Plan(groups, options, Quiet(), structlog.get_logger(), RocksStore))

    @app.agent(app.topic("tally.in", schema=BatchSchema()), name="forward")
    async def forward_agent(batches: faust.Stream) -> None:
        async for batch in batches:
            batch.hand_over(forward)

    @app.agent(app.topic("tally.mid", schema=BatchSchema()), name="count")
    async def count_agent(batches: faust.Stream) -> None:
        async for batch in batches:
            batch.hand_over(count)

    return app


def main() -> None:
    """Run one worker: bootstrap, data folder, name."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until Faust has its own: nothing is under way yet
    app = make_app(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    Path(sys.argv[2], sys.argv[3]).mkdir(parents=True, exist_ok=True)
    worker = faust.Worker(app, loglevel="info", loop=asyncio.new_event_loop())
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
