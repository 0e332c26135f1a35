"""How far an event lies from the incident that it joined, for those who tell its story."""

from __future__ import annotations

from math import cos, hypot, radians
from typing import Any

Step = dict[str, Any]
_METRES_PER_DEGREE = 111_195.0


def add_distance(step: Step, event: Step, incident: Step) -> None:
    """Add `metres` and `minutes` to the step of an event that joined, or may join, an incident."""
    if step["step"] != "decided" or step["outcome"] not in {"merged", "possible"}:
        return
    if None not in (event["lon"], incident["lon"]):
        step["metres"] = round(distance_m(event, incident), 1)
    step["minutes"] = round(abs(event["occurred_at"] - incident["first_event_at"]) / 60_000, 1)


def distance_m(one: Step, other: Step) -> float:
    """Metres between two records with `lon` and `lat`, on a plane: right to a metre within a city."""
    east = (one["lon"] - other["lon"]) * cos(radians(one["lat"]))
    return hypot(east, one["lat"] - other["lat"]) * _METRES_PER_DEGREE
