"""What an area does when it is told of a parent: attach what is open, and give out what waited when the parent ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

from gridhub.streams.records import Reason
from gridhub.streams.rooms import progress, standing
from gridhub.streams.rooms.desk import Refused
from gridhub.streams.rooms.ledger import candidates_key, held_key, incident_key, parents_key
from gridhub.streams.rooms.matter import Matter

if TYPE_CHECKING:
    from gridhub.streams.rooms.desk import Desk
    from gridhub.streams.rooms.outbound import Row
    from gridhub.streams.rooms.timers import Timer

_ID = re.compile(r"[^/]+/\d{1,9}/[^/]+(/over)?")
ATTACHED, RELEASED, KNOWN = "attached", "released", "known"


def notice_row(record: Row) -> Row:
    """The STATUS row of a ParentNotice; the whole of it is JSON in one column."""
    return {
        "kind": "parent", "status_id": record["notice_id"], "incident_id": record["parent_id"],
        "stage": "ends" if record["ended"] else "begins", "actor": "hub", "at": record["at"], "note": "",
        "sender": "parent", "notice": orjson.dumps(record).decode(),
    }  # fmt: skip


def take(report: Row, desk: Desk) -> tuple[str, str, str]:
    """Write a notice down and act on it: the parent, what came of it, and the rule's name."""
    notice = orjson.loads(report["notice"])
    area, parent_id = notice["area"], notice["parent_id"]
    if not _ID.fullmatch(notice["notice_id"]) or not notice["codes"]:
        raise Refused(Reason.MISSING_FIELD, "A notice is named by incident, version and area, and names a place.")
    desk.ledger.fetch([parents_key(area), held_key(area, parent_id)])
    if not standing.take_down(notice, desk.ledger, desk.facts, desk.now_ms):
        return parent_id, KNOWN, notice["rule"]
    if notice["ended"]:
        _release(notice, desk)
        return parent_id, RELEASED, notice["rule"]
    _attach(notice, desk)
    return parent_id, ATTACHED, notice["rule"]


def over(timer: Timer, desk: Desk) -> None:
    """Handler of timers of kind `parent`: the time of one is over in one area, what it held back there is given out."""
    area, parent_id = timer.payload["area"], timer.payload["parent_id"]
    desk.ledger.fetch([parents_key(area), held_key(area, parent_id)])
    notice = standing.over(area, parent_id, desk.ledger, desk.now_ms)
    if notice is None:
        return
    standing.take_down(notice, desk.ledger, desk.facts, desk.now_ms)
    own = {"area": area, "incident_id": parent_id, "outcome": RELEASED, "reason": notice["rule"], "task_ids": []}
    desk.told.append(own)
    before = len(desk.tasks)
    _release(notice, desk)
    own["task_ids"] = [task["task_id"] for task in desk.tasks[before:]]


def _attach(notice: Row, desk: Desk) -> None:
    """Attach what opened before the notice came. Its tasks are given out already; they are not taken back."""
    for name in _open_matters(notice, desk):
        incident = desk.incident(name)
        if incident is None or incident["state"] != "open" or incident["parent_id"] or name == notice["parent_id"]:
            continue
        after = progress.changed(incident, notice["told_by"], parent_id=notice["parent_id"], parent_rule=notice["rule"])
        desk.publish_incident(after)
        _tell(after, ATTACHED, [], notice, desk)


def _open_matters(notice: Row, desk: Desk) -> list[str]:
    """Ids of the open incidents of this area that fit the notice, from the lists of candidates."""
    rule = desk.facts.matching.parents.rule(notice["rule"])
    wanted = rule.target.category if rule is not None else []
    rows = filter(None, (desk.facts.categories.get(category) for category in wanted))
    keys = [candidates_key(notice["area"], group) for group in dict.fromkeys(row.matter_group for row in rows)]
    desk.ledger.fetch(keys)
    matters = [Matter(*entry) for key in keys for entry in desk.ledger.get(key) or ()]
    found = [matter.incident_id for matter in matters if matter.category in wanted and _inside(matter, notice)]
    desk.ledger.fetch(incident_key(name) for name in found)
    return found


def _inside(matter: Matter, notice: Row) -> bool:
    return (
        matter.status == notice["status"]
        and notice["begins_at"] <= matter.first_at <= notice["ends_at"]
        and all(code.startswith(tuple(notice["codes"])) for code in matter.codes)
    )


def _release(notice: Row, desk: Desk) -> None:
    """Give out the tasks of every child that is still open and waited for this parent's end."""
    key = held_key(notice["area"], notice["parent_id"])
    names = desk.ledger.get(key) or []
    if not names:
        return
    desk.ledger.fetch(incident_key(name) for name in names)
    for name in names:
        incident = desk.incident(name)
        if incident is None or incident["state"] != "open" or not incident["inhibited"]:
            continue
        before = len(desk.tasks)
        after = desk.give_out(progress.changed(incident, notice["told_by"], inhibited=False), [])
        desk.publish_incident(after)
        _tell(after, RELEASED, [task["task_id"] for task in desk.tasks[before:]], notice, desk)
    desk.ledger.put(key, None)


def _tell(incident: Row, outcome: str, task_ids: list[str], notice: Row, desk: Desk) -> None:
    """One line of the journal about one child."""
    source, _, event_id = incident["event_ids"][0].partition("/")
    desk.told.append(
        {
            "source": source,
            "event_id": event_id,
            "area": incident["area"],
            "incident_id": incident["incident_id"],
            "outcome": outcome,
            "reason": notice["rule"],
            "task_ids": task_ids,
            "parent_id": notice["parent_id"],
        }
    )
