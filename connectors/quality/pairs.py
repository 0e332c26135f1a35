"""The same-matter rules on real reports: which pairs they join, beside what the files themselves say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from gridhub.connectors.quality.measure import Measure, confusion, share
from gridhub.connectors.quality.reports import Reports, Row, located, mappings, read
from gridhub.streams import city as city_data
from gridhub.streams.memory import MemoryState
from gridhub.streams.records import LOCATED, Outcome, table
from gridhub.streams.rooms.deduplicate import deduplicate
from gridhub.streams.settings import load as load_settings

_TOGETHER = (Outcome.OPENED.value, Outcome.MERGED.value, Outcome.ATTACHED.value)


def measures(data: Path | None) -> Iterator[Measure]:
    """One measure a file; skipped where the file is not given."""
    for reports in mappings():
        path = data / reports.file if data else None
        if path is None or not path.exists():
            yield Measure(f"pairs_{reports.name}", 0, skipped=f"{reports.file} is not given (--data)")
        else:
            yield of_file(path, reports)


def of_file(path: Path, reports: Reports) -> Measure:
    """Pairs that the rules join, pairs that the file takes for one matter and the rules could join, and planned work.

    `precision`: of the joined pairs, those of one matter in the file's own words. `recall`: of its pairs inside one area
    and the rule's window, those joined or shown to a person as possible. Neighbours with one noise are joined on purpose
    and count against the precision, so it has no floor.
    """
    rows, left_out = read(path, reports)
    events = [located(row, reports, number) for number, row in enumerate(rows)]
    decided = _decide(events)
    joined = _joined(decided)
    truth = _truth(rows, events, reports)
    shown = joined | _possible(decided)
    planned = {event["event_id"] for event in events if event["planned"]}
    told = [row[reports.id] for row in rows if reports.is_told(row) and _has_partner(row[reports.id], truth)]
    told_found = [one for one in told if any(one in pair for pair in shown)]
    values = {
        "left_out": left_out,
        "joined_pairs": len(joined),
        "same_pairs": len(truth),
        "precision": share(len(joined & truth), len(joined)),
        "recall": share(len(shown & truth), len(truth)),
        "told_duplicates": len(told),
        "told_found": share(len(told_found), len(told)),
        "planned_joined": sum(bool(pair & planned) for pair in joined),
    }
    floors = {"told_found": 0.8} if told else {}
    words = [(decided[event["event_id"]]["outcome"], event["category"]) for event in events]
    table_ = confusion("what became of each report", words, "rows: outcome, columns: category")
    name = f"pairs_{reports.name}"
    return Measure(name, len(rows), values, floors=floors, ceilings={"planned_joined": 0}, table=table_)


def _decide(events: list[Row]) -> dict[str, Row]:
    """The journal's rows by event id: one batch through the room, with the bundled rules."""
    facts = city_data.outbound_facts(city_data.load(), load_settings())
    now_ms = max(event["occurred_at"] for event in events)
    found = deduplicate(table(LOCATED, events), facts, now_ms, MemoryState())
    return {row["event_id"]: row for row in found.decisions}


def _joined(decided: dict[str, Row]) -> set[frozenset[str]]:
    together: dict[str, list[str]] = defaultdict(list)
    for event_id, row in decided.items():
        if row["outcome"] in _TOGETHER:
            together[row["incident_id"]].append(event_id)
    return {frozenset(pair) for ids in together.values() for pair in combinations(ids, 2)}


def _possible(decided: dict[str, Row]) -> set[frozenset[str]]:
    """Events attached as possible, paired with those of the incident that a person is shown."""
    members: dict[str, list[str]] = defaultdict(list)
    for event_id, row in decided.items():
        members[row["incident_id"]].append(event_id)
    waiting = [(one, row) for one, row in decided.items() if row["outcome"] == Outcome.POSSIBLE.value]
    return {frozenset((one, other)) for one, row in waiting for other in members[row["incident_id"]] if other != one}


def _truth(rows: list[Row], events: list[Row], reports: Reports) -> set[frozenset[str]]:
    """Pairs of one matter in the file's own words that the rules could join: one category, area and day, not planned."""
    by_matter: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for row, event in zip(rows, events, strict=True):
        matter = reports.matter(row)
        if matter and not event["planned"]:
            day = event["occurred_at"] // 86_400_000
            by_matter[matter, event["category"], event["area"], day].append(event["event_id"])
    return {frozenset(pair) for ids in by_matter.values() for pair in combinations(ids, 2)}


def _has_partner(event_id: str, truth: set[frozenset[str]]) -> bool:
    return any(event_id in pair for pair in truth)
