"""What the state remembers of events, as one batch sees it: when each was seen, open candidates, incidents."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter
from typing import TYPE_CHECKING

import orjson

from gridhub.streams.rooms.ledger import (
    Ledger,
    candidates_key,
    closed_key,
    event_key,
    incident_key,
    parents_key,
    seen_key,
)
from gridhub.streams.rooms.matter import Reach

if TYPE_CHECKING:
    from gridhub.streams.memory import State
    from gridhub.streams.parents import ParentRule
    from gridhub.streams.rooms.outbound import OutboundFacts, Row

_MS_BYTES = 8
TOLD_COLUMNS = (
    "source", "event_id", "category", "severity", "status", "planned", "occurred_at", "title", "text", "subject_keys",
    "area", "grid_ids", "lon", "lat", "exact_point", "place_name",
)  # fmt: skip
_told = itemgetter(*TOLD_COLUMNS)
_MOST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Kind:
    """What the rooms need to know of a category, looked up once per batch."""

    group: str
    radius_m: float
    window_ms: float
    life_safety: bool
    parent_rules: tuple[ParentRule, ...] = ()


class Recall:
    """The state as the batch sees it. Two calls of the state bring in what the events may need."""

    def __init__(self, events: list[Row], facts: OutboundFacts, now_ms: int, state: State) -> None:
        self.facts, self.now_ms = facts, now_ms
        self.ledger = Ledger(state)
        self.seen_changes: dict[bytes, bytes | None] = {}
        self._kinds: dict[str, Kind] = {}
        self._reaches: dict[tuple[str, str], Reach] = {}
        for event in events:
            event["seen"] = seen_key(event["source"], event["event_id"])
            event["candidates"] = candidates_key(event["area"], self.kind(event["category"]).group)
            event["incident_id"] = incident_id(event)
        keys = list(dict.fromkeys(event["seen"] for event in events))
        self._seen = dict(zip(keys, state.get_many(keys), strict=True))
        new = [event for event in events if self.seen(event) is None]
        own = [incident_key(event["incident_id"]) for event in new]
        areas = {event["area"]: None for event in new}
        closed = {closed_key(event["area"], self.kind(event["category"]).group): None for event in new}
        self.ledger.fetch([*closed, *own, *(event["candidates"] for event in new), *map(parents_key, areas)])

    def seen(self, event: Row) -> tuple[int, str] | None:
        """When this event was first seen, in ms, and its incident; None when it is new or forgotten."""
        value = self._seen[event["seen"]]
        if value is None:
            return None
        first_ms = int.from_bytes(value[:_MS_BYTES], "big")
        recent = self.now_ms - first_ms <= self.facts.retention_ms
        return (first_ms, value[_MS_BYTES:].decode()) if recent else None

    def remember(self, event: Row, incident: str, outcome: str) -> None:
        """Note that the event was seen now, which incident it became part of, and all that it told."""
        at = self.now_ms.to_bytes(_MS_BYTES, "big")
        self._seen[event["seen"]] = self.seen_changes[event["seen"]] = at + incident.encode()
        key, value = event_key(told_of(event)), kept_event(event, incident, outcome)
        self.seen_changes[key] = at + value

    def new_id(self, event: Row) -> str:
        """The id of the incident that the event opens.

        Where that incident exists (the same event came back after its retention), the next one that does not.
        """
        turn, name = 1, str(event["incident_id"])
        while self._taken(name):
            turn += 1
            name = incident_id(event, turn)
        return name

    def _taken(self, name: str) -> bool:
        key = incident_key(name)
        self.ledger.fetch([key])
        return self.ledger.get(key) is not None

    def kind(self, category: str) -> Kind:
        """The category's row; one that the table has lost is a group of its own in which nothing ever merges."""
        found = self._kinds.get(category)
        if found is None:
            found = self._kinds[category] = self._kind(category)
        return found

    def _kind(self, category: str) -> Kind:
        row = self.facts.categories.get(category)
        if row is None:
            return Kind(category, 0, -1, life_safety=True)
        rules = self.facts.matching.parents.of(category)
        return Kind(row.matter_group, row.radius_m, row.window_s * 1000, bool(row.life_safety), rules)

    def reach(self, category: str, other: str) -> Reach:
        """How far this pair of categories reaches: the wider of the two."""
        found = self._reaches.get((category, other))
        if found is None:
            found = self._reaches[category, other] = self._reach(self.kind(category), self.kind(other))
        return found

    def _reach(self, one: Kind, two: Kind) -> Reach:
        rules = self.facts.matching
        radius_m, window_ms = max(one.radius_m, two.radius_m), max(one.window_ms, two.window_ms)
        return Reach(radius_m, window_ms, one.group in rules.wide_groups, one.group in rules.keyed_groups)


def told_of(event: Row) -> str:
    """How incidents name an event: source/event id."""
    return f"{event['source']}/{event['event_id']}"


def kept_event(event: Row, incident: str, outcome: str) -> bytes:
    """An event as the state keeps it for a person's later decision: JSON of its incident, its outcome, its columns."""
    if len(event["text"]) > _MOST_TEXT:
        event = {**event, "text": event["text"][:_MOST_TEXT]}
    return orjson.dumps((incident, outcome, *_told(event)))


def incident_id(event: Row, turn: int = 1) -> str:
    """The id of the incident that this event opens: area and digest of source and event id, so a replay repeats it."""
    told = f"{event['source']}\x1f{event['event_id']}" + (f"\x1f{turn}" if turn > 1 else "")
    return f"{event['area']}-{blake2b(told.encode(), digest_size=8).hexdigest()}"
