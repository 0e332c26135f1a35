"""Reopening (重开): a matter that comes back at the same place within some days of its close was not solved.

A closed incident leaves an entry in its area's list. A new event that the matcher takes for the same matter by place,
category and keys (time left aside), and that happened after the close, opens the incident again instead of a new one:
its last handler has the task again, with new limits, and the unit above is told. Never for what may cost lives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridhub.streams.rooms import clocks, escalation, matter, progress, responsibility
from gridhub.streams.rooms.assignment import whole
from gridhub.streams.rooms.ledger import candidates_key, closed_key, incident_key
from gridhub.streams.rooms.matter import Matter
from gridhub.streams.rooms.stages import CLOSED, REOPENED

if TYPE_CHECKING:
    from gridhub.streams.rooms.ledger import Ledger
    from gridhub.streams.rooms.outbound import OutboundFacts, Row
    from gridhub.streams.rooms.recall import Recall

MOST_ENTRIES = 200
_GRID_DIGITS = 15
_MATTER_FIELDS = len(Matter._fields)
_ID = Matter._fields.index("incident_id")
NOTE = "结案后再次发生，重新办理"


# a close leaves an entry


def note_close(incident: Row, at_ms: int, ledger: Ledger, facts: OutboundFacts) -> None:
    """Keep the incident's entry among the candidates, while it may open again; call before it is forgotten there."""
    if not facts.clocks.reopen_ms(incident["category"]) or responsibility.endangers(incident, facts):
        return
    key = closed_key(incident["area"], incident["matter_group"])
    found = candidates_key(incident["area"], incident["matter_group"])
    ledger.fetch([key, found])
    entry = next((entry for entry in ledger.get(found) or [] if entry[_ID] == incident["incident_id"]), None)
    if entry is None:
        return  # planned work, or too long ago for any event to join
    entries = [other for other in ledger.get(key) or [] if at_ms - other[_MATTER_FIELDS] <= _longest(facts)]
    others = [other for other in entries if other[_ID] != incident["incident_id"]]
    ledger.put(key, [*others, [*entry, at_ms]][-MOST_ENTRIES:])


def _longest(facts: OutboundFacts) -> int:
    return max((facts.clocks.reopen_ms(name) for name in facts.clocks.file.reopen_days), default=0)


# an event looks for what it brings back


def find(me: Matter, area: str, recall: Recall) -> list[Any] | None:
    """The closed incident that this event brings back, as its entry; the one closed last where several would do."""
    kind = recall.kind(me.category)
    window = recall.facts.clocks.reopen_ms(me.category)
    entries = recall.ledger.held(closed_key(area, kind.group))
    if not entries or not window or kind.life_safety:
        return None
    found = [entry for entry in entries if _same(me, entry, window, recall) and _is_closed(entry[_ID], recall.ledger)]
    return max(found, key=lambda entry: entry[_MATTER_FIELDS], default=None)


def _same(me: Matter, entry: list[Any], window_ms: int, recall: Recall) -> bool:
    """Whether the matcher takes the two for one matter, time left aside; places without points must be one grid."""
    other, closed_at = Matter(*entry[:_MATTER_FIELDS]), entry[_MATTER_FIELDS]
    if me.category != other.category or not 0 < me.first_at - closed_at <= window_ms:
        return False
    then = other._replace(first_at=me.first_at, last_at=me.last_at)
    reach, rules = recall.reach(me.category, other.category), recall.facts.matching
    if reach.wide or matter.gate(me, then, reach, rules):
        return False
    here = (me.exact and other.exact) or matter.common_digits(me.codes, other.codes) >= _GRID_DIGITS
    return here and matter.score(me, then, reach, rules)["total"] >= rules.merge


def _is_closed(name: str, ledger: Ledger) -> bool:
    key = incident_key(name)
    ledger.fetch([key])
    incident = ledger.get(key)
    return incident is not None and incident["state"] == "closed"


def take_back(entry: list[Any], area: str, group: str, ledger: Ledger) -> list[Any]:
    """Take an incident off the list of the closed; its entry for the list of candidates."""
    key = closed_key(area, group)
    ledger.fetch([key])
    ledger.put(key, [other for other in ledger.get(key) or [] if other[_ID] != entry[_ID]])
    return entry[:_MATTER_FIELDS]


def entry_of(incident: Row, ledger: Ledger) -> list[Any] | None:
    """The closed incident's entry, or None when there is none."""
    key = closed_key(incident["area"], incident["matter_group"])
    ledger.fetch([key])
    return next((entry for entry in ledger.get(key) or [] if entry[_ID] == incident["incident_id"]), None)


# the incident and its tasks are open again


def opened_again(incident: Row, changed_by: str) -> Row:
    """The closed incident as it is open again. `reopened_by` stays in the state: what opened it last."""
    return {
        **incident,
        "state": "open",
        "closed_at": None,
        "reopened": incident["reopened"] + 1,
        "changed_by": changed_by,
        "reopened_by": changed_by,
    }


def is_news(incident: Row) -> bool:
    """Whether this version is the one that opened the incident again."""
    return bool(incident.get("reopened_by")) and incident["reopened_by"] == incident["changed_by"]


def woken(incident: Row, tasks: list[Row], facts: OutboundFacts, now_ms: int) -> list[Row]:
    """The last handler's task, open again with new limits, and a task by which the unit above knows.

    None where the state has no closed task any more.
    """
    closed = [whole(task) for task in tasks if task["action"] == "handle" and task["stage"] == CLOSED]
    if not closed:
        return []
    last = max(closed, key=lambda task: (task["stage_since"], task["task_id"]))
    again = _again(last, incident, facts, now_ms)
    upper = facts.organisation.upper(last["recipient"])
    if upper is None:
        return [again]
    note = f"{NOTE}（{incident['last_title']}）"
    return [
        again,
        escalation.informing(upper, again, escalation.REOPENED_SIGN, note, now_ms, incident["task_ids"], facts),
    ]


def _again(task: Row, incident: Row, facts: OutboundFacts, now_ms: int) -> Row:
    """A closed task in the stage reopened: the clock begins anew, the people stay known."""
    accept, finish = (clocks.times(task, kind, facts) for kind in (clocks.ACCEPT, clocks.FINISH))
    span = facts.accept_limit_ms if accept.limit_ms is None else accept.limit_ms
    whole_time = task["span_ms"]
    after = {
        **task,
        "version": task["version"] + 1,
        "stage": REOPENED,
        "stage_since": now_ms,
        "accept_by": clocks.deadline(now_ms, span, accept.time, facts),
        "finish_by": None if whole_time is None else clocks.deadline(now_ms, whole_time, finish.time, facts),
        "check_by": None,
        "check_unit": None,
        "checker": None,
        "overdue": False,
        "reopened": task["reopened"] + 1,
        "on_duty": facts.organisation.on_duty(task["recipient"], now_ms).who,
        "note": f"{NOTE}：{incident['last_title']}"[: progress.MOST_NOTE],
        "changed_by": incident["changed_by"],
    }
    return clocks.started(after, now_ms, facts)
