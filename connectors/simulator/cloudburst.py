"""A cloudburst over the whole city: a red warning, feeders that trip, and thousands of reports within minutes.

Where so much happens at once matters cannot be kept apart, so nothing here says which reports are one matter. What can
be judged is whose tasks wait: never those of matters that may cost lives.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from gridhub.connectors.simulator.city import MINUTE_MS, TELL, City
from gridhub.connectors.simulator.kinds import BY_NAME
from gridhub.connectors.simulator.land import CITY
from gridhub.connectors.simulator.matters import Planner
from gridhub.connectors.simulator.message import Message, Truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridhub.connectors.simulator.matters import Matter
    from gridhub.connectors.simulator.report import Report

WEIGHTS = {
    "outage": 22, "dark_street": 8, "voltage": 5, "transformer": 3, "wire_down": 3, "lift": 5, "flood": 16, "tree": 14,
    "water": 3, "collapse": 2, "landslide": 2, "drowning": 1, "fire": 1, "gas": 1, "traffic": 7, "noise": 2, "dispute": 2,
    "domestic": 1, "suicide": 1, "missing": 1,
}  # fmt: skip
"""Kinds of matters and how often each comes in a cloudburst."""
WARNING, FEEDER_TRIP = "rain", "feeder_trip"
_FEEDERS = 20
_RED = {"levelCode": "04", "levelName": "红色"}


def cloudburst(city: City, events: int, seed: int, start_ms: int, minutes: int = 10) -> Iterator[Message]:
    """So many messages within so many minutes, in the order of their time; same arguments, same messages.

    The first is the warning for the city, the last its cancellation.
    """
    rng = Random(f"gridhub/cloudburst/{city.seed}/{seed}/{start_ms}")
    planner = Planner(city.land, city.categories, city.topics, rng, seed % 9_000 * 100_000)
    warning = planner.matter(BY_NAME[WARNING], start_ms, "", (CITY,))
    assert warning is not None  # the first matter of a run finds its ground free
    first = warning.reports[0]
    begun = _message(city, replace(first, last=False), warning, rng, 0)
    yield begun
    told = [(report, matter) for matter in _feeders(planner, start_ms) for report in matter.reports[:1]]
    while len(told) < events - 2:
        told += [(report, matter) for matter in [_matter(planner, start_ms, minutes)] for report in matter.reports]
    told = sorted(told[: events - 2], key=lambda pair: (pair[0].at_ms, pair[0].serial))
    for seq, (report, matter) in enumerate(told, start=1):
        yield _message(city, report, matter, rng, seq)
    end = replace(
        first,
        serial=planner.serial(),
        at_ms=start_ms + minutes * MINUTE_MS,
        turn=1,
        last=True,
        first_id=begun.truth.event_id,
    )
    yield _message(city, end, warning, rng, len(told) + 1)


def _feeders(planner: Planner, start_ms: int) -> list[Matter]:
    found = (planner.matter(BY_NAME[FEEDER_TRIP], start_ms) for _ in range(_FEEDERS))
    return [matter for matter in found if matter is not None]


def _matter(planner: Planner, start_ms: int, minutes: int) -> Matter:
    """One matter anywhere, told within the storm."""
    rng = planner.rng
    kind = BY_NAME[rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]]
    spot = planner.land.spot(rng, planner.land.grid(rng))
    subject = rng.choice(planner.land.transformers[spot.grid]) if kind.subject == "transformer" else ""
    if kind.subject == "person":
        subject = f"P{rng.getrandbits(64):016x}"
    at_ms = start_ms + rng.randint(1, minutes * 60) * 1000
    matter = planner.told(kind, spot, subject, at_ms)
    last = start_ms + minutes * MINUTE_MS
    return replace(matter, reports=tuple(replace(report, at_ms=min(report.at_ms, last)) for report in matter.reports))


def _message(city: City, report: Report, matter: Matter, rng: Random, seq: int) -> Message:
    department = report.voice.department
    told = TELL[department](report, city.land, rng)
    if matter.kind.name == WARNING:
        told.record["signal"] |= _RED
    topic = city.topics[department]
    truth = Truth(
        seq=seq, topic=topic, department=department, source=department, event_id=told.event_id, kind="valid",
        true_grid=matter.grid, true_codes=told.codes, place_way=told.way, true_matter=matter.matter_id,
    )  # fmt: skip
    return Message(topic, told.key.encode(), told.record, f"{topic}-value", None, truth)
