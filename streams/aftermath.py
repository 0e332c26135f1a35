"""What followed the first decision on a matter: its tasks, reports, commands, timers and deliveries, in the order of time."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gridhub.streams import topics

if TYPE_CHECKING:
    from gridhub.streams.story import Reader

Step = dict[str, Any]
_NAMED = re.compile(r"(\d{6,9}-[0-9a-f]{16})(-.+)?")
_INCIDENT = (
    "incident_id", "state", "version", "events", "possible", "sources", "severity", "opened_at", "closed_at", "lon", "lat",
    "first_event_at",
)  # fmt: skip
_TASK = (
    "task_id", "version", "stage", "stage_since", "recipient", "action", "accept_by", "finish_by", "overdue", "handler",
    "checker", "changed_by",
)  # fmt: skip
_DECIDED = (
    "source", "event_id", "room", "outcome", "reason", "incident_id", "task_ids", "score", "rules", "decided_at", "chain",
    "seq", "parent_id", "actor", "note",
)  # fmt: skip
_DELIVERY = ("target", "task_id", "version", "fate", "code", "detail", "attempts", "at")


def named(word: str) -> tuple[str, str] | None:
    """The incident and the task ("" for none) that an id names, or None when it is the id of neither."""
    found = _NAMED.fullmatch(word)
    return (found[1], word if found[2] else "") if found else None


def matter(incident_id: str, task_id: str, reader: Reader) -> list[Step]:
    """The story of an incident, or of one of its tasks: every decision, version and delivery that speaks of it."""
    steps = aftermath([incident_id], reader, ())
    if not task_id:
        return steps
    return [one for one in steps if one["step"] == "incident" or _speaks_of(one, task_id)]


def _speaks_of(one: Step, task_id: str) -> bool:
    return task_id in {one.get("task_id"), *(one.get("task_ids") or ())} or f"/{task_id}/" in one.get("event_id", "")


def aftermath(incidents: Sequence[str], reader: Reader, known: Collection[tuple[str, int]]) -> list[Step]:
    """The incidents as they are now, then all that followed; decisions that are `known` (chain, number) are left out."""
    newest = {
        r["incident_id"]: r
        for _, r in reader.records(topics.INCIDENTS.name, incidents)
        if r["incident_id"] in incidents
    }
    steps = [step_of("incident", record, *_INCIDENT) for record in newest.values()]
    followed = [*_tasks(incidents, reader), *_decisions(incidents, reader, known), *_deliveries(incidents, reader)]
    return steps + [one for _, one in sorted(followed, key=lambda item: item[0])]


Placed = tuple[tuple[int, int, str, int], Step]
"""A step and its place in the story: time, kind, of what, number."""


def _tasks(incidents: Sequence[str], reader: Reader) -> Iterator[Placed]:
    for _, record in reader.records(topics.TASKS.name, incidents):
        if record["incident_id"] in incidents:
            place = (record["stage_since"], 1, record["task_id"], record["version"])
            yield place, step_of("task", record, *_TASK)


def _decisions(incidents: Sequence[str], reader: Reader, known: Collection[tuple[str, int]]) -> Iterator[Placed]:
    """Reports and commands, timers, groups and silences; and of an incident's own story what its events did."""
    for _, record in reader.records(topics.JOURNAL.name, incidents):
        if record["incident_id"] not in incidents or (record["chain"], record["seq"]) in known:
            continue
        kind = "status" if record["room"] in {"track", "ring"} else "decided"
        yield (record["decided_at"], 0, record["chain"], record["seq"]), step_of(kind, record, *_DECIDED)


def _deliveries(incidents: Sequence[str], reader: Reader) -> Iterator[Placed]:
    for _, record in reader.records(topics.DELIVERIES.name, incidents):
        if record["incident_id"] in incidents:
            yield (record["at"], 2, record["target"], record["version"]), step_of("delivery", record, *_DELIVERY)


def step_of(name: str, record: Step, *fields: str) -> Step:
    """A step of the story with these fields of a record."""
    return {"step": name, **{field: record[field] for field in fields}}
