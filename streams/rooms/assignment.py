"""From an incident to tasks: who, in which time, in which words. Rows are never changed in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gridhub.streams.routing_file import ACTIONS

if TYPE_CHECKING:
    from gridhub.streams.rooms.organisation import Recipient, Resolved
    from gridhub.streams.rooms.outbound import OutboundFacts, Row
    from gridhub.streams.routing_file import RecipientRule

MINUTE_MS = 60_000
PREFIXES = {"exercise": "【演练】", "test": "【测试】"}
_MOST_NOTE = 300


class Assignment(NamedTuple):
    """One task to be: the rule that asks for it and the one recipient it goes to."""

    action: str
    recipient: Recipient
    rule: RecipientRule
    route: str
    category: str  # of the incident's events, the one that the rule answers
    left_out: int  # further recipients whom the rule's fan-out limit kept out


def assignments(incident: Row, facts: OutboundFacts) -> list[Assignment]:
    """Every recipient once, with the strongest action that any rule gives; handlers first, and at least one of them.

    The rules of each of the incident's categories count: a lift alarm that joined an outage still calls the rescuers.
    """
    found = [
        Assignment(rule.action, recipient, rule, path, category, resolved.left_out)
        for category in incident["told"]
        for rule, path in facts.routing.route({**incident, "category": category})
        for resolved in [_resolved(rule, incident, facts)]
        for recipient in resolved.recipients
    ]
    found.sort(key=lambda item: ACTIONS.index(item.action))
    first: dict[str, Assignment] = {}
    for item in found:
        first.setdefault(item.recipient.id, item)
    return list(first.values())


def _resolved(rule: RecipientRule, incident: Row, facts: OutboundFacts) -> Resolved:
    department = incident["sources"][0] if rule.department == "source" else rule.department or ""
    codes, most = tuple(incident["grid_ids"]), facts.routing.max_fanout
    return facts.organisation.resolve(rule.role, department, codes, most)


def task_id(incident_id: str, action: str, recipient: Recipient) -> str:
    """Derived, so that a replay gives the same task again and not another one."""
    return f"{incident_id}-{action}-{recipient.role}-{recipient.key}"


def new_task(item: Assignment, incident: Row, facts: OutboundFacts, now_ms: int) -> Row:
    """The first version of a task: Task.avsc, `workers` (who had a hand in it), `span_ms` (its first time)."""
    title, text = incident["told"][item.category]
    limits = _limits(item.rule, incident["severity"], facts, now_ms)
    return {
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
        "recipient": item.recipient.id,
        "recipient_name": facts.organisation.name_of(item.recipient),
        "title": PREFIXES.get(incident["status"], "") + title,
        "text": _text(text, item.left_out),
        "stage": "dispatched",
        "stage_since": now_ms,
        "created_at": now_ms,
        "accept_by": limits[0],
        "finish_by": limits[1],
        "overdue": False,
        "returns": 0,
        "handler": None,
        "checker": None,
        "note": "",
        "route": item.route,
        "changed_by": incident["changed_by"],
        "workers": [],
        "span_ms": None if limits[1] is None else limits[1] - now_ms,
    }


def due_tasks(  # noqa: PLR0913  # the incident, who has been asked, and all that the rules need
    incident: Row, known: list[str], tasks: list[Row], facts: OutboundFacts, now_ms: int, *, again: bool = False
) -> list[Row]:
    """A new task for every recipient who has none of this weight among `tasks`.

    An id that is `known` is not given twice: its task is left out, or with `again` gets the next id derived from it.
    """
    weight = {action: place for place, action in enumerate(ACTIONS)}
    asked: dict[str, int] = {}
    for task in tasks:
        asked[task["recipient"]] = min(weight[task["action"]], asked.get(task["recipient"], len(ACTIONS)))
    wanted = (
        new_task(item, incident, facts, now_ms)
        for item in assignments(incident, facts)
        if asked.get(item.recipient.id, len(ACTIONS)) > weight[item.action]
    )
    return [
        {**task, "task_id": _free(task["task_id"], known)} for task in wanted if again or task["task_id"] not in known
    ]


def _free(name: str, known: list[str]) -> str:
    """The id itself, or where it is taken the next one derived from it."""
    if name not in known:
        return name
    return next(f"{name}-s{turn}" for turn in range(1, len(known) + 2) if f"{name}-s{turn}" not in known)


def _text(text: str, left_out: int) -> str:
    bounded = f"（涉及范围大，另有{left_out}个接收单位未逐一派发，请向下传达）" if left_out else ""
    return f"{text}{bounded}"


def _limits(rule: RecipientRule, severity: int, facts: OutboundFacts, now_ms: int) -> tuple[int | None, int | None]:
    """When to have accepted and when to have reported, in ms; none for who is only informed."""
    if rule.action == "inform":
        return None, None
    accept_ms = facts.accept_limit_ms if rule.accept_min is None else rule.accept_min * MINUTE_MS
    return now_ms + accept_ms, now_ms + facts.routing.finish_ms(rule, severity)


def raised_task(task: Row, incident: Row, facts: OutboundFacts, now_ms: int) -> Row:
    """The task after its incident became more severe: limits may come nearer, they never move away."""
    after = {
        **task,
        "version": task["version"] + 1,
        "severity": incident["severity"],
        "changed_by": incident["changed_by"],
        "note": f"情况加重：{incident['changed_by']} {incident['last_title']}"[:_MOST_NOTE],
    }
    rule = _rule_for(task, incident, facts)
    if rule is None or task["action"] == "inform":
        return after
    accept_by, finish_by = _limits(rule, incident["severity"], facts, now_ms)
    if task["stage"] == "dispatched":
        after["accept_by"] = _sooner(task["accept_by"], accept_by)
    return after | {"finish_by": _sooner(task["finish_by"], finish_by)}


def _rule_for(task: Row, incident: Row, facts: OutboundFacts) -> RecipientRule | None:
    """The rule which now speaks to the task's recipient, else the one that now leads: its limits are those in force."""
    rules = [item for item in assignments(incident, facts) if item.action != "inform"]
    own = (item.rule for item in rules if item.recipient.id == task["recipient"])
    return next(own, rules[0].rule if rules else None)


def _sooner(before: int | None, now: int | None) -> int | None:
    return min((limit for limit in (before, now) if limit is not None), default=None)


def possible_note(task: Row, incident: Row) -> Row:
    """The handler's task with a word on the event that may belong to it: a person decides, nobody new is woken."""
    note = f"可能为同一事项：{incident['changed_by']} {incident['last_title']}"[:_MOST_NOTE]
    return {**task, "version": task["version"] + 1, "note": note, "changed_by": incident["changed_by"]}
