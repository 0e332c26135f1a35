"""The whole road in memory: the same functions as in a worker, with a clock moved by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from importlib import resources

import pytest

from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams import messages, road
from gridhub.streams.memory import MemoryState
from gridhub.streams.messages import Origin
from gridhub.streams.settings import Settings

NOW_MS = 1_795_176_000_000  # 2026-11-20, shortly after the examples' times
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def city():
    """The bundled city."""
    return city_data.load()


@pytest.fixture(scope="module")
def codec():
    """A codec without a registry."""
    return local_codec()


def _examples():
    root = resources.files("gridhub.schemas") / "examples"
    for code, record in _RECORDS.items():
        for path in sorted((root / record).iterdir(), key=lambda p: p.name):
            yield code, f"gridhub.dept.{record}", json.loads(path.read_text("utf-8"))


_RECORDS = {
    "public-security": "PoliceCall",
    "social-security": "SocialSecurityNotice",
    "family-planning": "FamilyPlanningVisit",
    "power": "PowerEvent",
    "meteorology": "WeatherWarning",
    "food-drug": "FoodDrugCase",
}


@pytest.fixture(scope="module")
def origins(codec):
    """Every department's examples as Kafka would hold them, one twice, and one message of garbage."""
    found = [(f"dept.{code}.events", codec.encode(record, example)) for code, record, example in _examples()]
    found += [found[0], ("dept.power.events", b"garbage")]
    return [Origin(topic, 0, number, NOW_MS, b"k", value) for number, (topic, value) in enumerate(found)]


def _now_ms(origins):
    """A moment at which every example's time is in the past and within the limit."""
    return NOW_MS + 3 * 24 * 60 * MINUTE_MS


def _run(city, codec, origins, state, now_ms):
    settings = Settings()
    inbound = road.inbound(
        messages.raw_table(origins), city_data.inbound_facts(city, settings, codec.decode_many), now_ms
    )
    outbound = road.outbound(inbound.located, city_data.outbound_facts(city, settings), now_ms, state)
    state.apply(outbound.changes)
    return inbound, outbound


def test_nothing_disappears(city, codec, origins):
    """Received = located + refused, and located = opened + merged + possible + duplicates; every row exactly once."""
    inbound, outbound = _run(city, codec, origins, MemoryState(), _now_ms(origins))
    rows = inbound.located.column("row").to_pylist() + inbound.refused.column("row").to_pylist()
    assert sorted(rows) == list(range(len(origins)))
    outcomes = Counter(d["outcome"] for d in outbound.decided.decisions)
    assert sum(outcomes.values()) == inbound.located.num_rows
    assert outcomes["duplicate"] == outbound.decided.refused.num_rows == 1
    assert outcomes["opened"] > 10


def test_every_incident_has_one_who_handles_it(city, codec, origins):
    """One task to handle per incident (a wide one may have one per street), and no task id twice with version 1."""
    _, outbound = _run(city, codec, origins, MemoryState(), _now_ms(origins))
    tasks = [row for row in outbound.sent.tasks.to_pylist() if row["version"] == 1]
    assert len({row["task_id"] for row in tasks}) == len(tasks)
    handled = Counter(row["incident_id"] for row in tasks if row["action"] == "handle")
    opened = {d["incident_id"] for d in outbound.decided.decisions if d["outcome"] == "opened"}
    assert set(handled) == opened
    incidents = outbound.sent.incidents.to_pylist()
    wide = {row["incident_id"] for row in incidents if len(row["grid_ids"]) > 1 or len(row["grid_ids"][0]) < 9}
    assert {count for incident, count in handled.items() if incident not in wide} == {1}


def test_a_replay_gives_the_same_ids(city, codec, origins):
    """From the same state, the same messages lead to the same incidents and tasks, also at a later time."""
    first = _run(city, codec, origins, MemoryState(), _now_ms(origins))[1]
    again = _run(city, codec, origins, MemoryState(), _now_ms(origins) + MINUTE_MS)[1]
    for column, table in (("incident_id", "incidents"), ("task_id", "tasks")):
        assert (
            getattr(first.sent, table).column(column).to_pylist()
            == getattr(again.sent, table).column(column).to_pylist()
        )


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_other_batches_change_nothing(city, codec, origins, cut):
    """Message by message, in pairs or in fives: the same final state and the same decisions as in one batch."""
    whole, pieces = MemoryState(), MemoryState()
    _, outbound = _run(city, codec, origins, whole, _now_ms(origins))
    decisions = []
    for start in range(0, len(origins), cut):
        part = origins[start : start + cut]
        decisions += _run(city, codec, part, pieces, _now_ms(origins))[1].decided.decisions
    bare = [{k: v for k, v in d.items() if k != "row"} for d in outbound.decided.decisions]
    assert [{k: v for k, v in d.items() if k != "row"} for d in decisions] == bare
    assert pieces == whole


def test_told_again_after_a_restart_is_a_duplicate(city, codec, origins):
    """All messages a second time: no incident, no task, only duplicates."""
    state = MemoryState()
    _run(city, codec, origins, state, _now_ms(origins))
    inbound, outbound = _run(city, codec, origins, state, _now_ms(origins) + MINUTE_MS)
    assert {d["outcome"] for d in outbound.decided.decisions} == {"duplicate"}
    assert outbound.sent.tasks.num_rows == outbound.sent.incidents.num_rows == 0
    assert len(outbound.decided.decisions) == inbound.located.num_rows


def test_the_road_needs_no_faust():
    """The road, the rooms and `gridhub try` run where faust, kafka and aiokafka cannot be imported."""
    program = """
import sys
for name in ("faust", "aiokafka", "kafka", "prometheus_client", "mode"):
    sys.modules[name] = None
from gridhub.streams import road, messages, city
from gridhub.streams.try_cli import try_road
city.load()
assert not [name for name in sys.modules if name.split(".")[0] == "faust" and sys.modules[name]]
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == "fine", done.stderr


def test_the_rooms_are_named_in_order():
    """The lists in road.py are the road."""
    names = [room.__name__ for room in (*road.INBOUND, *road.OUTBOUND, *road.STATUS)]
    assert names == ["admit", "normalise", "deduplicate", "dispatch", "track"]
