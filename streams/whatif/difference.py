"""What differs between two sides, counted while they are replayed: memory grows with the differences, not with the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gridhub.streams.whatif.side import Fate, Happened, Row

MOST_SHOWN = 20
LATE = ("reminded", "escalated", "overdue")
"""Outcomes that tell of a limit: a word before it, a breach raised to the next unit, a breach at the top."""
TOPMOST = "(none)"


class Balance:
    """Things that both sides should have: one side's count up, the other's down. What is level is forgotten."""

    def __init__(self) -> None:
        self.open: Counter[Hashable] = Counter()

    def add(self, things: Iterable[Hashable], sign: int) -> None:
        """Count these things for a side."""
        for thing in things:
            self.open[thing] += sign
            if not self.open[thing]:
                del self.open[thing]

    def only(self, sign: int) -> int:
        """How many things only the side of this sign has."""
        return sum(abs(count) for count in self.open.values() if count * sign > 0)


@dataclass(slots=True)
class Totals:
    """What one side did."""

    fates: Counter[str] = field(default_factory=Counter)  # by outcome; a refused one with its reason
    tasks: Counter[tuple[str, str]] = field(default_factory=Counter)  # by (recipient, action)
    late: Counter[str] = field(default_factory=Counter)  # by outcome of LATE
    late_by: Counter[tuple[str, str]] = field(default_factory=Counter)  # by (outcome, kind of limit)
    decided: Counter[str] = field(default_factory=Counter)  # every other outcome of a decision, room by room

    def add(self, happened: Happened) -> None:
        """Take in a step."""
        self.fates.update(map(_fate, happened.fates.values()))
        self.tasks.update((task["recipient"], task["action"]) for task in happened.tasks)
        for row in happened.decisions:
            if row["outcome"] in LATE:
                self.late[row["outcome"]] += 1
                self.late_by[row["outcome"], row["reason"]] += 1
            elif row["room"] != "deduplicate":
                self.decided[f"{row['room']}: {row['outcome']}"] += 1


def _fate(fate: Fate) -> str:
    return f"{fate.outcome} by {fate.where}" if fate.outcome == "refused" else fate.outcome


@dataclass(slots=True)
class Differences:
    """Two sides, live first."""

    live: Totals = field(default_factory=Totals)
    proposed: Totals = field(default_factory=Totals)
    names: dict[str, str] = field(default_factory=dict)  # of recipients
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)  # events by (fate live, fate proposed)
    regrouped: int = 0  # events with the same outcome, in another incident
    shown: list[dict[str, Any]] = field(default_factory=list)
    tasks: Balance = field(default_factory=Balance)
    limits: Balance = field(default_factory=Balance)
    late: Balance = field(default_factory=Balance)
    others: Balance = field(default_factory=Balance)

    def add(self, live: Happened, proposed: Happened, at_ms: int) -> None:
        """Take in the same step of both sides."""
        self.live.add(live)
        self.proposed.add(proposed)
        if live.fates != proposed.fates:
            self._events(live.fates, proposed.fates, at_ms)
        for happened, sign in ((live, 1), (proposed, -1)):
            self.tasks.add((_task(row) for row in happened.tasks), sign)
            self.limits.add((_limits(row) for row in happened.tasks), sign)
            self.late.add(_late(happened.decisions), sign)
            self.others.add(_others(happened.decisions), sign)
            self.names.update((row["recipient"], row["recipient_name"]) for row in happened.tasks)

    @property
    def count(self) -> int:
        """How many differences there are; 0 when both sides did the same."""
        balances = (self.tasks, self.limits, self.late, self.others)
        return sum(self.changed.values()) + sum(len(balance.open) for balance in balances)

    def _events(self, live: Mapping[int, Fate], proposed: Mapping[int, Fate], at_ms: int) -> None:
        for row in sorted(live.keys() | proposed.keys()):
            one, other = live.get(row), proposed.get(row)
            if one == other:
                continue
            before, after = (_fate(fate) if fate else TOPMOST for fate in (one, other))
            self.changed[before, after] += 1
            self.regrouped += before == after
            if len(self.shown) < MOST_SHOWN:
                self.shown.append(_example(one, other, at_ms))


def _example(one: Fate | None, other: Fate | None, at_ms: int) -> dict[str, Any]:
    named = one or other
    assert named is not None
    return {
        "source": named.source, "event_id": named.event_id, "at": at_ms,
        "live": list(one[2:]) if one else None, "proposed": list(other[2:]) if other else None,
    }  # fmt: skip


def _task(row: Row) -> Hashable:
    """A task is the same on both sides when it goes to the same recipient at the same time."""
    return row["task_id"], row["recipient"], row["created_at"]


def _limits(row: Row) -> Hashable:
    return row["task_id"], row["accept_by"], row["finish_by"]


def _late(decisions: Iterable[Row]) -> Iterable[Hashable]:
    return ((row["outcome"], row["task_ids"][0] if row["task_ids"] else "", row["reason"], row["decided_at"])
            for row in decisions if row["outcome"] in LATE)  # fmt: skip


def _others(decisions: Iterable[Row]) -> Iterable[Hashable]:
    """Everything else that was decided: about reports, parents, groups, silences."""
    return ((row["room"], row["outcome"], row["event_id"], row["incident_id"], row["reason"], tuple(row["task_ids"]))
            for row in decisions if row["outcome"] not in LATE and row["room"] != "deduplicate")  # fmt: skip
