"""POST servicerequestupdates: which task a ticketing system speaks about, and which step it may report of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridhub.connectors.open311.errors import Open311Error, bad, missing, no_key, not_found
from gridhub.connectors.open311.telling import main_task
from gridhub.streams.rooms.stages import JUDGEMENT, STAGES_ZH, TRANSITIONS, WORK, is_open

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridhub.connectors.open311.keys import Key
    from gridhub.connectors.open311.store import Row, Store

STAGES = {
    "open": "accepted",
    "acknowledged": "accepted",
    "investigating": "accepted",
    "action_scheduled": "accepted",
    "planned": "accepted",
    "in_progress": "handling",
    "fixed": "reported",
    "no_further_action": "reported",
    "closed": "reported",
}
"""Words of the specification, and of clients in use, and the stage that a handler means by them."""
CHECKED = {"open": "reworked", "closed": "closed", "fixed": "checked"}
"""The same words from a system that checks: it sends work back, or ends it."""
REPORTABLE = frozenset().union(*TRANSITIONS.values())
"""Stages that a status can bring at all; the others come by command."""


def way(fields: Mapping[str, str], key: Key, now: str) -> list[str]:
    """The stages that lead from the one of now to the one asked for, which is the last.

    Clients that know open and closed only leave out what lies between; who names a stage of ours gets that stage alone.
    """
    wanted = stage(fields, key)
    if fields["status"].strip().lower() in STAGES_ZH.keys() - {"closed"}:
        return [wanted]
    steps = {"checked", "closed"} if "check" in key.may else WORK
    ways = [[now]]
    for found in ways:  # the shortest first; it ends because no stage stands twice in a way
        if found[-1] == wanted and len(found) > 1:
            return found[1:]
        ways += [[*found, one] for one in TRANSITIONS.get(found[-1], ()) if one in steps and one not in found]
    return [wanted]


def stage(fields: Mapping[str, str], key: Key) -> str:
    """The stage asked for; Open311Error 400 for none, 403 for one that is not this key's."""
    word = fields.get("status", "").strip().lower()
    if not word:
        raise missing("status")
    judges = "check" in key.may
    found = (CHECKED if judges else STAGES).get(word, word)
    if found not in STAGES_ZH:
        raise bad("status", f"{word[:40]} is no status")
    if found not in REPORTABLE or (found in JUDGEMENT) != judges:
        raise no_key()
    return found


def task(fields: Mapping[str, str], key: Key, store: Store) -> Row:
    """The task: by its own id, or the report's only open one that this key may move."""
    told = (fields.get("task_id") or fields.get("service_request_id", "")).strip()
    if not told:
        raise missing("service_request_id")
    found = store.get_task(told)
    if found is None and fields.get("task_id"):
        raise not_found("task_id", told)
    if found is not None:
        if not key.tasks.fits(found):
            raise no_key()
        return found
    return _of_report(told, key, store)


def _of_report(request_id: str, key: Key, store: Store) -> dict[str, Any]:
    rows = store.by_ids([request_id])
    if not rows:
        raise not_found("service_request_id", request_id)
    incident = rows[0]["incident"]
    every = store.tasks_of([incident])[incident] if incident else []
    handled = [one for one in every if one["action"] == "handle"]
    if not handled:
        raise Open311Error(409, "Nobody has a task about this report yet.")
    mine = [one for one in handled if key.tasks.fits(one)]
    if not mine:
        raise no_key()
    several = [one["id"] for one in mine if is_open(one["stage"])]
    if len(several) > 1:
        raise bad("task_id", f"name one of {', '.join(several)}")
    found = main_task(mine)
    assert found is not None
    return found
