"""The scripted day on the road in memory: every line of the reviewed timeline, none missing and none more."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest
import yaml

from gridhub.connectors.demo.day import chaos, rewrite
from gridhub.connectors.demo.day import script as scripts
from gridhub.connectors.demo.day.kafka import ClockFile
from gridhub.connectors.demo.day.memory import MemoryHub
from gridhub.connectors.demo.day.play import Player, Timeline
from gridhub.connectors.demo.day.rules import city_by
from gridhub.connectors.demo.day.run import Found, tell
from gridhub.connectors.demo.day.target import Target
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams import road
from gridhub.streams.clock import RehearsalClock
from gridhub.streams.rooms import ring
from gridhub.streams.rooms.desk import Desk


@pytest.fixture(scope="module")
def city():
    """The bundled city."""
    return city_data.load()


@pytest.fixture(scope="module")
def script():
    """The day that comes with the hub."""
    return scripts.load()


def played(city, script):
    """The day on a hub of its own, in memory."""
    hub = MemoryHub(city_by(script, city), local_codec())
    return Player(script, city.departments, hub, patience_s=0).play(lambda _text: None)


def test_the_day_is_as_it_is_written_down(city, script):
    """Each record of tasks, incidents and journal is a line of day.yaml, and each line came."""
    timeline = played(city, script)
    assert timeline.right, "\n".join(timeline.differences())
    assert timeline.actual == list(script.expected())


def test_a_line_that_does_not_come_ends_the_day_with_a_difference(city, script):
    """One expected line more, and the player stops at that step and names it."""
    first = script.steps[0]
    wrong = first.model_copy(update={"then": first.then + "\n09-30 08:30 never"})
    timeline = played(city, script.model_copy(update={"steps": [wrong, *script.steps[1:]]}))
    assert (timeline.missing, timeline.extra) == (1, 0)
    assert "-09-30 08:30 never" in list(timeline.differences())
    assert len(timeline.actual) < len(list(script.expected()))


def test_a_line_that_comes_twice_is_one_too_many():
    """Lines are counted, not only looked for."""
    timeline = Timeline(["a", "b"], ["a", "b", "b"])
    assert (timeline.right, timeline.missing, timeline.extra) == (False, 0, 1)


def test_what_the_hub_does_is_what_stands_there(city, tmp_path):
    """Writing the lines anew changes nothing: the file is as the tool writes it."""
    place = tmp_path / "day.yaml"
    place.write_text(scripts.bundled().read_text("utf-8"), "utf-8")
    rewrite.main(place)
    assert place.read_text("utf-8") == scripts.bundled().read_text("utf-8")


@pytest.mark.parametrize("seed", range(20))
def test_chaos_breaks_what_it_promises(script, seed):
    """Five kills, two of them while timers ring, one broker restart, one sink killed, each mood begun and ended."""
    found = chaos.deeds(script.steps, random.Random(seed))
    counts = Counter(deed for deeds in found.values() for deed in deeds)
    assert (counts["kill"], counts["broker"], counts["kill_sink"]) == (5, 1, 1)
    assert {mood: counts[mood] for mood in chaos.MOODS} == dict.fromkeys(chaos.MOODS, 1)
    assert counts["well"] == len(chaos.MOODS)
    ringing = [step for step, deeds in found.items() if "kill" in deeds and script.steps[step].before]
    assert len(ringing) >= 2
    assert max(found) < len(script.steps)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"at": "09-29 08:00"}, "never goes backwards"),
        ({"then": "a line"}, "nobody does anything"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_a_script_that_cannot_be_played_is_named(tmp_path, change, word):
    """A clock that would go backwards, lines that nobody causes, and unknown keys are refused when the file is read."""
    steps = [{"at": "09-30 08:00", "tells": "a"}, {"at": "09-30 08:01", "tells": "b", **change}]
    place = tmp_path / "day.yaml"
    place.write_text(yaml.safe_dump({"year": 2026, "timezone": "Asia/Shanghai", "about": "x", "steps": steps}))
    with pytest.raises(scripts.ScriptError, match=word):
        scripts.load(place)


def test_a_wrong_rule_before_the_day_is_told(city, script):
    """A route that routing.yaml has not, and a silence about danger to life: neither day begins."""
    unknown = script.rules.model_copy(update={"routes": {"nowhere": {}}})
    with pytest.raises(scripts.ScriptError, match="no route nowhere"):
        city_by(script.model_copy(update={"rules": unknown}), city)
    fire = script.rules.silences[0].model_copy(update={"matchers": ['category="fire"']})
    deadly = script.rules.model_copy(update={"silences": [fire]})
    with pytest.raises(scripts.ScriptError, match="rehearsal"):
        city_by(script.model_copy(update={"rules": deadly}), city)


def test_the_clock_file_never_goes_backwards(tmp_path):
    """Written whole, read by the worker's own clock, refused when it would go back."""
    clock = ClockFile(tmp_path / "clock", 5000)
    worker = RehearsalClock(clock.path)
    clock.set(7000)
    assert worker() == 7000
    with pytest.raises(ValueError, match="never goes backwards"):
        clock.set(6999)
    assert worker() == 7000


@pytest.mark.parametrize(
    ("actual", "target", "journal", "code"),
    [
        (["a"], [], [], 0),
        (["b"], [], [], 1),
        (["a"], ["x v1 was acted on 2 times"], [], 1),
        (["a"], [], ["changed"], 1),
    ],
)
def test_whatever_is_wrong_ends_with_one(capsys, actual, target, journal, code):
    """A line, a delivery or a link of the journal: each is told, and the exit code is 1."""
    found = Found(Timeline(["a"], actual), [], target, journal, {}, {}, 0)
    assert tell(found) == code
    told = capsys.readouterr()
    assert json.loads(told.out)["target_wrong"] == len(target)
    assert all(f"WRONG: {text}" in told.err for text in (*target, *journal))


def test_a_target_tells_what_was_wrong():
    """Missing, unasked, doubled, mixed and late versions are each a sentence."""
    target = Target("whsec_" + "a" * 32)
    target.close()
    target.acted = [("t", 2), ("t", 1), ("u", 1), ("u", 1), ("v", 1)]
    target.mixed = {"t.2"}
    found = target.wrong([("t", 1), ("t", 2), ("u", 1), ("w", 1)])
    assert found == [
        "w v1 did not reach the target", "v v1 reached the target, and no task says so", "u v1 was acted on 2 times",
        "two different messages had the key t.2", "t v1 came after v2",
    ]  # fmt: skip


def late(desk, _due_ms):
    """A desk that bears the clock's time, whatever was due."""
    return desk


def nothing(_timer, _desk):
    """A handler that forgets its timer."""


@pytest.mark.parametrize(
    ("place", "name", "sabotage"),
    [
        (Desk, "at", late),
        (road, "chime", lambda *_: []),
        (ring.HANDLERS, "remind", nothing),
        (ring.HANDLERS, "accept", nothing),
        (ring.HANDLERS, "group", nothing),
    ],
)
def test_a_timer_that_is_late_or_lost_is_seen(city, script, monkeypatch, place, name, sabotage):
    """Stamped with the clock instead of its own time, or without effect: the day is not the expected one."""
    if isinstance(place, dict):
        monkeypatch.setitem(place, name, sabotage)
    else:
        monkeypatch.setattr(place, name, sabotage)
    assert not played(city, script).right
