"""The scripted day on the road in memory: every line of the reviewed timeline, none missing and none more."""

from __future__ import annotations

import pytest

from gridhub.connectors.demo.day import rewrite
from gridhub.connectors.demo.day import script as scripts
from gridhub.connectors.demo.day.memory import MemoryHub
from gridhub.connectors.demo.day.play import Player, Timeline
from gridhub.connectors.demo.day.rules import city_by
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data


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
