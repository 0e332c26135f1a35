"""The result of a check: totals, what is wrong in sentences, and a table by department."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gridhub.connectors.simulator.message import Truth

_MOST_SHOWN = 20
EXACT_WAYS = ("code", "key", "coordinates")


class Pairs(NamedTuple):
    """Pairs of events: of one matter and joined, joined, and of one matter."""

    both: int
    joined: int
    true: int

    @property
    def precision(self) -> float:
        """Of the joined pairs, the share that is of one matter; 1 where nothing was joined."""
        return self.both / self.joined if self.joined else 1.0

    @property
    def recall(self) -> float:
        """Of the pairs of one matter, the share that was joined; 1 where there was nothing to join."""
        return self.both / self.true if self.true else 1.0


NO_PAIRS = Pairs(0, 0, 0)


class WrongReason(NamedTuple):
    """A message that ended elsewhere than it should have."""

    truth: Truth
    expected: str  # a reason, or located
    found: str


class Department(NamedTuple):
    """One line of the table."""

    department: str
    produced: int
    admitted: int
    refused: int
    duplicates: int
    wrong: int


@dataclass(slots=True)
class Report:
    """What came of the messages, beside what should have. `seconds` is the caller's to fill in."""

    produced: int = 0
    admitted: int = 0
    refused: int = 0
    duplicates: int = 0
    merged: int = 0
    possible: int = 0
    attached: int = 0  # of the incidents, those that are children of a parent
    incidents: int = 0
    tasks: int = 0
    lost_messages: list[Truth] = field(default_factory=list)  # neither located nor refused
    undecided: int = 0  # located, without a decision in the journal
    taskless: int = 0  # incidents without a task
    doubled_messages: int = 0  # a message that is more than once in hub.located and hub.quarantine together
    doubled_decisions: int = 0  # a located event decided on more than once
    doubled_incidents: int = 0  # opened more than once
    doubled_tasks: int = 0  # version 1 published more than once
    wrong_reason: list[WrongReason] = field(default_factory=list)
    wrong_duplicates: int = 0  # a redelivery not seen as one, or the other way round
    out_of_order: int = 0
    grid_right: dict[str, tuple[int, int]] = field(default_factory=dict)  # by way: right, all
    wrong_grids: list[tuple[Truth, tuple[str, ...], str]] = field(default_factory=list)
    strict: Pairs = NO_PAIRS  # merged only
    wide: Pairs = NO_PAIRS  # possible counts as joined
    indistinct: int = 0  # joined pairs of two matters that nobody could tell apart; `wide` has them too
    refused_by: Counter[tuple[str, str]] = field(default_factory=Counter)  # department, reason
    departments: dict[str, Counter[str]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def received(self) -> int:
        """Messages that the hub has taken up."""
        return self.admitted + self.refused

    @property
    def wrong_pairs(self) -> int:
        """Joined pairs of two matters that could have been told apart."""
        return self.wide.joined - self.wide.both - self.indistinct

    @property
    def lost(self) -> int:
        """Messages, decisions and tasks that should be there and are not."""
        return len(self.lost_messages) + self.undecided + self.taskless

    @property
    def doubled(self) -> int:
        """What is there more often than it should be."""
        return self.doubled_messages + self.doubled_decisions + self.doubled_incidents + self.doubled_tasks

    def grids(self, *ways: str) -> float:
        """The share of located events of these ways whose codes are right; 1 where there are none."""
        right, count = (sum(self.grid_right.get(way, (0, 0))[part] for way in ways) for part in (0, 1))
        return right / count if count else 1.0

    def to_json(self) -> dict[str, Any]:
        """The last line of `make demo`: the keys of the contract, and further ones."""
        return {
            "produced": self.produced,
            "received": self.received,
            "admitted": self.admitted,
            "refused": self.refused,
            "duplicates": self.duplicates,
            "merged": self.merged,
            "incidents": self.incidents,
            "tasks": self.tasks,
            "lost": self.lost,
            "doubled": self.doubled,
            "seconds": round(self.seconds, 3),
            "events_per_second": round(self.produced / self.seconds, 1) if self.seconds else 0.0,
            "possible": self.possible,
            "attached": self.attached,
            "precision": round(self.wide.precision, 4),
            "recall": round(self.wide.recall, 4),
            "pairs": self.wide.joined,
            "indistinct": self.indistinct,
            "wrong_pairs": self.wrong_pairs,
            "grid_right": round(self.grids(*EXACT_WAYS), 4),
            "address_right": round(self.grids("address"), 4),
            "wrong_reason": len(self.wrong_reason),
            "out_of_order": self.out_of_order,
        }

    def problems(self) -> list[str]:
        """What is wrong with the run, a sentence each; empty when nothing is."""
        counted = (
            (len(self.lost_messages), "messages were produced and are neither in hub.located nor in hub.quarantine"),
            (self.undecided, "located events have no decision in hub.journal"),
            (self.taskless, "incidents have no task"),
            (self.doubled_messages, "messages came out of the inbound stage more than once"),
            (self.doubled_decisions, "located events were decided on more than once"),
            (self.doubled_incidents, "incidents were opened more than once"),
            (self.doubled_tasks, "tasks were dispatched more than once"),
            (self.wrong_duplicates, "events were wrongly taken for redeliveries, or redeliveries for new events"),
            (self.out_of_order, "located events are not in the order in which they were produced"),
        )
        found = [f"{count} {words}." for count, words in counted if count]
        return [*found, *self._conservation(), *self._wrong_places(), *self._wrong_reasons()]

    def by_department(self) -> list[Department]:
        """One row per department that published, by name."""
        words = ("produced", "admitted", "refused", "duplicates", "wrong")
        return [
            Department(name, *(counts[word] for word in words)) for name, counts in sorted(self.departments.items())
        ]

    def _conservation(self) -> list[str]:
        ended = self.incidents + self.merged + self.possible + self.duplicates
        found = []
        if self.received != self.produced:
            found.append(f"Received {self.received} of {self.produced} produced messages.")
        if ended != self.admitted:
            found.append(f"Of {self.admitted} located events {ended} ended as incident, merged, possible or duplicate.")
        return found

    def _wrong_places(self) -> list[str]:
        return [
            f"{truth.department} {truth.event_id}: {'+'.join(truth.true_codes)} by {truth.place_way} "
            f"was located at {'+'.join(codes)} by {method}."
            for truth, codes, method in self.wrong_grids[:_MOST_SHOWN]
            if truth.place_way in EXACT_WAYS
        ]

    def _wrong_reasons(self) -> list[str]:
        shown = [
            f"Message {wrong.truth.seq} of {wrong.truth.department} ({wrong.truth.fault or wrong.truth.place_way}): "
            f"expected {wrong.expected}, found {wrong.found}."
            for wrong in self.wrong_reason[:_MOST_SHOWN]
        ]
        more = len(self.wrong_reason) - _MOST_SHOWN
        return [*shown, f"{more} more messages have another reason than expected."] if more > 0 else shown
