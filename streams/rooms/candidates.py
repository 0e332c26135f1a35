"""The open incidents that an event may join: found, widened, added, forgotten. One list per area and matter group.

A list is in the order of last touch. Its entries are the fields of `Matter` as a JSON array, all that the score needs,
so that an incident itself is only read when an event joins it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gridhub.streams.rooms import matter
from gridhub.streams.rooms.ledger import Ledger, candidates_key
from gridhub.streams.rooms.matter import Matter
from gridhub.streams.rooms.opening import MOST_SUBJECT_KEYS, union

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gridhub.streams.rooms.outbound import OutboundFacts, Row
    from gridhub.streams.rooms.recall import Recall

Entry = list[Any]
_ID, _CATEGORY, _FIRST_AT, _LAST_AT, _LAT, _EXACT, _KEYS = (
    Matter._fields.index(name) for name in ("incident_id", "category", "first_at", "last_at", "lat", "exact", "keys")
)


def best(me: Matter, key: bytes, recall: Recall, apart: Callable[[str], bool]) -> tuple[Entry | None, dict[str, float]]:
    """The candidate with the highest score, and its parts; the one touched longest ago where two are equal.

    One that is `apart` (a parent, or below one) counts only where a key is shared.
    """
    chosen: Entry | None = None
    parts: dict[str, float] = {}
    rules = recall.facts.matching
    for entry in _within_reach(me, recall.ledger.get(key) or [], recall):
        other = Matter(*entry)
        reach = recall.reach(me.category, other.category)
        if matter.gate(me, other, reach, rules):
            continue
        if apart(entry[_ID]) and not (reach.wide or matter.shared_key(me, other, rules)):
            continue
        found = matter.score(me, other, reach, rules)
        if chosen is None or found["total"] > parts["total"]:
            chosen, parts = entry, found
    return chosen, parts


def _within_reach(me: Matter, entries: list[Entry], recall: Recall) -> Iterator[Entry]:
    """The candidates that time and latitude do not rule out: the cheap tests, which leave few for the others."""
    reaches: dict[str, tuple[float, float]] = {}
    at = me.first_at
    for entry in entries:
        category = entry[_CATEGORY]
        if category not in reaches:
            reaches[category] = _reach(me, category, recall)
        window_ms, degrees = reaches[category]
        if entry[_FIRST_AT] - at > window_ms or at - entry[_LAST_AT] > window_ms:
            continue
        if me.exact and entry[_EXACT] and me.lat is not None and abs(me.lat - (entry[_LAT] or 0)) > degrees:
            continue
        yield entry


def _reach(me: Matter, category: str, recall: Recall) -> tuple[float, float]:
    """The longest gap in ms and in degrees of latitude at which the two categories can still be one matter."""
    reach = recall.reach(me.category, category)
    most_m = math.inf if reach.wide else reach.radius_m * recall.facts.matching.key_reach
    return reach.window_ms, most_m / matter.METRES_PER_DEGREE


def widen(entry: Entry, me: Matter, key: bytes, recall: Recall) -> None:
    """Let the candidate reach to the event that joined it, and move it to the end of its list."""
    entries = recall.ledger.get(key)
    after = list(entry)
    after[_FIRST_AT], after[_LAST_AT] = min(entry[_FIRST_AT], me.first_at), max(entry[_LAST_AT], me.last_at)
    after[_KEYS] = union(entry[_KEYS], me.keys)[:MOST_SUBJECT_KEYS]
    recall.ledger.put(key, [other for other in entries if other is not entry] + [after])


def add(me: Matter, key: bytes, recall: Recall) -> None:
    """Put a new incident among the candidates; drop those that even a late event cannot join any more.

    Only the head of the list is looked at: it was touched longest ago, so what is past its time gathers there.
    """
    entries = recall.ledger.get(key) or []
    rules = recall.facts.matching
    oldest = me.last_at - rules.lateness_s * 1000
    past = 0
    while past < len(entries) and entries[past][_LAST_AT] + recall.kind(entries[past][_CATEGORY]).window_ms < oldest:
        past += 1
    recall.ledger.put(key, [*entries[past:], list(me)][-rules.candidates :])


def forget(incident: Row, ledger: Ledger) -> None:
    """Take an incident that has ended from the candidates: no event joins it any more."""
    key = candidates_key(incident["area"], incident["matter_group"])
    entries = ledger.get(key) or []
    kept = [entry for entry in entries if entry[_ID] != incident["incident_id"]]
    if len(kept) < len(entries):
        ledger.put(key, kept)


def reshape(incident: Row, ledger: Ledger) -> None:
    """Let the incident's entry follow what a person decided; its place and words stay those of its first event."""
    key = candidates_key(incident["area"], incident["matter_group"])
    span = {_FIRST_AT: incident["first_event_at"], _LAST_AT: incident["last_event_at"], _KEYS: incident["subject_keys"]}
    entries = ledger.get(key) or []
    after = [
        [span.get(at, value) for at, value in enumerate(entry)] if entry[_ID] == incident["incident_id"] else entry
        for entry in entries
    ]
    if after != entries:
        ledger.put(key, after)


def add_again(incident: Row, event: Row, ledger: Ledger, facts: OutboundFacts) -> None:
    """Put an incident that a person opened (again) among the candidates; `event` is its first."""
    key = candidates_key(incident["area"], incident["matter_group"])
    ledger.fetch([key])
    me = of_event(event, incident["incident_id"], facts.matching.words_characters)
    me = me._replace(
        first_at=incident["first_event_at"], last_at=incident["last_event_at"], keys=incident["subject_keys"]
    )
    others = [entry for entry in ledger.get(key) or [] if entry[_ID] != incident["incident_id"]]
    ledger.put(key, [*others, list(me)][-facts.matching.candidates :])


def of_event(event: Row, incident_id: str, words_characters: int) -> Matter:
    """What the score looks at, of one event."""
    at = event["occurred_at"]
    return Matter(
        incident_id=incident_id,
        category=event["category"],
        status=event["status"],
        first_at=at,
        last_at=at,
        lon=event["lon"],
        lat=event["lat"],
        exact=bool(event["exact_point"]),
        codes=event["grid_ids"],
        keys=event["subject_keys"],
        words=f"{event['title']} {event['text']}"[:words_characters].strip(),
    )
