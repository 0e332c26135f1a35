"""The clock of a task: which limit is in force, when somebody is reminded, when it is raised. Rows are never changed in place.

A task has one limit in force at a time, by its stage, and one timer: the reminder before the limit, then the breach, then
each next level of the organisation; or the end of its suspension. The timer follows the row: whoever publishes a version
of a task calls `wind`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.streams.rooms import timers
from gridhub.streams.rooms.ledger import task_key
from gridhub.streams.rooms.stages import (
    ARBITRATING,
    SUSPENDED,
    UNCHECKED,
    UNFINISHED,
    WAITING,
    is_open,
)

if TYPE_CHECKING:
    from gridhub.streams.clocks import Times
    from gridhub.streams.rooms.ledger import Ledger
    from gridhub.streams.rooms.outbound import OutboundFacts, Row

MINUTE_MS = 60_000
ACCEPT, FINISH, CHECK, ARBITRATE = "accept", "finish", "check", "arbitrate"
REMIND, PAUSE = "remind", "pause"
KINDS = (REMIND, ACCEPT, FINISH, CHECK, ARBITRATE, PAUSE)
"""Kinds of the timers of tasks."""
_LAST_PART = 3  # a reminder comes in the last third of a short limit

_KIND_OF = {
    **dict.fromkeys(WAITING, ACCEPT),
    **dict.fromkeys(UNFINISHED, FINISH),
    **dict.fromkeys(UNCHECKED, CHECK),
    ARBITRATING: ARBITRATE,
}

_LIMITS = {
    ACCEPT: ("accept_by", "finish_by"),
    FINISH: ("finish_by",),
    CHECK: ("check_by",),
    ARBITRATE: ("accept_by",),
}


def kind_of(task: Row) -> str | None:
    """Which clock runs in the task's stage: accept, finish, check or arbitrate; None when none does."""
    return _KIND_OF.get(task["stage"])


def limit_of(task: Row) -> int | None:
    """The limit in force, ms. Who has not accepted yet is bound by the time to finish too: it survives returns."""
    names = _LIMITS.get(kind_of(task) or "", ())
    return min((task[name] for name in names if task[name] is not None), default=None)


def times(task: Row, kind: str, facts: OutboundFacts) -> Times:
    """The clock of a stage for this task's category and severity."""
    return facts.clocks.times(kind, task["category"], task["severity"])


def deadline(start_ms: int, span_ms: int, time: str, facts: OutboundFacts) -> int:
    """The moment at which a span of this time has passed; at once for a span of none."""
    if time == "natural" or span_ms <= 0:
        return start_ms + max(0, span_ms)
    return facts.organisation.calendar.deadline(start_ms, span_ms / MINUTE_MS, time)


def left(at_ms: int, limit_ms: int, time: str, facts: OutboundFacts) -> int:
    """How much of this time lies between two moments, ms; negative when the limit has passed."""
    return limit_ms - at_ms if time == "natural" else facts.organisation.calendar.elapsed_ms(at_ms, limit_ms, time)


def started(task: Row, at_ms: int, facts: OutboundFacts) -> Row:
    """The task with its stage's clock begun at this moment: the next reminder and breach, nothing raised yet."""
    kind, limit = kind_of(task), limit_of(task)
    if kind is None or limit is None or task["action"] == "inform":
        return {**task, "remind_at": None, "breach_at": None, "escalations": 0, "escalated_to": None}
    its = times(task, kind, facts)
    # who begins after the limit has been told of it: the next level hears of it after the next interval
    breach = limit if limit > at_ms else deadline(at_ms, its.escalate_ms, its.time, facts)
    remind = _reminder(at_ms, limit, its, facts) if limit > at_ms else None
    return {**task, "remind_at": remind, "breach_at": breach, "escalations": 0, "escalated_to": None}


def _reminder(at_ms: int, limit_ms: int, its: Times, facts: OutboundFacts) -> int | None:
    span = left(at_ms, limit_ms, its.time, facts)
    lead = min(its.remind_ms, span // _LAST_PART)
    if lead <= 0:
        return None
    return limit_ms - lead if its.time == "natural" else deadline(at_ms, span - lead, its.time, facts)


def kept(before: Row, after: Row, at_ms: int, facts: OutboundFacts) -> Row:
    """The task after a change: its clock goes on while stage and limit demand the same, else it begins anew."""
    same = kind_of(before) == kind_of(after) and limit_of(before) == limit_of(after)
    return after if same and "breach_at" in before else started(after, at_ms, facts)


def resumed(task: Row, at_ms: int, facts: OutboundFacts) -> int | None:
    """The time to finish after a rest since the stage began: what was left then is left now."""
    return shifted(task, int(task["stage_since"]), at_ms, facts)


def shifted(task: Row, rest_ms: int, at_ms: int, facts: OutboundFacts) -> int | None:
    """The time to finish when its clock rested from one moment to another."""
    limit: int | None = task["finish_by"]
    if limit is None:
        return None
    time = times(task, FINISH, facts).time
    span = left(rest_ms, limit, time, facts)
    if time == "natural":
        return limit + at_ms - rest_ms
    return deadline(at_ms, span, time, facts) if span > 0 else limit


def extended(task: Row, at_ms: int, facts: OutboundFacts) -> int | None:
    """The time to finish after more time was granted: a share of the first time, from the limit (or now, if it passed)."""
    limit: int | None = task["finish_by"]
    if limit is None:
        return None
    more = int((task["span_ms"] or 0) * facts.clocks.file.extend.share)
    return deadline(max(limit, at_ms), more, times(task, FINISH, facts).time, facts)


def timer_of(task: Row) -> tuple[str, int] | None:
    """Kind and time of the one timer that this task demands; None when it demands none."""
    if not is_open(task["stage"]):
        return None
    if task["stage"] == SUSPENDED:
        return (PAUSE, task["suspended_until"]) if task.get("suspended_until") is not None else None
    kind, remind, breach = kind_of(task), task.get("remind_at"), task.get("breach_at")
    if kind is not None and remind is not None:
        return REMIND, remind
    return (kind, breach) if kind is not None and breach is not None else None


def wind(ledger: Ledger, before: Row | None, after: Row) -> None:
    """Set the timer that the new version demands, and drop the one that it does not any more."""
    had = None if before is None else timer_of(before)
    wanted = timer_of(after)
    if had == wanted:
        return
    if had is not None and (wanted is None or wanted[0] != had[0]):
        timers.drop(ledger, had[0], after["task_id"])
    if wanted is not None:
        new = before is None and after["version"] == 1
        (timers.begin if new else timers.put)(ledger, wanted[0], after["task_id"], wanted[1])


def keep(ledger: Ledger, task: Row) -> None:
    """Put a version of a task into the state, with its timer."""
    key = task_key(task["task_id"])
    wind(ledger, ledger.held(key), task)
    ledger.put(key, task)
