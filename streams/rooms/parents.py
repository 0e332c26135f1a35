"""Parents: warnings and feeder outages, and what happens in their area and time.

A parent is an incident like any other, in the lane of its own area. Each street that it touches keeps an entry of it
(`p|area`), so that an event finds its parent beside its candidates: written at once in the parent's own area, and told to
every other one by a ParentNotice on hub.status, in the transaction that decided on the parent.

A child is an incident of its own that names its parent. Where a rule says so its tasks wait until the parent ends:
never for a category that may cost lives, never for what is a parent itself, and never by a parent whose time is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gridhub.streams.rooms.ledger import held_key, parents_key
from gridhub.streams.rooms.standing import Parent, take_down

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridhub.streams.parents import ParentRule
    from gridhub.streams.rooms.outbound import OutboundFacts, Places, Row
    from gridhub.streams.rooms.recall import Recall

_STREET_DIGITS = 9


def _always(_incident_id: str) -> bool:
    return True


def _never(_incident_id: str) -> bool:
    return False


class Found(NamedTuple):
    """The parent of an event, and whether the event's tasks wait for its end."""

    parent: Parent
    inhibited: bool
    full: bool = False  # the rule would hold the tasks back, but the parent holds as many as it may


# an event looks for its parent


def find(event: Row, incident_id: str, recall: Recall) -> Found | None:
    """The parent of the incident that this event opens, the first by the order of the rules; None when there is none."""
    entries = recall.ledger.get(parents_key(event["area"]))
    if not entries:
        return None
    rules = recall.facts.matching.parents
    order = {rule.name: place for place, rule in enumerate(rules.rules)}
    fitting = [parent for entry in entries if _fits(event, parent := Parent(*entry), rules.rule(parent.rule))]
    if not fitting:
        return None
    best = min(fitting, key=lambda parent: (parent.ended, order[parent.rule], -parent.begins_at, parent.parent_id))
    return _held(event, incident_id, best, recall)


def _fits(event: Row, parent: Parent, rule: ParentRule | None) -> bool:
    return (
        rule is not None
        and event["category"] in rule.target.category
        and event["status"] == parent.status
        and parent.begins_at <= event["occurred_at"] <= parent.ends_at
        and all(code.startswith(tuple(parent.codes)) for code in event["grid_ids"])
    )


def _held(event: Row, incident_id: str, parent: Parent, recall: Recall) -> Found:
    rule = recall.facts.matching.parents.rule(parent.rule)
    kind = recall.kind(event["category"])
    holds = (
        rule is not None
        and not (parent.ended or kind.life_safety or parent_rule(event, recall))
        and recall.now_ms < parent.ends_at
        and rule.holds(parent.severity, event["category"], event["severity"])
    )
    if not holds:
        return Found(parent, inhibited=False)
    key = held_key(event["area"], parent.parent_id)
    recall.ledger.fetch([key])
    held = recall.ledger.get(key) or []
    full = len(held) >= recall.facts.matching.parents.most_held
    if not full:
        recall.ledger.put(key, [*held, incident_id])
    return Found(parent, inhibited=not full, full=full)


def stays_held(incident: Row, event: Row, recall: Recall) -> bool:
    """Whether a held incident stays so after this event joined it: only where the event alone would have waited too."""
    entries = (Parent(*entry) for entry in recall.ledger.get(parents_key(event["area"])) or ())
    parent = next((entry for entry in entries if entry.parent_id == incident["parent_id"]), None)
    rule = recall.facts.matching.parents.rule(parent.rule) if parent else None
    return (
        parent is not None
        and rule is not None
        and not recall.kind(event["category"]).life_safety
        and rule.holds(parent.severity, event["category"], incident["severity"])
    )


def apart(event: Row, recall: Recall) -> Callable[[str], bool]:
    """Whether an open incident (by its id) can be the same matter only where both name the same subject.

    So it is between a parent and what is none: what happens below a parent is its child. Warnings have a rule of their
    own (the groups of wide matters), which this leaves alone.
    """
    entries = recall.ledger.get(parents_key(event["area"]))
    if parent_rule(event, recall) is not None:
        return _always
    return frozenset(entry[0] for entry in entries).__contains__ if entries else _never


# an event is a parent


def parent_rule(event: Row, recall: Recall) -> ParentRule | None:
    """The rule by which this event is a parent; None for most, and for planned work."""
    rules = recall.kind(event["category"]).parent_rules
    if not rules or event["planned"]:
        return None
    return next(
        (rule for rule in rules if rule.takes(event["category"], event["subject_keys"], event["grid_ids"])), None
    )


def told(incident: Row, event: Row, rule: ParentRule, recall: Recall) -> tuple[Row, list[Row], dict[str, float]]:
    """The incident with what it says as a parent, the notices for its areas, and numbers for the journal.

    A message that is older than the newest one changes nothing. `areas` names each area's places inside it.
    """
    before = incident.get("parent")
    if before is not None and event["occurred_at"] < before["at"]:
        return incident, [], {}
    areas, left_out = areas_of(event["grid_ids"], recall.facts)
    after = _spoken(event, before, areas, rule, recall.facts)
    incident = {**incident, "parent": after}
    numbers = {"areas": float(len(after["areas"])), "areas_left_out": float(left_out)}
    if before is not None and {**before, "at": 0} == {**after, "at": 0}:
        return incident, [], numbers
    gone = [area for area in (before or after)["areas"] if area not in after["areas"]]
    notices = [notice(incident, area, recall.now_ms) for area in after["areas"]]
    notices += [_withdrawn(incident, area, recall.now_ms) for area in gone]
    return incident, _here(notices, event["area"], recall), numbers


def _spoken(event: Row, before: Row | None, areas: dict[str, list[str]], rule: ParentRule, facts: OutboundFacts) -> Row:
    """What the parent says after this message: an update replaces its areas and time, any other adds to them."""
    at, message = event["occurred_at"], event.get("message")
    most = at + facts.matching.parents.most_lasts_s * 1000
    until = min(event.get("valid_until") or at + rule.lasts_s * 1000, most)
    begins = (event.get("valid_from") or at) - rule.before_s * 1000
    if before is not None and message == "cancel":
        areas, until = before["areas"], max(min(at, before["ends_at"]), before["begins_at"])
    elif before is not None and message != "update":
        areas = {**before["areas"], **areas}
        until = max(until, before["ends_at"])
    return {
        "rule": rule.name,
        "at": at,
        "severity": event["severity"],
        "areas": areas,
        "begins_at": begins if before is None else min(begins, before["begins_at"]),
        "ends_at": at if before is None and message == "cancel" else until,
        "ended": message == "cancel",
    }


def areas_of(codes: Sequence[str], facts: OutboundFacts) -> tuple[dict[str, list[str]], int]:
    """The streets that these codes touch, each with the places inside it; at most `most_areas`, and how many more."""
    found: dict[str, list[str]] = {}
    for code in codes:
        if len(code) > _STREET_DIGITS:
            found.setdefault(code[:_STREET_DIGITS], []).append(code)
        else:
            found.update({street: [street] for street in _streets(code, facts.catalogue)})
    most = facts.matching.parents.most_areas
    return dict(list(found.items())[:most]), max(0, len(found) - most)


def _streets(code: str, places: Places) -> list[str]:
    if len(code) == _STREET_DIGITS:
        return [code]
    below = places.children(code) if places.place(code) is not None else ()
    return [street for child in below for street in _streets(child, places)]


def notice(incident: Row, area: str, now_ms: int) -> Row:
    """The ParentNotice for one area."""
    parent = incident["parent"]
    return {
        "notice_id": f"{incident['incident_id']}/{incident['version']}/{area}",
        "parent_id": incident["incident_id"],
        "area": area,
        "rule": parent["rule"],
        "category": incident["category"],
        "severity": parent["severity"],
        "status": incident["status"],
        "codes": parent["areas"].get(area, [area]),
        "begins_at": parent["begins_at"],
        "ends_at": parent["ends_at"],
        "ended": parent["ended"],
        "at": now_ms,
        "told_by": incident["changed_by"],
    }


def _withdrawn(incident: Row, area: str, now_ms: int) -> Row:
    return {**notice(incident, area, now_ms), "ended": True}


def ended_notices(incident: Row, now_ms: int) -> list[Row]:
    """A notice of the end for each area of a parent that was closed or cancelled; none for what is no parent."""
    parent = incident.get("parent")
    if parent is None or parent["ended"]:
        return []
    ended = {**incident, "parent": {**parent, "ended": True}}
    return [notice(ended, area, now_ms) for area in parent["areas"]]


def _here(notices: list[Row], area: str, recall: Recall) -> list[Row]:
    """Take the beginning of a parent in its own area down at once, for the events that follow in this batch.

    Its notice goes out all the same: it attaches what was open before.
    """
    for row in notices:
        if row["area"] == area and not row["ended"]:
            take_down(row, recall.ledger, recall.facts, recall.now_ms)
    return notices
