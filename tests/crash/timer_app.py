"""An app of one stage on the transport: records set timers by the hub's own rooms, ticks ring them. For crash tests."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import orjson
import structlog

from gridhub.streams.memory import Overlay
from gridhub.streams.rooms import ring, timers
from gridhub.streams.rooms.ledger import Ledger
from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.transport import (
    Batch,
    BatchSchema,
    Effects,
    LaneGroup,
    Options,
    Outputs,
    Plan,
    Silent,
    State,
    install,
)

PARTITIONS = 4
IN, OUT, STATE = "timers.in", "timers.out", "timers.state"
SESSION_S = 6.0  # the least that a broker takes
FACTS: Any = SimpleNamespace(rules={})


def rang(timer: timers.Timer, desk: Any) -> None:
    """Tell of it; one that says so sets another, so much later."""
    desk.told.append({"incident_id": timer.subject})
    if later_ms := timer.payload.get("then_ms"):
        timers.put(desk.ledger, "probe", f"{timer.subject}+", desk.now_ms + later_ms)


ring.HANDLERS["probe"] = rang


def work(batch: Batch, state: State) -> Effects:
    """What is due rings, a few at a time so that a kill finds many transactions; then the batch's timers are set."""
    overlay = Overlay(state)
    done = ring.ring(FACTS, time.time_ns() // 1_000_000, overlay, most=20)
    overlay.apply(done.changes)
    ledger = Ledger(overlay)
    for rows in batch.parts.values():
        for row in rows:
            wanted = orjson.loads(row.value)
            timers.put(ledger, "probe", row.key.decode(), wanted["due_ms"], wanted["payload"])
    overlay.apply(ledger.changes())
    keys = [timer.subject.encode() for timer in done.fired]
    values = [orjson.dumps([row["decided_at"], time.time_ns() // 1_000_000]) for row in done.decisions]
    outputs = [Outputs(OUT, keys, values, batch.partition)] if keys else []
    return Effects(outputs, overlay.changes, again=len(done.fired) == 20)


def make_app(bootstrap: str, data: Path, name: str) -> faust.App:
    """The app of one worker."""
    app = faust.App(
        "timers",
        broker=f"batch://{bootstrap}",
        store="memory://",
        datadir=str(data / name),
        topic_partitions=PARTITIONS,
        web_enabled=False,
        stream_wait_empty=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        canonical_url=f"http://{name}",
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=0.5,
    )
    options = Options(
        bootstrap=(bootstrap,),
        state_dir=data / name,
        partition_counts=dict.fromkeys((IN, OUT, STATE), PARTITIONS),
        session_timeout_s=SESSION_S,
        transaction_timeout_s=5.0,
        heartbeat_s=0.5,
    )
    install(
        app, Plan((LaneGroup("ring", (IN,), STATE, 0.1, work),), options, Silent(), structlog.get_logger(), RocksStore)
    )

    @app.agent(app.topic(IN, schema=BatchSchema(), acks=False), name="timers")
    async def agent(batches: faust.Stream) -> None:
        async for batch in batches:
            batch.hand_over(work)

    return app


def main() -> None:
    """Run one worker: bootstrap, data folder, name."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until Faust has its own: nothing is under way yet
    Path(sys.argv[2], sys.argv[3]).mkdir(parents=True, exist_ok=True)
    app = make_app(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    faust.Worker(app, loglevel="warning", loop=asyncio.new_event_loop()).execute_from_commandline()


if __name__ == "__main__":
    main()
