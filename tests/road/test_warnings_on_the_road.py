"""Converted warnings go the road: an exercise stays one to the last task, and a cancel finds what it ends."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gridhub.connectors.warnings.cli import group
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams import messages, road
from gridhub.streams.memory import MemoryState
from gridhub.streams.messages import Origin
from gridhub.streams.settings import Settings

NOW_MS = 1_795_417_800_000  # 2026-11-23T15:10 in Beijing
RAIN = """<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{name}</identifier><sender>s@x</sender>
<sent>2026-11-23T{time}:00+08:00</sent><status>{status}</status><msgType>{kind}</msgType><scope>Public</scope>
<references>{references}</references>
<info><language>zh-CN</language><category>Met</category><event>暴雨橙色预警</event><urgency>Immediate</urgency>
<severity>Severe</severity><certainty>Likely</certainty><headline>黄石港区暴雨橙色预警</headline>
<area><areaDesc>黄石港区</areaDesc><geocode><valueName>GB/T 2260</valueName><value>420202</value></geocode></area>
</info></alert>"""


@pytest.fixture(scope="module")
def city():
    """The bundled city."""
    return city_data.load()


def message(name="A1", time="15:00", status="Actual", kind="Alert", references=""):
    """A rainstorm warning for one district."""
    return RAIN.format(name=name, time=time, status=status, kind=kind, references=references)


def convert(*given, arguments=()):
    """What `gridhub convert` prints, one object a line."""
    done = CliRunner().invoke(group, ["cap", *arguments], input=f"<list>{''.join(given)}</list>".encode())
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def drive(city, *given):
    """The records of CAP messages through the road; (decisions, tasks) in the order of the messages."""
    codec, settings, state = local_codec(), Settings(), MemoryState()
    values = [
        codec.encode("gridhub.dept.WeatherWarning", record) for record in convert(*given, arguments=["--records"])
    ]
    origins = [Origin("dept.meteorology.events", 0, number, NOW_MS, b"k", value) for number, value in enumerate(values)]
    facts = city_data.inbound_facts(city, settings, codec.decode_many)
    inbound = road.inbound(messages.raw_table(origins), facts, NOW_MS)
    assert inbound.refused.num_rows == 0, inbound.refused.to_pylist()
    outbound = road.outbound(inbound.located, city_data.outbound_facts(city, settings), NOW_MS, state)
    return inbound.located.to_pylist(), outbound


@pytest.mark.parametrize(("status", "mark"), [("Exercise", "【演练】"), ("Test", "【测试】"), ("Draft", "【测试】")])
def test_an_exercise_is_one_to_the_person_who_gets_the_task(city, status, mark):
    """The status is in every task, and its title begins with a mark that nobody overlooks."""
    _, outbound = drive(city, message(status=status))
    tasks = outbound.sent.tasks.to_pylist()
    assert tasks
    assert {task["status"] for task in tasks} == {"exercise" if status == "Exercise" else "test"}
    assert all(task["title"].startswith(mark) for task in tasks)


def test_an_exercise_never_joins_what_is_real(city):
    """The same warning for the same place at the same time, once real and once as an exercise: two incidents."""
    _, outbound = drive(
        city, message("A1"), message("A2", time="15:01", status="Exercise"), message("A3", time="15:02")
    )
    decisions = outbound.decided.decisions
    assert [decision["outcome"] for decision in decisions] == ["opened", "opened", "merged"]
    assert decisions[0]["incident_id"] == decisions[2]["incident_id"] != decisions[1]["incident_id"]


def test_a_cancel_joins_what_it_ends_and_says_so(city):
    """Update and cancel are of the incident of the first message; kind, references and validity travel with the event."""
    located, outbound = drive(
        city,
        message("A1"),
        message("A2", time="15:05", kind="Update", references="s@x,A1,t"),
        message("A3", time="15:09", kind="Cancel", references="s@x,A2,t"),
    )
    assert len({decision["incident_id"] for decision in outbound.decided.decisions}) == 1
    assert [event["message"] for event in located] == ["alert", "update", "cancel"]
    assert [event["references"] for event in located] == [[], ["A1"], ["A2"]]


def test_what_travels_survives_the_wire(city):
    """Kind, references and validity are in hub.located and come out of it again."""
    codec = local_codec()
    located, _ = drive(city, message("A2", kind="Update", references="s@x,A1,t"))
    record = {**located[0], "origin_topic": "t", "origin_partition": 0, "origin_offset": 0}
    del record["row"]
    decoded = codec.decode(codec.encode("gridhub.hub.LocatedEvent", record)).record
    kept = ("message", "references", "valid_from", "valid_until")
    assert {name: decoded[name] for name in kept} == {name: located[0][name] for name in kept}


def test_the_command_refuses_with_a_sentence_and_still_gives_the_rest():
    """One good and one bad alert: the event on stdout, the sentence on stderr, exit 1."""
    bad = message().replace("<scope>Public</scope>", "")
    done = CliRunner().invoke(group, ["cap"], input=f"<list>{message()}{bad}</list>".encode())
    assert done.exit_code == 1
    assert [json.loads(line)["event_id"] for line in done.stdout.splitlines()] == ["A1"]
    assert done.stderr == "Alert 2 of 2: the required element scope is missing.\n"


def test_texts_are_converted_and_bad_lines_are_named():
    """A line that announces nothing is named with its number; a wrong --at is wrong use."""
    lines = "黄石市气象台发布暴雨橙色预警信号\n今天天气不错\n"
    done = CliRunner().invoke(group, ["warning", "--at", "2026-11-23T16:00:00"], input=lines.encode())
    (event,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.exit_code, event["category"], event["grid_ids"]) == (1, "weather_rain", ["420200"])
    assert done.stderr == "Line 2: The text announces no warning.\n"
    assert CliRunner().invoke(group, ["warning", "--at", "soon"], input=b"").exit_code == 2


def test_a_cancel_takes_its_place_from_an_earlier_file(tmp_path):
    """--earlier names a message that came before: the cancel without info has its places; it is not converted again."""
    earlier = tmp_path / "earlier.xml"
    earlier.write_text(message("A1"), encoding="utf-8")
    cancel = message("A2", kind="Cancel", references="s@x,A1,t").partition("<info>")[0] + "</alert>"
    (event,) = convert(cancel, arguments=["--earlier", str(earlier)])
    assert (event["event_id"], event["message"], event["grid_ids"]) == ("A2", "cancel", ["420202"])
