"""One step of a task or an incident. Rows are never changed in place."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from gridhub.streams.records import Reason
from gridhub.streams.rooms import clocks, organisation
from gridhub.streams.rooms.assignment import NEW_TASK, task_id
from gridhub.streams.rooms.stages import (
    CANCELLED,
    CHECKED,
    DISPATCHED,
    EXTENDED,
    HANDLING,
    JUDGEMENT,
    REPORTED,
    RETURNED,
    REWORKED,
    STAGES_ZH,
    SUSPENDED,
    WORK,
    allowed,
    is_open,
    may_follow,
)

if TYPE_CHECKING:
    from gridhub.streams.rooms.organisation import Recipient
    from gridhub.streams.rooms.outbound import OutboundFacts, Row

MOST_NOTE = 2000
DAY_MS = 86_400_000
_SURVIVING = frozenset({"span_ms", "paused_ms", "extensions", "reopened", "also_incidents"})
"""What a task that goes to somebody else keeps of its clock's history."""


def objection(task: Row, report: Row, facts: OutboundFacts) -> tuple[Reason, str] | None:
    """Why this report cannot move the task, and a sentence for the sender; None when it can."""
    stage = report["stage"]
    if not may_follow(task["stage"], stage or ""):
        return Reason.WRONG_TRANSITION, f"After {task['stage']} comes {allowed(task['stage'])}, not {stage}."
    if stage in JUDGEMENT and worked_on(task, report["actor"]):
        return (
            Reason.SAME_ACTOR,
            f"Who handled a task may not bring it to {stage} ({STAGES_ZH[stage]}): another one checks.",
        )
    if stage == RETURNED and task["arbitrated"]:
        return Reason.WRONG_TRANSITION, f"An arbiter decided on it: after {task['stage']} comes accepted, not returned."
    if stage == EXTENDED:
        return _no_more_time(task, report, facts)
    return no_rest(report, task, facts) if stage == SUSPENDED else None


def _no_more_time(task: Row, report: Row, facts: OutboundFacts) -> tuple[Reason, str] | None:
    """Why more time may not be asked for."""
    if not worked_on(task, report["actor"]):
        return Reason.WRONG_ACTOR, "More time is asked for by who handles the task."
    if task["extension_asked_by"] is not None:
        return Reason.WRONG_TRANSITION, "More time was asked for already: approve or refuse comes next."
    if task["finish_by"] is None or task["extensions"] >= facts.clocks.file.extend.most:
        return Reason.WRONG_TRANSITION, f"More time is granted {facts.clocks.file.extend.most} times at most."
    return None


def no_rest(report: Row, task: Row, facts: OutboundFacts) -> tuple[Reason, str] | None:
    """Why the task's clock may not rest as this report or command asks; None when it may."""
    reasons = facts.clocks.file.suspend
    listed = reasons.get(report.get("cause") or "")
    if listed is None:
        return Reason.NOT_LISTED, f"A task is suspended for a listed reason, given as cause: {', '.join(reasons)}."
    at, until = max(report["at"] or 0, task["stage_since"]), report.get("until")
    if until is None or not at < until <= at + listed.most_days * DAY_MS:
        return (
            Reason.NOT_LISTED,
            f"A suspension for {report['cause']} names its end, {listed.most_days} days on at most.",
        )
    return None


def worked_on(task: Row, actor: str) -> bool:
    """Whether this person accepted, handled or reported the task."""
    return person(actor) in task["workers"]


def person(actor: str) -> str:
    """One spelling per person, so that a space or a capital letter makes no second one."""
    return unicodedata.normalize("NFKC", actor).strip().casefold()


def time_of(report: Row, since_ms: int, now_ms: int) -> int:
    """When it was done, in ms: as told, but neither before the stage began nor in the future."""
    told = now_ms if report["at"] is None else report["at"]
    return int(min(max(told, since_ms), now_ms))


def moved(task: Row, report: Row, now_ms: int, facts: OutboundFacts, *, works: bool = True) -> Row:
    """The task in the stage that the report asks for; its clock, its people and whether it is late brought along.

    `works`: whether the stages of work make their actor a handler; a command does not.
    """
    stage, at = report["stage"], time_of(report, task["stage_since"], now_ms)
    resting = resumed(task, at, facts) if task["stage"] == SUSPENDED else task
    after = {
        **resting,
        "version": task["version"] + 1,
        "stage": stage,
        "stage_since": at,
        "note": (report["note"] or "")[:MOST_NOTE],
        "overdue": task["overdue"] or late(task, at),
        "returns": task["returns"] + (stage == RETURNED),
        "extension_asked_by": task["extension_asked_by"] if stage == HANDLING else None,
        "changed_by": report["status_id"],
        **_of_stage(task, report, at, facts),
    }
    if works and stage in WORK:
        after |= {"handler": report["actor"], "workers": sorted({*task["workers"], person(report["actor"])})}
    return clocks.kept(task, after, at, facts)


def _of_stage(task: Row, report: Row, at: int, facts: OutboundFacts) -> Row:
    """What only this stage changes."""
    stage = report["stage"]
    if stage == REPORTED:
        its = clocks.times(task, clocks.CHECK, facts)
        limit = clocks.deadline(at, its.limit_ms or 0, its.time, facts)
        unit = facts.organisation.checker(task["recipient"])
        return {"check_by": limit, "check_unit": unit.id, "reported_at": at}
    if stage == REWORKED:  # the time that it waited for its check does not count
        finish_by = clocks.shifted(task, task.get("reported_at") or at, at, facts)
        return {"check_by": None, "check_unit": None, "checker": None, "finish_by": finish_by}
    if stage == SUSPENDED:
        return {"suspend_reason": report["cause"], "suspended_until": report["until"]}
    return {"checker": report["actor"]} if stage == CHECKED else {}


def asked(task: Row, report: Row) -> Row:
    """The task whose handler asks for more time: its stage and limits stay until somebody else answers."""
    return {
        **task,
        "version": task["version"] + 1,
        "extension_asked_by": report["actor"],
        "note": f"申请延期：{report['note'] or ''}"[:MOST_NOTE],
        "changed_by": report["status_id"],
    }


def resumed(task: Row, at: int, facts: OutboundFacts) -> Row:
    """The suspended task going on at this moment: the rest does not count."""
    after = {
        **task,
        "version": task["version"] + 1,
        "stage": HANDLING,
        "stage_since": at,
        "finish_by": clocks.resumed(task, at, facts),
        "paused_ms": task["paused_ms"] + at - task["stage_since"],
        "suspend_reason": None,
        "suspended_until": None,
    }
    return clocks.started(after, at, facts)


def late(task: Row, at: int) -> bool:
    """Whether a limit had passed when the report's work was done."""
    limit = clocks.limit_of(task)
    return limit is not None and at > limit


def upper(task: Row, facts: OutboundFacts) -> Recipient | None:
    """Who stands above the task's recipient."""
    return facts.organisation.above(organisation.parse(task["recipient"]))


def handed_up(  # noqa: PLR0913  # what was returned, to whom, and all that a task is made from
    returned: Row, recipient: Recipient, taken: list[str], facts: OutboundFacts, now_ms: int, stage: str = DISPATCHED
) -> Row:
    """The task for somebody else: time to accept (or to decide) begins anew, the time to finish does not.

    An arbitrating task has its time to decide as `accept_by`.
    """
    returns = returned["returns"]
    name = task_id(returned["incident_id"], "handle", recipient)
    turn = next(turn for turn in range(returns, returns + len(taken) + 1) if f"{name}-r{turn}" not in taken)
    kind = clocks.ACCEPT if stage == DISPATCHED else clocks.ARBITRATE
    its = clocks.times(returned, kind, facts)
    span = facts.accept_limit_ms if its.limit_ms is None else its.limit_ms
    new = {
        **returned,
        **{name: value for name, value in NEW_TASK.items() if name not in _SURVIVING},
        "task_id": f"{name}-r{turn}",
        "version": 1,
        "action": "handle",
        "role": recipient.role,
        "recipient": recipient.id,
        "recipient_name": facts.organisation.name_of(recipient),
        "stage": stage,
        "stage_since": now_ms,
        "created_at": now_ms,
        "accept_by": clocks.deadline(now_ms, span, its.time, facts),
        "overdue": False,
        "handler": None,
        "checker": None,
        "on_duty": facts.organisation.on_duty(recipient.id, now_ms).who,
        "note": f"退单转办：{returned['recipient_name']} {returned['note']}".strip()[:MOST_NOTE],
    }
    return clocks.started(new, now_ms, facts)


def noted(task: Row, returned: Row) -> Row:
    """An open task of the next level up, which takes what was returned along with its own."""
    return {
        **task,
        "version": task["version"] + 1,
        "returns": max(task["returns"], returned["returns"]),
        "note": f"退单转办：{returned['recipient_name']} {returned['note']}".strip()[:MOST_NOTE],
        "changed_by": returned["changed_by"],
    }


def not_needed(task: Row) -> bool:
    """Whether a task is of no use once the incident is closed: open, and without work that waits for its check."""
    return is_open(task["stage"]) and task["stage"] not in {REPORTED, CHECKED}


def cancelled(task: Row, changed_by: str, at: int, note: str) -> Row:
    """The task, ended without a result (作废)."""
    return {
        **task,
        "version": task["version"] + 1,
        "stage": CANCELLED,
        "stage_since": max(at, task["stage_since"]),
        "note": note[:MOST_NOTE],
        "changed_by": changed_by,
    }


def reweighed(task: Row, severity: int, changed_by: str) -> Row:
    """The task after its incident's severity was set anew; limits that were given stay."""
    return {**task, "version": task["version"] + 1, "severity": severity, "changed_by": changed_by}


def changed(incident: Row, changed_by: str, **values: object) -> Row:
    """The incident's next version."""
    return {**incident, "version": incident["version"] + 1, "changed_by": changed_by, **values}
