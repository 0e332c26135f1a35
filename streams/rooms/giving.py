"""Giving tasks out: who is to be asked by the rules, less what a silence, an inhibit rule or a group keeps back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gridhub.streams.rooms import responsibility
from gridhub.streams.rooms.assignment import due_tasks
from gridhub.streams.rooms.grouping import WAITING, enter, told
from gridhub.streams.rooms.holding import note_source, withheld

if TYPE_CHECKING:
    from gridhub.streams.rooms.ledger import Ledger
    from gridhub.streams.rooms.outbound import OutboundFacts, Row

NO_MARKS: Row = {"held_by": None, "silenced": None}


class Given(NamedTuple):
    """What goes out now: tasks, first versions or next ones of shared tasks; and what stays behind."""

    tasks: list[Row]
    marks: Row  # what the incident keeps of what waits: `waiting`, `held_by`, `silenced`, `inhibited`
    told: list[Row]  # for the journal


def given(  # noqa: PLR0913  # the incident, who has been asked, and all that the rules need
    incident: Row, known: list[str], tasks: list[Row], facts: OutboundFacts, now_ms: int, ledger: Ledger,
    *, again: bool = False,
) -> Given:  # fmt: skip
    """Tasks for whoever has none of this weight yet, as `due_tasks` has them; what waits is written into the ledger."""
    note_source(incident, facts, now_ms, ledger)
    if not (known or tasks or incident.get("waiting")):
        why = withheld(incident, facts, now_ms, ledger)
        if why is not None:
            line = told(incident, why.outcome, why.reason, [], why.source_id)
            return Given([], {**NO_MARKS, **why.marks}, [line])
    waiting: dict[str, list[str]] = incident.get("waiting") or {}
    asked = [{"recipient": recipient, "action": action} for recipient, (action, _) in waiting.items()]
    owner = responsibility.owner(incident, tasks, facts, now_ms, ledger)
    new = due_tasks(incident, known, [*tasks, *asked], facts, now_ms, again=again, owner=owner)
    marks: Row = {}
    if incident.get("held_by") or incident.get("silenced"):
        marks = {**NO_MARKS, "inhibited": False}
    if not facts.routing.delays:
        return Given(new, marks, [])
    return _parted(new, incident, waiting, marks, facts, now_ms, ledger)


def _parted(  # noqa: PLR0913  # as above
    new: list[Row], incident: Row, waiting: dict[str, list[str]], marks: Row, facts: OutboundFacts, now_ms: int,
    ledger: Ledger,
) -> Given:  # fmt: skip
    """What goes out, and what waits in a group."""
    out, left, lines = [], dict(waiting), []
    for task in new:
        entered = enter(task, incident, facts, now_ms, ledger)
        left.pop(task["recipient"], None)
        if entered is None:
            out.append(task)
        elif entered.joined is not None:
            out.append(entered.joined)
        else:
            left[task["recipient"]] = [task["action"], entered.group]
            lines.append(told(incident, WAITING, task["route"], []))
    if left != waiting:
        marks = {**marks, "waiting": left}
    return Given(out, marks, lines)
