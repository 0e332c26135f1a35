"""GET requests: which reports somebody asks for, within the specification's limits of 90 days and 1,000 reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gridhub.connectors.open311.errors import bad
from gridhub.connectors.open311.reports import w3_ms
from gridhub.connectors.open311.store import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridhub.connectors.open311.store import Row, Store

MOST = 1_000
SPAN_MS = 90 * DAY_MS
_MOST_IDS = 200
_STATES = {"open": False, "closed": True}


@dataclass(frozen=True, slots=True)
class Question:
    """Reports by id, or by time, service and status; `closed` None means both."""

    ids: tuple[str, ...]
    first_ms: int
    last_ms: int
    codes: tuple[str, ...]
    closed: bool | None
    most: int
    skip: int

    def ask(self, store: Store) -> list[Row]:
        """The reports, newest first."""
        if self.ids:
            return store.by_ids(self.ids)
        return store.between(self.first_ms, self.last_ms, self.codes, self.closed, self.most, self.skip)

    def steps(self, store: Store) -> list[Row]:
        """What happened to these reports in this time, oldest first."""
        return store.steps(self.ids, self.first_ms, self.last_ms, self.most, self.skip)


def question(fields: Mapping[str, str], now_ms: int) -> Question:
    """What the query asks; Open311Error 400 names the field that is wrong. An id overrides everything else."""
    first, last = _span(fields, now_ms)
    most = _number(fields, "page_size", MOST, MOST)
    page = _number(fields, "page", 1, 1_000_000)
    return Question(
        ids=_words(fields, "service_request_id"),
        first_ms=first,
        last_ms=last,
        codes=_words(fields, "service_code"),
        closed=_closed(fields),
        most=most,
        skip=(page - 1) * most,
    )


def _span(fields: Mapping[str, str], now_ms: int) -> tuple[int, int]:
    """From when to when: one that is not given lies 90 days from the other, or is now."""
    start, end = fields.get("start_date", ""), fields.get("end_date", "")
    last = w3_ms(end, "end_date") if end else None
    if not start:
        last = now_ms if last is None else last
        return last - SPAN_MS, last
    first = w3_ms(start, "start_date")
    last = first + SPAN_MS if last is None else last
    if not first <= last <= first + SPAN_MS:
        raise bad("end_date", "it lies before start_date, or more than 90 days after it")
    return first, last


def _words(fields: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(filter(None, (word.strip() for word in fields.get(name, "").split(",")))))
    if len(found) > _MOST_IDS:
        raise bad(name, f"at most {_MOST_IDS}")
    return found


def _closed(fields: Mapping[str, str]) -> bool | None:
    told = set(_words(fields, "status"))
    if unknown := told - set(_STATES):
        raise bad("status", f"{min(unknown)[:20]} is neither open nor closed")
    return _STATES[told.pop()] if len(told) == 1 else None


def _number(fields: Mapping[str, str], name: str, unset: int, most: int) -> int:
    text = fields.get(name, "") or str(unset)
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= most):
        raise bad(name, f"a number from 1 to {most}")
    return int(text)
