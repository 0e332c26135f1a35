"""A storm over the city: nothing that may cost lives waits, and what waited comes."""

from __future__ import annotations

import pytest

from gridhub.connectors.quality.storm import START_MS, storm, watched
from gridhub.connectors.simulator import City
from gridhub.connectors.simulator.cloudburst import cloudburst
from gridhub.streams import city as city_data


@pytest.fixture(scope="module")
def data():
    """The bundled city's data."""
    return city_data.load()


def test_no_danger_to_life_waits_in_a_storm_and_what_waited_comes(data):
    """600 reports in ten minutes under a red warning and tripped feeders; `make quality` does it with 20,000."""
    found = storm(600)
    assert found.failed == []
    values = found.values
    assert values["life_safety_events"] > 100
    assert values["incidents_inhibited"] > 20
    assert 0 < values["released_at_the_end"] <= values["incidents_inhibited"]
    assert values["located"] == 600


def test_the_storm_is_the_same_each_time(data):
    """Same seed, same messages: a figure that somebody doubts can be looked at again."""
    first, second = (list(cloudburst(City(data.catalogue, data.departments, 3), 60, 3, START_MS)) for _ in range(2))
    assert [message.truth for message in first] == [message.truth for message in second]
    assert [message.record for message in first] == [message.record for message in second]
    assert len(first) == 60


def test_a_storm_without_its_warning_holds_nothing_back_for_the_city(data):
    """The watcher sees what it should: without warning and feeders nothing waits at all."""
    messages = list(cloudburst(City(data.catalogue, data.departments, 3), 200, 3, START_MS))
    quiet = [message for message in messages if message.truth.place_way != "area" and "1002" not in str(message.record)]
    seen = watched(quiet, data)
    assert (seen.waited, seen.outcomes["attached"]) == (set(), 0)
    assert seen.located == len(quiet)
