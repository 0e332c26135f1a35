"""Chinese warning titles and texts: which hazard, which colour, what was done, by whom, when, until when.

Read is what a sentence says of itself: issuing body, time, verb, hazard and colour before the first full stop. What
only mentions a warning (one that may come, one that was issued before) is not a warning. What is not known is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from gridhub.connectors.warnings.signals import Level, Signal, level
from gridhub.connectors.warnings.text_times import TimeError, Validity, issued_at, validity
from gridhub.connectors.warnings.text_verbs import UPDATES, deed, verb
from gridhub.connectors.warnings.text_words import Anchor, anchors, plain, unknown_hazard

__all__ = [
    "UPDATES",
    "WarningText",
    "WarningTextError",
    "action_in",
    "issuer_in",
    "read_warning",
    "signals_in",
    "status_of",
]

MOST_CHARACTERS = 5_000
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
    heading, words = plain(title), plain(text)
    try:
        found = _announced(heading or words, words if heading else "", at)
    except TimeError as error:
        raise WarningTextError(str(error)) from error
    if heading and words:
        _agree(found, words, at)
    return found


def signals_in(text: str) -> list[tuple[Signal, Level]]:
    """Hazards and colours that a heading names, without asking what was done; empty where it names none."""
    return [(item.signal, item.level) for item in anchors(plain(text))]


def action_in(text: str) -> str:
    """What a heading says was done; empty where it does not say."""
    head = plain(text)
    first = next(anchors(head), None)
    return deed(head, 0, first).action if first else verb(head)


def status_of(text: str) -> str:
    """Actual, Exercise or Test, as the text itself says."""
    return "Exercise" if _EXERCISE.search(text) else "Test" if _TEST.search(text) else "Actual"


@dataclass(frozen=True, slots=True)
class _Said:
    """A text as it is read: the sentence that announces, everything, when it came, and what status it has."""

    sentence: str
    whole: str
    at: datetime
    status: str

    def after(self, anchor: Anchor) -> str:
        """What follows a named warning, to the end of the text."""
        return self.whole[anchor.end :]

    def only_colour(self) -> Level:
        """The colour of the one warning that the text names with a colour anywhere; unknown when there are several."""
        found = set(re.findall(r"([红橙黄蓝白])色(?:气象|风险)*预警", self.whole))
        return level(found.pop()) if len(found) == 1 else Level()


def _announced(head: str, body: str, at: datetime) -> list[WarningText]:
    sentence = _first_sentence(head)
    named = list(anchors(sentence))
    if not named:
        unknown = unknown_hazard(sentence)
        raise WarningTextError(
            f"The text announces no warning{f': the hazard {unknown} is not known' if unknown else ''}."
        )
    whole = f"{sentence}{head[len(sentence) :]}。{body}"
    said, found, start, skip = _Said(sentence, whole, at, status_of(whole)), [], 0, -1
    for anchor in named:
        if anchor.start >= skip:
            made = list(_one(said, start, anchor))
            found += [item for item, _ in made]
            skip = max([skip, *(end for _, end in made)])
            start = anchor.end
    if not found:
        raise WarningTextError("The text mentions a warning, but does not say that one is issued, changed or ended.")
    return _each_once(found)


def _first_sentence(text: str) -> str:
    """Up to the first stop after the first warning is named, so that 【暴雨橙色预警】 before it is part of it."""
    first = next(anchors(text), None)
    stop = _END.search(text, first.end if first else 0)
    sentence = text[: stop.start()] if stop else text
    rest = text[stop.end() :] if stop else ""
    if first and not verb(sentence) and (second := next(anchors(rest), None)):  # a heading, then the sentence
        return f"{sentence},{_first_sentence(rest)}" if second.start < 80 else sentence
    return sentence


def _one(said: _Said, start: int, anchor: Anchor) -> Iterator[tuple[WarningText, int]]:
    """What one named warning amounts to, and where it ends: none, one, or two where one gives way to another."""
    done = deed(said.sentence, start, anchor)
    if not done.action:
        return
    issued = issued_at(said.sentence[: anchor.start], said.at)
    valid = Validity() if done.action == "cancel" else validity(said.after(anchor), issued or said.at)
    colour = done.after or (anchor.level if anchor.level.name or done.action == "cancel" else said.only_colour())
    nameless = not colour.name and done.action != "cancel"
    phrases = (valid.unread and f"valid time {valid.unread}", "colour" if nameless else "")
    first = WarningText(
        signal=anchor.signal,
        level=colour,
        action=done.action,
        issuer=issuer_in(said.sentence[: anchor.start]),
        issued=issued,
        valid=valid,
        status=said.status,
        before=anchor.level if done.after else None,
        unknown=tuple(filter(None, phrases)),
    )
    if done.other is None or done.other is anchor.signal:
        yield first, done.end
        return
    yield replace(first, level=anchor.level, action="cancel", valid=Validity(), before=None, unknown=()), done.end
    yield replace(first, signal=done.other, action="issue", before=None), done.end


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
