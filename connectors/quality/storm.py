"""A storm: 20,000 reports within ten minutes under a red warning. Whose tasks wait, and do they come in the end?"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gridhub.connectors.quality.measure import Measure, confusion
from gridhub.connectors.simulator import City as SimulatedCity
from gridhub.connectors.simulator.city import MINUTE_MS
from gridhub.connectors.simulator.cloudburst import cloudburst
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams import messages as records
from gridhub.streams import road
from gridhub.streams.memory import MemoryState
from gridhub.streams.messages import Origin
from gridhub.streams.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gridhub.connectors.simulator import Message
    from gridhub.streams.rooms.outbound import OutboundFacts, Row

EVENTS, MINUTES, SEED = 20_000, 10, 11
START_MS = 1_795_410_000_000  # 2026-11-23T13:00:00+08:00
_BATCH = 500
_LATER_MS = 6 * 60 * MINUTE_MS


def measures(_data: Path | None = None) -> Iterator[Measure]:
    """The storm at full size."""
    yield storm(EVENTS)


@dataclass(slots=True)
class Watched:
    """What a storm did to incidents and tasks."""

    located: int = 0
    refused: int = 0
    life_safety: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    waited: set[str] = field(default_factory=set)  # incidents whose tasks were held back at some time
    released: int = 0  # incidents that got their tasks at the end of their parent
    waiting: set[str] = field(default_factory=set)  # incidents whose tasks are held back now
    with_tasks: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)
    endangered: list[str] = field(default_factory=list)  # categories of held incidents that may cost lives
    held_by_kind: list[tuple[str, str]] = field(default_factory=list)
    cpu_s: float = 0.0


def storm(events: int, seed: int = SEED) -> Measure:
    """The road in memory under a storm of so many messages; the notices of parents arrive one batch later."""
    data = city_data.load()
    simulated = SimulatedCity(data.catalogue, data.departments, seed)
    seen = watched(list(cloudburst(simulated, events, seed, START_MS, MINUTES)), data)
    conserved = sum(seen.outcomes.values()) == seen.located
    taskless = seen.opened - seen.with_tasks - seen.ended
    return Measure(
        "storm_life_safety",
        events,
        {
            "minutes": MINUTES,
            "located": seen.located,
            "life_safety_events": seen.life_safety,
            "life_safety_inhibited": len(seen.endangered),
            "attached": seen.outcomes["attached"],
            "incidents_inhibited": len(seen.waited),
            "released_at_the_end": seen.released,
            "still_waiting_after_the_end": len(seen.waiting),
            "without_a_task_after_the_end": len(taskless),
            "conserved": int(conserved),
            "events_per_cpu_second": round(seen.located / seen.cpu_s) if seen.cpu_s else 0,
        },
        floors={"life_safety_events": 1, "incidents_inhibited": 1, "conserved": 1},
        ceilings={
            "life_safety_inhibited": 0, "still_waiting_after_the_end": 0, "without_a_task_after_the_end": 0,
        },
        table=confusion("Tasks under a storm", seen.held_by_kind, "rows: category, columns: its tasks"),
    )  # fmt: skip


def watched(messages: list[Message], data: city_data.City) -> Watched:
    """Take the messages the whole road, batch by batch, and look at every version of every incident."""
    codec, settings = local_codec(), load()
    inbound = city_data.inbound_facts(data, settings, codec.decode_many)
    outbound = city_data.outbound_facts(data, settings)
    seen, state = Watched(), MemoryState()
    late: list[Row] = []
    life_safety = {name for name, row in data.categories.items() if row.life_safety}
    for start in range(0, len(messages), _BATCH):
        batch = messages[start : start + _BATCH]
        now_ms = START_MS + MINUTE_MS * MINUTES * (start + len(batch)) // len(messages)
        origins = [
            Origin(message.topic, 0, start + at, now_ms, message.key, message.encoded(codec))
            for at, message in enumerate(batch)
        ]
        found = road.inbound(records.raw_table(origins), inbound, now_ms)
        begun = time.process_time()
        for tracked in road.settle(late, outbound, now_ms, state):
            _look(seen, tracked.incident_rows, tracked.task_rows, life_safety)
        sent = road.outbound(found.located, outbound, now_ms, state)
        seen.cpu_s += time.process_time() - begun
        state.apply(sent.changes)
        late = sent.notices
        _count(seen, found, sent, life_safety)
    _see_the_end(late, outbound, state, seen, life_safety)
    return seen


def _see_the_end(
    late: list[Row], outbound: OutboundFacts, state: MemoryState, seen: Watched, dangers: set[str]
) -> None:
    """The warning's cancellation arrives everywhere; hours later the feeders' time is over too."""
    end_ms = START_MS + MINUTE_MS * MINUTES
    for now_ms in (end_ms, end_ms + _LATER_MS):
        notices = late if now_ms == end_ms else []
        for tracked in [*road.chime(outbound, now_ms, state), *road.settle(notices, outbound, now_ms, state)]:
            _look(seen, tracked.incident_rows, tracked.task_rows, dangers)
            children = (row for row in tracked.decisions if row["parent_id"])
            seen.released += sum(row["outcome"] == "released" for row in children)


def _count(seen: Watched, found: road.Inbound, sent: road.Outbound, life_safety: set[str]) -> None:
    seen.located += found.located.num_rows
    seen.refused += found.refused.num_rows
    seen.outcomes.update(row["outcome"] for row in sent.decided.decisions)
    categories = sent.decided.kept.column("category").to_pylist()
    for category, incident in zip(categories, sent.decided.rows, strict=True):
        dangerous = category in life_safety
        seen.life_safety += dangerous
        if dangerous and incident["inhibited"]:
            seen.endangered.append(category)
        seen.held_by_kind.append((category, "wait" if incident["inhibited"] else "at once"))
    _look(seen, sent.sent.incident_rows, sent.sent.task_rows, life_safety)


def _look(seen: Watched, incidents: list[Row], tasks: list[dict[str, Any]], life_safety: set[str]) -> None:
    for row in incidents:
        name = row["incident_id"]
        seen.opened.add(name)
        if row["state"] != "open":
            seen.ended.add(name)
        (seen.waiting.add if row["inhibited"] else seen.waiting.discard)(name)
        if row["inhibited"]:
            seen.waited.add(name)
            seen.endangered += [category for category in row["told"] if category in life_safety]
    seen.with_tasks.update(task["incident_id"] for task in tasks)
