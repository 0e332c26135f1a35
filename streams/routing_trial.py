"""Trying the routing of one incident without a hub: who is asked, what keeps it back, until when, and by which line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gridhub.streams.memory import MemoryState
from gridhub.streams.moments import shown
from gridhub.streams.rooms.grouping import endangers
from gridhub.streams.rooms.holding import INHIBITED, SILENCED, note_source, withheld
from gridhub.streams.rooms.ledger import Ledger
from gridhub.streams.routing_matchers import parse
from gridhub.streams.silences import Hidden, Silence, Silences, check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridhub.streams.rooms.assignment import Assignment
    from gridhub.streams.rooms.outbound import OutboundFacts, Row

MINUTE_MS = 60_000
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Trial:
    """What became of the tasks of an incident."""

    incident: Row
    facts: OutboundFacts
    at_ms: int
    kept_back: dict[str, Any] | None  # by what, its name and its line; None when they go out

    def answer(self, item: Assignment) -> dict[str, Any]:
        """One task: who, what for, in which time, by which rule; and what it waits for."""
        facts, limited = self.facts, item.action != "inform"
        return {
            "action": item.action,
            "recipient": item.recipient.id,
            "recipient_name": facts.organisation.name_of(item.recipient),
            "accept_min": _minutes(item.accept_ms) if limited else None,
            "finish_min": _minutes(item.finish_ms) if limited else None,
            "route": item.route,
            "line": _line(item, self.incident, facts, self.at_ms),
            "left_out": item.left_out,
            **self._waits(item),
        }

    def _waits(self, item: Assignment) -> dict[str, Any]:
        routing, found = self.facts.routing, dict[str, Any]()
        if endangers(self.incident, self.facts):
            return found
        until = routing.waits_until(item.route, self.at_ms)
        if until is not None:
            found["waits_until"] = shown(until)
        delivery = routing.delivery(item.route)
        if delivery.groups and item.action != "handle":
            found["group_by"] = list(delivery.group_by)
            found["group_wait_s"] = delivery.wait_ms // 1000
        return found


def tried(incident: Row, opened: Sequence[str], silences: Sequence[str], facts: OutboundFacts, at_ms: int) -> Trial:
    """Try an incident beside others that are open, and with further silences; ValueError for what cannot be read."""
    trying = tuple(_silence(text, number, facts, at_ms) for number, text in enumerate(silences, 1))
    facts = replace(facts, silences=Silences((*facts.silences.silences, *trying)))
    ledger = Ledger(MemoryState())
    for number, text in enumerate(opened, 1):
        other = _other(text, number, incident, facts)
        note_source(other, facts, at_ms, ledger)
    return Trial(incident, facts, at_ms, _kept_back(incident, facts, at_ms, ledger))


def _kept_back(incident: Row, facts: OutboundFacts, at_ms: int, ledger: Ledger) -> dict[str, Any] | None:
    why = withheld(incident, facts, at_ms, ledger)
    if why is None:
        return None
    if why.outcome == SILENCED:
        one = next(one for one in facts.silences.silences if one.id == why.reason)
        return {"kept_back": SILENCED, "by": why.reason, "matchers": one.matchers, "until": shown(one.ends_at)}
    rule = next(rule for rule in facts.routing.inhibit_rules if rule.name == why.reason)
    source = why.source_id.rpartition("-")[2]
    until = shown(at_ms + rule.lasts_ms)
    return {"kept_back": INHIBITED, "by": rule.name, "line": rule.line, "source": source, "at_most_until": until}


def _silence(text: str, number: int, facts: OutboundFacts, at_ms: int) -> Silence:
    matchers = [str(parse(part)) for part in split_matchers(text)]
    made = Silence(
        id=f"try-{number}", matchers=matchers, starts_at=at_ms, ends_at=at_ms + _DAY_MS, author="try", comment="try",
        created_at=at_ms, would_hide=Hidden(hours=1, incidents=0, tasks=0),
    )  # fmt: skip
    check(made, facts.categories, facts.routing.silence_limits)
    return made


def split_matchers(text: str) -> list[str]:
    """The matchers of a text with commas between; commas inside quotation marks are part of a value."""
    parts, quoted, escaped = [""], False, False
    for letter in text:
        if letter == '"' and not escaped:
            quoted = not quoted
        escaped = letter == "\\" and not escaped
        if letter == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()]


def _other(text: str, number: int, incident: Row, facts: OutboundFacts) -> Row:
    """An open incident, CATEGORY[:SEVERITY[:CODE]]; like the one that is tried where it does not say."""
    category, _, rest = text.partition(":")
    severity, _, code = rest.partition(":")
    if facts.categories.get(category) is None:
        raise ValueError(f"there is no category {category}; config/categories.csv has them")
    if severity and severity not in {"1", "2", "3", "4"}:
        raise ValueError(f"{severity!r} is no severity from 1 to 4")
    codes = [code] if code else incident["grid_ids"]
    return {
        **incident,
        "incident_id": f"{codes[0][:9]}-open{number}({text})",
        "category": category,
        "severity": int(severity) if severity else incident["severity"],
        "grid_ids": codes,
        "area": codes[0][:9],
        "told": {category: ["", ""]},
    }


def _minutes(span_ms: int | None) -> float | None:
    return None if span_ms is None else span_ms / MINUTE_MS


def _line(item: Assignment, incident: Row, facts: OutboundFacts, at_ms: int) -> int:
    """The line of routing.yaml that asks for this recipient."""
    found = facts.routing.route({**incident, "category": item.category}, at_ms)
    same = (one.line for one in found if one.path == item.route and one.rule == item.rule)
    return next(same, 0)
