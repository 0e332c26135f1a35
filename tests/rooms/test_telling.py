"""Plain sentences about an event, in Chinese and English, with the numbers that decided."""

from __future__ import annotations

import ast
import copy
import json
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from gridhub.streams import intake, topics
from gridhub.streams.aftermath import _TASK as _TASK_FIELDS
from gridhub.streams.aftermath import matter, named
from gridhub.streams.place.answer import Problem
from gridhub.streams.records import Outcome
from gridhub.streams.rooms import (
    commands,
    escalation,
    giving,
    grouping,
    holding,
    notices,
    orders,
    reopening,
    ring,
    track,
)
from gridhub.streams.rooms.stages import STAGES_ZH
from gridhub.streams.story import story
from gridhub.streams.telling import tell_step
from gridhub.streams.telling_after import TOLD, masked_step
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
    assert "u7 decided: confirmed as the matter of incident 420202005-1" in tell_step(step, "en")
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


def outcomes_in_the_code():
    """Every outcome that a room can write: the closed lists, and what the rooms name where they tell the journal."""
    found = {one.value for one in Outcome} | set(STAGES_ZH) | {intake.OUTCOME, ring.BROKEN, track.EXTENSION_ASKED}
    found |= {escalation.REMINDED, escalation.ESCALATED, escalation.OVERDUE, grouping.GROUPED, grouping.WAITING}
    found |= {holding.SILENCED, holding.INHIBITED, holding.RELEASED, notices.ATTACHED, notices.RELEASED, notices.KNOWN}
    found |= {orders.APPROVED, orders.DENIED, orders.ARBITRATED, orders.REOPENED, orders.CANCELLED}
    for module in (commands, escalation, notices, orders, grouping, giving, holding, reopening, track):
        for call in ast.walk(ast.parse(Path(module.__file__).read_text("utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in {"_tell", "told"}:
                found |= {arg.value for arg in call.args[1:3] if isinstance(arg, ast.Constant) and arg.value}
            if isinstance(call, ast.Return) and isinstance(call.value, ast.Tuple) and len(call.value.elts) == 3:
                second = call.value.elts[1]
                found |= {second.value} if isinstance(second, ast.Constant) and isinstance(second.value, str) else set()
    return sorted(found)


@pytest.mark.parametrize("outcome", outcomes_in_the_code())
def test_every_outcome_that_the_code_can_write_has_its_sentences(outcome):
    """In both languages, without a word left over from the code; English holds no Chinese of ours."""
    assert outcome in TOLD
    step = DECIDED | {"step": "status", "room": "track", "outcome": outcome, "task_ids": ["t1", "t2"]}
    for language in LANGUAGES:
        sentence = tell_step(step, language)
        assert "{" not in sentence
        assert sentence[-1] in ".。"
        assert (language == "en") == sentence.isascii()


def test_an_outcome_of_a_later_version_is_told_as_it_stands():
    """An older command meets a newer journal: the word itself, no error."""
    step = DECIDED | {"step": "status", "room": "ring", "outcome": "teleported", "reason": "why"}
    assert "recorded as teleported (why)" in tell_step(step, "en")


def test_a_breach_is_told_with_its_limit_level_and_task():
    """Which limit, how far up, and no sender: a timer did it."""
    step = DECIDED | {
        "step": "status", "room": "ring", "source": "hub", "outcome": "escalated", "reason": "accept",
        "task_ids": ["t1", "t2"], "score": {"level": 2.0}, "event_id": "accept/t1/5",
    }  # fmt: skip
    assert tell_step(step, "zh") == "2026-11-20 19:10:30 任务 t1 接单超期，督办，升级第 2 级。"
    assert tell_step(step, "en") == (
        "At 2026-11-20 19:10:30 task t1 is past its time for accepting; raised to the next unit, level 2."
    )


DELIVERY = {
    "target": "tickets", "task_id": "420202005-0123456789abcdef-handle-x-1", "version": 2, "fate": "later", "code": 503,
    "detail": "busy, call 13812345678", "attempts": 4, "at": 1_795_173_030_000, "incident_id": "420202005-0123456789abcdef",
}  # fmt: skip


def test_a_delivery_is_told_and_personal_data_in_it_is_masked():
    """Target, version, fate, tries and code; a number in what the target answered is not shown."""
    step = masked_step({"step": "delivery", **DELIVERY})
    assert "送往 tickets：暂存" in tell_step(step, "zh")
    assert "is parked until the target is well again by tickets (try 4 503): busy, call ＊＊＊" in tell_step(step, "en")


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("420202005-0123456789abcdef", ("420202005-0123456789abcdef", "")),
        (
            "420202005-0123456789abcdef-handle-x-1",
            ("420202005-0123456789abcdef", "420202005-0123456789abcdef-handle-x-1"),
        ),
        ("TD2026112000017", None),
        ("420202005-17", None),
    ],
)
def test_what_an_id_names(word, names):
    """Incidents and tasks have ids of their own form; everything else is an event's."""
    assert named(word) == names


def test_an_incidents_story_goes_by_time():
    """The incident as it is, then decisions, tasks and deliveries of all rooms in the order in which they came about."""
    name = DELIVERY["incident_id"]
    task = dict.fromkeys(_TASK_FIELDS, None) | {
        "task_id": DELIVERY["task_id"], "incident_id": name, "version": 1, "stage": "dispatched", "stage_since": 20,
        "recipient": "x:1", "overdue": False, "finish_by": 9,
    }  # fmt: skip
    decision = {k: v for k, v in DECIDED.items() if k != "step"} | {"incident_id": name}
    held = {
        topics.INCIDENTS.name: [
            dict.fromkeys(("state", "version", "events", "possible", "severity", "opened_at", "closed_at", "lon", "lat",
                           "first_event_at"), 1) | {"incident_id": name, "sources": ["power"]},
        ],
        topics.TASKS.name: [task],
        topics.DELIVERIES.name: [DELIVERY | {"at": 30}],
        topics.JOURNAL.name: [
            decision | {"room": "ring", "outcome": "escalated", "decided_at": 40, "seq": 9, "task_ids": [task["task_id"]]},
            decision | {"room": "deduplicate", "outcome": "opened", "decided_at": 10, "seq": 1},
            decision | {"room": "track", "outcome": "accepted", "decided_at": 25, "seq": 2, "task_ids": ["other"]},
        ],
    }  # fmt: skip
    steps = matter(name, "", Topics(held))
    assert [step["step"] for step in steps] == ["incident", "decided", "task", "status", "delivery", "status"]
    of_task = matter(name, task["task_id"], Topics(held))
    assert [step["step"] for step in of_task] == ["incident", "task", "delivery", "status"]
    assert all(tell_step(step, language) for step in steps for language in LANGUAGES)


def test_an_event_that_only_the_journal_still_knows():
    """After seven days hub.located is gone; the chained record of the inbound stage still says by which rule it came in."""
    record = {k: v for k, v in DECIDED.items() if k != "step"} | {
        "source": "power", "event_id": "", "room": "inbound", "outcome": "taken", "incident_id": "",
        "origin_topic": "dept.power.events", "origin_partition": 1, "origin_offset": 40,
        "entries": ["2 located HSZR-GD-01 420202005 power_outage key 0.9975 TD 7", "3 refused admit not_admitted TD 8"],
    }  # fmt: skip
    (step,) = story("TD 7", Topics({topics.JOURNAL.name: [record]}))
    assert (step["step"], step["offset"], step["admission"]) == ("taken", 42, "HSZR-GD-01")
    assert "admitted by HSZR-GD-01 and located in 420202005" in tell_step(step, "en")
    (step,) = story("TD 8", Topics({topics.JOURNAL.name: [record]}))
    assert "不在社区协助事项准入清单内" in tell_step(step, "zh")
