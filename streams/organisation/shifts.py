"""Shifts: hours of the day at which somebody is there, also over midnight; and hours as people write them."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from gridhub.streams.organisation.calendar import CHINA_MS, DAY_MS, MINUTE_MS, Calendar, Spans

_SPAN = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


class Shift(NamedTuple):
    """A named shift. Spans are (begin, end) in ms after midnight of the day it begins on; an end may lie after 24:00."""

    name: str  # for a person
    workday: Spans
    day_off: Spans

    def began(self, at_ms: int, calendar: Calendar) -> int | None:
        """The number of the day (since 1970, in China) on which the shift that runs at this moment began; None for none.

        A night shift belongs to the day on which it begins: Friday's goes on into Saturday as a working day's.
        """
        day, inside = divmod(at_ms + CHINA_MS, DAY_MS)
        for earlier in (0, 1):
            works = calendar.is_workday(at_ms - earlier * DAY_MS)
            moment = inside + earlier * DAY_MS
            if any(begin <= moment < end for begin, end in (self.workday if works else self.day_off)):
                return day - earlier
        return None


def spans(texts: list[str], *, over_midnight: bool) -> Spans:
    """Hours as `08:30-12:00`, in order; ValueError says what to change. `20:00-08:00` goes over midnight, where allowed."""
    found = tuple(_span(text, over_midnight=over_midnight) for text in texts)
    for (_, end), (begin, _) in pairwise(found):
        if begin <= end:
            raise ValueError(f"the hours {', '.join(texts)} overlap, touch or are not in order")
    if found and found[-1][1] > found[0][0] + DAY_MS:
        raise ValueError(f"the hours {', '.join(texts)} last into the next day's")
    return found


def _span(text: str, *, over_midnight: bool) -> tuple[int, int]:
    match = _SPAN.fullmatch(text)
    hours = [int(part) for part in match.groups()] if match else []
    begin, end = (hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]) if hours else (0, 0)
    if not hours or begin >= 1440 or end > 1440:
        raise ValueError(f"{text!r} is no span of hours; write 08:30-12:00, the day's end as 24:00")
    if end <= begin:
        if not over_midnight:
            raise ValueError(f"{text} goes over midnight; write two spans, {text[:5]}-24:00 and 00:00-{text[6:]}")
        end += 1440
    return begin * MINUTE_MS, end * MINUTE_MS
