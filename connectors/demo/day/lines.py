"""The timeline: one line for each version of an incident or task and for each decision of the journal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from gridhub.streams.moments import CHINA
from gridhub.streams.rooms.stages import ARBITRATING, STAGES_ZH, WAITING

Row = dict[str, Any]
INCIDENT, TASK, DECISION = "incident", "task", "decision"
_STATES_ZH = {"open": "立案", "closed": "结案", "cancelled": "作废", "merged": "并案"}
_BATCHES = "inbound"
"""The room whose lines of the journal stand for whatever came together: how much that is, is chance."""
_OF_TIMER = re.compile(r"((?:timer|hub)/.+)/(\d{12,14})")
_WAITING = {*WAITING, ARBITRATING}
_KINDS = {DECISION: "决定", INCIDENT: "事件", TASK: "任务"}


class Published(NamedTuple):
    """One record that the hub published: its kind, and the record itself."""

    kind: str
    record: Row


@dataclass
class Names:
    """What the script calls the incidents: each by the event that opened it (source/event id)."""

    by_event: Mapping[str, str]
    by_incident: dict[str, str] = field(default_factory=dict)
    _pattern: re.Pattern[str] | None = None

    def learn(self, published: Iterable[Published]) -> None:
        """Note the incidents among these records."""
        known = len(self.by_incident)
        for kind, record in published:
            if kind == INCIDENT and (name := self.by_event.get(record["event_ids"][0])):
                self.by_incident[record["incident_id"]] = name
        if len(self.by_incident) > known:
            self._pattern = re.compile("|".join(map(re.escape, self.by_incident)))

    def short(self, text: str) -> str:
        """The text with the script's names in place of incident ids."""
        return self._pattern.sub(lambda found: self.by_incident[found[0]], text) if self._pattern else text

    def full(self, text: str) -> str:
        """The text, which begins with one of the script's names, with the incident's id in its place.

        KeyError when there is no such incident yet.
        """
        known = {name: incident for incident, name in self.by_incident.items()}
        name = max((name for name in known if text == name or text.startswith(f"{name}-")), key=len, default=text)
        return known[name] + text[len(name) :]


def told(published: Iterable[Published]) -> list[Published]:
    """Those records that stand in a timeline."""
    return [one for one in published if not (one.kind == DECISION and one.record["room"] == _BATCHES)]


def line(published: Published, names: Names) -> str:
    """The record as a line: since when or when, what, its version and stage, who, the limits, why."""
    parts = _PARTS[published.kind](published.record)
    return names.short(" · ".join(" ".join(part.split()) for part in parts if part))


def in_order(published: Iterable[Published], names: Names) -> list[str]:
    """Lines in an order that follows from the records alone: time, incident, decisions before what they caused, task."""
    rows = [(_order(one, names), line(one, names)) for one in published]
    return [text for _, text in sorted(rows)]


def clock(ms: int | None) -> str:
    """Beijing's time for a person, `09-30 08:40`; with seconds where there are some."""
    if ms is None:
        return ""
    moment = datetime.fromtimestamp(ms // 1000, CHINA)
    told = moment.strftime("%m-%d %H:%M" if ms % 60_000 == 0 else "%m-%d %H:%M:%S")
    return told + (f".{ms % 1000:03}" if ms % 1000 else "")


def _cause(changed_by: str) -> str:
    """What caused a version or a decision, with the time of a timer (ms, its last part) as a person reads it."""
    found = _OF_TIMER.fullmatch(changed_by)
    return f"{found[1]} {clock(int(found[2]))}" if found else changed_by


def _order(one: Published, names: Names) -> tuple[int, str, int, str, int]:
    record = one.record
    place = list(_KINDS).index(one.kind)
    subject = names.short(record["incident_id"] or record.get("event_id", ""))
    return _since(one), subject, place, record.get("task_id", ""), record.get("version", 0)


def _since(one: Published) -> int:
    """When it happened, as far as the record says: a decision's time, a timer's, else the begin of this stage or state."""
    record = one.record
    timer = _OF_TIMER.fullmatch(record.get("changed_by", ""))
    if timer:
        return int(timer[2])
    if one.kind == DECISION:
        return int(record["decided_at"])
    if one.kind == INCIDENT:
        return int(record["closed_at"] or record["opened_at"])
    return max(int(record["stage_since"]), int(record["created_at"]))


def _task(task: Row) -> Iterable[str]:
    yield f"{clock(_since(Published(TASK, task)))} {_KINDS[TASK]} {task['task_id']} v{task['version']}"
    yield f"{STAGES_ZH[task['stage']]} {task['stage']}" + (" 超期 overdue" if task["overdue"] else "")
    yield f"级 {task['severity']}" if task["version"] == 1 else ""
    yield task["recipient_name"] if task["version"] == 1 else ""
    yield f"接单 accept ≤ {clock(task['accept_by'])}" if task["accept_by"] and task["stage"] in _WAITING else ""
    yield f"处置 finish ≤ {clock(task['finish_by'])}" if task["finish_by"] else ""
    yield f"核查 check ≤ {clock(task['check_by'])} {task['check_unit'] or ''}" if task["check_by"] else ""
    yield f"处置人 {task['handler']}" if task["handler"] else ""
    yield f"核查人 {task['checker']}" if task["checker"] else ""
    yield from _clocks(task)
    yield f"知悉 also {' '.join(task['also_incidents'])}" if task["also_incidents"] else ""
    yield f"〔{task['note']}〕" if task["note"] else ""
    yield f"← {_cause(task['changed_by'])}"


def _clocks(task: Row) -> Iterable[str]:
    yield f"退单 returns {task['returns']}" if task["returns"] else ""
    yield f"延期申请 asked by {task['extension_asked_by']}" if task["extension_asked_by"] else ""
    yield f"延期 extensions {task['extensions']}" if task["extensions"] else ""
    if task["suspend_reason"]:
        yield f"挂账 {task['suspend_reason']} until {clock(task['suspended_until'])}"
    yield f"挂账时长 paused {task['paused_ms'] // 60_000} min" if task["paused_ms"] else ""
    yield f"催办 reminded {clock(task['reminded_at'])}" if task["reminded_at"] else ""
    yield f"督办 escalated {task['escalations']} → {task['escalated_to']}" if task["escalations"] else ""
    yield f"重开 reopened {task['reopened']}" if task["reopened"] else ""
    yield "仲裁 arbitrated" if task["arbitrated"] else ""
    yield f"依据 proposed by {task['proposed_by']}" if task["proposed_by"] else ""
    person = task["on_duty"] if task["stage"] in _WAITING and task["on_duty"] != task["recipient"] else ""
    yield f"值班 on duty {person}" if person else ""


def _incident(incident: Row) -> Iterable[str]:
    state = incident["state"]
    yield f"{clock(_since(Published(INCIDENT, incident)))} {_KINDS[INCIDENT]} {incident['incident_id']} v{incident['version']}"
    yield f"{_STATES_ZH[state]} {state}" + (" 等待 held back" if incident["inhibited"] else "")
    yield f"级 {incident['severity']}"
    yield f"{incident['title']} {incident['place_name']}" if incident["version"] == 1 else ""
    yield f"上级 parent {incident['parent_id']}" if incident["parent_id"] else ""
    yield f"上报 events {incident['events']}" + (f" 待定 possible {incident['possible']}" * bool(incident["possible"]))
    yield f"任务 tasks {len(incident['task_ids'])}"
    yield f"并入 into {incident['merged_into']}" if incident["merged_into"] else ""
    yield f"并来 absorbed {' '.join(incident['absorbed'])}" if incident["absorbed"] else ""
    yield f"重开 reopened {incident['reopened']}" if incident["reopened"] else ""
    yield f"← {_cause(incident['changed_by'])}"


def _decision(decision: Row) -> Iterable[str]:
    yield f"{clock(decision['decided_at'])} {_KINDS[DECISION]} {decision['incident_id'] or decision['area']}"
    yield f"{decision['room']} {decision['outcome']}"
    yield decision["reason"]
    yield f"上级 parent {decision['parent_id']}" if decision["parent_id"] else ""
    yield " ".join(decision["task_ids"])
    yield decision["actor"]
    yield f"〔{decision['note']}〕" if decision["note"] else ""
    yield f"← {_cause(decision['source'] + '/' + decision['event_id'])}"


_PARTS = {TASK: _task, INCIDENT: _incident, DECISION: _decision}
