"""From an incident to tasks: who, in which time, in which words. Rows are never changed in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gridhub.streams.rooms import clocks, responsibility
from gridhub.streams.rooms.organisation import Resolved, parse
from gridhub.streams.rooms.stages import WAITING
from gridhub.streams.routing_file import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridhub.streams.rooms.organisation import Recipient
    from gridhub.streams.rooms.outbound import OutboundFacts, Row
    from gridhub.streams.routing_file import RecipientRule

MINUTE_MS = 60_000
PREFIXES = {"exercise": "【演练】", "test": "【测试】"}
HANDLE, COUNCIL = "handle", "deliberation_council"
_MOST_NOTE = 300
_REMEMBERED = 65_536
_WEIGHT = {action: place for place, action in enumerate(ACTIONS)}

NEW_TASK: dict[str, Any] = {
    "check_by": None, "check_unit": None, "paused_ms": 0, "suspend_reason": None, "suspended_until": None,
    "extension_asked_by": None, "extensions": 0, "escalations": 0, "escalated_to": None, "reminded_at": None,
    "reopened": 0, "arbitrated": False, "proposed_by": None, "also_incidents": [], "on_duty": None,
    "workers": [], "span_ms": None, "remind_at": None, "breach_at": None,
}  # fmt: skip
"""Fields of Task.avsc that came later, and what only the state knows: `workers` (who had a hand in it, one spelling per
person), `span_ms` (the first time to finish), `remind_at` and `breach_at` (the next reminder and breach, ms)."""

_EARLIER = {name: value for name, value in NEW_TASK.items() if name not in {"remind_at", "breach_at"}}


def whole(task: Row) -> Row:
    """The task with every field of today, whichever version wrote it; its clock begins with its next version."""
    return task if "breach_at" in task else {**_EARLIER, **task}


class Assignment(NamedTuple):
    """One task to be: the rule that asks for it and the one recipient it goes to."""

    action: str
    recipient: Recipient
    rule: RecipientRule
    route: str
    category: str  # of the incident's events, the one that the rule answers
    left_out: int  # further recipients whom the rule's fan-out limit kept out
    recipient_id: str
    recipient_name: str
    accept_ms: int | None  # time to accept and to report; none for who is only informed
    finish_ms: int | None


def assignments(incident: Row, facts: OutboundFacts, now_ms: int) -> Sequence[Assignment]:
    """Every recipient once, with the strongest action that any rule gives; handlers first, and at least one of them.

    The rules of each of the incident's categories count: a lift alarm that joined an outage still calls the rescuers.
    The answer follows from the facts and what is asked of them here; it is remembered for the next such incident.
    """
    if facts.routing.by_walk and _walks(incident, facts, now_ms):
        return _assignments(incident, facts, now_ms)
    told, sources, codes = tuple(incident["told"]), tuple(incident["sources"]), tuple(incident["grid_ids"])
    parent, moment = incident.get("parent_rule") or "", facts.routing.moment(now_ms)
    asked = (told, incident["severity"], sources, incident["status"], codes, parent, moment, facts.routing.max_fanout)
    found = facts.assigned.get(asked)
    if found is None:
        if len(facts.assigned) >= _REMEMBERED:
            facts.assigned.clear()
        found = facts.assigned[asked] = tuple(_assignments(incident, facts, now_ms))
    return found


def _walks(incident: Row, facts: OutboundFacts, now_ms: int) -> bool:
    """Whether a rule asks who can walk there in time: the answer differs by point and minute, and is not remembered."""
    rules = (facts.routing.route({**incident, "category": category}, now_ms) for category in incident["told"])
    return any(matched.rule.within_walk_min for found in rules for matched in found)


def _assignments(incident: Row, facts: OutboundFacts, now_ms: int) -> list[Assignment]:
    found = [
        _assignment(rule, recipient, path, category, resolved.left_out, incident["severity"], facts)
        for category in incident["told"]
        for rule, path, _ in facts.routing.route({**incident, "category": category}, now_ms)
        for resolved in [_resolved(rule, incident, category, facts, now_ms)]
        for recipient in resolved.recipients
    ]
    found.sort(key=lambda item: _WEIGHT[item.action])
    first: dict[str, Assignment] = {}
    for item in found:
        first.setdefault(item.recipient_id, item)
    return list(first.values())


def _assignment(  # noqa: PLR0913  # all that one line of the answer says
    rule: RecipientRule, recipient: Recipient, path: str, category: str, left_out: int, severity: int,
    facts: OutboundFacts,
) -> Assignment:  # fmt: skip
    name = facts.organisation.name_of(recipient)
    times = _times(rule, category, severity, facts)
    return Assignment(rule.action, recipient, rule, path, category, left_out, recipient.id, name, *times)


def _resolved(rule: RecipientRule, incident: Row, category: str, facts: OutboundFacts, now_ms: int) -> Resolved:
    department = incident["sources"][0] if rule.department == "source" else rule.department or ""
    codes, most = tuple(incident["grid_ids"]), facts.routing.max_fanout
    if rule.within_walk_min is not None:
        near = _near(rule, department, incident, category, facts, now_ms)
        if near or rule.action != HANDLE:
            most = 1 if rule.action == HANDLE else most
            return Resolved(near[:most], max(0, len(near) - most) if most > 1 else 0)
    return facts.organisation.resolve(rule.role, department, codes, most)


def _near(  # noqa: PLR0913  # the rule and all that it asks of the incident
    rule: RecipientRule, department: str, incident: Row, category: str, facts: OutboundFacts, now_ms: int
) -> tuple[Recipient, ...]:
    """Who of the rule's role can do what the category needs, is there, and can walk to the incident in time; nearest first."""
    lon, lat = incident["lon"], incident["lat"]
    if lon is None or lat is None:
        return ()
    near = facts.organisation.capable(category, lon, lat, now_ms, rule.within_walk_min or 0)
    found = (parse(one.unit.id) for one in near)
    return tuple(one for one in found if (one.role, one.department) == (rule.role, department))


def task_id(incident_id: str, action: str, recipient: Recipient) -> str:
    """Derived, so that a replay gives the same task again and not another one."""
    return f"{incident_id}-{action}-{recipient.role}-{recipient.key}"


def new_task(item: Assignment, incident: Row, now_ms: int, facts: OutboundFacts) -> Row:
    """The first version of a task: Task.avsc, and what only the state knows of it (see NEW_TASK). Its clock runs."""
    title, text = incident["told"][item.category]
    accept_by, finish_by = _limits(item, incident["severity"], now_ms, facts)
    task = {
        "task_id": task_id(incident["incident_id"], item.action, item.recipient),
        "incident_id": incident["incident_id"],
        "version": 1,
        "area": incident["area"],
        "grid_ids": incident["grid_ids"],
        "place_name": incident["place_name"],
        "lon": incident["lon"],
        "lat": incident["lat"],
        "category": item.category,
        "severity": incident["severity"],
        "status": incident["status"],
        "action": item.action,
        "role": item.recipient.role,
        "recipient": item.recipient_id,
        "recipient_name": item.recipient_name,
        "title": PREFIXES.get(incident["status"], "") + title,
        "text": _text(text, item, facts),
        "stage": "dispatched",
        "stage_since": now_ms,
        "created_at": now_ms,
        "accept_by": accept_by,
        "finish_by": finish_by,
        "overdue": False,
        "returns": 0,
        "handler": None,
        "checker": None,
        "note": "",
        "route": item.route,
        "changed_by": incident["changed_by"],
        **NEW_TASK,
        "span_ms": item.finish_ms,
        "on_duty": facts.organisation.on_duty(item.recipient_id, now_ms).who,
    }
    return clocks.started(task, now_ms, facts)


def _limits(item: Assignment, severity: int, now_ms: int, facts: OutboundFacts) -> tuple[int | None, int | None]:
    """Until when to accept and to report, each in its own time."""
    spans = ((clocks.ACCEPT, item.accept_ms), (clocks.FINISH, item.finish_ms))
    accept_by, finish_by = (
        None
        if span is None
        else clocks.deadline(now_ms, span, facts.clocks.times(kind, item.category, severity).time, facts)
        for kind, span in spans
    )
    return accept_by, finish_by


def due_tasks(  # noqa: PLR0913  # the incident, who has been asked, and all that the rules need
    incident: Row, known: list[str], tasks: list[Row], facts: OutboundFacts, now_ms: int, *, again: bool = False,
    owner: Row | None = None,
) -> list[Row]:  # fmt: skip
    """A new task for every recipient who has none of this weight among `tasks`.

    An id that is `known` is not given twice: its task is left out, or with `again` gets the next id derived from it.
    `owner` is who solved such a matter here before, and is preferred (responsibility.py).
    """
    asked: dict[str, int] = {}
    for task in tasks:
        asked[task["recipient"]] = min(_WEIGHT[task["action"]], asked.get(task["recipient"], len(ACTIONS)))
    wanted = [
        _proposed(new_task(item, incident, now_ms, facts), owner)
        for item in _arranged(assignments(incident, facts, now_ms), owner, facts)
        if not asked or asked.get(item.recipient_id, len(ACTIONS)) > _WEIGHT[item.action]
    ]
    if again:
        return [{**task, "task_id": free_id(task["task_id"], known)} for task in wanted]
    return [task for task in wanted if task["task_id"] not in known]


def _arranged(items: Sequence[Assignment], owner: Row | None, facts: OutboundFacts) -> Sequence[Assignment]:
    return items if owner is None else responsibility.arranged(items, owner["recipient"], facts)


def _proposed(task: Row, owner: Row | None) -> Row:
    if owner is None or task["recipient"] != owner["recipient"]:
        return task
    note = responsibility.NOTE.format(owner["incident_id"])
    return {**task, "proposed_by": responsibility.MEMORY, "note": note}


def free_id(name: str, known: list[str]) -> str:
    """The id itself, or where it is taken the next one derived from it."""
    if name not in known:
        return name
    return next(f"{name}-s{turn}" for turn in range(1, len(known) + 2) if f"{name}-s{turn}" not in known)


def _text(text: str, item: Assignment, facts: OutboundFacts) -> str:
    if item.left_out:
        text = f"{text}（涉及范围大，另有{item.left_out}个接收单位未逐一派发，请向下传达）"
    if item.recipient.role != COUNCIL:
        return text
    fixed, invited = facts.organisation.council(item.recipient_id, item.category)
    return f"{text}（协商议事：{'、'.join(fixed)}；邀请：{'、'.join(invited) or '由议事会确定'}）"


def _times(rule: RecipientRule, category: str, severity: int, facts: OutboundFacts) -> tuple[int | None, int | None]:
    """Time to accept and to report: the category's own clock, else the rule's, else everybody's."""
    if rule.action == "inform":
        return None, None
    accept_ms, finish_ms = (facts.clocks.times(kind, category, severity).limit_ms for kind in ("accept", "finish"))
    if accept_ms is None:
        accept_ms = facts.accept_limit_ms if rule.accept_min is None else rule.accept_min * MINUTE_MS
    return accept_ms, facts.routing.finish_ms(rule, severity) if finish_ms is None else finish_ms


def raised_task(task: Row, incident: Row, facts: OutboundFacts, now_ms: int) -> Row:
    """The task after its incident became more severe: limits may come nearer, they never move away."""
    after = {
        **task,
        "version": task["version"] + 1,
        "severity": min(task["severity"], incident["severity"]),
        "changed_by": incident["changed_by"],
        "note": f"情况加重：{incident['changed_by']} {incident['last_title']}"[:_MOST_NOTE],
    }
    item = _item_for(task, incident, facts, now_ms)
    if item is None or item.finish_ms is None or task["action"] == "inform":
        return after
    accept_by, finish_by = _limits(item, incident["severity"], now_ms, facts)
    if task["stage"] in WAITING:
        after["accept_by"] = _sooner(task["accept_by"], accept_by)
    after["finish_by"] = _sooner(task["finish_by"], finish_by)
    return clocks.kept(task, after, now_ms, facts)


def _item_for(task: Row, incident: Row, facts: OutboundFacts, now_ms: int) -> Assignment | None:
    """What now speaks to the task's recipient, else what now leads: its limits are those in force."""
    items = [item for item in assignments(incident, facts, now_ms) if item.action != "inform"]
    own = (item for item in items if item.recipient.id == task["recipient"])
    return next(own, items[0] if items else None)


def _sooner(before: int | None, now: int | None) -> int | None:
    return min((limit for limit in (before, now) if limit is not None), default=None)


def possible_note(task: Row, incident: Row) -> Row:
    """The handler's task with a word on the event that may belong to it: a person decides, nobody new is woken."""
    note = f"可能为同一事项：{incident['changed_by']} {incident['last_title']}"[:_MOST_NOTE]
    return {**task, "version": task["version"] + 1, "note": note, "changed_by": incident["changed_by"]}
