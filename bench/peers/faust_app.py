"""Stock Faust as its pages show it: an agent per event, group_by through a Kafka topic, two tables (RocksDB, changelog), sends.

python faust_app.py worker --loglevel warn --without-web
"""

from typing import Any

import faust
from faust.serializers import codecs
from job import (
    CATEGORY,
    HEAD_NORM,
    HEAD_TASK,
    HOUR_MS,
    PARTITIONS,
    ROLES,
    WINDOW_MS,
    Locator,
    Run,
    decode,
    encode,
    encode_event,
    first,
)

app = faust.App(
    Run.group,
    broker="kafka://" + Run.broker,
    store="rocksdb://",
    datadir=Run.state,
    topic_partitions=PARTITIONS,
    topic_replication_factor=1,
    processing_guarantee="exactly_once" if Run.exactly_once else "at_least_once",
    broker_commit_interval=Run.commit_s,
    broker_max_poll_records=500,
    producer_linger=Run.linger_ms / 1000,  # this one is in seconds
    producer_max_batch_size=262_144,
    stream_wait_empty=False,
    web_enabled=False,
)
locator = Locator()


class Avro(codecs.Codec):
    """The job's records, framed."""

    def _loads(self, s: bytes) -> Any:
        return decode(s)

    def _dumps(self, obj: Any) -> bytes:
        if "opened" in obj:
            return encode(HEAD_NORM, obj)
        return encode(HEAD_TASK, obj) if "task_id" in obj else encode_event(obj)


codecs.register("avro", Avro())
FORM = {"value_serializer": "avro", "key_serializer": "raw", "partitions": PARTITIONS}
inputs = app.topic(*Run.inputs, **FORM)
norms, tasks = app.topic(Run.norm, **FORM), app.topic(Run.task, **FORM)
by_grid = app.topic(Run.group + "-by-grid", internal=True, **FORM)
TABLE = {"partitions": PARTITIONS, "options": {"driver": "rocksdict"}}
seen, incidents = app.Table("seen", **TABLE), app.Table("open", **TABLE)


@app.agent(inputs)
async def locate(stream: Any) -> None:
    """Send each event to its grid."""
    async for event in stream:
        first()
        await by_grid.send(key=locator.one(event)[0].encode(), value=event)


@app.agent(by_grid)
async def work(stream: Any) -> None:
    """Drop a known id, else find or open its incident."""
    async for key, event in stream.items():
        event_id = event["event_id"]
        if event_id in seen:
            continue
        seen[event_id] = 1
        grid, category, time_ms = key.decode(), CATEGORY[event["source"], event["type"]], event["occurred_at"]
        known = incidents.get(f"{grid}|{category}")
        opened = known is None or time_ms - known[1] > WINDOW_MS
        incident = "inc-" + event_id if opened else known[0]
        if opened or time_ms > known[1]:
            incidents[f"{grid}|{category}"] = [incident, time_ms]
        x, y = locator.place(event)
        found = {"event_id": event_id, "incident_id": incident, "grid_id": grid, "category": category}
        severity = event["severity"]
        kept = {name: event[name] for name in ("source", "occurred_at", "severity", "payload")}
        await norms.send(key=key, value={**found, **kept, "opened": opened, "lon": x, "lat": y})
        if opened:
            due = {"severity": severity, "created_at": time_ms, "due_at": time_ms + HOUR_MS * (5 - severity)}
            for role in ROLES:
                await tasks.send(key=key, value={**found, **due, "task_id": f"{incident}/{role}", "role": role})


if __name__ == "__main__":
    app.main()
