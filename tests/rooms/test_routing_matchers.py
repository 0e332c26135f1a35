"""Alertmanager's matchers and time intervals in routing.yaml: what they take, and what is refused at load, by line."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gridhub.streams.routing import Routing, RoutingError
from gridhub.streams.routing_file import duration_s
from gridhub.streams.routing_labels import LABELS, labels_of
from gridhub.streams.routing_matchers import MatcherError, parse
from gridhub.streams.routing_time import IntervalFile, Intervals, china_workday

FILE = Path(__file__).parents[2] / "config" / "routing.yaml"
HANDLE = {"role": "grid_member", "action": "handle"}
CHINA = ZoneInfo("Asia/Shanghai")


def incident(**changes):
    """As much of an incident as routing reads."""
    row = {"category": "fire", "severity": 3, "sources": ["power"], "status": "actual", "grid_ids": ["420202005001001"]}
    return row | changes


def ms(text):
    """A moment in China."""
    return int(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)


@pytest.fixture
def load(tools):
    """Load the bundled file with other routes, and further parts."""

    def load_it(*routes, **top):
        tree = yaml.safe_load(FILE.read_text(encoding="utf-8")) | top
        tree["route"] = {"name": "root", "recipients": [{**HANDLE}], "routes": list(routes)}
        return Routing.parse(yaml.safe_dump(tree, allow_unicode=True, sort_keys=False).encode(), tools.facts.categories)

    return load_it


def one(*matchers, **more):
    """A route with these matchers."""
    return {"name": "one", "matchers": list(matchers), "recipients": [{**HANDLE}]} | more


@pytest.mark.parametrize(
    ("matcher", "fits", "fits_not"),
    [
        ('category="fire"', {}, {"category": "noise"}),
        ("category=fire", {}, {"category": "noise"}),
        ('category=~"fire|gas_.*"', {"category": "gas_leak"}, {"category": "noise"}),
        ('category!~"fire|gas_.*"', {"category": "noise"}, {"category": "gas_leak"}),
        ('matter_group="power_supply"', {"category": "dark_street"}, {}),
        ('life_safety="true"', {}, {"category": "noise"}),
        ("severity<=2", {"severity": 2}, {"severity": 3}),
        ("severity>3", {"severity": 4}, {"severity": 3}),
        ('severity="3"', {}, {"severity": 2}),
        ('severity!="3"', {"severity": 2}, {}),
        ('department="power"', {"sources": ["water", "power"]}, {"sources": ["water"]}),
        ('source="power"', {"sources": ["water", "power"]}, {"sources": ["water"]}),
        ('department!="power"', {"sources": ["water"]}, {"sources": ["water", "power"]}),
        ('status!="actual"', {"status": "exercise"}, {}),
        ('area="420202005"', {}, {"grid_ids": ["420202006001001"]}),
        ('area="420200"', {"grid_ids": ["420203"]}, {"grid_ids": ["420300"]}),
        ('area=~"420202.*"', {}, {"grid_ids": ["420203001001001"]}),
        ('district="420202"', {"grid_ids": ["420203", "420202005"]}, {"grid_ids": ["420203"]}),
        ('street="420202005"', {}, {"grid_ids": ["420202"]}),
        ('community="420202005001"', {}, {"grid_ids": ["420202005002001"]}),
        ('grid="420202005001001"', {}, {"grid_ids": ["420202005001002"]}),
        ('grid=""', {"grid_ids": ["420202005"]}, {}),
        ('level=~"street|community"', {"grid_ids": ["420202005"]}, {}),
        ('parent="rainstorm"', {"parent_rule": "rainstorm"}, {}),
        ('parent!=""', {"parent_rule": "rainstorm"}, {}),
    ],
)
def test_each_matcher_takes_its_values_and_no_others(load, matcher, fits, fits_not):
    """Of labels with several values any fits for = and =~, none for != and !~."""
    routing = load(one(matcher))
    assert routing.route(incident(**fits))[0].path == "root/one"
    assert routing.route(incident(**fits_not))[0].path == "root"


@pytest.mark.parametrize(
    ("matcher", "fits", "fits_not"),
    [
        ("hour>=22", "2026-11-23T22:00", "2026-11-23T21:59"),
        ("hour<6", "2026-11-23T05:59", "2026-11-23T06:00"),
        ('hour=~"8|9"', "2026-11-23T09:30", "2026-11-23T10:00"),
        ('calendar="holiday"', "2026-10-01T12:00", "2026-11-23T12:00"),
        ('calendar="workday"', "2026-11-23T12:00", "2026-11-22T12:00"),
    ],
)
def test_hour_and_calendar_are_those_of_the_moment_in_china(load, matcher, fits, fits_not):
    """The same incident goes another way at another time, and what was answered before is not mixed up."""
    routing = load(one(matcher))
    for _ in range(2):
        assert routing.route(incident(), ms(fits))[0].path == "root/one"
        assert routing.route(incident(), ms(fits_not))[0].path == "root"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("category", "is no matcher: write label, sign and value"),
        ('colour="red"', "there is no label colour"),
        ('category<="fire"', "compares numbers"),
        ("severity<=7", "none of 1 to 4"),
        ('severity="high"', "none of 1 to 4"),
        ("hour>24", "none of 0 to 23"),
        ('street="4202"', "no code of 9 digits"),
        ('area="42020"', "no code of 6 or 9 or 12 or 15 digits"),
        ('category=~"(fire|gas)+"', "repeated group"),
        ('category=~"(?=fire).*"', "repeated group, a look-around"),
        ('category=~".*a.*b.*c.*"', "more than 3 repetitions"),
        ('category=~"["', "no regular expression"),
        ('category="' + "x" * 400 + '"', "is no matcher"),
    ],
)
def test_a_matcher_that_cannot_be_is_refused(text, said):
    """With what to write in its place."""
    with pytest.raises(MatcherError, match=said.replace("(", r"\(")):
        parse(text)


def matchers():
    """Matchers of every label with plain values."""
    values = st.text("abcdefgh_0123456789", min_size=1, max_size=9)
    signs = st.sampled_from(["=", "!=", "=~", "!~"])
    labels = st.sampled_from(["category", "matter_group", "status", "department", "parent", "level"])
    return st.builds('{}{}"{}"'.format, labels, signs, values)


@given(text=matchers())
def test_what_is_read_is_written_the_same(text):
    """Text to matcher and back."""
    assert str(parse(text)) == text
    assert parse(str(parse(text))) == parse(text)


def test_every_label_has_values(tools):
    """No matcher can ask for what an incident does not have: all labels are there, also of a wide place."""
    for codes in (["420200"], ["420202005001001", "420203"]):
        found = labels_of(
            incident(grid_ids=codes), "fire", tools.facts.categories, {"hour": "1", "calendar": "workday"}
        )
        assert set(found) == set(LABELS)
        assert all(found.values())


HEAD = """version: "1"
max_fanout: 5
finish_min: {1: 1, 2: 2, 3: 3, 4: 4}
departments: {power: 供电}
route:
  name: root
  recipients: [{role: grid_member, action: handle}]
  routes:
"""


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("    - {name: x, matchers: ['category=\"fires\"']}\n", "line 9: Route x: no such category: fires."),
        ("    - {name: x, matchers: ['category=~\"z.*\"']}\n", "line 9: Route x: no category fits z.*."),
        ("    - name: x\n      match: {category: [fire, gas]}\n", "line 10: Route x: no such category: gas."),
        ("    - name: x\n      recipients:\n        - {role: mayor, action: handle}\n", "line 11: "),
        ("    - name: x\n      color: red\n", "line 10: route.routes.0.color: Extra inputs"),
        ("    - name: x\n      group_wait: soon\n", "line 10: route.routes.0.group_wait: 'soon' is no duration"),
        (
            "    - name: x\n      group_by: [colour]\n",
            "line 10: route.routes.0.group_by.0: nothing is grouped by colour",
        ),
        ("    - name: x\n      mute_time_intervals: [night]\n", "line 10: Route x: no such time interval: night"),
        ("    - name: x\n      group_interval: 5m\n", "line 10: Route x: group_interval without"),
        ("    - name: x\n    - name: y\n", "line 10: Route root/y is never reached: root/x before it takes all of it."),
        (
            "    - {name: x, matchers: ['area=~\"42.*\"']}\n    - {name: y, matchers: ['area=~\"42.*\"', severity<=2]}\n",
            "line 10: Route root/y is never reached: root/x before it takes all of it.",
        ),
        ("    - name: x\n      match: {category: [fire]\n", "line 11"),
    ],
)
def test_a_mistake_is_named_with_its_line(tools, written, said):
    """So that it is found in a long file."""
    with pytest.raises(RoutingError) as error:
        Routing.parse((HEAD + written).encode(), tools.facts.categories)
    assert said in str(error.value)


INHIBIT = {"name": "i", "source_matchers": ["severity=1"], "target_matchers": ["severity>=3"], "equal": ["community"]}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"target_matchers": ['category="fire"']}, "fire may cost lives, its tasks are never held back"),
        ({"target_matchers": ['category=~"noise|fire"']}, "fire may cost lives"),
        ({"source_matchers": ["hour>=22"]}, "hour changes while an incident is open"),
        ({"source_matchers": []}, "at least 1 item"),
        ({"equal": ["hour"]}, "nothing is grouped by hour"),
        ({"lasts": "3d"}, "no duration up to 1 days"),
        ({"target_matchers": ['category="fires"']}, "no such category: fires"),
    ],
)
def test_an_inhibit_rule_that_cannot_be_is_refused(load, rule, said):
    """At load, like routes."""
    with pytest.raises(RoutingError, match=said):
        load(inhibit_rules=[INHIBIT | rule])


def test_a_rule_that_only_may_meet_danger_is_taken(load):
    """What asks for no category by name is right: the room leaves out who is in danger."""
    (rule,) = load(inhibit_rules=[INHIBIT]).inhibit_rules
    assert (rule.name, rule.equal) == ("i", ("community", "status"))


def intervals(**ranges):
    """One interval of one range."""
    return Intervals([IntervalFile.model_validate({"name": "i", "time_intervals": [ranges]})])


@pytest.mark.parametrize(
    ("ranges", "holds", "holds_not"),
    [
        ({"times": [{"start_time": "22:00", "end_time": "24:00"}]}, "2026-11-23T23:59", "2026-11-24T00:00"),
        ({"times": [{"start_time": "09:00", "end_time": "17:00"}]}, "2026-11-23T09:00", "2026-11-23T17:00"),
        ({"weekdays": ["monday:friday"]}, "2026-11-23T12:00", "2026-11-22T12:00"),
        ({"weekdays": ["sunday"]}, "2026-11-22T12:00", "2026-11-23T12:00"),
        ({"days_of_month": ["1:5"]}, "2026-11-05T12:00", "2026-11-06T12:00"),
        ({"days_of_month": ["-1"]}, "2026-02-28T12:00", "2026-02-27T12:00"),
        ({"days_of_month": ["31"]}, "2026-11-30T12:00", "2026-11-29T12:00"),
        ({"months": ["june:august"]}, "2026-07-01T12:00", "2026-09-01T00:00"),
        ({"months": ["11"]}, "2026-11-01T00:00", "2026-10-31T23:59"),
        ({"years": ["2026:2027"]}, "2027-12-31T12:00", "2028-01-01T12:00"),
        ({"calendar": ["holiday"]}, "2026-10-01T12:00", "2026-10-12T12:00"),
        ({"location": "Europe/Paris", "times": [{"start_time": "00:00", "end_time": "01:00"}]},
         "2026-11-23T07:30", "2026-11-23T00:30"),
    ],
)  # fmt: skip
def test_each_part_of_an_interval(ranges, holds, holds_not):
    """Begin in, end out; in China's time unless it says another place."""
    made = intervals(**ranges)
    assert made.holds("i", ms(holds), china_workday)
    assert not made.holds("i", ms(holds_not), china_workday)


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ({"times": [{"start_time": "22:00", "end_time": "06:00"}]}, "a night is two parts"),
        ({"times": [{"start_time": "9:00", "end_time": "17:00"}]}, "is no time of day"),
        ({"weekdays": ["monday:someday"]}, "is no range"),
        ({"weekdays": ["friday:monday"]}, "the smaller end first"),
        ({"months": ["13"]}, "between 1 and 12"),
        ({"days_of_month": ["0"]}, "count from 1"),
        ({"calendar": ["feast"]}, "'workday' or 'holiday'"),
        ({"location": "Mars/North"}, "no time zone Mars/North"),
    ],
)
def test_an_interval_that_cannot_be_is_refused(load, ranges, said):
    """With its line, in a sentence."""
    with pytest.raises(RoutingError, match=said) as error:
        load(time_intervals=[{"name": "i", "time_intervals": [ranges]}])
    assert str(error.value).startswith("line ")


@given(at=st.integers(ms("2026-01-01T00:00"), ms("2026-12-31T00:00")))
def test_a_wait_ends_at_the_first_moment_that_does_not_hold(at):
    """The next change is no longer silent, and the minute before it is; nothing waits where nothing is silent."""
    made = intervals(times=[{"start_time": "18:00", "end_time": "24:00"}, {"start_time": "00:00", "end_time": "08:30"}])

    def silent(moment):
        return made.holds("i", moment, china_workday)

    end = made.next_change(at, silent)
    assert not silent(end)
    assert not silent(at) or silent(end - 60_000)


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("5m", 300), ("1h30m", 5400), ("1d", 86_400), ("0s", 0)])
def test_durations_are_those_of_alertmanager(text, seconds):
    """Numbers with units."""
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["5", "m5", "1.5h", "2d", "", "-5m"])
def test_what_is_no_duration_is_refused(text):
    """Or longer than a day."""
    with pytest.raises(ValueError, match="is no duration"):
        duration_s(text)


def test_the_examples_of_the_docs_are_taken(load):
    """Each YAML block of the page is read as it stands there."""
    text = (FILE.parents[1] / "docs" / "dispatch.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block.partition("```")[0]) for block in text.split("```yaml\n")[1:]]
    routes = [route for block in blocks if isinstance(block, list) for route in block]
    top = {name: value for block in blocks if isinstance(block, dict) for name, value in block.items()}
    routing = load(*routes, **top)
    assert routing.delivery("root/streets-order").groups
    assert [rule.name for rule in routing.inhibit_rules] == ["burst-main"]
    assert routing.intervals.names == ("night", "days-off")
