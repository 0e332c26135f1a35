"""The stages of a task (GB/T 30428.8 practice) as data: what may follow what, who brings it about, who may not.

docs/tasks.md has the same table, written from here.
"""

from __future__ import annotations

from typing import NamedTuple

REGISTERED, DISPATCHED, ACCEPTED, HANDLING, REPORTED = "registered", "dispatched", "accepted", "handling", "reported"
CHECKED, CLOSED, RETURNED, EXTENDED = "checked", "closed", "returned", "extended"
REWORKED, SUSPENDED, CANCELLED = "reworked", "suspended", "cancelled"
ARBITRATING, REOPENED = "arbitrating", "reopened"

STAGES_ZH = {
    REGISTERED: "立案",
    DISPATCHED: "派遣",
    ACCEPTED: "接单",
    HANDLING: "处理",
    REPORTED: "反馈",
    CHECKED: "核查",
    CLOSED: "结案",
    RETURNED: "退单",
    ARBITRATING: "仲裁",
    EXTENDED: "延期",
    REWORKED: "返工",
    SUSPENDED: "挂账",
    REOPENED: "重开",
    CANCELLED: "作废",
}
MEANING = {
    REGISTERED: "the incident is open, the task not given out yet: its parent holds it back, or its group waits",
    DISPATCHED: "sent to its recipient; the time to accept runs",
    ACCEPTED: "somebody has it; the time to finish runs since the dispatch",
    HANDLING: "being worked on",
    REPORTED: "the handler says it is done; the time to check runs",
    CHECKED: "somebody else has seen that it is done",
    CLOSED: "ended, solved",
    RETURNED: "ended here; somebody else has it",
    ARBITRATING: "returned too often: an arbiter decides who handles it; the time to decide runs",
    EXTENDED: "more time was granted; being worked on",
    REWORKED: "the check found it wanting; what was left of the time to finish runs on",
    SUSPENDED: "waits for a listed reason, with an end; this time does not count",
    REOPENED: "it came back after its close: sent to who closed it, with new limits",
    CANCELLED: "ended without a result",
}

REPORT, COMMAND, HUB = "report", "command", "hub"


class Step(NamedTuple):
    """One line of the machine: `word` is the report's stage, the command's kind, or what moves the hub."""

    stage: str
    following: str
    by: str
    word: str


def _reports(stage: str, *following: str) -> tuple[Step, ...]:
    return tuple(Step(stage, name, REPORT, name) for name in following)


MACHINE: tuple[Step, ...] = (
    Step(REGISTERED, DISPATCHED, HUB, "dispatch"),
    *_reports(DISPATCHED, ACCEPTED, RETURNED),
    *_reports(ACCEPTED, HANDLING, RETURNED, EXTENDED, SUSPENDED),
    *_reports(HANDLING, REPORTED, RETURNED, EXTENDED, SUSPENDED),
    *_reports(EXTENDED, HANDLING, REPORTED, EXTENDED, SUSPENDED),
    *_reports(SUSPENDED, HANDLING),
    *_reports(REPORTED, CHECKED, REWORKED),
    *_reports(REWORKED, HANDLING, EXTENDED, SUSPENDED),
    *_reports(CHECKED, CLOSED, REWORKED),
    *_reports(REOPENED, ACCEPTED, RETURNED),
    *(Step(stage, EXTENDED, COMMAND, "approve") for stage in (ACCEPTED, HANDLING, EXTENDED, REWORKED)),
    *(Step(stage, SUSPENDED, COMMAND, "suspend") for stage in (ACCEPTED, HANDLING, EXTENDED, REWORKED)),
    Step(SUSPENDED, HANDLING, COMMAND, "resume"),
    Step(SUSPENDED, HANDLING, HUB, "its end came"),
    Step(RETURNED, DISPATCHED, HUB, "a task of its own, one level up"),
    Step(RETURNED, ARBITRATING, HUB, "a task of its own, after too many returns"),
    Step(ARBITRATING, DISPATCHED, COMMAND, "arbitrate"),
    Step(ARBITRATING, RETURNED, COMMAND, "arbitrate"),
    Step(CLOSED, REOPENED, COMMAND, "reopen"),
    Step(CLOSED, REOPENED, HUB, "the matter came back"),
    *(
        Step(stage, CANCELLED, by, word)
        for stage in (
            DISPATCHED, ACCEPTED, HANDLING, REPORTED, CHECKED, ARBITRATING, EXTENDED, REWORKED, SUSPENDED, REOPENED,
        )
        for by, word in ((COMMAND, "cancel"), (HUB, "its incident ended"))
    ),
)  # fmt: skip
"""All that is allowed, and nothing else. A report of `extended` only asks: the stage follows with `approve`."""

TRANSITIONS: dict[str, tuple[str, ...]] = {
    stage: tuple(step.following for step in MACHINE if step.stage == stage and step.by == REPORT)
    for stage in STAGES_ZH
    if stage != REGISTERED
}
"""Stage -> stages that a status may ask for next."""

ENDED = frozenset({CLOSED, RETURNED, CANCELLED})
WORK = frozenset({ACCEPTED, HANDLING, REPORTED})
"""Stages that make their actor a handler of the task."""
JUDGEMENT = frozenset({CHECKED, CLOSED, REWORKED})
"""Stages that no handler of the task may bring about."""
WAITING = frozenset({DISPATCHED, REOPENED})
"""Stages in which nobody has accepted the task yet."""
UNFINISHED = frozenset({ACCEPTED, HANDLING, EXTENDED, REWORKED})
"""Stages in which the clock to the report runs; it rests while a task is suspended."""
UNCHECKED = frozenset({REPORTED, CHECKED})
"""Stages in which somebody else is to check or close."""


def is_open(stage: str) -> bool:
    """Whether a task in this stage still wants something from somebody."""
    return stage not in ENDED


def may_follow(stage: str, following: str) -> bool:
    """Whether a status may take a task from the one stage to the other."""
    return following in TRANSITIONS.get(stage, ())


def commanded(stage: str, word: str) -> tuple[str, ...]:
    """The stages that this command may take a task of this stage to; none where it is not allowed."""
    return tuple(step.following for step in MACHINE if step[::3] == (stage, word) and step.by == COMMAND)


def allowed(stage: str) -> str:
    """What a person may do with a task of this stage, in a sentence's part: reports, then commands."""
    reports = ", ".join(TRANSITIONS.get(stage, ())) or "nothing"
    words = ", ".join(dict.fromkeys(step.word for step in MACHINE if step.stage == stage and step.by == COMMAND))
    return f"{reports}; by command {words}" if words else reports
