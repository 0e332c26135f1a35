"""Quix Streams as its pages show it: two topics, apply(decode and locate), concat, group_by(grid), a stateful apply, two outputs.

The repartition is a Kafka topic (JSON), state is RocksDB with a changelog topic.
"""

from collections.abc import Iterator
from typing import Any

from job import CATEGORY, WINDOW_MS, Locator, Run, decode, first, norm_value, task_values
from quixstreams import Application

locator = Locator()


def locate(value: bytes) -> dict[str, Any]:
    """The event with its grid."""
    first()
    event = decode(value)
    event["grid"], event["x"], event["y"] = locator.one(event)
    return event


def work(event: dict[str, Any], state: Any) -> list[tuple[dict[str, Any], str, str, bool]]:
    """Drop a known id, else find or open its incident; the state is the grid's."""
    event_id = event["event_id"]
    if state.exists("e" + event_id):
        return []
    state.set("e" + event_id, 1)
    category, time_ms = CATEGORY[event["source"], event["type"]], event["occurred_at"]
    known = state.get(category)
    opened = known is None or time_ms - known[1] > WINDOW_MS
    incident = "inc-" + event_id if opened else known[0]
    if opened or time_ms > known[1]:
        state.set(category, [incident, time_ms])
    return [(event, category, incident, opened)]


def norm(row: tuple[dict[str, Any], str, str, bool]) -> bytes:
    """The located event."""
    event, category, incident, opened = row
    return norm_value(event, category, event["grid"], incident, opened=opened, x=event["x"], y=event["y"])


def tasks(row: tuple[dict[str, Any], str, str, bool]) -> Iterator[bytes]:
    """The tasks of an opened incident."""
    event, category, incident, opened = row
    return iter(task_values(event, category, event["grid"], incident) if opened else ())


def main() -> None:
    """Work until killed."""
    app = Application(
        broker_address=Run.broker,
        consumer_group=Run.group,
        auto_offset_reset="earliest",
        loglevel="WARNING",
        commit_interval=Run.commit_s,
        state_dir=Run.state + "/quix",
        use_changelog_topics=True,
        processing_guarantee="exactly-once" if Run.exactly_once else "at-least-once",
        topic_create_timeout=30,
        consumer_extra_config={"fetch.wait.max.ms": 20},
        producer_extra_config={
            "linger.ms": Run.linger_ms,
            "queue.buffering.max.messages": 1_000_000,
            "batch.size": 262_144,
        },
    )
    bytes_in = {"value_deserializer": "bytes", "key_deserializer": "bytes"}
    bytes_out = {"value_serializer": "bytes", "key_serializer": "string"}
    one, two = [app.dataframe(app.topic(topic, **bytes_in)).apply(locate) for topic in Run.inputs]
    by_grid = one.concat(two).group_by(lambda event: event["grid"], name="grid")
    done = by_grid.apply(work, stateful=True, expand=True)
    done.apply(norm).to_topic(app.topic(Run.norm, **bytes_out))
    done.apply(tasks, expand=True).to_topic(app.topic(Run.task, **bytes_out))
    app.run()


main()
