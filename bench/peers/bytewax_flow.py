"""Bytewax as its pages show it: a Kafka source, map, key_on (an exchange in memory, no Kafka topic), a stateful map, two sinks.

State is in memory, snapshots of it go to a recovery store (SQLite) every epoch. At-least-once: it has nothing better for Kafka.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kafka
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main
from confluent_kafka import OFFSET_BEGINNING
from job import CATEGORY, WINDOW_MS, Locator, Run, decode, first, norm_value, task_values

locator = Locator()
Row = tuple[str, tuple[dict[str, Any], str, str, bool]]
State = tuple[set[str], dict[str, list[Any]]]


def locate(message: Any) -> dict[str, Any]:
    """The event with its grid."""
    first()
    event = decode(message.value)
    event["grid"], event["x"], event["y"] = locator.one(event)
    return event


def work(state: State | None, event: dict[str, Any]) -> tuple[State, list[Any]]:
    """Drop a known id, else find or open its incident; the state is the grid's."""
    state = state or (set(), {})
    seen, incidents = state
    event_id = event["event_id"]
    if event_id in seen:
        return state, []
    seen.add(event_id)
    category, time_ms = CATEGORY[event["source"], event["type"]], event["occurred_at"]
    known = incidents.get(category)
    if known is not None and time_ms - known[1] <= WINDOW_MS:
        known[1] = max(known[1], time_ms)
        return state, [(event, category, known[0], False)]
    incident = "inc-" + event_id
    incidents[category] = [incident, time_ms]
    return state, [(event, category, incident, True)]


def norm(row: Row) -> KafkaSinkMessage[Any, Any]:
    """The located event."""
    grid, (event, category, incident, opened) = row
    value = norm_value(event, category, grid, incident, opened=opened, x=event["x"], y=event["y"])
    return KafkaSinkMessage(grid.encode(), value)


def tasks(row: Row) -> list[KafkaSinkMessage[Any, Any]]:
    """The tasks of an opened incident."""
    grid, (event, category, incident, opened) = row
    values = task_values(event, category, grid, incident) if opened else []
    return [KafkaSinkMessage(grid.encode(), value) for value in values]


def flow() -> Dataflow:
    """The whole job."""
    made = Dataflow("job")
    source = kafka.input(
        "in", made, brokers=[Run.broker], topics=Run.inputs, starting_offset=OFFSET_BEGINNING, tail=True,
        add_config={"fetch.wait.max.ms": "20"}, batch_size=1000,
    )  # fmt: skip
    keyed = op.key_on("by-grid", op.map("locate", source.oks, locate), lambda event: event["grid"])
    done = op.stateful_flat_map("work", keyed, work)
    out = {
        "linger.ms": str(Run.linger_ms),
        "queue.buffering.max.messages": "1000000",
        "batch.size": "262144",
    }
    for name, topic, step in (
        ("norm", Run.norm, op.map("norm", done, norm)),
        ("task", Run.task, op.flat_map("task", done, tasks)),
    ):
        kafka.output(f"{name}-out", step, brokers=[Run.broker], topic=topic, add_config=out)
    return made


def main() -> None:
    """Work until killed."""
    store = Path(Run.state) / "recovery"
    store.mkdir(exist_ok=True)
    init_db_dir(store, 2)
    cli_main(
        flow(),
        workers_per_process=1,
        epoch_interval=timedelta(seconds=Run.commit_s),
        recovery_config=RecoveryConfig(str(store)),
    )


main()
