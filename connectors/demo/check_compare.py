"""Compare what the hub made of the messages with the truth about them."""

from __future__ import annotations

from collections import Counter
from math import comb
from typing import TYPE_CHECKING

from gridhub.connectors.demo.check_findings import Decided, Findings, Located, Position
from gridhub.connectors.demo.check_report import Pairs, Report, WrongReason
from gridhub.streams.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridhub.connectors.simulator.message import Truth

_OPENING = {Outcome.OPENED.value, Outcome.ATTACHED.value}
Told = dict[Position, "Truth"]


def compare(truths: Iterable[Truth], findings: Findings) -> Report:
    """The report on these messages. Events, incidents and tasks of other messages are left out of account."""
    told = {Position(truth.topic, truth.partition, truth.offset): truth for truth in truths}
    report = Report(produced=len(told))
    located = [event for event in findings.located if event.origin in told]
    _arrivals(report, told, located, findings)
    _places(report, told, located)
    _order(report, located)
    decisions = _decisions(report, told, located, findings)
    _consequences(report, decisions, findings)
    _matters(report, told, located, decisions)
    return report


def _arrivals(report: Report, told: Told, located: list[Located], findings: Findings) -> None:
    """Each message must be once in hub.located or once in hub.quarantine, with the expected reason."""
    reasons = {refusal.origin: refusal.reason for refusal in findings.refused if refusal.origin in told}
    came = Counter(event.origin for event in located)
    report.admitted = len(came)
    came.update(refusal.origin for refusal in findings.refused if refusal.origin in told)
    report.refused = len(came) - report.admitted
    report.doubled_messages = came.total() - len(came)
    for position, truth in told.items():
        counts = report.departments.setdefault(truth.department, Counter())
        counts["produced"] += 1
        if position not in came:
            report.lost_messages.append(truth)
            counts["wrong"] += 1
            continue
        _arrival(report, counts, truth, reasons.get(position))


def _arrival(report: Report, counts: Counter[str], truth: Truth, reason: str | None) -> None:
    counts["refused" if reason else "admitted"] += 1
    if reason:
        report.refused_by[truth.department, reason] += 1
    found, expected = reason or "located", str(truth.expected_reason or "located")
    if found != expected:
        report.wrong_reason.append(WrongReason(truth, expected, found))
        counts["wrong"] += 1


def _places(report: Report, told: Told, located: list[Located]) -> None:
    right: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for event in located:
        truth = told[event.origin]
        if not truth.true_codes:
            continue
        count[truth.place_way] += 1
        if event.codes == tuple(sorted(truth.true_codes)):
            right[truth.place_way] += 1
        else:
            report.wrong_grids.append((truth, event.codes, event.method))
    report.grid_right = {way: (right[way], count[way]) for way in sorted(count)}


def _order(report: Report, located: list[Located]) -> None:
    """Within one area, the events of one source partition must follow each other as they were produced."""
    last: dict[tuple[str, int, str], int] = {}
    for event in sorted(located, key=lambda event: event.at):
        line = (event.origin.topic, event.origin.partition, event.area)
        report.out_of_order += event.origin.offset < last.get(line, -1)
        last[line] = max(event.origin.offset, last.get(line, -1))


def _decisions(report: Report, told: Told, located: list[Located], findings: Findings) -> dict[Position, Decided]:
    """The decision on each located event, by the event's position; counts of outcomes."""
    wanted = {event.at: event.origin for event in located}
    found: dict[Position, Decided] = {}
    for decision in findings.decided:
        if decision.at in wanted:
            report.doubled_decisions += decision.at in found
            found[decision.at] = decision
    report.undecided = len(wanted) - len(found)
    outcomes = Counter(decision.outcome for decision in found.values())
    report.incidents, report.merged = sum(outcomes[name] for name in _OPENING), outcomes[Outcome.MERGED]
    report.possible, report.attached = outcomes[Outcome.POSSIBLE], outcomes[Outcome.ATTACHED]
    report.duplicates = outcomes[Outcome.DUPLICATE]
    for at, decision in found.items():
        truth = told[wanted[at]]
        same = decision.outcome == Outcome.DUPLICATE
        report.departments[truth.department]["duplicates"] += same
        report.wrong_duplicates += same != (truth.kind == "duplicate")
    return found


def _consequences(report: Report, decisions: dict[Position, Decided], findings: Findings) -> None:
    """Each incident that opened is published once as version 1, and has tasks, each dispatched once.

    One whose tasks wait for the end of its parent has none yet.
    """
    opened = Counter(decision.incident_id for decision in decisions.values() if decision.outcome in _OPENING)
    twice = (max(count, findings.incidents[name]) - 1 for name, count in opened.items())
    report.doubled_incidents = sum(max(0, more) for more in twice)
    tasks = [task for task, incident in findings.incident_of.items() if incident in opened]
    report.tasks = len(tasks)
    report.doubled_tasks = sum(max(0, findings.tasks[task] - 1) for task in tasks)
    with_task = {findings.incident_of[task] for task in tasks}
    held = findings.inhibited
    report.taskless = sum(1 for name in opened if name not in with_task | held or not findings.incidents[name])


def _matters(report: Report, told: Told, located: list[Located], decisions: dict[Position, Decided]) -> None:
    """Pairs of events of one matter beside pairs of one incident; redeliveries are no events of their own."""
    strict: list[tuple[str, str]] = []
    wide: list[tuple[str, str]] = []
    twins: dict[str, str] = {}
    for event in located:
        truth, decision = told[event.origin], decisions.get(event.at)
        if decision is None or truth.kind != "valid" or truth.true_matter is None:
            continue
        wide.append((truth.true_matter, decision.incident_id))
        twins[truth.true_matter] = truth.twin
        alone = decision.outcome == Outcome.POSSIBLE
        strict.append((truth.true_matter, f"{decision.incident_id} {event.at}" if alone else decision.incident_id))
    report.strict, report.wide = pairs(strict), pairs(wide)
    report.indistinct = twin_pairs(wide, twins)


def twin_pairs(assigned: list[tuple[str, str]], twins: dict[str, str]) -> int:
    """Joined pairs of two matters that nobody could tell apart; `twins` leads from either to the other."""
    cells = Counter(assigned)
    return sum(count * cells[twins[matter], incident] for (matter, incident), count in cells.items()) // 2


def pairs(assigned: list[tuple[str, str]]) -> Pairs:
    """Counts of pairs of events, from each event's true matter and the incident that it was given."""
    cells, matters, incidents = Counter(assigned), Counter[str](), Counter[str]()
    for (matter, incident), count in cells.items():
        matters[matter] += count
        incidents[incident] += count
    return Pairs(*(sum(comb(n, 2) for n in group.values()) for group in (cells, incidents, matters)))
