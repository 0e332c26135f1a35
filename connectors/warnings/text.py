"""Chinese warning titles and texts: which hazard, which colour, what was done, by whom, when, until when.

Read is what a sentence says of itself: issuing body, time, verb, hazard and colour before the first full stop. What
only mentions a warning (one that may come, one that was issued before) is not a warning. What is not known is named.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from gridhub.connectors.warnings.signals import COLOURS, GRADES, Level, Signal, by_name, level
from gridhub.connectors.warnings.text_times import TimeError, Validity, issued_at, validity

MOST_CHARACTERS = 20_000
_VERBS = {
    "解除": "cancel", "取消": "cancel", "撤销": "cancel", "撤消": "cancel", "终止": "cancel", "撤除": "cancel",
    "升级发布": "upgrade", "升级为": "upgrade", "提升为": "upgrade", "上调为": "upgrade", "升级": "upgrade", "提升": "upgrade",
    "上升为": "upgrade", "降级发布": "downgrade", "降级为": "downgrade", "下调为": "downgrade", "降低为": "downgrade",
    "降为": "downgrade", "升为": "upgrade", "降级": "downgrade",
    "变更发布": "change", "变更为": "change", "调整为": "change", "更改为": "change", "改为": "change", "变更": "change",
    "更新发布": "update", "更新为": "update", "更新": "update", "继续发布": "continue", "持续发布": "continue",
    "延续发布": "continue", "续发": "continue", "延长": "continue", "维持": "continue", "继续": "continue",
    "确认发布": "confirm", "确认": "confirm", "联合发布": "issue", "首次发布": "issue", "再次发布": "issue",
    "发布": "issue", "发出": "issue", "挂出": "issue",
}  # fmt: skip
"""Words of what was done, to actions. 更新 and 变更 supersede; 确认 repeats."""
_STEPS = frozenset({"upgrade", "downgrade", "change", "update"})
UPDATES = frozenset({"upgrade", "downgrade", "change", "update", "continue", "confirm"})
_VERB = re.compile("|".join(sorted(_VERBS, key=len, reverse=True)))
_NOT_DONE = re.compile(r"(?:可能|拟|即将|将会?|将要|计划|适时|视情|及时|尚?未|没有|不|是否|有望|或|准备)(?:继续|再次|联合|适时)?发布$|发布的?标准$")
_MENTION = re.compile(r"以来|累计|共(?:计)?发布|历史|去年|上年|关注|收听|收看|留意|警惕|参照|标准|图标|含义|防御指南|演示|什么是|如何|期间|响应")
_AGENCY = (
    r"(?:气象台|气象局|气象中心|气象科技中心|(?:突发事件)?预警(?:信息)?发布中心|自然资源(?:[和与]规划)?[局厅部]|自然资源主管部门|"
    r"水利(?:[和与]湖泊)?[局厅部]|水务局|水文(?:水资源)?(?:勘测)?(?:中心|局)|应急管理[局厅部]|应急[局厅]|生态环境[局厅]|林业局|园林[和与]林业局|"
    r"防汛抗旱指挥部(?:办公室)?|防指|农业农村[局厅]|地震[局台]|人民政府|政府|指挥部)"
)
_ISSUER = re.compile(rf"[\u4e00-\u9fff]{{0,24}}?{_AGENCY}")
_EXERCISE = re.compile(r"(?<!不是)(?<!非)(?:演练|演习)")
_TEST = re.compile(r"[\[【(《]测试[^\]】)》]{0,8}[\]】)》]|测试(?:信息|消息|预警|短信)|^测试")
_END = re.compile(r"[。!:;\n]")


class WarningTextError(ValueError):
    """A text that is no warning, or not one that can be read with certainty; the text says what is unknown."""


@dataclass(frozen=True, slots=True)
class WarningText:
    """One warning that a text speaks of. `action`: issue, continue, upgrade, downgrade, change, update, confirm, cancel."""

    signal: Signal
    level: Level
    action: str
    issuer: str
    issued: datetime | None
    valid: Validity
    status: str = "Actual"
    before: Level | None = None
    unknown: tuple[str, ...] = ()


def read_warning(text: str, at: datetime, title: str = "") -> list[WarningText]:
    """The warnings that a text announces, in its order; `at` is when it came, for what its times leave out.

    With a title, the title says which warning it is and the text the rest. WarningTextError when nothing is announced,
    the hazard is not known, title and text contradict, or a time is none.
    """
    if len(text) + len(title) > MOST_CHARACTERS:
        raise WarningTextError(f"The text has more than {MOST_CHARACTERS} characters.")
    heading, words = _plain(title), _plain(text)
    try:
        found = _announced(heading or words, words if heading else "", at)
    except TimeError as error:
        raise WarningTextError(str(error)) from error
    if heading and words:
        _agree(found, words, at)
    return found


def signals_in(text: str) -> list[tuple[Signal, Level]]:
    """Hazards and colours that a heading names, without asking what was done; empty where it names none."""
    return [(item.signal, item.level) for item in _anchors(_plain(text))]


def action_in(text: str) -> str:
    """What a heading says was done; empty where it does not say."""
    head = _plain(text)
    anchors = list(_anchors(head))
    return _action(head, 0, anchors[0])[0] if anchors else _verb(head)


def status_of(text: str) -> str:
    """Actual, Exercise or Test, as the text itself says."""
    return "Exercise" if _EXERCISE.search(text) else "Test" if _TEST.search(text) else "Actual"


def _plain(text: str) -> str:
    """Half-width, without spaces; a new line ends a sentence."""
    lines = [re.sub(r"\s+", "", line) for line in unicodedata.normalize("NFKC", text).splitlines()]
    return "。".join(line for line in lines if line)


@dataclass(frozen=True, slots=True)
class _Anchor:
    start: int
    end: int
    signal: Signal
    level: Level


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Hazard, colour and `warning` in their usual orders; a hazard in a list; and where a hazard should stand."""
    names = "|".join(re.escape(unicodedata.normalize("NFKC", name)) for name in by_name())
    grade = r"[\[(]?(?P<{0}>I{{1,3}}|IV|[一二三四1-4])级?(?:/[\u4e00-\u9fff]{{2,4}})?[\])]?"
    colour = r"(?P<{0}>[红橙黄蓝白])色?"
    plain = (
        rf"(?P<h>{names})(?:灾害|天气|气象)?(?:气象)?(?:风险)?(?:等级)?"
        rf"(?:{colour.format('c1')}(?:{grade.format('g1')})?|{grade.format('g2')}[(\[]?(?:{colour.format('c2')})?[)\]]?)?"
        rf"(?:气象)?(?:灾害)?(?:风险)?(?:预警|警报|警示)(?:信号|信息)?(?:[(\[【:]?{colour.format('c3')}(?:预警|信号)*[)\]】]?)?"
    )
    listed = rf"(?P<h>{names}){colour.format('c1')}(?=[、和及与,](?:(?:{names})[红橙黄蓝白]色?[、和及与,])*(?:{names})[红橙黄蓝白]色?预警)"
    unknown = r"(?:发布|解除|继续|升级|更新|变更)(?:了)?(?P<h>[\u4e00-\u9fff]{2,12}?)(?:[红橙黄蓝白]色?)预警"
    return re.compile(plain), re.compile(listed), re.compile(unknown)


def _anchors(text: str) -> Iterator[_Anchor]:
    """Every hazard with `warning` beside it, in the order of the text; names that are inside longer words are left out."""
    plain, listed, _ = _patterns()
    found = sorted([*plain.finditer(text), *listed.finditer(text)], key=lambda match: match.start())
    end = -1
    names = {unicodedata.normalize("NFKC", name): signal for name, signal in by_name().items()}
    for match in found:
        if match.start() >= end and not _inside_word(text, match):
            end = match.end()
            yield _Anchor(match.start(), match.end(), names[match["h"]], level(_colour(match)))


def _colour(match: re.Match[str]) -> str:
    said = match.groupdict()
    colour = next((said[key] for key in ("c1", "c2", "c3") if said.get(key)), "")
    grade = next((said[key] for key in ("g1", "g2") if said.get(key)), "")
    return colour or GRADES.get(grade, "")


def _inside_word(text: str, match: re.Match[str]) -> bool:
    """A hazard before which another word runs into it (持续暴雨 is none of ours, 森林草原火险 is)."""
    before = text[max(0, match.start() - 2) : match.start()]
    return before.endswith(("无", "防", "抗", "非", "海洋", "农业"))


def _announced(head: str, body: str, at: datetime) -> list[WarningText]:
    sentence = _first_sentence(head)
    anchors = list(_anchors(sentence))
    if not anchors:
        unknown = _patterns()[2].search(sentence)
        said = f": the hazard {unknown['h']} is not known" if unknown else ""
        raise WarningTextError(f"The text announces no warning{said}.")
    status = status_of(f"{head}{body}")
    found, start, skip = [], 0, -1
    for anchor in anchors:
        if anchor.start < skip:
            continue
        one = list(_one(sentence, start, anchor, f"{head}。{body}" if body else head, at, status))
        found += [item for item, _ in one]
        skip = max([skip, *(end for _, end in one)])
        start = anchor.end
    if not found:
        raise WarningTextError("The text mentions a warning, but does not say that one is issued, changed or ended.")
    return _each_once(found)


def _first_sentence(text: str) -> str:
    """Up to the first stop after the first warning is named, so that 【暴雨橙色预警】 before it is part of it."""
    first = next(_anchors(text), None)
    stop = _END.search(text, first.end if first else 0)
    sentence = text[: stop.start()] if stop else text
    rest = text[stop.end() :] if stop else ""
    if first and not _verb(sentence) and (second := next(_anchors(rest), None)):  # a heading, then the sentence
        return f"{sentence},{_first_sentence(rest)}" if second.start < 80 else sentence
    return sentence


def _one(
    text: str, start: int, anchor: _Anchor, whole: str, at: datetime, status: str
) -> Iterator[tuple[WarningText, int]]:
    """What one named warning amounts to, and where it ends: none, one, or two where one gives way to another."""
    action, after, end, other = _action_full(text, start, anchor)
    if not action:
        return
    before_verb = text[: anchor.start]
    issued = issued_at(before_verb, at)
    valid = validity(whole[len(text) - len(text[anchor.end :]) :] if whole.startswith(text) else whole, issued or at)
    valid = Validity() if action == "cancel" else valid
    unknown = tuple(filter(None, (valid.unread and f"valid time {valid.unread}", "" if (after or anchor.level).name else "colour")))
    common = {"issuer": issuer_in(before_verb), "issued": issued, "status": status}
    if other is not None and other is not anchor.signal:
        yield WarningText(anchor.signal, anchor.level, "cancel", valid=Validity(), unknown=(), **common), end
        yield WarningText(other, after or anchor.level, "issue", valid=valid, unknown=unknown, **common), end
        return
    before = anchor.level if after else None
    yield WarningText(anchor.signal, after or anchor.level, action, valid=valid, before=before, unknown=unknown, **common), end


@lru_cache(maxsize=1)
def _changes() -> re.Pattern[str]:
    names = "|".join(re.escape(unicodedata.normalize("NFKC", name)) for name in by_name())
    return re.compile(
        r"(?:现)?已?(?:由(?P<from>[红橙黄蓝白])色?(?:预警(?:信号)?)?)?"
        r"(?P<verb>升级|提升|上调|上升|升|变更|调整|更改|改|更新|降级|下调|降低|降)(?:发布)?[为成至到]?"
        rf"(?P<other>{names})?(?P<to>[红橙黄蓝白])色?(?:预警)?(?:信号)?"
    )


def _action(text: str, start: int, anchor: _Anchor) -> tuple[str, Level | None]:
    action, after, _, _ = _action_full(text, start, anchor)
    return action, after


def _action_full(text: str, start: int, anchor: _Anchor) -> tuple[str, Level | None, int, Signal | None]:
    """What was done with the warning at this place, its level afterwards, where that ends, and another hazard in its place."""
    rest = text[anchor.end :]
    if match := _changes().match(rest):
        names = {unicodedata.normalize("NFKC", name): signal for name, signal in by_name().items()}
        before, after = level(match["from"]) if match["from"] else anchor.level, level(match["to"])
        other = names[match["other"]] if match["other"] else None
        return _direction(match["verb"], before, after), after, anchor.end + match.end(), other
    if re.match(r"(?:现|今|已|于|在|[\d年月日时分:])*(?:予以|正式|已经)?(?:解除|取消|撤销|撤消|终止)", rest):
        return "cancel", None, anchor.end, None
    if re.match(r"(?:仍|将|依然|目前)*(?:继续|持续)?(?:有效|生效)", rest):
        return "continue", None, anchor.end, None
    segment = text[start : anchor.start]
    verbs = list(_VERB.finditer(segment))
    if not verbs:
        return ("issue" if start == 0 and _is_heading(segment, rest) else _carried(text, start, anchor)), None, anchor.end, None
    if _NOT_DONE.search(segment[: verbs[-1].end()]) or segment[verbs[-1].end() :].startswith("的"):
        return "", None, anchor.end, None
    if len(segment) - verbs[-1].end() > 6 or _MENTION.search(segment):
        return "", None, anchor.end, None
    action = _VERBS[verbs[-1][0]]
    if action in _STEPS and (match := re.match(r"为[\u4e00-\u9fff]{0,10}?(?P<to>[红橙黄蓝白])色?", rest)):
        return _direction(verbs[-1][0][:2], anchor.level, level(match["to"])), level(match["to"]), anchor.end + match.end(), None
    return action, None, anchor.end, None


def _carried(text: str, start: int, anchor: _Anchor) -> str:
    """In a list (发布暴雨橙色、雷电黄色预警) the verb of the first holds for the next."""
    between = text[start : anchor.start]
    if start == 0 or between not in {"、", "和", "及", "与", ",", "以及", ""}:
        return ""
    earlier = [match[0] for match in _VERB.finditer(text[:start])]
    return _VERBS[earlier[-1]] if earlier else ""


def _direction(verb: str, before: Level, after: Level) -> str:
    if verb in {"升级", "提升", "上调", "上升", "升"}:
        return "upgrade"
    if verb in {"降级", "下调", "降低", "降"}:
        return "downgrade"
    if not before.name or before == after:
        return "change"
    return "upgrade" if after.code > before.code else "downgrade"


def _is_heading(before: str, after: str) -> bool:
    """A title without a verb: nothing but a place or body before the hazard, nothing of a sentence after it."""
    place = re.fullmatch(r"[\[【(]?[\u4e00-\u9fff]{0,24}(?:省|市|区|县|旗|州|台|局|中心|镇|乡|街道)?(?:演练|测试)?[\]】):]?[\[【(]?", before)
    closed = re.match(r"[\]】)]|$|[,。!:;(\[]", after)
    return bool(place and closed and not _MENTION.search(before) and not re.search(r"[的了在请将可]", before))


def _verb(text: str) -> str:
    found = [match[0] for match in _VERB.finditer(text)]
    return _VERBS[found[-1]] if found else ""


def issuer_in(text: str) -> str:
    """The issuing bodies that are named before the verb, joined by 、; empty where none is."""
    found = []
    for part in re.split(r"[,。:;\[\]【】()\d]|年|日|时|分", text):
        for number, match in enumerate(_ISSUER.finditer(part)):
            joined = r"^(?:和|与|及|联合|会同)+" if number else r"^(?:[于由经据]|受.*影响|.*会同)"
            if name := re.sub(joined, "", match[0].lstrip("、")):
                found.append(name)
    return "、".join(dict.fromkeys(found))


def _each_once(found: list[WarningText]) -> list[WarningText]:
    """One per hazard: a heading and its sentence say the same; what says more stands."""
    kept: dict[str, WarningText] = {}
    for item in found:
        known = kept.get(item.signal.name)
        if known is None or (item.issued and not known.issued) or (item.level.name and not known.level.name):
            kept[item.signal.name] = item
        elif known.level != item.level and item.action == known.action:
            raise WarningTextError(f"The text names {item.signal.name} with two colours.")
    return list(kept.values())


def _agree(found: list[WarningText], words: str, at: datetime) -> None:
    """Title and text must speak of the same warning; WarningTextError otherwise."""
    try:
        told = _announced(words, "", at)
    except (WarningTextError, TimeError):
        return  # many texts say only what will happen
    for item in found:
        for other in told:
            if other.signal is item.signal and other.level.name and item.level.name and other.level != item.level:
                raise WarningTextError(f"The title says {item.level.name}, the text {other.level.name}.")
    if not {item.signal for item in found} & {other.signal for other in told}:
        raise WarningTextError("Title and text speak of different warnings.")


__all__ = ["COLOURS", "UPDATES", "WarningText", "WarningTextError", "action_in", "issuer_in", "read_warning", "signals_in", "status_of"]
