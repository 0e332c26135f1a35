"""Sentences about what came after an event was decided on: reports, commands, timers, groups, silences, deliveries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gridhub.connectors.sources.masking import masked
from gridhub.streams.moments import CHINA
from gridhub.streams.words import LANGUAGES, REASONS, Words, word

Step = dict[str, Any]
LIMITS: Words = {
    "accept": ("接单", "accepting"),
    "finish": ("办结", "finishing"),
    "check": ("核查", "checking"),
    "arbitrate": ("裁定", "arbitrating"),
}
TOLD: Words = {
    # what the stage of a task became, by a report, a command or a timer
    "registered": ("任务 {task} 已立案，尚未派遣", "task {task} was registered and is not given out yet"),
    "dispatched": ("任务 {task} 派遣", "task {task} was dispatched"),
    "accepted": ("任务 {task} 接单", "task {task} was accepted"),
    "handling": ("任务 {task} 处理中", "task {task} is being worked on"),
    "reported": ("任务 {task} 反馈已办", "task {task} was reported done"),
    "checked": ("任务 {task} 核查通过", "task {task} was checked by somebody else"),
    "closed": ("任务 {task} 结案", "task {task} was closed"),
    "returned": ("任务 {task} 退单", "task {task} was returned"),
    "arbitrating": ("任务 {task} 多次退单，提请强制仲裁", "task {task} was returned too often; an arbiter decides"),
    "arbitrated": ("仲裁决定由 {reason} 承办", "the arbiter gave it to {reason}"),
    "extension_asked": ("任务 {task} 申请延期", "more time was asked for task {task}"),
    "extended": ("任务 {task} 准予延期", "task {task} was given more time"),
    "extension_refused": ("任务 {task} 不准延期", "task {task} was given no more time"),
    "reworked": ("任务 {task} 返工", "task {task} was sent back to be done again"),
    "suspended": ("任务 {task} 挂账（{reason}）", "task {task} rests ({reason})"),
    "reopened": ("案件 {incident} 重开：同一地点同类事项再次发生或办结不实", "incident {incident} was opened again: it came back, or had not been solved"),
    "cancelled": ("作废（{reason}）", "cancelled ({reason})"),
    # limits
    "reminded": ("催办：任务 {task} 的{reason}时限将至", "reminder: the time for {reason} task {task} is nearly over"),
    "escalated": ("任务 {task} {reason}超期，督办，升级第 {level} 级", "task {task} is past its time for {reason}; raised to the next unit, level {level}"),
    "overdue": ("任务 {task} {reason}超期，已无上级可报", "task {task} is past its time for {reason}; there is no unit above to be told"),
    # what keeps tasks back, and what ends that
    "silenced": ("静默 {reason} 生效：不派发任务，案件照常可见", "the silence {reason} keeps its tasks back; the incident stays visible"),
    "inhibited": ("按抑制规则 {reason}，{parent} 结束前任务暂缓派发", "inhibit rule {reason} holds its tasks back while {parent} is open"),
    "released": ("不再暂缓（{reason}），派出 {count} 项任务", "held back no longer ({reason}): {count} tasks went out"),
    "waiting": ("按规则 {reason}，任务等待归并或时段", "by rule {reason} a task waits for its group or its hour"),
    "grouped": ("按规则 {reason}，归并等待后派出 {count} 项任务", "by rule {reason} {count} tasks went out after their wait"),
    "known": ("已知上级事项 {reason}", "the parent is known here ({reason})"),
    "attached": ("挂到 {parent} 之下（{reason}），派出 {count} 项任务", "attached to {parent} ({reason}); {count} tasks went out"),
    # what happened to events and incidents
    "opened": ("立案 {incident}，派出 {count} 项任务", "incident {incident} was opened; {count} tasks went out"),
    "merged": ("并入案件 {incident}，新增或更改 {count} 项任务", "joined incident {incident}; {count} tasks were made or changed"),
    "possible": ("可能属于案件 {incident}，新增或更改 {count} 项任务", "may belong to incident {incident}; {count} tasks were made or changed"),
    "duplicate": ("重复上报，不再处理", "told before, so nothing more happened"),
    "confirmed": ("确认属于案件 {incident}", "confirmed as the matter of incident {incident}"),
    "rejected": ("认定不属于案件 {incident}", "found not to be the matter of incident {incident}"),
    "moved": ("移到案件 {incident}", "moved to incident {incident}"),
    "split": ("从案件 {incident} 拆出", "split off from incident {incident}"),
    "refused": ("不予接受：{reason}", "refused: {reason}"),
    "broken": ("枢纽自身规则出错，未能处理", "the hub's own rules failed on it"),
    "taken": ("收入枢纽", "taken into the hub"),
}  # fmt: skip
"""Every outcome that the hub writes into its journal, as a clause in both languages."""
FATES: Words = {
    "taken": ("已被接收", "was taken"),
    "refused": ("被拒绝", "was refused"),
    "later": ("暂存，待目标恢复后再送", "is parked until the target is well again"),
}
PARTS: Words = {
    "incident_closed": ("案件随之结案", "the incident is closed with it"),
    "overdue": ("已超期", "too late"),
}
WRITTEN = ("note", "actor", "handler", "checker", "detail")
"""Fields of a step that a person or another system wrote."""
_NO_CLAUSE = ("记为 {outcome}（{reason}）", "recorded as {outcome} ({reason})")


def clause(step: Step, language: str) -> str:
    """What a decision says, without time and actor; an outcome of a later version is told as it stands."""
    outcome, tasks = step["outcome"], step.get("task_ids") or []
    template = TOLD.get(outcome, _NO_CLAUSE)[LANGUAGES.index(language)]
    return template.format(
        outcome=outcome,
        task=tasks[0] if tasks else step.get("event_id", ""),
        count=len(tasks),
        incident=step.get("incident_id", ""),
        parent=step.get("parent_id") or "-",
        reason=word(LIMITS | REASONS, step["reason"], language) or "-",
        level=round((step.get("score") or {}).get("level", 0)),
    )


def tell_status(step: Step, language: str) -> str:
    """A report, a command, or a timer, with its time, who, and what came of it."""
    zh = language == "zh"
    cause = _cause(step, zh=zh) if step.get("room", "track") == "track" else ""
    more = PARTS.get(step["reason"])
    extra = ("，" if zh else ", ") + more[LANGUAGES.index(language)] if more else ""
    note = step.get("note") or ""
    if zh:
        return f"{when(step['decided_at'])} {cause}{clause(step, language)}{extra}。{note}"
    return f"At {when(step['decided_at'])} {cause}{clause(step, language)}{extra}. {note}".rstrip()


def _cause(step: Step, *, zh: bool) -> str:
    who = step.get("actor") or ""
    if zh:
        return f"{who} 决定：" if who else f"状态 {step['event_id']}："
    return f"{who} decided: " if who else f"status {step['event_id']}: "


def tell_taken(step: Step, language: str) -> str:
    """What the inbound stage decided, from the journal: kept for longer than the located event itself."""
    at = when(step["decided_at"])
    if step["outcome"] == "refused":
        why = word(REASONS, step["reason"], language)
        if language == "zh":
            return f"{at} 日志：在 {step['room']} 环节未通过，{why}（{step['reason']}）。"
        return f"At {at}, says the journal: refused by {step['room']}, because {why} ({step['reason']})."
    rules = ", ".join(f"{name} {version}" for name, version in sorted(step["rules"].items()))
    if language == "zh":
        return f"{at} 日志：按准入项 {step['admission']} 收入，定位到 {step['area']}；规则 {rules}。"
    return f"At {at}, says the journal: admitted by {step['admission']} and located in {step['area']}; rules {rules}."


def tell_delivery(step: Step, language: str) -> str:
    """What became of a task's version on its way to a target."""
    fate = word(FATES, step["fate"], language)
    code = f" {step['code']}" if step["code"] else ""
    detail = (
        f"：{step['detail']}"
        if step["detail"] and language == "zh"
        else f": {step['detail']}"
        if step["detail"]
        else ""
    )
    if language == "zh":
        tried = f"（第 {step['attempts']} 次{code}）" if step["attempts"] > 1 or code else ""
        return f"{when(step['at'])} 任务 {step['task_id']} 第 {step['version']} 版送往 {step['target']}：{fate}{tried}{detail}。"
    tried = f" (try {step['attempts']}{code})" if step["attempts"] > 1 or code else ""
    return f"At {when(step['at'])} version {step['version']} of task {step['task_id']} {fate} by {step['target']}{tried}{detail}."


def masked_step(step: Step) -> Step:
    """The step without phone numbers, identity numbers, mail addresses and names in what people wrote."""
    return step | {name: masked(step[name]) for name in WRITTEN if isinstance(step.get(name), str)}


def when(at_ms: int) -> str:
    """A moment in China's time."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
