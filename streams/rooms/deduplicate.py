"""deduplicate: drop what was told before, and make one incident of what several departments report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from gridhub.streams.records import REFUSAL, Outcome, Reason, table
from gridhub.streams.rooms import matter
from gridhub.streams.rooms.ledger import Ledger, candidates_key, incident_key, seen_key
from gridhub.streams.rooms.matter import Matter, Reach
from gridhub.streams.rooms.opening import MOST_SUBJECT_KEYS, joined, opened, union
from gridhub.streams.rooms.outbound import DECIDED, Deduplicated, OutboundFacts, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridhub.streams.memory import State

_COLUMNS = (
    "row",
    "source",
    "event_id",
    "category",
    "severity",
    "status",
    "planned",
    "occurred_at",
    "title",
    "text",
    "subject_keys",
    "area",
    "grid_ids",
    "lon",
    "lat",
    "exact_point",
    "place_name",
)
_SEEN_MS_BYTES = 8
_FIRST_AT, _LAST_AT, _KEYS = (Matter._fields.index(name) for name in ("first_at", "last_at", "keys"))


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the rooms need to know of a category, looked up once per batch."""

    group: str
    radius_m: float
    window_ms: float
    life_safety: bool


@dataclass(slots=True)
class _Verdict:
    """What was decided about one event, before its incident is brought up to date."""

    event: Row
    outcome: Outcome
    incident_id: str
    parts: dict[str, float]
    reason: str = ""


def deduplicate(batch: pa.RecordBatch, facts: OutboundFacts, now_ms: int, state: State) -> Deduplicated:
    """Each LOCATED event opens, joins or may belong to an incident, or is refused as told before.

    Events are taken strictly in row order, and what one decides the next one sees: cutting a stream into other
    batches changes nothing. Nothing is written: `changes` is for the caller, together with the output.
    """
    events = _events(batch)
    memory = _Memory(events, facts, now_ms, state)
    verdicts = [_decide(event, memory) for event in events]
    rows, raised = _incidents(verdicts, memory)
    kept = [index for index, verdict in enumerate(verdicts) if verdict.outcome is not Outcome.DUPLICATE]
    return Deduplicated(
        kept=_decided(batch, kept, verdicts, raised),
        refused=table(REFUSAL, [_refusal(verdict) for verdict in verdicts if verdict.outcome is Outcome.DUPLICATE]),
        rows=rows,
        changes={**memory.seen_changes, **memory.ledger.changes()},
        decisions=[_decision(verdict, facts, now_ms) for verdict in verdicts],
    )


class _Memory:
    """The state as the batch sees it: when events were seen, candidates and incidents."""

    def __init__(self, events: list[Row], facts: OutboundFacts, now_ms: int, state: State) -> None:
        self.facts, self.now_ms = facts, now_ms
        self.ledger = Ledger(state)
        self.seen_changes: dict[bytes, bytes] = {}
        self._kinds: dict[str, _Kind] = {}
        self._reaches: dict[tuple[str, str], Reach] = {}
        seen_keys = list(dict.fromkeys(event["seen"] for event in events))
        self._seen = dict(zip(seen_keys, state.get_many(seen_keys), strict=True))
        for event in events:
            event["candidates"] = candidates_key(event["area"], self.kind(event["category"]).group)
        own = (incident_key(incident_id(event)) for event in events if self._seen[event["seen"]] is not None)
        self.ledger.fetch([*(event["candidates"] for event in events), *own])

    def seen(self, event: Row) -> tuple[int, str] | None:
        """When this event was first seen, in ms, and its incident; None when it is new or forgotten."""
        value = self._seen[event["seen"]]
        if value is None:
            return None
        first_ms = int.from_bytes(value[:_SEEN_MS_BYTES], "big")
        recent = self.now_ms - first_ms <= self.facts.retention_ms
        return (first_ms, value[_SEEN_MS_BYTES:].decode()) if recent else None

    def remember(self, event: Row, incident: str) -> None:
        """Note that the event was seen now, and what it became."""
        value = self.now_ms.to_bytes(_SEEN_MS_BYTES, "big") + incident.encode()
        self._seen[event["seen"]] = self.seen_changes[event["seen"]] = value

    def new_id(self, event: Row) -> str:
        """The id of the incident that the event opens: derived, and another one if the event comes after its retention."""
        turn, name = 1, incident_id(event)
        while self._seen[event["seen"]] is not None and self._taken(name):
            turn += 1
            name = incident_id(event, turn)
        return name

    def _taken(self, name: str) -> bool:
        key = incident_key(name)
        self.ledger.fetch([key])
        return self.ledger.get(key) is not None

    def kind(self, category: str) -> _Kind:
        """The category's row; one that the table has lost is a group of its own in which nothing ever merges."""
        if category not in self._kinds:
            row = self.facts.categories.get(category)
            self._kinds[category] = (
                _Kind(category, 0, -1, life_safety=True)
                if row is None
                else _Kind(row.matter_group, row.radius_m, row.window_s * 1000, bool(row.life_safety))
            )
        return self._kinds[category]

    def reach(self, category: str, other: str) -> Reach:
        """How far this pair of categories reaches: the wider of the two."""
        pair = (category, other)
        if pair not in self._reaches:
            one, two = self.kind(category), self.kind(other)
            rules, group = self.facts.matching, one.group
            radius_m, window_ms = max(one.radius_m, two.radius_m), max(one.window_ms, two.window_ms)
            self._reaches[pair] = Reach(radius_m, window_ms, group in rules.wide_groups, group in rules.keyed_groups)
        return self._reaches[pair]


def incident_id(event: Row, turn: int = 1) -> str:
    """The id of the incident that this event opens: its area and a digest of source and event id, so a replay repeats it."""
    told = f"{event['source']}\x1f{event['event_id']}" + (f"\x1f{turn}" if turn > 1 else "")
    return f"{event['area']}-{blake2b(told.encode(), digest_size=8).hexdigest()}"


def _events(batch: pa.RecordBatch) -> list[Row]:
    columns = [batch.column(name).to_pylist() for name in _COLUMNS]
    return [_event(values) for values in zip(*columns, strict=True)]


def _event(values: tuple[Any, ...]) -> Row:
    event = dict(zip(_COLUMNS, values, strict=True))
    event["title"], event["text"] = event["title"] or "", event["text"] or ""
    event["subject_keys"] = event["subject_keys"] or []
    event["grid_ids"] = event["grid_ids"] or [event["area"]]
    event["seen"] = seen_key(event["source"], event["event_id"])
    return event


def _decide(event: Row, memory: _Memory) -> _Verdict:
    before = memory.seen(event)
    if before is not None:
        first_ms, incident = before
        return _Verdict(event, Outcome.DUPLICATE, incident, {}, f"first seen {_utc(first_ms)}")
    verdict = _verdict(event, memory)
    memory.remember(event, verdict.incident_id)
    return verdict


def _verdict(event: Row, memory: _Memory) -> _Verdict:
    if event["planned"]:
        # Planned and periodic work has neighbours by nature; it neither joins nor is joined.
        return _Verdict(event, Outcome.OPENED, memory.new_id(event), {}, "planned")
    me = _matter(event, memory)
    best, parts = _best(me, event["candidates"], memory)
    rules = memory.facts.matching
    if best is not None and parts["total"] >= rules.merge:
        _join(best, me, event["candidates"], memory)
        return _Verdict(event, Outcome.MERGED, best[0], parts)
    in_between = best is not None and parts["total"] >= rules.possible
    if best is not None and in_between and not memory.kind(event["category"]).life_safety:
        return _Verdict(event, Outcome.POSSIBLE, best[0], parts)
    _add(me, event["candidates"], memory)
    return _Verdict(event, Outcome.OPENED, me.incident_id, parts, "life_safety" if in_between else "")


def _matter(event: Row, memory: _Memory) -> Matter:
    words = f"{event['title']} {event['text']}"[: memory.facts.matching.words_characters].strip()
    at = event["occurred_at"]
    return Matter(
        memory.new_id(event),
        event["category"],
        event["status"],
        at,
        at,
        event["lon"],
        event["lat"],
        bool(event["exact_point"]),
        event["grid_ids"],
        event["subject_keys"],
        words,
    )


def _best(me: Matter, key: bytes, memory: _Memory) -> tuple[list[Any] | None, dict[str, float]]:
    """The candidate with the highest score, and its parts; the one touched longest ago where two are equal."""
    best: list[Any] | None = None
    best_parts: dict[str, float] = {}
    rules = memory.facts.matching
    for entry, other in _in_time(me, memory.ledger.get(key) or [], memory):
        reach = memory.reach(me.category, other.category)
        if matter.gate(me, other, reach, rules):
            continue
        parts = matter.score(me, other, reach, rules)
        if best is None or parts["total"] > best_parts["total"]:
            best, best_parts = entry, parts
    return best, best_parts


def _in_time(me: Matter, entries: list[list[Any]], memory: _Memory) -> Iterator[tuple[list[Any], Matter]]:
    """The candidates that time does not rule out: the cheap test before the others."""
    at, own_ms = me.first_at, memory.kind(me.category).window_ms
    for entry in entries:
        early, late = entry[_FIRST_AT] - at, at - entry[_LAST_AT]
        if (early <= own_ms and late <= own_ms) or max(early, late) <= memory.kind(entry[1]).window_ms:
            yield entry, Matter(*entry)


def _join(entry: list[Any], me: Matter, key: bytes, memory: _Memory) -> None:
    """Widen the candidate by the event, and move it to the end: the list is in the order of last touch."""
    entries = memory.ledger.get(key)
    entries.remove(entry)
    entry[_FIRST_AT], entry[_LAST_AT] = min(entry[_FIRST_AT], me.first_at), max(entry[_LAST_AT], me.last_at)
    entry[_KEYS] = union(entry[_KEYS], me.keys)[:MOST_SUBJECT_KEYS]
    entries.append(entry)
    memory.ledger.touch(key)


def _add(me: Matter, key: bytes, memory: _Memory) -> None:
    """Put a new incident among the candidates; forget those that even a late event cannot join any more."""
    entries = memory.ledger.get(key) or []
    entries.append(list(me))
    rules = memory.facts.matching
    newest = max(entry[_LAST_AT] for entry in entries)
    kept = [entry for entry in entries if newest - entry[_LAST_AT] <= _keep_ms(entry[1], memory)]
    memory.ledger.put(key, kept[-rules.candidates :])


def _keep_ms(category: str, memory: _Memory) -> float:
    return memory.kind(category).window_ms + memory.facts.matching.lateness_s * 1000


def _incidents(verdicts: list[_Verdict], memory: _Memory) -> tuple[list[Row], list[bool]]:
    """Bring the incidents up to date, event by event: one snapshot and one `raised` per kept event."""
    kept = [verdict for verdict in verdicts if verdict.outcome is not Outcome.DUPLICATE]
    ledger = memory.ledger
    ledger.fetch(incident_key(v.incident_id) for v in kept if v.outcome is not Outcome.OPENED)
    rows, raised = [], []
    for verdict in kept:
        key = incident_key(verdict.incident_id)
        if verdict.outcome is Outcome.OPENED:
            group = memory.kind(verdict.event["category"]).group
            after, more_severe = opened(verdict.event, verdict.incident_id, group, memory.now_ms), False
        else:
            before = ledger.get(key)
            after = joined(before, verdict.event, possible=verdict.outcome is Outcome.POSSIBLE)
            more_severe = after["severity"] < before["severity"] or _endangers(before, after, memory)
        ledger.put(key, after)
        rows.append(after)
        raised.append(more_severe)
    return rows, raised


def _endangers(before: Row, after: Row, memory: _Memory) -> bool:
    """Whether a category joined that may cost lives: people in a lift are more than the outage they are part of."""
    return any(memory.kind(category).life_safety for category in after["told"] if category not in before["told"])


def _decided(batch: pa.RecordBatch, kept: list[int], verdicts: list[_Verdict], raised: list[bool]) -> pa.RecordBatch:
    table_kept = batch.take(pa.array(kept, pa.int32()))
    added = [
        pa.array([verdicts[index].incident_id for index in kept], pa.string()),
        pa.array([verdicts[index].outcome.value for index in kept], pa.string()),
        pa.array(raised, pa.bool_()),
    ]
    return pa.RecordBatch.from_arrays([*table_kept.columns, *added], schema=DECIDED)


def _refusal(verdict: _Verdict) -> Row:
    event = verdict.event
    return {
        "row": event["row"],
        "source": event["source"],
        "event_id": event["event_id"],
        "room": "deduplicate",
        "reason": Reason.DUPLICATE.value,
        "detail": f"The same source and event id were {verdict.reason} (incident {verdict.incident_id}).",
        "candidates": [],
    }


def _decision(verdict: _Verdict, facts: OutboundFacts, now_ms: int) -> Row:
    event, rules = verdict.event, facts.matching
    limits = {"merge": rules.merge, "possible": rules.possible} if verdict.parts else {}
    return {
        "row": event["row"],
        "source": event["source"],
        "event_id": event["event_id"],
        "area": event["area"],
        "room": "deduplicate",
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "incident_id": verdict.incident_id,
        "task_ids": [],
        "score": {**verdict.parts, **limits},
        "rules": facts.rules,
        "decided_at": now_ms,
    }


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat(timespec="milliseconds")
