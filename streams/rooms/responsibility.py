"""Responsibility memory (责任记忆): who last solved a category at a place is proposed for the next one.

It chooses only among the recipients whom the routing asks, or adds one who assists; never where lives may be in danger.
It is written when a task was closed after somebody else's check, expires after `memory_days`, and is dropped when the
matter comes back: that close was none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.streams.rooms.organisation import ROLES, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gridhub.streams.rooms.assignment import Assignment
    from gridhub.streams.rooms.ledger import Ledger
    from gridhub.streams.rooms.outbound import OutboundFacts, Row

MEMORY = "memory"
NOTE = "责任记忆：上次由本单位办结（{}）"
_COMMUNITY_DIGITS = 12
HANDLE, ASSIST, INFORM = "handle", "assist", "inform"


def owner_key(incident: Row, category: str) -> bytes | None:
    """Where lies who last solved this category at the incident's place; None for what is no place of one community."""
    codes = incident["grid_ids"]
    if len(codes) != 1 or len(codes[0]) < _COMMUNITY_DIGITS:
        return None
    return f"o|{codes[0]}|{category}".encode()


def endangers(incident: Row, facts: OutboundFacts) -> bool:
    """Whether one of the incident's categories may cost lives, or is no longer in the table."""
    rows = [facts.categories.get(name) for name in incident["told"]]
    return any(row is None or row.life_safety for row in rows)


def keys(incidents: Iterable[Row]) -> list[bytes]:
    """What `owner` will ask of the state for these incidents, to be fetched with one call."""
    found = (owner_key(incident, incident["category"]) for incident in incidents)
    return [key for key in found if key is not None]


def owner(incident: Row, tasks: Sequence[Row], facts: OutboundFacts, now_ms: int, ledger: Ledger) -> Row | None:
    """Who is proposed: as at the first dispatch while there are tasks, else from the memory; None when nobody is.

    A row with `recipient` and the `incident_id` that it solved.
    """
    if endangers(incident, facts):
        return None
    if tasks:
        return next((task for task in tasks if task.get("proposed_by") == MEMORY), None)
    key = owner_key(incident, incident["category"])
    if key is None or not facts.clocks.memory_ms:
        return None
    ledger.fetch([key])
    found: Row | None = ledger.get(key)
    return found if found is not None and now_ms - found["at"] <= facts.clocks.memory_ms else None


def arranged(items: Sequence[Assignment], recipient_id: str, facts: OutboundFacts) -> list[Assignment]:
    """The assignments with this recipient preferred.

    It leads where it would have assisted, and assists where it was only informed or not asked. Nobody is left out, and
    every limit of the one who leads is that of the routing.
    """
    lead = items[0]
    own = next((item for item in items if item.recipient_id == recipient_id), None)
    if own is lead:
        return list(items)
    if own is None:
        recipient = parse(recipient_id)
        if recipient.role not in ROLES:
            return list(items)
        name = facts.organisation.name_of(recipient)
        own = lead._replace(recipient=recipient, recipient_id=recipient_id, recipient_name=name, left_out=0)
    others = [item for item in items if item.recipient_id not in {recipient_id, lead.recipient_id}]
    asked = own._replace(accept_ms=lead.accept_ms, finish_ms=lead.finish_ms)
    if own.action == ASSIST:
        return [asked._replace(action=HANDLE), lead._replace(action=ASSIST), *others]
    return [lead, asked._replace(action=ASSIST), *others]


def remember(task: Row, incident: Row, ledger: Ledger) -> None:
    """Note who solved the matter: the handling task was closed after somebody else's check."""
    key = owner_key(incident, incident["category"])
    if key is None or task["action"] != HANDLE or task["checker"] is None or task["status"] != "actual":
        return
    known = {"recipient": task["recipient"], "incident_id": incident["incident_id"], "at": task["stage_since"]}
    ledger.put(key, known)


def forget(incident: Row, ledger: Ledger) -> None:
    """The matter came back: who closed it had not solved it."""
    key = owner_key(incident, incident["category"])
    if key is None:
        return
    ledger.fetch([key])
    if (known := ledger.get(key)) is not None and known["incident_id"] == incident["incident_id"]:
        ledger.put(key, None)
