"""Poison events: our rooms raise on one event of a batch, and only that one goes to quarantine, with its bytes."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from gridhub import schemas
from gridhub.schemas.codec import BadRecord, Codec
from gridhub.schemas.registry import RegistryLater, local_codec
from gridhub.streams import city as city_data
from gridhub.streams import road, worker
from gridhub.streams.careful import TooManyBroken
from gridhub.streams.journal_check import check
from gridhub.streams.memory import MemoryState
from gridhub.streams.settings import load
from gridhub.streams.stage_inbound import InboundStage
from gridhub.streams.stage_outbound import OutboundStage
from gridhub.streams.sweep import Sweeper
from gridhub.streams.transport import Batch, Later, StateError

NOW = 1_795_180_000_000  # a few hours after the events of schemas/examples
TOPIC = "dept.power.events"
OUTAGE = json.loads((Path(schemas.__path__[0]) / "examples" / "PowerEvent" / "outage.json").read_text(encoding="utf-8"))
SIZE = 5


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The bundled city, both stages, and a codec without a registry."""
    settings = load(data_dir=tmp_path_factory.mktemp("hub"))
    city, codec = city_data.load(settings.config_dir), local_codec()
    metrics = worker._metrics(settings, city, CollectorRegistry())
    inbound = InboundStage(
        city_data.inbound_facts(city, settings, codec.decode_many), codec, metrics, lambda: NOW, road.unwatched, 6, 3
    )
    outbound = OutboundStage(
        city_data.outbound_facts(city, settings), codec, metrics, Sweeper(1), lambda: NOW, road.unwatched, 3
    )
    return SimpleNamespace(codec=codec, inbound=inbound, outbound=outbound)


def outage(number):
    """An outage told under its own number."""
    record = json.loads(json.dumps(OUTAGE))
    record["event"]["eventNo"] = f"TD{number:013d}"
    record["header"]["msgId"] = f"P-20261120-{number:06d}"
    return record


def batch(topic, values):
    """These messages as one batch of partition 0."""
    records = [
        SimpleNamespace(topic=topic, partition=0, offset=100 + i, timestamp=NOW - 5000, key=b"k%d" % i, value=value)
        for i, value in enumerate(values)
    ]
    return Batch(SimpleNamespace(partition=0), 1, {TP(topic, 0): records})


def told(hub, numbers=range(SIZE)):
    """Messages of the power company."""
    return [hub.codec.encode(f"{TOPIC}-value", outage(number)) for number in numbers]


def sent(hub, effects, topic):
    """The decoded records of one output topic."""
    return [hub.codec.decode(value).record for _, _, value in rows(effects, topic)]


def rows(effects, *names):
    """Topic, key and value of each record on these topics."""
    chosen = [many for many in effects.outputs if many.topic in names]
    return [(many.topic, *pair) for many in chosen for pair in zip(many.keys, many.values, strict=True)]


def located(hub, numbers=range(SIZE)):
    """The messages of hub.located that these outages become."""
    effects = hub.inbound.work(batch(TOPIC, told(hub, numbers)), MemoryState())
    return [value for _, _, value in rows(effects, "hub.located")]


def poison(monkeypatch, function, is_bad, error=ZeroDivisionError):
    """Let this function of the road raise on every batch with a bad event in it."""
    right = getattr(road, function)

    def raising(part, *args):
        if any(is_bad(row) for row in part.to_pylist()):
            raise error("our bug")
        return right(part, *args)

    monkeypatch.setattr(road, function, raising)


def test_a_good_batch_goes_its_way(hub):
    """What the other tests are worth: five outages are located, nothing is refused, the journal holds."""
    values = located(hub)
    assert len(values) == SIZE
    effects = hub.outbound.work(batch("hub.located", values), MemoryState())
    decisions = sent(hub, effects, "hub.journal")
    assert check(decisions, 0) == []
    assert {row["event_id"] for row in decisions} == {f"TD{number:013d}" for number in range(SIZE)}
    assert sent(hub, effects, "hub.quarantine") == []


@pytest.mark.parametrize("place", range(SIZE))
def test_one_poison_event_inbound(hub, monkeypatch, place):
    """Wherever it stands in the batch: it is quarantined with its bytes, the others are located, in order."""
    values = told(hub)
    poison(monkeypatch, "inbound", lambda row: row["value"] == values[place])
    effects = hub.inbound.work(batch(TOPIC, values), MemoryState())
    (refused,) = sent(hub, effects, "hub.quarantine")
    assert (refused["value"], refused["key"], refused["source_offset"]) == (values[place], b"k%d" % place, 100 + place)
    assert (refused["reason"], refused["room"], refused["source"]) == ("broken", "admit", "power")
    assert "ZeroDivisionError" in refused["detail"]
    rest = [number for number in range(SIZE) if number != place]
    found = sent(hub, effects, "hub.located")
    assert [row["event_id"] for row in found] == [f"TD{number:013d}" for number in rest]
    assert [row["origin_offset"] for row in found] == [100 + number for number in rest]
    effects.committed()


@pytest.mark.parametrize("place", range(SIZE))
def test_one_poison_event_outbound(hub, monkeypatch, place):
    """It is quarantined; the others make the incident that they would have made without it; the journal holds."""
    values = located(hub)
    bad = f"TD{place:013d}"
    rest = [value for number, value in enumerate(values) if number != place]
    alone, state = MemoryState(), MemoryState()
    alone.apply(hub.outbound.work(batch("hub.located", rest), alone).changes)
    poison(monkeypatch, "outbound", lambda row: row["event_id"] == bad)
    effects = hub.outbound.work(batch("hub.located", values), state)
    state.apply(effects.changes)
    (refused,) = sent(hub, effects, "hub.quarantine")
    assert (refused["value"], refused["source_offset"]) == (values[place], 100 + place)
    assert (refused["reason"], refused["room"], refused["event_id"]) == ("broken", "deduplicate", bad)
    decisions = sent(hub, effects, "hub.journal")
    assert check(decisions, 0) == []
    assert {row["event_id"]: row["origin_offset"] for row in decisions} == {
        f"TD{number:013d}": 100 + number for number in range(SIZE) if number != place
    }
    assert {key: state[key] for key in state if key[:2] in {b"s|", b"i|", b"t|", b"m|"}} == {
        key: alone[key] for key in alone if key[:2] in {b"s|", b"i|", b"t|", b"m|"}
    }
    effects.committed()


def unwritable(monkeypatch, hub, is_bad):
    """Let the codec refuse to write every record that is_bad."""
    by_row, by_column = Codec.encode_rows, Codec.encode_columns

    def rows(self, subject, records):
        if any(map(is_bad, records)):
            raise BadRecord("a field of a wrong type")
        return by_row(self, subject, records)

    def columns(self, subject, values):
        if any(is_bad(dict(zip(self.fields(subject), row, strict=True))) for row in zip(*values, strict=True)):
            raise BadRecord("a field of a wrong type")
        return by_column(self, subject, values)

    monkeypatch.setattr(Codec, "encode_rows", rows)
    monkeypatch.setattr(Codec, "encode_columns", columns)


def test_an_event_that_cannot_be_written_is_refused_alone(hub, monkeypatch):
    """Our rules gave a record that its schema does not take: quarantined in both stages, the batch goes on."""
    values, bad = told(hub), f"TD{2:013d}"
    good = located(hub)
    unwritable(monkeypatch, hub, lambda record: record.get("event_id") == bad and "grid_ids" in record)
    effects = hub.inbound.work(batch(TOPIC, values), MemoryState())
    assert [row["source_offset"] for row in sent(hub, effects, "hub.quarantine")] == [102]
    assert len(sent(hub, effects, "hub.located")) == SIZE - 1
    monkeypatch.undo()
    unwritable(monkeypatch, hub, lambda record: record.get("changed_by", "").endswith(bad) and "events" in record)
    effects = hub.outbound.work(batch("hub.located", good), MemoryState())
    assert [row["event_id"] for row in sent(hub, effects, "hub.quarantine")] == [bad]
    assert {row["event_id"] for row in sent(hub, effects, "hub.journal")} == {
        f"TD{number:013d}" for number in range(SIZE) if number != 2
    }


def test_a_poison_status_is_refused_and_the_others_are_taken(hub, monkeypatch):
    """The one on which `track` raises goes to quarantine; the task takes the steps before and after it."""
    state = MemoryState()
    effects = hub.outbound.work(batch("hub.located", located(hub, [1])), state)
    state.apply(effects.changes)
    task = next(row for row in sent(hub, effects, "hub.tasks") if row["action"] == "handle")
    values = [
        hub.codec.encode(
            "hub.status-gridhub.hub.TaskStatus",
            {"status_id": f"s{i}", "task_id": task["task_id"], "stage": stage, "actor": "wang", "at": NOW, "note": "", "sender": "x"},
        )
        for i, stage in enumerate(("accepted", "suspended", "handling"))
    ]  # fmt: skip
    poison(monkeypatch, "status", lambda row: row["status_id"] == "s1")
    effects = hub.outbound.work(batch("hub.status", values), state)
    assert [row["stage"] for row in sent(hub, effects, "hub.tasks")] == ["accepted", "handling"]
    (refused,) = sent(hub, effects, "hub.quarantine")
    assert (refused["value"], refused["reason"], refused["room"]) == (values[1], "broken", "track")


@pytest.mark.parametrize("stage", ["inbound", "outbound"])
def test_too_many_poison_events_in_a_row_stop_the_worker(hub, monkeypatch, stage):
    """Three of three: the code is broken, not the events."""
    values = told(hub) if stage == "inbound" else located(hub)
    poison(monkeypatch, stage, lambda row: True)
    with pytest.raises(TooManyBroken, match="our bug"):
        getattr(hub, stage).work(batch(TOPIC if stage == "inbound" else "hub.located", values), MemoryState())


@pytest.mark.parametrize("stage", ["inbound", "outbound"])
def test_a_registry_that_does_not_answer_is_waited_for(hub, monkeypatch, stage):
    """Not the event's fault: the work says Later, nothing is refused."""
    values = told(hub) if stage == "inbound" else located(hub)
    poison(monkeypatch, stage, lambda row: True, RegistryLater)
    with pytest.raises(Later, match="our bug"):
        getattr(hub, stage).work(batch(TOPIC if stage == "inbound" else "hub.located", values), MemoryState())


def test_a_state_that_cannot_be_read_refuses_nothing(hub):
    """A broken disk is not a bad event: StateError comes through and stops the worker."""

    class Broken:
        def get_many(self, keys):
            """The journal's head can be read, the rest cannot."""
            if any(key[:2] == b"s|" for key in keys):
                raise StateError("the disk is gone")
            return [None] * len(keys)

        def due(self, until_ms, limit):
            """No timers."""
            return []

    with pytest.raises(StateError):
        hub.outbound.work(batch("hub.located", located(hub, [1])), Broken())


def test_cutting_a_batch_anywhere_changes_nothing(hub):
    """One batch or five: the same records leave the hub, the same state is left."""
    values = located(hub)
    whole, parts = MemoryState(), MemoryState()
    effects = hub.outbound.work(batch("hub.located", values), whole)
    whole.apply(effects.changes)
    outputs = []
    for value in values:
        piece = hub.outbound.work(batch("hub.located", [value]), parts)
        parts.apply(piece.changes)
        outputs += rows(piece, "hub.tasks", "hub.incidents")
    assert parts.keys() == whole.keys()
    assert sorted(rows(effects, "hub.tasks", "hub.incidents")) == sorted(outputs)
