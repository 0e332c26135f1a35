"""Plain sentences about an event, in Chinese and English, with the numbers that decided."""

from __future__ import annotations

import copy
import json
from importlib import resources
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from gridhub.streams import topics
from gridhub.streams.place.answer import Problem
from gridhub.streams.records import Outcome
from gridhub.streams.story import story
from gridhub.streams.telling import tell_step
from gridhub.streams.try_cli import try_road
from gridhub.streams.words import LANGUAGES, PROBLEMS

SCORE = {"place": 0.9, "time": 0.75, "category": 1.0, "total": 0.8812, "merge": 0.66, "possible": 0.52}
DECIDED = {
    "step": "decided", "source": "power", "event_id": "e1", "room": "deduplicate", "outcome": "merged", "reason": "",
    "incident_id": "420202005-1", "task_ids": [], "score": SCORE, "rules": {"matching": "2026-11+abc"},
    "decided_at": 1_795_173_030_000, "chain": "c", "seq": 1, "parent_id": "", "actor": "", "note": "",
}  # fmt: skip


def outage(**changes):
    """The example outage as a line of JSON, with another id, time or place."""
    path = resources.files("gridhub.schemas") / "examples" / "PowerEvent" / "outage.json"
    record = copy.deepcopy(json.loads(path.read_text("utf-8")))
    record["event"] |= {name: value for name, value in changes.items() if name in record["event"]}
    record["position"] |= {name: value for name, value in changes.items() if name in record["position"]}
    record["equipment"] |= {name: value for name, value in changes.items() if name in record["equipment"]}
    return json.dumps(record)


def explained(language, *lines):
    """The sentences of `gridhub try --explain` for each line, joined."""
    asked = ["--department", "power", "--at", "2026-11-21", "--explain", language]
    done = CliRunner().invoke(try_road, asked, input="\n".join(lines))
    assert done.exit_code == 0, done.output
    return [" ".join(json.loads(line)["explained"]) for line in done.stdout.splitlines()]


def test_how_it_got_its_grid_and_why_it_joined():
    """Each way with its confidence, the sum of two that agree, the score with its threshold, metres and minutes."""
    later = outage(eventNo="TD2", occurTime=1_795_172_880_000 + 600_000, y=30.25193402)
    _, second = explained("en", outage(), later)
    for part in (
        "found by the department's key, confidence 0.9975",
        "The point (GCJ-02) leads to 420202005001001 (0.95).",
        "1 − (1 − 0.95) × (1 − 0.95) = 0.9975",
        "It joined incident 420202005-",
        "and 0.66 is enough",
        "it is 33 m and 10 minutes away",
    ):
        assert part in second
    _, zweite = explained("zh", outage(), later)
    for part in ("由部门键确定，置信度 0.9975", "并入案件 420202005-", "达到合并线 0.66", "相距 33 米，相差 10 分钟"):
        assert part in zweite


def test_why_it_did_not_join():
    """A new incident says that nothing was in reach, or how far the best candidate's score was from the threshold."""
    first, again = explained("en", outage(), outage())
    assert "no open incident of its kind is within reach" in first
    assert "Told before" in again
    low = DECIDED | {"outcome": "opened", "score": SCORE | {"total": 0.41}}
    assert "scores 0.41, below 0.52" in tell_step(low, "en")
    assert "得分 0.41，低于 0.52" in tell_step(low, "zh")
    assert "neither joins nor is joined" in tell_step(low | {"reason": "planned", "score": {}}, "en")


def test_a_refusal_says_what_each_way_said():
    """An event that was refused for its place tells which way failed for what reason, without the address itself."""
    (told,) = explained("en", outage(x=0.0, y=0.0, tgNo="", feederNo=""))
    assert "Refused by normalise" in told
    assert "The point (GCJ-02) is zero" in told
    (gesagt,) = explained("zh", outage(x=30.25, y=115.02, tgNo="", feederNo=""))
    assert "经纬度填反了" in gesagt


@pytest.mark.parametrize("outcome", [one.value for one in Outcome if one is not Outcome.REFUSED])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_outcome_has_a_sentence_that_names_the_incident(outcome, language):
    """Whatever was decided is told with the incident; an English sentence holds no Chinese words of ours."""
    step = DECIDED | {"outcome": outcome, "parent_id": "420202-9", "reason": "feeder"}
    sentence = tell_step(step, language)
    assert "420202005-1" in sentence
    assert sentence[-1] in ".。"
    assert (language == "en") == sentence.replace("–", "-").isascii()


def test_every_problem_of_a_place_has_words():
    """No way to a place fails with a word that is not translated."""
    assert {problem.value for problem in Problem} == set(PROBLEMS)


def test_a_persons_decision_is_told_with_its_actor_and_note():
    """A confirmed possible event names who decided, when, and the reason that was given."""
    step = DECIDED | {"room": "track", "outcome": "confirmed", "reason": "confirm", "actor": "u7", "note": "Same lamp."}
    assert "u7 decided (confirm): confirmed as the same matter" in tell_step(step, "en")
    assert tell_step(step, "en").endswith("Same lamp.")


class Record(NamedTuple):
    """An original as Kafka gives it."""

    value: bytes


class Topics:
    """A reader over records in memory."""

    def __init__(self, records):
        self.held = records

    def records(self, topic, needles=()):
        """Those of a topic that hold a needle."""
        for record in self.held.get(topic, []):
            if not needles or any(needle in json.dumps(record) for needle in needles):
                yield None, record

    def original(self, **_place):
        """The same bytes for all."""
        return Record(b"12345")


def located(event_id, lat, at):
    """A record of hub.located."""
    return {
        "source": "power", "event_id": event_id, "area": "420202005", "grid_ids": ["420202005001001"], "place_name": "P",
        "method": "coordinates", "confidence": 0.95, "category": "power_outage", "severity": 3, "admission": "a",
        "catalogue": "c", "origin_topic": "dept.power.events", "origin_partition": 0, "origin_offset": 4, "lon": 115.0,
        "lat": lat, "occurred_at": at, "received_at": at, "schema_id": 7,
    }  # fmt: skip


def test_a_story_holds_ways_and_distances():
    """From the hub's topics: what the ways said, and metres and minutes to the first event of the joined incident."""
    incident = {
        "incident_id": "420202005-1", "state": "open", "version": 2, "events": 2, "possible": 0, "sources": ["power"],
        "severity": 3, "opened_at": 0, "closed_at": None, "lon": 115.0, "lat": 30.0, "first_event_at": 0,
    }  # fmt: skip
    decided = {name: value for name, value in DECIDED.items() if name != "step"}
    held = {
        topics.LOCATED.name: [located("e1", 30.001, 120_000)],
        topics.JOURNAL.name: [decided],
        topics.INCIDENTS.name: [incident],
    }
    steps = story("e1", Topics(held), ways=lambda _record: [{"way": "address", "codes": ["420202"], "confidence": 0.8}])
    assert [step["step"] for step in steps] == ["received", "located", "decided", "incident"]
    told = " ".join(tell_step(step, "en") for step in steps)
    assert "The address leads to 420202 (0.8)." in told
    assert "it is 111 m and 2 minutes away" in told
    assert "Incident 420202005-1: open, version 2, 2 events and 0 possible ones from power, severity 3." in told


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("outcome", ["silenced", "inhibited", "released", "waiting", "grouped"])
def test_what_is_kept_back_is_told_by_its_rule(outcome, language):
    """By which silence or rule tasks wait, not that a rule gave none."""
    step = DECIDED | {"room": "dispatch", "outcome": outcome, "reason": "burst-main", "parent_id": "420202005-9"}
    said = tell_step(step, language)
    assert "burst-main" in said
    assert "{" not in said
    assert ("420202005-9" in said) == (outcome == "inhibited")
