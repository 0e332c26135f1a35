"""What a Chinese warning text says was done: issued, continued, changed, ended, or only mentioned."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from gridhub.connectors.warnings.signals import Level, Signal, level
from gridhub.connectors.warnings.text_words import Anchor, any_name, names

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
_NOT_DONE = re.compile(
    r"(?:可能|拟|即将|将会?|将要|计划|适时|视情|及时|尚?未|没有|不|是否|有望|或|准备)(?:继续|再次|联合|适时)?发布$|发布的?标准$"
)
_MENTION = re.compile(
    r"以来|累计|共(?:计)?发布|历史|去年|上年|关注|收听|收看|留意|警惕|参照|标准|图标|含义|防御指南|演示|什么是|如何|期间|响应|网传|误信|谣言|辟谣|不实|关于"
)
_ENDED = re.compile(r"(?:现|今|已|于|在|[\d年月日时分:])*(?:予以|正式|已经)?(?:解除|取消|撤销|撤消|终止)")
_STANDS = re.compile(r"(?:仍|将|依然|目前)*(?:继续|持续)?(?:有效|生效)")
_TO = re.compile(r"为[\u4e00-\u9fff]{0,10}?(?P<to>[红橙黄蓝白])色?")
_RUMOUR = re.compile(r"网传|谣言|辟谣|不实|误信|误报")
_MOST_BETWEEN = 6
"""Characters between the verb and the hazard: 我市, 黄石港区."""


class Deed(NamedTuple):
    """What was done with a named warning; an empty action: nothing, it is only mentioned.

    `after`: its level from now on, where it changed; `end`: where that stands in the text; `other`: the hazard that it
    became.
    """

    action: str
    end: int
    after: Level | None = None
    other: Signal | None = None


def deed(text: str, start: int, anchor: Anchor) -> Deed:
    """What a sentence says was done with the warning at `anchor`; `start` is where the one before it ended."""
    if _RUMOUR.search(text):
        return Deed("", anchor.end)
    return _said_after(text, anchor) or _said_before(text, start, anchor)


def verb(text: str) -> str:
    """The last action that a text names; empty where it names none."""
    found = [match[0] for match in _VERB.finditer(text)]
    return _VERBS[found[-1]] if found else ""


def _said_after(text: str, anchor: Anchor) -> Deed | None:
    rest = text[anchor.end :]
    if match := _changes().match(rest):
        before, after = level(match["from"]) if match["from"] else anchor.level, level(match["to"])
        other = names()[match["other"]] if match["other"] else None
        return Deed(_direction(match["verb"], before, after), anchor.end + match.end(), after, other)
    if _ENDED.match(rest):
        return Deed("cancel", anchor.end)
    return Deed("continue", anchor.end) if _STANDS.match(rest) else None


def _said_before(text: str, start: int, anchor: Anchor) -> Deed:
    segment, rest = text[start : anchor.start], text[anchor.end :]
    verbs = list(_VERB.finditer(segment))
    if not verbs:
        heading = start == 0 and _is_heading(segment, rest)
        return Deed("issue" if heading else _carried(text, start, anchor), anchor.end)
    last = verbs[-1]
    between = segment[last.end() :]
    undone = _NOT_DONE.search(segment[: last.end()]) or between.startswith("的")
    if undone or len(between) > _MOST_BETWEEN or _MENTION.search(segment):
        return Deed("", anchor.end)
    action = _VERBS[last[0]]
    if action in _STEPS and (match := _TO.match(rest)):
        after = level(match["to"])
        return Deed(_direction(last[0][:2], anchor.level, after), anchor.end + match.end(), after)
    return Deed(action, anchor.end)


@lru_cache(maxsize=1)
def _changes() -> re.Pattern[str]:
    return re.compile(
        r"(?:现)?已?(?:由(?P<from>[红橙黄蓝白])色?(?:预警(?:信号)?)?)?"
        r"(?P<verb>升级|提升|上调|上升|升|变更|调整|更改|改|更新|降级|下调|降低|降)(?:发布)?[为成至到]?"
        rf"(?P<other>{any_name()})?(?P<to>[红橙黄蓝白])色?(?:预警)?(?:信号)?"
    )


def _carried(text: str, start: int, anchor: Anchor) -> str:
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
    place = re.fullmatch(
        r"[\[【(]?[\u4e00-\u9fff]{0,24}(?:省|市|区|县|旗|州|台|局|中心|镇|乡|街道)?(?:演练|测试)?[\]】):]?[\[【(]?",
        before,
    )
    closed = re.match(r"[\]】)]|$|[,。!:;(\[]", after)
    return bool(place and closed and not _MENTION.search(before) and not re.search(r"[的了在请将可]", before))
