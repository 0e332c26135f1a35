"""Times in Chinese warning texts: when a warning was issued, and from when until when it holds. Beijing time.

Texts leave out the year, the month, or all but the hour; what is missing is taken from the moment of reference, and
never later than a day and a half after it. A phrase that cannot be read exactly is named and gives no time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
_AHEAD = timedelta(hours=36)
_BEFORE = timedelta(days=3)
"""A warning may have begun so long before it is issued anew."""
_NUMBERS = {"半": 0.5, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10,
            "十二": 12, "二十四": 24, "四十八": 48, "七十二": 72}  # fmt: skip
_DATE = r"(?:(?P<{0}y>\d{{4}})年)?(?:(?P<{0}m>\d{{1,2}})月)?(?:(?P<{0}d>\d{{1,2}})日|(?P<{0}w>今天|今日|明天|明日|后天|当日|当天|次日))?"
_HOUR = r"(?P<{0}part>凌晨|早晨|上午|中午|下午|傍晚|晚上|夜间)?(?P<{0}h>\d{{1,2}})(?:时(?:(?P<{0}min>\d{{1,2}})分?)?|:(?P<{0}min2>\d\d)|点(?:(?P<{0}min3>\d{{1,2}})分?)?)"
_POINT = _DATE + _HOUR + r"(?:\d{{1,2}}秒)?"
_ISSUED = re.compile(_POINT.format("a"))
_SPAN = re.compile(
    r"(?:(?P<now>当前|目前|现在|即日|即时)起?|"
    + _POINT.format("a")
    + r"|"
    + r"(?P<bare>\d{1,2})(?=[至到~—-]+\d{1,2}时))"
    r"(?:起)?(?:至|到|~|-|—)+" + _POINT.format("b")
)
_UNTIL = re.compile(r"(?:持续|延续|维持|有效期)?(?:至|到)" + _POINT.format("b"))
_HOURS = re.compile(
    r"(?:未来|今后|接下来)的?(?:(?P<low>\d{1,3})[~至到—-])?(?P<n>\d{1,3}|[半一二两三四五六七八九十]{1,3})个?(?P<u>小时|天|日)"
)
_WITHIN = re.compile(r"(?<!过去)(?<!\d)(?P<n>\d{1,3})个?小时(?:之内|以内|内)")
_PARTS = re.compile(
    r"(?:(?P<d>\d{1,2})日|(?P<w>今天|今日|明天|明日|后天|今|明)?)"
    r"(?P<p>上半夜|下半夜|夜间|夜里|晚上|晚间|傍晚|下午|中午|上午|早晨|凌晨|白天)"
)
_PART_ENDS = {"凌晨": 6, "早晨": 8, "上午": 12, "中午": 14, "下午": 18, "傍晚": 20, "白天": 20,
              "晚上": 24, "晚间": 24, "上半夜": 24, "夜间": 32, "夜里": 32, "下半夜": 30}  # fmt: skip
_WORD_DAYS = {"今天": 0, "今日": 0, "今": 0, "当日": 0, "当天": 0, "明天": 1, "明日": 1, "明": 1, "次日": 1, "后天": 2}
_MOST_HOURS = 24 * 10


class TimeError(ValueError):
    """A time that the calendar does not have."""


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when, as far as it was said; `unread` is a phrase about time that could not be read."""

    begin: datetime | None = None
    end: datetime | None = None
    unread: str = ""


def issued_at(text: str, at: datetime) -> datetime | None:
    """The last full time before the verb; None where there is none; TimeError for 25时 or 2月30日."""
    found = [match for match in _ISSUED.finditer(text) if match["ad"] or match["aw"]]
    return _point(found[-1], "a", at, None) if found else None


def validity(text: str, issued: datetime) -> Validity:
    """When the warning holds, from the body of its text."""
    for span in _SPAN.finditer(text):
        if span["bare"]:
            begin = _on_day(issued, 0, int(span["bare"]), 0)
        else:
            begin = issued if span["now"] else _point(span, "a", issued, None, issued - _BEFORE)
        end = _point(span, "b", issued, begin)
        return Validity(begin, end) if begin <= end else Validity(unread=span[0])
    if match := _HOURS.search(text) or _WITHIN.search(text):
        hours = _count(match["n"]) * (24 if match.groupdict().get("u") in {"天", "日"} else 1)
        if 0 < hours <= _MOST_HOURS:
            return Validity(issued, issued + timedelta(hours=hours))
        return Validity(unread=match[0])
    if match := _UNTIL.search(text):
        end = _point(match, "b", issued, issued)
        return Validity(issued, end) if end >= issued else Validity(unread=match[0])
    return _by_parts(text, issued)


def _by_parts(text: str, issued: datetime) -> Validity:
    """今天夜间, 26日夜间至27日夜间: until the end of the last part that the first sentence names."""
    sentence = re.split(r"[。;]", text)[0]
    found = list(_PARTS.finditer(sentence))
    if not found:
        bare = re.search(r"预计[^,。]{0,4}?((?:今|明|后)[天日]|\d{1,2}日)", sentence)
        return Validity(unread=bare[1] if bare else "")
    last, words = found[-1], "".join(match[0] for match in found)
    if last["d"]:
        day = _dated(None, None, int(last["d"]), issued, issued)
    elif last["w"]:
        day = _on_day(issued, _WORD_DAYS[last["w"]], 0, 0)
    elif len(found) > 1 and (found[0]["w"] or found[0]["d"]):  # 今天下午到夜里: the same day
        first = found[0]
        day = (
            _dated(None, None, int(first["d"]), issued, issued)
            if first["d"]
            else _on_day(issued, _WORD_DAYS[first["w"]], 0, 0)
        )
    else:
        return Validity(unread=words)
    end = day.replace(hour=0, minute=0, second=0) + timedelta(hours=_PART_ENDS[last["p"]])
    return Validity(issued, end) if end > issued else Validity(unread=words)


def _count(words: str) -> float:
    return float(words) if words.isdigit() else _NUMBERS.get(words, 0)


def _point(
    match: re.Match[str], key: str, at: datetime, after: datetime | None, floor: datetime | None = None
) -> datetime:
    """The moment that a match says; what it leaves out comes from `after` (the span's beginning), else from `at`.

    `floor`: a day that is named is the first from there on.
    """
    hour = int(match[f"{key}h"])
    minute = int(match[f"{key}min"] or match[f"{key}min2"] or match[f"{key}min3"] or 0)
    if hour > 24 or minute > 59 or (hour == 24 and minute):
        raise TimeError(f"{match[0]} is no time of the day.")
    if match[f"{key}part"] in {"下午", "傍晚", "晚上", "夜间"} and hour < 12:
        hour += 12
    base = after or at
    if word := match[f"{key}w"]:
        return _on_day(at if word != "次日" else base, _WORD_DAYS[word], hour, minute)
    if match[f"{key}d"]:
        year, month = (int(match[f"{key}{part}"]) if match[f"{key}{part}"] else None for part in "ym")
        day = _dated(year, month, int(match[f"{key}d"]), at, after or floor)
    else:
        day = base
        if after is not None and _on_day(base, 0, hour, minute) < after:
            day = base + timedelta(days=1)  # 22时至6时: the next morning
    return _on_day(day, 0, hour, minute)


def _on_day(day: datetime, later: int, hour: int, minute: int) -> datetime:
    start = day.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    return start + timedelta(days=later, hours=hour, minutes=minute)


def _dated(year: int | None, month: int | None, day: int, at: datetime, after: datetime | None) -> datetime:
    """The day that is meant: the first not before `after`, else the last not beyond a day and a half after `at`."""
    here = (after or at).astimezone(BEIJING)
    if year is not None and month is not None:
        return _made(year, month, day)
    if month is not None:
        years = (here.year, here.year + 1) if after else (here.year + 1, here.year, here.year - 1)
        choices = [(one, month) for one in years]
    else:
        choices = [_month(here, step) for step in ((0, 1) if after else (1, 0, -1))]
    latest = at.astimezone(BEIJING) + _AHEAD
    for one_year, one_month in choices:
        try:
            found = _made(one_year, one_month, day)
        except TimeError:
            continue
        if (found.date() >= here.date()) if after else (found <= latest):
            return found
    raise TimeError(f"{month or here.month}月{day}日 is no day that can be meant.")


def _month(here: datetime, step: int) -> tuple[int, int]:
    total = here.year * 12 + here.month - 1 + step
    return total // 12, total % 12 + 1


def _made(year: int, month: int, day: int) -> datetime:
    try:
        return datetime(year, month, day, tzinfo=BEIJING)
    except ValueError as error:
        raise TimeError(f"{year}年{month}月{day}日 is no day of the calendar.") from error
