"""One step of a task or an incident. Rows are never changed in place."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from gridhub.streams.records import Reason
from gridhub.streams.rooms import organisation
from gridhub.streams.rooms.assignment import task_id
from gridhub.streams.rooms.stages import (
    CANCELLED,
    CHECKED,
    DISPATCHED,
    EXTENDED,
    JUDGEMENT,
    REPORTED,
    RETURNED,
    STAGES_ZH,
    SUSPENDED,
    TRANSITIONS,
    UNFINISHED,
    WORK,
    is_open,
    may_follow,
)

if TYPE_CHECKING:
    from gridhub.streams.rooms.organisation import Recipient
    from gridhub.streams.rooms.outbound import OutboundFacts, Row

MOST_NOTE = 2000


def objection(task: Row, report: Row) -> tuple[Reason, str] | None:
    """Why this report cannot move the task, and a sentence for the sender; None when it can."""
    stage = report["stage"]
    if not may_follow(task["stage"], stage or ""):
        following = ", ".join(TRANSITIONS[task["stage"]]) or "nothing"
        return Reason.WRONG_TRANSITION, f"After {task['stage']} comes {following}, not {stage}."
    if stage in JUDGEMENT and worked_on(task, report["actor"]):
        return (
            Reason.SAME_ACTOR,
            f"Who handled a task may not bring it to {stage} ({STAGES_ZH[stage]}): another one checks.",
        )
    return None


def worked_on(task: Row, actor: str) -> bool:
    """Whether this person accepted, handled or reported the task."""
    return _person(actor) in task["workers"]


def _person(actor: str) -> str:
    """One spelling per person, so that a space or a capital letter makes no second one."""
    return unicodedata.normalize("NFKC", actor).strip().casefold()


def time_of(report: Row, since_ms: int, now_ms: int) -> int:
    """When it was done, in ms: as told, but neither before the stage began nor in the future."""
    told = now_ms if report["at"] is None else report["at"]
    return int(min(max(told, since_ms), now_ms))


def moved(task: Row, report: Row, now_ms: int) -> Row:
    """The task in the stage that the report asks for; its clock, its people and whether it is late brought along."""
    stage, at = report["stage"], time_of(report, task["stage_since"], now_ms)
    after = {
        **task,
        "version": task["version"] + 1,
        "stage": stage,
        "stage_since": at,
        "note": (report["note"] or "")[:MOST_NOTE],
        "overdue": task["overdue"] or _late(task, at),
        "finish_by": _finish_by(task, stage, at),
        "returns": task["returns"] + (stage == RETURNED),
        "changed_by": report["status_id"],
    }
    if stage in WORK:
        after |= {"handler": report["actor"], "workers": sorted({*task["workers"], _person(report["actor"])})}
    return after | {"checker": report["actor"]} if stage == CHECKED else after


def _late(task: Row, at: int) -> bool:
    """Whether a limit had passed when the report's work was done."""
    waits = task["stage"] == DISPATCHED and task["accept_by"] is not None and at > task["accept_by"]
    running = task["stage"] in UNFINISHED or task["stage"] == DISPATCHED
    return waits or (running and task["finish_by"] is not None and at > task["finish_by"])


def _finish_by(task: Row, stage: str, at: int) -> int | None:
    """The limit after this step: an extension grants the first time once more, a suspension does not count."""
    limit: int | None = task["finish_by"]
    if limit is None:
        return None
    if stage == EXTENDED:
        return limit + int(task["span_ms"] or 0)
    return limit + at - int(task["stage_since"]) if task["stage"] == SUSPENDED else limit


def upper(task: Row, facts: OutboundFacts) -> Recipient | None:
    """Who stands above the task's recipient."""
    return facts.organisation.above(organisation.parse(task["recipient"]))


def handed_up(returned: Row, recipient: Recipient, taken: list[str], facts: OutboundFacts, now_ms: int) -> Row:
    """The task for the next level up: time to accept begins anew, the time to finish does not."""
    returns = returned["returns"]
    name = task_id(returned["incident_id"], "handle", recipient)
    turn = next(turn for turn in range(returns, returns + len(taken) + 1) if f"{name}-r{turn}" not in taken)
    return {
        **returned,
        "task_id": f"{name}-r{turn}",
        "version": 1,
        "role": recipient.role,
        "recipient": recipient.id,
        "recipient_name": facts.organisation.name_of(recipient),
        "stage": DISPATCHED,
        "stage_since": now_ms,
        "created_at": now_ms,
        "accept_by": now_ms + facts.accept_limit_ms,
        "overdue": False,
        "handler": None,
        "checker": None,
        "workers": [],
        "note": f"退单转办：{returned['recipient_name']} {returned['note']}".strip()[:MOST_NOTE],
    }


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
