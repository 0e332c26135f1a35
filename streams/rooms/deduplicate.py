"""deduplicate: drop what was told before, and make one incident of what several departments report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from gridhub.streams.records import REFUSAL, Outcome, Reason, table
from gridhub.streams.rooms import candidates
from gridhub.streams.rooms.ledger import incident_key
from gridhub.streams.rooms.matter import Matter
from gridhub.streams.rooms.opening import joined, opened
from gridhub.streams.rooms.outbound import DECIDED, Deduplicated, OutboundFacts, Row
from gridhub.streams.rooms.recall import Recall

if TYPE_CHECKING:
    from gridhub.streams.memory import State

_COLUMNS = (
    "row", "source", "event_id", "category", "severity", "status", "planned", "occurred_at", "title", "text",
    "subject_keys", "area", "grid_ids", "lon", "lat", "exact_point", "place_name",
)  # fmt: skip


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
    recall = Recall(events, facts, now_ms, state)
    verdicts = [_decide(event, recall) for event in events]
    kept = [index for index, verdict in enumerate(verdicts) if verdict.outcome is not Outcome.DUPLICATE]
    rows, raised = _incidents([verdicts[index] for index in kept], recall)
    return Deduplicated(
        kept=_decided(batch, kept, verdicts, raised),
        refused=table(REFUSAL, [_refusal(verdict) for verdict in verdicts if verdict.outcome is Outcome.DUPLICATE]),
        rows=rows,
        seen=recall.seen_changes,
        ledger=recall.ledger,
        decisions=[_decision(verdict, facts, now_ms) for verdict in verdicts],
    )


def _events(batch: pa.RecordBatch) -> list[Row]:
    columns = [batch.column(name).to_pylist() for name in _COLUMNS]
    return [_event(values) for values in zip(*columns, strict=True)]


def _event(values: tuple[Any, ...]) -> Row:
    event = dict(zip(_COLUMNS, values, strict=True))
    event["title"], event["text"] = event["title"] or "", event["text"] or ""
    event["subject_keys"] = event["subject_keys"] or []
    event["grid_ids"] = event["grid_ids"] or [event["area"]]
    return event


def _decide(event: Row, recall: Recall) -> _Verdict:
    before = recall.seen(event)
    if before is not None:
        first_ms, incident = before
        return _Verdict(event, Outcome.DUPLICATE, incident, {}, f"first seen {_utc(first_ms)}")
    verdict = _verdict(event, recall)
    recall.remember(event, verdict.incident_id)
    return verdict


def _verdict(event: Row, recall: Recall) -> _Verdict:
    if event["planned"]:
        # Planned and periodic work has neighbours by nature: it neither joins nor is joined.
        return _Verdict(event, Outcome.OPENED, recall.new_id(event), {}, "planned")
    me, key, rules = _matter(event, recall), event["candidates"], recall.facts.matching
    best, parts = candidates.best(me, key, recall)
    if best is not None and parts["total"] >= rules.merge:
        candidates.widen(best, me, key, recall)
        return _Verdict(event, Outcome.MERGED, best[0], parts)
    in_between = best is not None and parts["total"] >= rules.possible
    if best is not None and in_between and not recall.kind(me.category).life_safety:
        return _Verdict(event, Outcome.POSSIBLE, best[0], parts)
    candidates.add(me, key, recall)
    return _Verdict(event, Outcome.OPENED, me.incident_id, parts, "life_safety" if in_between else "")


def _matter(event: Row, recall: Recall) -> Matter:
    at = event["occurred_at"]
    return Matter(
        incident_id=recall.new_id(event),
        category=event["category"],
        status=event["status"],
        first_at=at,
        last_at=at,
        lon=event["lon"],
        lat=event["lat"],
        exact=bool(event["exact_point"]),
        codes=event["grid_ids"],
        keys=event["subject_keys"],
        words=f"{event['title']} {event['text']}"[: recall.facts.matching.words_characters].strip(),
    )


def _incidents(kept: list[_Verdict], recall: Recall) -> tuple[list[Row], list[bool]]:
    """Bring the incidents up to date, event by event: one snapshot and one `raised` per kept event."""
    ledger = recall.ledger
    ledger.fetch(incident_key(verdict.incident_id) for verdict in kept)
    rows, raised = [], []
    for verdict in kept:
        key, event = incident_key(verdict.incident_id), verdict.event
        before = ledger.get(key)
        if verdict.outcome is Outcome.OPENED:
            after = opened(event, verdict.incident_id, recall.kind(event["category"]).group, recall.now_ms)
        else:
            after = joined(before, event, possible=verdict.outcome is Outcome.POSSIBLE)
        ledger.put(key, after)
        rows.append(after)
        raised.append(verdict.outcome is Outcome.MERGED and _is_worse(before, after, recall))
    return rows, raised


def _is_worse(before: Row, after: Row, recall: Recall) -> bool:
    """Whether the incident became more severe, or a category joined that may cost lives.

    People in a lift are more than the outage they are part of.
    """
    new = (category for category in after["told"] if category not in before["told"])
    return after["severity"] < before["severity"] or any(recall.kind(category).life_safety for category in new)


def _decided(batch: pa.RecordBatch, kept: list[int], verdicts: list[_Verdict], raised: list[bool]) -> pa.RecordBatch:
    rows = batch.take(pa.array(kept, pa.int32()))
    added = [
        pa.array([verdicts[index].incident_id for index in kept], pa.string()),
        pa.array([verdicts[index].outcome.value for index in kept], pa.string()),
        pa.array(raised, pa.bool_()),
    ]
    return pa.RecordBatch.from_arrays([*rows.columns, *added], schema=DECIDED)


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
