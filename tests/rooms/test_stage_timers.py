"""The outbound stage rings what is due before each batch and at each tick; only a timer that cannot be done is given up."""

from __future__ import annotations

from types import SimpleNamespace

import orjson
import pytest
from prometheus_client import CollectorRegistry

from gridhub.schemas.registry import RegistryLater, local_codec
from gridhub.streams import city as city_data
from gridhub.streams import road, worker
from gridhub.streams.careful import TooManyBroken
from gridhub.streams.memory import MemoryState
from gridhub.streams.rooms import ring, timers
from gridhub.streams.rooms.ledger import Ledger
from gridhub.streams.settings import load
from gridhub.streams.stage_outbound import OutboundStage
from gridhub.streams.sweep import Sweeper
from gridhub.streams.transport import Batch, Later

NOW = 1_795_180_000_000


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The bundled city's outbound stage, and what it counted."""
    settings, registry = load(data_dir=tmp_path_factory.mktemp("hub")), CollectorRegistry()
    city, codec = city_data.load(settings.config_dir), local_codec()
    metrics = worker._metrics(settings, city, registry)
    facts = city_data.outbound_facts(city, settings)
    stage = OutboundStage(facts, codec, metrics, Sweeper(1), lambda: NOW, road.unwatched, 3)
    return SimpleNamespace(stage=stage, codec=codec, registry=registry)


def told(timer, desk):
    """A timer that tells the journal, or raises as its payload says."""
    if timer.payload.get("raises") == "bug":
        raise KeyError("our bug")
    if timer.payload.get("raises") == "later":
        raise RegistryLater("the registry does not answer")
    desk.told.append({"outcome": "rang", "reason": "", "incident_id": "420202005-1"})


@pytest.fixture(autouse=True)
def kind(monkeypatch):
    """A kind of timers of these tests."""
    monkeypatch.setitem(ring.HANDLERS, "parent", told)


def state_with(*rows):
    """A state with timers (subject, due, payload)."""
    state = MemoryState()
    ledger = Ledger(state)
    for subject, due_ms, payload in rows:
        timers.put(ledger, "parent", subject, due_ms, payload)
    state.apply(ledger.changes())
    return state


def tick(hub, state):
    """One tick of partition 3; the state takes what it decided."""
    effects = hub.stage.work(Batch(SimpleNamespace(partition=3), 1, {}), state)
    state.apply(effects.changes)
    return effects


def journal(hub, effects):
    """The decisions that went out, with their partition."""
    found = [many for many in effects.outputs if many.topic == "hub.journal"]
    return [(many.partition, hub.codec.decode(value).record) for many in found for value in many.values]


def test_a_tick_with_nothing_due_has_no_effects(hub):
    """So the lane makes no transaction."""
    state = state_with(("a", NOW + 1, {}))
    assert tick(hub, state).empty
    assert len(state) == 2


def test_a_tick_rings_what_is_due_and_the_journal_tells(hub):
    """In order, on the lane's chain; no message was its origin; the timer is gone."""
    state = state_with(("b", NOW, {}), ("a", NOW - 5, {}))
    effects = tick(hub, state)
    rows = journal(hub, effects)
    assert [(partition, row["event_id"], row["decided_at"]) for partition, row in rows] == [
        (3, f"parent/a/{NOW - 5}", NOW - 5), (3, f"parent/b/{NOW}", NOW),
    ]  # fmt: skip
    assert {(row["origin_topic"], row["origin_partition"], row["origin_offset"]) for _, row in rows} == {("", 3, -1)}
    assert [row["seq"] for _, row in rows] == [1, 2]
    assert list(state) == [b"j|head"]
    assert not effects.again
    assert tick(hub, state).empty


def test_more_than_a_tick_rings_leaves_the_rest_for_the_next_one(hub, monkeypatch):
    """And says that there may be more."""
    monkeypatch.setattr(road.tick, "__defaults__", (road.unwatched, 2))
    monkeypatch.setattr("gridhub.streams.careful.MOST_TIMERS", 2)
    monkeypatch.setattr(ring, "MOST_TIMERS", 2)
    state = state_with(*((name, NOW, {}) for name in "abc"))
    first, second = tick(hub, state), tick(hub, state)
    assert ([len(journal(hub, effects)) for effects in (first, second)], first.again, second.again) == (
        [2, 1], True, False,
    )  # fmt: skip


def test_a_timer_that_breaks_our_rules_is_given_up_alone(hub):
    """Its neighbours ring; it is counted, told, and gone."""
    state = state_with(("a", NOW, {}), ("b", NOW, {"raises": "bug"}), ("c", NOW, {}))
    before = hub.registry.get_sample_value("gridhub_poison_events_total", {"stage": "outbound"})
    effects = tick(hub, state)
    effects.committed()
    assert [row["outcome"] for _, row in journal(hub, effects)] == ["rang", "broken", "rang"]
    assert hub.registry.get_sample_value("gridhub_poison_events_total", {"stage": "outbound"}) == before + 1
    assert list(state) == [b"j|head"]


def test_too_many_broken_timers_in_a_row_stop_the_worker(hub):
    """Our code is wrong then, not the timers: none is lost."""
    state = state_with(*((name, NOW, {"raises": "bug"}) for name in "abc"))
    with pytest.raises(TooManyBroken, match="3 timers"):
        tick(hub, state)
    assert len(state) == 6


def test_a_registry_that_does_not_answer_is_waited_for(hub):
    """Later, as with events: the timer stays."""
    with pytest.raises(Later):
        tick(hub, state_with(("a", NOW, {"raises": "later"})))


def test_what_rang_and_what_was_set_is_counted(hub):
    """By kind, with how late it was, once the transaction is committed."""
    names = ("gridhub_timers_fired_total", "gridhub_timer_late_seconds_sum", "gridhub_timers_set_total")

    def counted():
        return [hub.registry.get_sample_value(name, {"kind": "parent"}) for name in names]

    before = counted()
    state = state_with(("a", NOW - 1500, {}), ("b", NOW, {}))
    state[b"d|parents"] = orjson.dumps([[NOW + 9, "420202005", "p"]])  # an earlier version's: set now
    tick(hub, state).committed()
    assert [after - old for after, old in zip(counted(), before, strict=True)] == [2.0, 1.5, 1.0]
