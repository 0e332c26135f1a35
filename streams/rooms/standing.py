"""The parents that an area was told of: what it takes down, and when each one's time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gridhub.streams.rooms import timers
from gridhub.streams.rooms.ledger import parents_key

if TYPE_CHECKING:
    from gridhub.streams.rooms.ledger import Ledger
    from gridhub.streams.rooms.outbound import OutboundFacts, Row

TIMER = "parent"
"""The kind of the timers that end parents, one for each area that was told of one."""
OLD_KEY = b"d|parents"
"""Where earlier versions kept a lane's parents in the order of their ends: [ms, area, parent] each."""
MOST_ENTRIES = 50
_ENDS_AT = 8


class Parent(NamedTuple):
    """One entry of an area's list, as a JSON array: what an event needs to know of a parent. Times in ms."""

    parent_id: str
    seq: int  # the version of the parent's incident that told it: an older notice changes nothing
    rule: str
    category: str
    severity: int
    status: str
    codes: list[str]
    begins_at: int
    ends_at: int
    ended: bool


def take_down(row: Row, ledger: Ledger, facts: OutboundFacts, now_ms: int) -> bool:
    """Write what a notice says into the area's list; False when a newer one was there. The keys must be fetched."""
    key = parents_key(row["area"])
    entries = ledger.get(key) or []
    seq = int(row["notice_id"].split("/")[1])
    others = [entry for entry in entries if entry[0] != row["parent_id"]]
    before = next((Parent(*entry) for entry in entries if entry[0] == row["parent_id"]), None)
    if before is not None and before.seq > seq:
        return False
    parent = Parent(
        row["parent_id"], seq, row["rule"], row["category"], row["severity"], row["status"], row["codes"],
        row["begins_at"], row["ends_at"], row["ended"],
    )  # fmt: skip
    oldest = now_ms - facts.matching.lateness_s * 1000
    kept = [entry for entry in others if entry[_ENDS_AT] >= oldest]
    ledger.put(key, [*kept, list(parent)][-MOST_ENTRIES:])
    name = _timer_name(parent.parent_id, row["area"])
    if parent.ended:
        timers.drop(ledger, TIMER, name)
    else:
        where = {"area": row["area"], "parent_id": parent.parent_id}
        timers.put(ledger, TIMER, name, parent.ends_at, where)
    return True


def _timer_name(parent_id: str, area: str) -> str:
    return f"{parent_id}/{area}"


def bring_over(ledger: Ledger) -> None:
    """Make timers of the list of an earlier version, once."""
    ledger.fetch([OLD_KEY])
    listed = ledger.get(OLD_KEY)
    for ends_at, area, parent_id in listed or ():
        where = {"area": area, "parent_id": parent_id}
        timers.put(ledger, TIMER, _timer_name(parent_id, area), ends_at, where)
    if listed is not None:
        ledger.put(OLD_KEY, None)


def over(area: str, parent_id: str, ledger: Ledger, now_ms: int) -> Row | None:
    """The notice of the end of a parent whose time is over in this area; None when it ended before. Key fetched."""
    entries = [Parent(*entry) for entry in ledger.get(parents_key(area)) or ()]
    parent = next((entry for entry in entries if entry.parent_id == parent_id and not entry.ended), None)
    return parent and {
        **{name: value for name, value in parent._asdict().items() if name not in {"seq", "ended"}},
        "notice_id": f"{parent_id}/{parent.seq}/{area}/over",
        "area": area,
        "ended": True,
        "at": now_ms,
        "told_by": parent_id,
    }
