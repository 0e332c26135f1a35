"""An incident as it begins, and as it is after one more event. Rows are never changed in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridhub.streams.rooms.outbound import Row

ADDED: dict[str, Any] = {
    "possible_ids": [], "parent_id": None, "inhibited": False, "merged_into": None, "absorbed": [],
    "reopened": 0,
}  # fmt: skip
"""Fields of Incident.avsc that came later: an incident in an older state has none of them."""
MOST_EVENT_IDS = 50
MOST_SUBJECT_KEYS = 100


def opened(event: Row, incident_id: str, matter_group: str, now_ms: int) -> Row:
    """The incident that this event opens: Incident.avsc, and what tasks and candidates need."""
    return {
        "incident_id": incident_id,
        "version": 1,
        "area": event["area"],
        "grid_ids": event["grid_ids"],
        "place_name": event["place_name"] or "",
        "lon": event["lon"],
        "lat": event["lat"],
        "category": event["category"],
        "severity": event["severity"],
        "status": event["status"],
        "state": "open",
        "title": event["title"],
        "opened_at": now_ms,
        "first_event_at": event["occurred_at"],
        "last_event_at": event["occurred_at"],
        "closed_at": None,
        "events": 1,
        "possible": 0,
        "sources": [event["source"]],
        "event_ids": [_told(event)],
        "subject_keys": event["subject_keys"],
        "task_ids": [],
        "changed_by": _told(event),
        **ADDED,
        "matter_group": matter_group,
        "told": {event["category"]: [event["title"], event["text"]]},
        "last_title": event["title"],
    }


def complete(incident: Row) -> Row:
    """The incident with every field of today, whichever version wrote it."""
    return incident if "reopened" in incident else {**ADDED, **incident}


def joined(incident: Row, event: Row, *, possible: bool) -> Row:
    """The incident after an event joined it; one that is only possible is counted, and changes nothing else."""
    after = {
        **complete(incident),
        "version": incident["version"] + 1,
        "changed_by": _told(event),
        "last_title": event["title"],
    }
    if possible:
        waiting = [*after["possible_ids"], _told(event)][:MOST_EVENT_IDS]
        return after | {"possible": incident["possible"] + 1, "possible_ids": waiting}
    at = event["occurred_at"]
    return after | {
        "severity": min(incident["severity"], event["severity"]),
        "first_event_at": min(incident["first_event_at"], at),
        "last_event_at": max(incident["last_event_at"], at),
        "events": incident["events"] + 1,
        "told": incident["told"] | _news(incident, event),
        "sources": union(incident["sources"], [event["source"]]),
        "event_ids": [*incident["event_ids"], _told(event)][:MOST_EVENT_IDS],
        "subject_keys": union(incident["subject_keys"], event["subject_keys"])[:MOST_SUBJECT_KEYS],
    }


def _told(event: Row) -> str:
    return f"{event['source']}/{event['event_id']}"


def _news(incident: Row, event: Row) -> Row:
    """What the first event of a category told: tasks for that category say it in its words."""
    return {} if event["category"] in incident["told"] else {event["category"]: [event["title"], event["text"]]}


def union(values: list[str], more: list[str]) -> list[str]:
    """Both lists without repetition, in order of first appearance."""
    return list(dict.fromkeys([*values, *more]))
