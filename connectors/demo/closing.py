"""The last part of a bounded demo: a share of the incidents is worked off by ticketing and must end closed."""

from __future__ import annotations

from gridhub.connectors.simulator.ticketing import chosen, report
from gridhub.schemas.codec import Codec
from gridhub.streams import topics
from gridhub.streams.story import Reader, Step

PERCENT = 10


def close_some(bootstrap: str, codec: Codec, percent: int = PERCENT) -> set[str]:
    """Report every step of the tasks to handle of so many of a hundred incidents; the ids of these incidents."""
    open_tasks = {
        name: task for name, task in _newest(bootstrap, codec, topics.TASKS.name, "task_id").items()
        if task["action"] == "handle" and task["stage"] == "dispatched" and chosen(task["incident_id"], percent)
    }  # fmt: skip
    report(open_tasks.values(), bootstrap, codec)
    return {task["incident_id"] for task in open_tasks.values()}


def not_closed(bootstrap: str, codec: Codec, incidents: set[str]) -> list[str]:
    """Those of these incidents that are not closed by now, and those of others that are."""
    states = {
        name: row["state"] for name, row in _newest(bootstrap, codec, topics.INCIDENTS.name, "incident_id").items()
    }
    return [name for name, state in states.items() if (state == "closed") != (name in incidents)]


def _newest(bootstrap: str, codec: Codec, topic: str, key: str) -> dict[str, Step]:
    reader = Reader(bootstrap, codec)
    try:
        return {record[key]: record for _, record in reader.records(topic)}
    finally:
        reader.close()
