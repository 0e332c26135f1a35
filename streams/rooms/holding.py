"""What keeps an incident's first tasks back: a silence (静默), or an open incident that an inhibit rule names (抑制).

Neither ever holds back what may cost lives, or an incident whose tasks are out already: that it became worse must be
told. A silenced incident has no tasks until an event joins it after the silence; an inhibited one gets them when its
source ends, at the latest after the rule's `lasts`.

In the state: `n|<area>` -> the open sources, each [incident id, [[rule, values that must be equal], …]];
`n|<area>|<source>` -> ids of the incidents that it holds back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gridhub.streams.rooms import progress, timers
from gridhub.streams.rooms.grouping import endangers, told
from gridhub.streams.rooms.ledger import incident_key

if TYPE_CHECKING:
    from gridhub.streams.rooms.desk import Desk
    from gridhub.streams.rooms.ledger import Ledger
    from gridhub.streams.rooms.outbound import OutboundFacts, Row
    from gridhub.streams.rooms.timers import Timer
    from gridhub.streams.routing_inhibit import InhibitRule
    from gridhub.streams.routing_labels import Labels

TIMER = "inhibit"
SILENCED, INHIBITED, RELEASED = "silenced", "inhibited", "released"
MOST_SOURCES = 200
MOST_HELD = 1000


class Withheld(NamedTuple):
    """Why an incident has no tasks for now, in the journal's words, and what the incident keeps of it."""

    outcome: str
    reason: str  # the silence's id, or the inhibit rule's name
    source_id: str
    marks: Row


def sources_key(area: str) -> bytes:
    """Where the open incidents of an area lie that hold others back."""
    return f"n|{area}".encode()


def held_key(area: str, source_id: str) -> bytes:
    """Where the ids lie of the incidents that this one holds back."""
    return f"n|{area}|{source_id}".encode()


def withheld(incident: Row, facts: OutboundFacts, now_ms: int, ledger: Ledger) -> Withheld | None:
    """Why this incident's tasks are not made now; None when they are. What waits is written down."""
    if not (facts.silences.any or facts.routing.inhibit_rules) or endangers(incident, facts):
        return None
    labels = [facts.routing.labels(incident, category, now_ms) for category in incident["told"]]
    silence = facts.silences.hiding(labels, now_ms)
    if silence is not None:
        return Withheld(SILENCED, silence, "", {"silenced": silence})
    return None if incident.get("freed") else _inhibited(incident, labels, facts, now_ms, ledger)


def _inhibited(
    incident: Row, labels: list[Labels], facts: OutboundFacts, now_ms: int, ledger: Ledger
) -> Withheld | None:
    area, name = incident["area"], incident["incident_id"]
    key = sources_key(area)
    ledger.fetch([key])
    sources = ledger.get(key) or []
    rules = [rule for rule in facts.routing.inhibit_rules if all(rule.holds(one) for one in labels)]
    for rule in rules if sources else ():
        source = _source(rule, labels[0], name, sources)
        if source is None:
            continue
        if not _write_down(name, held_key(area, source), ledger):
            return None
        timers.put(ledger, TIMER, name, now_ms + rule.lasts_ms)
        return Withheld(INHIBITED, rule.name, source, {"held_by": source, "inhibited": True})
    return None


def _source(rule: InhibitRule, labels: Labels, name: str, sources: list[list[Any]]) -> str | None:
    wanted: list[Any] = [rule.name, rule.same(labels)]
    return next((source for source, leads in sources if source != name and wanted in leads), None)


def _write_down(name: str, key: bytes, ledger: Ledger) -> bool:
    """Note that the incident waits; False when so many wait already that this one shall not."""
    ledger.fetch([key])
    names = ledger.get(key) or []
    if name not in names:
        if len(names) >= MOST_HELD:
            return False
        ledger.put(key, [*names, name])
    return True


def note_source(incident: Row, facts: OutboundFacts, now_ms: int, ledger: Ledger) -> None:
    """Write down that this open incident holds others back, where an inhibit rule says so."""
    rules = facts.routing.inhibit_rules
    if not rules:
        return
    labels = [facts.routing.labels(incident, category, now_ms) for category in incident["told"]]
    leads = [[rule.name, rule.same(one)] for rule in rules for one in labels if rule.leads(one)]
    key, name = sources_key(incident["area"]), incident["incident_id"]
    ledger.fetch([key])
    before = ledger.get(key) or []
    others = [source for source in before if source[0] != name]
    if leads and [name, leads] not in before:
        ledger.put(key, [*others, [name, leads]][-MOST_SOURCES:])


def ended(incident: Row, desk: Desk) -> None:
    """An incident is open no longer: what it held back is given out."""
    area, name = incident["area"], incident["incident_id"]
    key, held = sources_key(area), held_key(area, name)
    desk.ledger.fetch([key, held])
    sources = desk.ledger.get(key) or []
    if any(source[0] == name for source in sources):
        desk.ledger.put(key, [source for source in sources if source[0] != name])
    names = desk.ledger.get(held) or []
    if not names:
        return
    desk.ledger.put(held, None)
    desk.ledger.fetch(incident_key(child) for child in names)
    for child in names:
        _release(child, name, desk, freed=False)


def over(timer: Timer, desk: Desk) -> None:
    """So long a rule may hold an incident back, and not longer: nothing waits for ever."""
    desk.ledger.fetch([incident_key(timer.subject)])
    incident = desk.incident(timer.subject)
    if incident is not None and incident.get("held_by"):
        _release(timer.subject, incident["held_by"], desk, freed=True)


def _release(name: str, source_id: str, desk: Desk, *, freed: bool) -> None:
    incident = desk.incident(name)
    if incident is None or incident["state"] != "open" or incident.get("held_by") != source_id:
        return
    timers.drop(desk.ledger, TIMER, name)
    free = progress.changed(incident, incident["changed_by"], held_by=None, inhibited=False, freed=freed)
    before = len(desk.tasks)
    after = desk.give_out(free, [])
    desk.publish_incident(after)
    if not after.get("held_by"):
        ids = [task["task_id"] for task in desk.tasks[before:]]
        desk.told.append(told(after, RELEASED, "lasts" if freed else "source_ended", ids, source_id))
