"""deduplicate: drop what was told before, and make one incident of what several departments report."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from gridhub.streams.records import REFUSAL, Outcome, Reason, table
from gridhub.streams.rooms import candidates, parents, reopening
from gridhub.streams.rooms.ledger import incident_key
from gridhub.streams.rooms.opening import joined, opened
from gridhub.streams.rooms.outbound import DECIDED, Deduplicated, OutboundFacts, Row
from gridhub.streams.rooms.recall import Recall
from gridhub.streams.rooms.stages import REOPENED

if TYPE_CHECKING:
    from gridhub.streams.memory import State
    from gridhub.streams.parents import ParentRule
    from gridhub.streams.rooms.matter import Matter
    from gridhub.streams.rooms.parents import Found

_COLUMNS = (
    "row", "source", "event_id", "category", "severity", "status", "planned", "occurred_at", "title", "text",
    "subject_keys", "area", "grid_ids", "lon", "lat", "exact_point", "place_name", "message", "valid_from",
    "valid_until",
)  # fmt: skip
_OPENING = {Outcome.OPENED, Outcome.ATTACHED}


@dataclass(slots=True)
class _Verdict:
    """What was decided about one event, before its incident is brought up to date."""

    event: Row
    outcome: Outcome
    incident_id: str
    parts: dict[str, float]
    reason: str = ""
    parent: Found | None = None  # of an incident that this event opens
    leads: ParentRule | None = None  # by which this event is a parent itself


def deduplicate(batch: pa.RecordBatch, facts: OutboundFacts, now_ms: int, state: State) -> Deduplicated:
    """Each LOCATED event opens, joins or may belong to an incident, or is refused as told before.

    An incident that opens in the area and time of a parent is attached to it. A parent tells its areas by `notices`.
    Events are taken strictly in row order, and what one decides the next one sees: cutting a stream into other
    batches changes nothing. Nothing is written: `changes` is for the caller, together with the output.
    """
    events = _events(batch)
    recall = Recall(events, facts, now_ms, state)
    desk = _Desk(recall)
    verdicts = [_taken(event, desk) for event in events]
    desk.settle()
    kept = [index for index, verdict in enumerate(verdicts) if verdict.outcome is not Outcome.DUPLICATE]
    return Deduplicated(
        kept=_decided(batch, kept, verdicts, desk.raised),
        refused=table(REFUSAL, [_refusal(verdict) for verdict in verdicts if verdict.outcome is Outcome.DUPLICATE]),
        rows=desk.rows,
        seen=recall.seen_changes,
        ledger=recall.ledger,
        decisions=[_decision(verdict, facts, now_ms) for verdict in verdicts],
        notices=desk.notices,
    )


@dataclass(slots=True)
class _Desk:
    """What lies on the desk while a batch is decided: events whose incidents are not up to date yet, and results."""

    recall: Recall
    notices: list[Row] = field(default_factory=list)
    waiting: list[_Verdict] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    raised: list[bool] = field(default_factory=list)

    def settle(self) -> None:
        """Bring the incidents of the waiting events up to date: one row and one `raised` for each."""
        ledger = self.recall.ledger
        ledger.fetch(incident_key(verdict.incident_id) for verdict in self.waiting)
        for verdict in self.waiting:
            key = incident_key(verdict.incident_id)
            before = ledger.get(key)
            after = _spoken(verdict, _after(verdict, before, self.recall), self)
            ledger.put(key, after)
            self.rows.append(after)
            self.raised.append(verdict.outcome not in _OPENING and _is_worse(before, after, self.recall))
        self.waiting.clear()


def _taken(event: Row, desk: _Desk) -> _Verdict:
    """Decide about one event; a parent is settled at once, since the next event may be its child."""
    verdict = _decide(event, desk.recall)
    if verdict.outcome is not Outcome.DUPLICATE:
        desk.waiting.append(verdict)
        verdict.leads = parents.parent_rule(event, desk.recall)
        if verdict.leads is not None:
            desk.settle()
    return verdict


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
    recall.remember(event, verdict.incident_id, verdict.outcome)
    return verdict


def _verdict(event: Row, recall: Recall) -> _Verdict:
    if event["planned"]:
        # Planned and periodic work has neighbours by nature: it neither joins nor is joined.
        return _Verdict(event, Outcome.OPENED, recall.new_id(event), {}, "planned")
    key, rules = event["candidates"], recall.facts.matching
    me = candidates.of_event(event, recall.new_id(event), rules.words_characters)
    best, parts = candidates.best(me, key, recall, parents.apart(event, recall))
    if best is not None and parts["total"] >= rules.merge:
        candidates.widen(best, me, key, recall)
        return _Verdict(event, Outcome.MERGED, best[0], parts)
    in_between = best is not None and parts["total"] >= rules.possible
    if best is not None and in_between and not recall.kind(me.category).life_safety:
        return _Verdict(event, Outcome.POSSIBLE, best[0], parts)
    back = reopening.find(me, event["area"], recall)
    if back is not None:
        return _brought_back(event, me, back, recall)
    candidates.add(me, key, recall)
    return _opening(event, me.incident_id, parts, recall, "life_safety" if in_between else "")


def _brought_back(event: Row, me: Matter, closed: list[Any], recall: Recall) -> _Verdict:
    """A closed incident opens again: this event shows that it was not solved."""
    key, group = event["candidates"], recall.kind(event["category"]).group
    entry = reopening.take_back(closed, event["area"], group, recall.ledger)
    recall.ledger.put(key, [*(recall.ledger.get(key) or []), entry][-recall.facts.matching.candidates :])
    candidates.widen(entry, me, key, recall)
    return _Verdict(event, Outcome.MERGED, entry[0], {}, REOPENED)


def _opening(event: Row, incident_id: str, parts: dict[str, float], recall: Recall, reason: str) -> _Verdict:
    """A new incident: attached where it happens in the area and time of a parent."""
    found = parents.find(event, incident_id, recall)
    if found is None:
        return _Verdict(event, Outcome.OPENED, incident_id, parts, reason)
    numbers = {"inhibited": float(found.inhibited)} | ({"parent_full": 1.0} if found.full else {})
    return _Verdict(event, Outcome.ATTACHED, incident_id, parts | numbers, found.parent.rule, found)


def _after(verdict: _Verdict, before: Row | None, recall: Recall) -> Row:
    """The incident as it is after this event."""
    event = verdict.event
    if verdict.outcome in _OPENING:
        after = opened(event, verdict.incident_id, recall.kind(event["category"]).group, recall.now_ms)
        return after if verdict.parent is None else after | _attached(verdict.parent)
    assert before is not None  # what an event joins is in the state
    after = joined(before, event, possible=verdict.outcome is Outcome.POSSIBLE)
    if verdict.reason == REOPENED:
        return reopening.opened_again(after, after["changed_by"])
    if after["inhibited"] and not after.get("held_by") and not parents.stays_held(after, event, recall):
        return after | {"inhibited": False}
    return after


def _attached(found: Found) -> Row:
    return {"parent_id": found.parent.parent_id, "parent_rule": found.parent.rule, "inhibited": found.inhibited}


def _spoken(verdict: _Verdict, after: Row, desk: _Desk) -> Row:
    """The incident with what it says as a parent, where this event makes it one; its notices are on the desk then."""
    if verdict.leads is None or verdict.outcome is Outcome.POSSIBLE:
        return after
    after, notices, numbers = parents.told(after, verdict.event, verdict.leads, desk.recall)
    verdict.parts |= numbers
    desk.notices += notices
    return after


def _is_worse(before: Row | None, after: Row, recall: Recall) -> bool:
    """Whether the incident became more severe, a category joined that may cost lives, or its tasks wait no longer.

    People in a lift are more than the outage they are part of.
    """
    assert before is not None  # only what was there before can become worse
    if before.get("inhibited") and not after["inhibited"]:
        return True
    new = (category for category in after["told"] if category not in before["told"])
    return after["severity"] < before["severity"] or any(recall.kind(category).life_safety for category in new)


def _decided(batch: pa.RecordBatch, kept: list[int], verdicts: list[_Verdict], raised: list[bool]) -> pa.RecordBatch:
    rows = batch if len(kept) == batch.num_rows else batch.take(pa.array(kept, pa.int32()))
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
    limits = {"merge": rules.merge, "possible": rules.possible} if "total" in verdict.parts else {}
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
        "parent_id": verdict.parent.parent.parent_id if verdict.parent else "",
        "actor": "",
        "note": "",
    }


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat(timespec="milliseconds")
