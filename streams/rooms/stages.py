"""The stages of a task (GB/T 30428.8 practice) as data: what may follow what, and who may not do it."""

from __future__ import annotations

DISPATCHED, ACCEPTED, HANDLING, REPORTED = "dispatched", "accepted", "handling", "reported"
CHECKED, CLOSED, RETURNED, EXTENDED = "checked", "closed", "returned", "extended"
REWORKED, SUSPENDED, CANCELLED = "reworked", "suspended", "cancelled"

STAGES_ZH = {
    DISPATCHED: "派遣",
    ACCEPTED: "接单",
    HANDLING: "处理",
    REPORTED: "反馈",
    CHECKED: "核查",
    CLOSED: "结案",
    RETURNED: "退单",
    EXTENDED: "延期",
    REWORKED: "返工",
    SUSPENDED: "挂账",
    CANCELLED: "作废",
}

TRANSITIONS: dict[str, tuple[str, ...]] = {
    DISPATCHED: (ACCEPTED, RETURNED),
    ACCEPTED: (HANDLING, RETURNED, EXTENDED, SUSPENDED),
    HANDLING: (REPORTED, RETURNED, EXTENDED, SUSPENDED),
    EXTENDED: (HANDLING, REPORTED, SUSPENDED),
    SUSPENDED: (HANDLING,),
    REPORTED: (CHECKED, REWORKED),
    REWORKED: (HANDLING, EXTENDED, SUSPENDED),
    CHECKED: (CLOSED, REWORKED),
    CLOSED: (),
    RETURNED: (),
    CANCELLED: (),
}
"""Stage -> stages that a status may bring next. `cancelled` comes by command only, from every open stage."""

ENDED = frozenset({CLOSED, RETURNED, CANCELLED})
WORK = frozenset({ACCEPTED, HANDLING, REPORTED})
"""Stages that make their actor a handler of the task."""
JUDGEMENT = frozenset({CHECKED, CLOSED, REWORKED})
"""Stages that no handler of the task may bring about."""
UNFINISHED = frozenset({ACCEPTED, HANDLING, EXTENDED, REWORKED})
"""Stages in which the clock to the report runs; it rests while a task is suspended."""


def is_open(stage: str) -> bool:
    """Whether a task in this stage still wants something from somebody."""
    return stage not in ENDED


def may_follow(stage: str, following: str) -> bool:
    """Whether a status may take a task from the one stage to the other."""
    return following in TRANSITIONS.get(stage, ())
