"""Which events an incident has: it without some of them, it with another one's. Rows are never changed in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.streams.rooms.opening import MOST_EVENT_IDS, MOST_SUBJECT_KEYS, joined, opened, union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridhub.streams.rooms.desk import Desk
    from gridhub.streams.rooms.outbound import Row

_FOLLOWS = ("severity", "first_event_at", "last_event_at", "told", "sources", "subject_keys")
"""What an incident has from its events, besides their number and names."""


def without_possible(incident: Row, told: str) -> Row:
    """The incident when nobody wonders any more whether this event belongs to it."""
    rest = [name for name in incident["possible_ids"] if name != told]
    return {**incident, "possible": max(0, incident["possible"] - 1), "possible_ids": rest}


def narrowed(incident: Row, gone: Sequence[str], count: int, desk: Desk) -> Row:
    """The incident without these events, `count` of them.

    Where every event that stays is named and kept, what it has from them is made anew from them; else it stays as it
    was, so that an incident never looks milder than it may be.
    """
    rest = [name for name in incident["event_ids"] if name not in set(gone)]
    after = {**incident, "events": max(1, incident["events"] - count), "event_ids": rest}
    events = [kept.event for name in rest if (kept := desk.kept(name)) is not None]
    if not len(events) == len(rest) == after["events"]:
        return after
    made = opened(events[0], incident["incident_id"], incident["matter_group"], incident["opened_at"])
    for event in events[1:]:
        made = joined(made, event, possible=False)
    return after | {name: made[name] for name in _FOLLOWS}


def united(incident: Row, other: Row) -> Row:
    """The incident with all that the other one has."""
    return {
        **incident,
        "severity": min(incident["severity"], other["severity"]),
        "first_event_at": min(incident["first_event_at"], other["first_event_at"]),
        "last_event_at": max(incident["last_event_at"], other["last_event_at"]),
        "events": incident["events"] + other["events"],
        "event_ids": union(incident["event_ids"], other["event_ids"])[:MOST_EVENT_IDS],
        "possible": incident["possible"] + other["possible"],
        "possible_ids": union(incident["possible_ids"], other["possible_ids"])[:MOST_EVENT_IDS],
        "sources": union(incident["sources"], other["sources"]),
        "subject_keys": union(incident["subject_keys"], other["subject_keys"])[:MOST_SUBJECT_KEYS],
        "told": other["told"] | incident["told"],
        "absorbed": [*incident["absorbed"], other["incident_id"]],
    }


def without_absorbed(incident: Row, other: Row) -> Row:
    """The incident after the other one, with what was possible in it, left again."""
    gone = set(other["possible_ids"])
    return {
        **incident,
        "absorbed": [name for name in incident["absorbed"] if name != other["incident_id"]],
        "possible": max(0, incident["possible"] - other["possible"]),
        "possible_ids": [name for name in incident["possible_ids"] if name not in gone],
    }
