"""Laws of matters with parents: cuts, replays, orders of arrival, conservation, and never a danger to life that waits."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LAWS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
STREET = "420202005"
WIDE = {"exact_point": False, "lon": None, "lat": None}
KINDS = {
    "feeder": WIDE | {"grid_ids": [STREET], "subject_keys": ["feeder:F1"]},
    "rain": WIDE | {
        "source": "meteorology", "category": "weather_rain", "severity": 2, "grid_ids": ["420202"], "area": "420202",
        "subject_keys": ["warning:W1"], "message": "update",
    },
    "local rain": WIDE | {
        "source": "meteorology", "category": "weather_rain", "severity": 1, "grid_ids": [STREET],
        "subject_keys": ["warning:W2"], "message": "alert",
    },
    "end": WIDE | {
        "source": "meteorology", "category": "weather_rain", "severity": 4, "grid_ids": [STREET],
        "subject_keys": ["warning:W2"], "message": "cancel",
    },
    "outage": {},
    "tree": {"source": "public-security", "category": "tree_down", "severity": 4},
    "lift": {"source": "public-security", "category": "lift_alarm", "severity": 2},
    "flood": {"source": "public-security", "category": "flooding", "severity": 2},
    "works": {"category": "planned_power_work", "planned": True},
}  # fmt: skip
HALF_HOUR_MS = 1_800_000


def events():
    """Up to twenty events of a street and its district within hours; some ids come twice."""
    one = st.tuples(
        st.sampled_from(sorted(KINDS)), st.integers(0, 12), st.integers(-6, 8), st.sampled_from([30.25, 30.252, 30.26])
    )
    return st.lists(one, max_size=20)


def rows(tools, drawn):
    """The LOCATED rows of what was drawn."""
    return [
        tools.event(f"{kind} {number}", occurred_at=tools.now + late * HALF_HOUR_MS, **{"lat": lat} | KINDS[kind])
        for kind, number, late, lat in drawn
    ]


def cuts(found, where):
    """The rows in pieces."""
    ends = [0, *sorted({at % (len(found) + 1) for at in where}), len(found)]
    return [found[start:end] for start, end in pairwise(ends)]


@LAWS
@given(drawn=events(), where=st.lists(st.integers(0, 20), max_size=4))
def test_cutting_a_stream_changes_nothing_with_parents_either(tools, drawn, where):
    """The same decisions, notices and state, however batches fall."""
    whole, parts = tools.world(), tools.world()
    found, _ = whole.take(*rows(tools, drawn))
    pieces = [parts.take(*piece)[0] for piece in cuts(rows(tools, drawn), where)]
    decided = [{**row, "row": 0} for piece in pieces for row in piece.decisions]
    assert [{**row, "row": 0} for row in found.decisions] == decided
    assert whole.notices == parts.notices
    assert dict(whole.state) == dict(parts.state)


@LAWS
@given(drawn=events(), where=st.lists(st.integers(0, 20), max_size=3))
def test_a_replay_gives_the_same_ids(tools, drawn, where):
    """With the notices taken between the batches: the same incidents and tasks, whole."""
    worlds = [tools.world(), tools.world()]
    for world in worlds:
        for piece in cuts(rows(tools, drawn), where):
            world.take(*piece)
            world.settle()
    first, again = ((dict(world.state), world.incidents, world.tasks) for world in worlds)
    assert first == again


@LAWS
@given(drawn=events(), where=st.lists(st.integers(0, 20), max_size=3))
def test_every_event_becomes_one_thing_and_no_danger_to_life_waits(tools, drawn, where):
    """Located = opened + attached + merged + possible + duplicate; what may cost lives has its tasks at once."""
    world, counted, published = tools.world(), Counter(), []
    for piece in cuts(rows(tools, drawn), where):
        found, sent = world.take(*piece)
        counted.update(row["outcome"] for row in found.decisions)
        published += sent.incident_rows
        for tracked in world.settle():
            published += tracked.incident_rows
    assert counted.total() == len(drawn)
    assert counted["opened"] + counted["attached"] == len({row["incident_id"] for row in published})
    for row in published:
        dangerous = [name for name in row["told"] if tools.facts.categories[name].life_safety]
        assert not (row["inhibited"] and dangerous), json.dumps(row, ensure_ascii=False)
        assert not row["inhibited"] or row["parent_id"]
        assert row["inhibited"] or row["task_ids"]


@LAWS
@given(
    matters=st.lists(st.integers(1, 3), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
    size=st.integers(1, 18),
)
def test_the_order_of_arrival_changes_no_matter(tools, matters, order, size):
    """Reports of matters a kilometre apart, in any order and any batches, come together by their own time and place."""
    told = [
        (number, tools.event(f"{number}.{turn}", lat=30.2 + number * 0.01, occurred_at=tools.now + turn * HALF_HOUR_MS))
        for number, count in enumerate(matters)
        for turn in range(count)
    ]
    order.shuffle(told)
    world = tools.world()
    given_to = {}
    for start in range(0, len(told), size):
        piece = told[start : start + size]
        found, _ = world.take(*(row for _, row in piece))
        for (number, _), decision in zip(piece, found.decisions, strict=True):
            given_to.setdefault(number, set()).add(decision["incident_id"])
    assert [len(given_to[number]) for number in range(len(matters))] == [1] * len(matters)
    assert len(set().union(*given_to.values())) == len(matters)
