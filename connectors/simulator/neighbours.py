"""Distinct matters put near each other on purpose, so that telling matters apart is worth something.

Each way has a sign by which a careful hub can tell the two apart: another transformer, another window, a distance over
the radius, or an exercise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gridhub.connectors.simulator.kinds import BY_NAME, Kind
from gridhub.connectors.simulator.land import distance_m

if TYPE_CHECKING:
    from gridhub.connectors.simulator.land import Spot
    from gridhub.connectors.simulator.matters import Matter, Planner

# Kinds with a short radius and a short window: their neighbour is told apart by place or by a later window.
NEIGHBOURS = ("brawl", "traffic", "noise", "parking", "vending")
DRILLS = ("fire", "gas", "collapse", "flood")
_CLEAR = 1.25  # radii or windows that lie between the two: more than what a report strays
_FARTHEST = 4.0
_TRIES = 20
_SHORT_MS = 2 * 3_600_000
_OUTAGE = BY_NAME["outage"]


def pair(planner: Planner, at_ms: int) -> list[Matter]:
    """Two distinct matters of one group, near each other; empty where no ground was free."""
    way = planner.rng.choice((_other_transformer, _other_window, _other_place, _exercise))
    return way(planner, at_ms)


def indistinct(planner: Planner, at_ms: int) -> list[Matter]:
    """Two matters of one kind in one grid within minutes, with nothing in the reports that tells them apart.

    Each is told once: a pair then costs every hub one wrong pair, and not as many as the dice give reports.
    """
    kind = _short_kind(planner)
    spot = _ground(planner, kind, at_ms) if kind else None
    if kind is None or spot is None:
        return []
    soon = at_ms + planner.rng.randint(60, 900) * 1000
    one, other = (planner.told(kind, spot, "", moment, most=1) for moment in (at_ms, soon))
    return [replace(one, twin=other.matter_id), replace(other, twin=one.matter_id)]


def _other_transformer(planner: Planner, at_ms: int) -> list[Matter]:
    """Two outages in one grid within the hour, each reported by its own transformer."""
    spot = _ground(planner, _OUTAGE, at_ms)
    if spot is None:
        return []
    keys = planner.rng.sample(planner.land.transformers[spot.grid], 2)
    soon = at_ms + planner.rng.randint(60, 3000) * 1000
    return [
        planner.told(_OUTAGE, spot, key, moment, "key", voices=_OUTAGE.first)
        for key, moment in zip(keys, (at_ms, soon), strict=True)
    ]


def _other_window(planner: Planner, at_ms: int) -> list[Matter]:
    """The same at the same place, more than a window later."""
    kind = _short_kind(planner)
    spot = _ground(planner, kind, at_ms) if kind else None
    if kind is None or spot is None:
        return []
    first = planner.told(kind, spot, "", at_ms)
    last = max(report.at_ms for report in first.reports)
    return [first, planner.told(kind, spot, "", last + int(planner.window_ms(kind) * _CLEAR))]


def _other_place(planner: Planner, at_ms: int) -> list[Matter]:
    """The same at the same time, farther away than the radius; every report is a point."""
    kind = _short_kind(planner)
    spot = _ground(planner, kind, at_ms) if kind else None
    if kind is None or spot is None:
        return []
    other = _beyond(planner, kind, spot)
    if other is None:
        return []
    soon = at_ms + planner.rng.randint(0, 600) * 1000
    return [planner.told(kind, spot, "", at_ms, "point"), planner.told(kind, other, "", soon, "point")]


def _exercise(planner: Planner, at_ms: int) -> list[Matter]:
    """The real thing and an exercise of it, at one place within the hour."""
    kinds = [BY_NAME[name] for name in DRILLS if planner.tellers(BY_NAME[name].first)]
    kind = planner.rng.choice(kinds) if kinds else None
    spot = _ground(planner, kind, at_ms) if kind else None
    if kind is None or spot is None:
        return []
    soon = at_ms + planner.rng.randint(60, 1800) * 1000
    return [planner.told(kind, spot, "", at_ms), planner.told(kind, spot, "", soon, drill=True)]


def _short_kind(planner: Planner) -> Kind | None:
    kinds = [BY_NAME[name] for name in NEIGHBOURS if planner.tellers(BY_NAME[name].first)]
    short = [kind for kind in kinds if planner.window_ms(kind) <= _SHORT_MS]
    return planner.rng.choice(short) if short else None


def _ground(planner: Planner, kind: Kind, at_ms: int) -> Spot | None:
    """Free ground for the pair: the second matter's time is part of what is taken."""
    until = at_ms + int(planner.window_ms(kind) * 4) + 3 * 3_600_000
    for _ in range(_TRIES):
        spot = planner.land.spot(planner.rng, planner.land.grid(planner.rng))
        if planner.take(kind, spot, at_ms, until, planner.radius_m(kind) * _FARTHEST):
            return spot
    return None


def _beyond(planner: Planner, kind: Kind, spot: Spot) -> Spot | None:
    """A spot of the same community, just too far away to be the same matter."""
    radius_m = planner.radius_m(kind)
    for _ in range(_TRIES):
        other = planner.land.spot(planner.rng, planner.land.grid(planner.rng, spot.grid[:12]))
        # each report strays from its matter by at most 0.3 radii
        if radius_m * (_CLEAR + 0.6) <= distance_m(spot, other) <= radius_m * _FARTHEST:
            return other
    return None
