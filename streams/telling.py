"""A story's steps as plain sentences, in Chinese and English, with the numbers that decided."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from gridhub.streams.telling_after import tell_delivery, tell_status, tell_taken
from gridhub.streams.words import EN, PARTS, PROBLEMS, REASONS, STAGES, WAYS, ZH, word

Step = dict[str, Any]
_BY_RULE = {"opened", "merged", "possible", "attached"}
_CHINA = timezone(timedelta(hours=8))


def tell_step(step: Step, language: str) -> str:
    """One step in a sentence or more; `language` is zh or en."""
    return _TELLERS[step["step"]](step, language)


def _received(step: Step, language: str) -> str:
    place = f"{step['topic']}/{step['partition']}/{step['offset']}"
    if step.get("kept", True) is False:
        return _two(
            language, f"原文曾在 {place}，已过保存期。", f"The original stood at {place} and is no longer kept."
        )
    at = _time(step["received_at"])
    return _two(
        language,
        f"{at} 收到原文：{place}，{step['bytes']} 字节，模式 {step['schema_id']}。",
        f"Received at {at} (China time): {place}, {step['bytes']} bytes, schema {step['schema_id']}.",
    )


def _located(step: Step, language: str) -> str:
    codes, way = _codes(step["grid_ids"]), word(WAYS, step["method"], language)
    head = _two(
        language,
        f"地点：{step['place_name']}（{codes}），由{way}确定，置信度 {_number(step['confidence'])}，编码库版本 {step['catalogue']}。",
        f"It lies in {step['place_name']} ({codes}), found by {way}, confidence {_number(step['confidence'])}, catalogue {step['catalogue']}.",
    )
    ways = step.get("ways") or []
    return _gap(language).join([head, *(_way(one, language) for one in ways), *_agreement(step, ways, language)])


def _way(way: Step, language: str) -> str:
    """What one way said."""
    name = word(WAYS, way["way"], language)
    start = ", ".join(str(way[given]) for given in ("code", "code_system", "key_table", "crs") if given in way)
    started = f"（{start}）" if start and language == ZH else f" ({start})" if start else ""
    if "problem" not in way:
        sure = _number(way["confidence"])
        return _two(
            language,
            f"{name}{started}指向 {_codes(way['codes'])}，把握 {sure}。",
            f"{name[0].upper()}{name[1:]}{started} leads to {_codes(way['codes'])} ({sure}).",
        )
    candidates = _candidates(way["candidates"], language)
    problem = word(PROBLEMS, way["problem"], language)
    return _two(
        language,
        f"{name}{started}{problem}{candidates}。",
        f"{name[0].upper()}{name[1:]}{started} {problem}{candidates}.",
    )


def _agreement(step: Step, ways: list[Step], language: str) -> list[str]:
    """How two ways together gave the confidence, where they did."""
    sure = [way["confidence"] for way in ways if "confidence" in way]
    together = [
        (one, other)
        for place, one in enumerate(sure)
        for other in sure[place + 1 :]
        if abs(1 - (1 - one) * (1 - other) - step["confidence"]) < 1e-3  # four digits are kept
    ]
    if not together:
        return []
    sum_ = "1 − (1 − {}) × (1 − {})".format(*map(_number, together[0]))
    return [
        _two(
            language,
            f"两种途径互相印证：{sum_} = {_number(step['confidence'])}。",
            f"Two ways agree: {sum_} = {_number(step['confidence'])}.",
        )
    ]


def _refused(step: Step, language: str) -> str:
    candidates = _candidates(step["candidates"], language)
    why = word(REASONS, step["reason"], language)
    ways = _gap(language).join(_way(one, language) for one in step.get("ways") or [])
    return _two(
        language,
        f"在 {step['room']} 环节未通过：{why}（{step['reason']}）{candidates}。说明：{step['detail']}{ways}",
        f"Refused by {step['room']}, because {why} ({step['reason']}){candidates}. {step['detail']} {ways}".rstrip(),
    )


def _decided(step: Step, language: str) -> str:
    if step["room"] == "deduplicate":
        return _gap(language).join(
            filter(None, [_outcome(step, language), _score(step, language), _apart(step, language)])
        )
    if step["room"] == "dispatch" and step["outcome"] in _BY_RULE:
        count = len(step["task_ids"])
        return _two(
            language, f"按规则 {step['reason']} 派出 {count} 项任务。", f"Rule {step['reason']} gave {count} tasks."
        )
    return tell_status(step, language)


def _outcome(step: Step, language: str) -> str:
    return _OUTCOME_TELLERS.get(step["outcome"], _opened)(step, language)


def _opened(step: Step, language: str) -> str:
    incident, score = step["incident_id"], step["score"]
    if step["reason"] == "planned":
        why = ("计划性、周期性工作不与邻近事项合并", "planned and periodic work neither joins nor is joined")
    elif step["reason"] == "life_safety":
        why = ("可能危及生命的事项不等人工判断", "a matter that may cost lives does not wait for a person's decision")
    elif "total" in score:
        total, least = f"{score['total']:.2f}", f"{score['possible']:.2f}"
        why = (f"与最接近的案件得分 {total}，低于 {least}", f"the most similar incident scores {total}, below {least}")
    else:
        why = ("范围和时限内没有同类未结案件", "no open incident of its kind is within reach in place and time")
    return _two(language, f"新立案件 {incident}：{why[0]}。", f"It opened incident {incident}: {why[1]}.")


def _merged(step: Step, language: str) -> str:
    incident, score = step["incident_id"], step["score"]
    total, least = f"{score['total']:.2f}", f"{score.get('merge', 0):.2f}"
    return _two(
        language,
        f"并入案件 {incident}：得分 {total}，达到合并线 {least}。",
        f"It joined incident {incident}: the score is {total}, and {least} is enough.",
    )


def _possible(step: Step, language: str) -> str:
    incident, score = step["incident_id"], step["score"]
    total, low, high = (f"{score[name]:.2f}" for name in ("total", "possible", "merge"))
    return _two(
        language,
        f"可能属于案件 {incident}：得分 {total}，介于 {low} 与 {high} 之间，由人判断。",
        f"It may belong to incident {incident}: the score {total} lies between {low} and {high}, so a person decides.",
    )


def _attached(step: Step, language: str) -> str:
    incident, parent = step["incident_id"], step.get("parent_id", "")
    held = step["score"].get("inhibited", 0) > 0
    return _two(
        language,
        f"新立案件 {incident}，按规则 {step['reason']} 挂到 {parent} 之下，任务{'暂缓派发' if held else '照常派发'}。",
        f"It opened incident {incident}, attached to {parent} by rule {step['reason']}; its tasks "
        f"{'are held back' if held else 'are given out as usual'}.",
    )


def _duplicate(step: Step, language: str) -> str:
    return _two(
        language,
        f"重复上报，不再处理：{step['reason'].replace('first seen', '首次收到于')}，案件 {step['incident_id']}。",
        f"Told before, so nothing more happens: {step['reason']}, incident {step['incident_id']}.",
    )


def _score(step: Step, language: str) -> str:
    """The parts of the score, each 0 to 1."""
    parts = [f"{word(PARTS, name, language)} {value:.2f}" for name, value in step["score"].items() if name in PARTS]
    if not parts:
        return ""
    rule = step["rules"].get("matching", "")
    return _two(
        language,
        f"各项（0 到 1）：{'，'.join(parts)}；规则 {rule}。",
        f"Its parts, 0 to 1: {', '.join(parts)}; rules {rule}.",
    )


def _apart(step: Step, language: str) -> str:
    """How far the event is from the incident's first one."""
    metres, minutes = step.get("metres"), step.get("minutes")
    far = [] if metres is None else [_two(language, f"相距 {metres:.0f} 米", f"{metres:.0f} m")]
    late = [] if minutes is None else [_two(language, f"相差 {minutes:.0f} 分钟", f"{minutes:.0f} minutes")]
    if not far + late:
        return ""
    return _two(
        language,
        f"与案件首个事件{'，'.join(far + late)}。",
        f"From the incident's first event it is {' and '.join(far + late)} away.",
    )


def _incident(step: Step, language: str) -> str:
    state = _two(language, "未结" if step["state"] == "open" else "已结", step["state"])
    return _two(
        language,
        f"案件 {step['incident_id']}：{state}，第 {step['version']} 版，{step['events']} 个事件，另有 {step['possible']} 个待判断；"
        f"来源 {'、'.join(step['sources'])}；{step['severity']} 级。",
        f"Incident {step['incident_id']}: {state}, version {step['version']}, {step['events']} events and {step['possible']} "
        f"possible ones from {', '.join(step['sources'])}, severity {step['severity']}.",
    )


def _task(step: Step, language: str) -> str:
    stage = word(STAGES, step["stage"], language)
    return _two(
        language,
        f"任务 {step['task_id']} 第 {step['version']} 版：{stage}，{step['recipient']}，{_time(step['finish_by'])} 前办结。",
        f"Task {step['task_id']} version {step['version']}: {stage}, {step['recipient']}, to be finished by {_time(step['finish_by'])}.",
    )


_TELLERS: dict[str, Callable[[Step, str], str]] = {
    "received": _received, "located": _located, "refused": _refused, "decided": _decided, "incident": _incident,
    "task": _task, "status": tell_status, "taken": tell_taken, "delivery": tell_delivery,
}  # fmt: skip
_OUTCOME_TELLERS: dict[str, Callable[[Step, str], str]] = {
    "merged": _merged, "possible": _possible, "attached": _attached, "duplicate": _duplicate,
}  # fmt: skip


def _two(language: str, chinese: str, english: str) -> str:
    return english if language == EN else chinese


def _gap(language: str) -> str:
    return " " if language == EN else ""


def _number(value: float) -> str:
    """A share with as many digits as it has, four at most: 0.9975, 0.95, 1."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _codes(codes: list[str]) -> str:
    return ", ".join(codes)


def _candidates(codes: list[str], language: str) -> str:
    if not codes:
        return ""
    return _two(language, f"，候选 {'、'.join(codes)}", f", candidates {', '.join(codes)}")


def _time(value: datetime | int | None) -> str:
    """A moment in China's time."""
    if value is None:
        return "-"
    moment = datetime.fromtimestamp(value / 1000, tz=UTC) if isinstance(value, int) else value
    return moment.astimezone(_CHINA).strftime("%Y-%m-%d %H:%M:%S")
