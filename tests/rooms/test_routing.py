"""config/routing.yaml: what is matched, and what is refused at load."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gridhub.streams.routing import Routing, RoutingError, level_of
from gridhub.streams.routing_file import MatchFile

FILE = Path(__file__).parents[2] / "config" / "routing.yaml"
HANDLE = {"role": "grid_member", "action": "handle"}
TELL = {"role": "street", "action": "inform"}


def incident(**changes):
    """As much of an incident as routing reads."""
    row = {"category": "fire", "severity": 3, "sources": ["power"], "status": "actual", "grid_ids": ["420202005001001"]}
    return row | changes


class Plain(yaml.SafeDumper):
    """Writes what is shared out each time: references are not read."""

    def ignore_aliases(self, data):
        """All of them."""
        return True


def tree(*routes, **root):
    """A routing file with these routes below its root."""
    top = {"name": "root", "recipients": [HANDLE], "routes": list(routes)} | root
    file = {"version": "1", "max_fanout": 5, "finish_min": {1: 1, 2: 2, 3: 3, 4: 4}, "departments": {"power": "供电"}}
    return yaml.dump(file | {"route": top}, Dumper=Plain, allow_unicode=True).encode()


@pytest.fixture
def load(tools):
    """Load a routing file with these routes."""
    return lambda *routes, **root: Routing.parse(tree(*routes, **root), tools.facts.categories)


def paths(routing, **changes):
    """Names of the routes that an incident meets."""
    return list(dict.fromkeys(matched.path for matched in routing.route(incident(**changes))))


def test_the_root_takes_what_no_child_takes(load):
    """No incident without a task."""
    routing = load({"name": "one", "match": {"category": "brawl"}, "recipients": [HANDLE]})
    assert paths(routing) == ["root"]
    assert paths(routing, category="brawl") == ["root/one"]


def test_the_first_child_that_fits_ends_the_search(load):
    """Siblings after it are not asked, unless it says continue."""
    first = {"name": "one", "match": {"severity": "<=3"}, "recipients": [HANDLE]}
    second = {"name": "two", "match": {"category": "fire"}, "recipients": [HANDLE]}
    assert paths(load(first, second)) == ["root/one"]
    assert paths(load(first | {"continue": True}, second)) == ["root/one", "root/two"]


def test_a_nested_route_inherits_its_recipients(load):
    """A route without recipients has its parent's."""
    inner = {"name": "inner", "match": {"severity": 1}}
    routing = load({"name": "outer", "match": {"category": "fire"}, "recipients": [HANDLE], "routes": [inner]})
    assert [(m.path, m.rule.role) for m in routing.route(incident(severity=1))] == [("root/outer/inner", "grid_member")]


def test_somebody_handles_even_when_only_informing_routes_fit(load):
    """Where no matched route has a handler, the root's handler has it."""
    routing = load({"name": "tell", "match": {"category": "fire"}, "continue": True, "recipients": [TELL]})
    found = routing.route(incident())
    assert [(m.rule.action, m.path) for m in found] == [("handle", "root"), ("inform", "root/tell")]


def test_of_several_handlers_the_first_leads(load):
    """The others assist."""
    street = {"role": "street", "action": "handle"}
    routing = load(
        {"name": "one", "match": {"category": "fire"}, "continue": True, "recipients": [HANDLE]},
        {"name": "two", "match": {"severity": 3}, "recipients": [street]},
    )
    assert [(m.rule.role, m.rule.action) for m in routing.route(incident())] == [
        ("grid_member", "handle"), ("street", "assist"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("match", "fits", "fits_not"),
    [
        ({"category": ["fire", "brawl"]}, {"category": "brawl"}, {"category": "noise"}),
        ({"matter_group": "power_supply"}, {"category": "dark_street"}, {"category": "fire"}),
        ({"severity": "<=2"}, {"severity": 2}, {"severity": 3}),
        ({"severity": ">3"}, {"severity": 4}, {"severity": 3}),
        ({"severity": "1"}, {"severity": 1}, {"severity": 2}),
        ({"severity": [1, 4]}, {"severity": 4}, {"severity": 3}),
        ({"source": "power"}, {"sources": ["water", "power"]}, {"sources": ["water"]}),
        ({"district": "420202"}, {}, {"grid_ids": ["420203001001001"]}),
        ({"level": "street"}, {"grid_ids": ["420202005", "420202006001"]}, {"grid_ids": ["420202005001001"]}),
        ({"life_safety": True}, {"category": "fire"}, {"category": "noise"}),
        ({"status": "exercise"}, {"status": "exercise"}, {"status": "actual"}),
    ],
    ids=[
        "category",
        "matter_group",
        "at-most",
        "above",
        "quoted",
        "listed",
        "source",
        "district",
        "level",
        "life_safety",
        "status",
    ],
)
def test_each_matcher(load, match, fits, fits_not):
    """A matcher takes its values and no others."""
    routing = load({"name": "one", "match": match, "recipients": [HANDLE]})
    assert paths(routing, **fits) == ["root/one"]
    assert paths(routing, **fits_not) == ["root"]


@pytest.mark.parametrize(
    ("route", "sentence"),
    [
        ({"match": {"category": "fires"}}, "Route one: no such category: fires."),
        ({"match": {"matter_group": "x"}}, "Route one: no such matter_group: x."),
        ({"match": {"source": "x"}}, "Route one: no such source: x."),
        ({"match": {"level": "house"}}, "Route one: no such level: house."),
        ({"match": {"status": "real"}}, "Route one: no such status: real."),
        ({"match": {"severity": 5}}, "severity 5 is none of 1 to 4"),
        ({"match": {"severity": "7"}}, "severity '7' is none of 1 to 4"),
        ({"match": {"severity": "=2"}}, "severity '=2' is none of 1 to 4"),
        ({"match": {"district": "4202"}}, "district wants codes of six digits"),
        ({"match": {"colour": "red"}}, "match.colour: Extra inputs are not permitted"),
        ({"recipients": [{"role": "mayor", "action": "handle"}]}, "no such role: mayor"),
        ({"recipients": [{"role": "street", "action": "watch"}]}, "'handle', 'assist' or 'inform'"),
        ({"recipients": [{"role": "department_unit", "action": "handle"}]}, "needs one"),
        ({"recipients": [{"role": "street", "action": "handle", "department": "power"}]}, "belongs to department_unit"),
        ({"recipients": [{"role": "department_unit", "department": "x", "action": "handle"}]}, "no such department: x"),
        ({"recipients": [TELL | {"accept_min": 5}]}, "only informed has no limits"),
        ({"recipients": [HANDLE | {"finish_min": {1: 5}}]}, "wants each of 1 to 4"),
        ({"recipients": [HANDLE | {"accept_min": 0}]}, "greater than 0"),
        ({"name": "root"}, "Two routes are named root"),
        ({"match": {"category": "fire", "matter_group": "power_supply"}}, "root/one is never reached: nothing"),
        (
            {"match": {"severity": 1}, "routes": [{"name": "two", "match": {"severity": 2}}]},
            "root/one/two is never reached",
        ),
    ],
)
def test_a_wrong_route_is_named_in_a_sentence(load, route, sentence):
    """Every slip is found at load."""
    with pytest.raises(RoutingError) as error:
        load({"name": "one", "recipients": [HANDLE]} | route)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        ({"recipients": [TELL]}, "no recipient with action handle"),
        ({"match": {"severity": 1}}, "must take every incident"),
        ({"continue": True}, "has no sibling"),
    ],
)
def test_the_root_takes_everything_and_has_a_handler(load, root, sentence):
    """A tree that could leave an incident without a task is refused."""
    with pytest.raises(RoutingError) as error:
        load(**root)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({}, {"category": "fire"}),
        ({"category": ["fire", "brawl"]}, {"category": "fire"}),
        ({"matter_group": "power_supply"}, {"category": "dark_street", "severity": 1}),
        ({"severity": "<=3"}, {"severity": 2}),
        ({"life_safety": True}, {"category": "fire"}),
        ({"severity": [1, 2, 3, 4]}, {"category": "fire"}),
    ],
)
def test_a_route_behind_one_that_takes_all_of_it_is_unreachable(load, earlier, later):
    """Named with the one that hides it; with continue it is reachable."""
    first = {"name": "one", "match": earlier, "recipients": [HANDLE]}
    second = {"name": "two", "match": later, "recipients": [HANDLE]}
    with pytest.raises(RoutingError, match=r"root/two is never reached: root/one before it takes all of it\."):
        load(first, second)
    assert load(first | {"continue": True}, second)


def test_a_route_that_is_only_partly_hidden_is_kept(load):
    """Overlap alone is no fault."""
    first = {"name": "one", "match": {"severity": 1}, "recipients": [HANDLE]}
    assert load(first, {"name": "two", "match": {"category": "fire"}, "recipients": [HANDLE]})


def test_the_bundled_tree_gives_every_category_a_handler_first(tools):
    """Any category, severity, level and status: at least one rule, the first and only the first handles."""
    routing = tools.facts.routing
    for category in tools.facts.categories:
        for severity in (1, 2, 3, 4):
            for codes in (["420202005001001"], ["420202005"], ["420202"], ["420200"]):
                found = routing.route(incident(category=category, severity=severity, grid_ids=codes))
                assert [m.rule.action for m in found].index("handle") == 0
                assert [m.rule.action for m in found].count("handle") == 1


def test_limits_by_severity(load):
    """A rule's own limit comes first, then the file's, each by severity."""
    routing = load({"name": "one", "match": {"category": "brawl"}, "recipients": [HANDLE | {"finish_min": 7}]})
    default = routing.route(incident())[0].rule
    own = routing.route(incident(category="brawl"))[0].rule
    assert [routing.finish_ms(default, severity) for severity in (1, 4)] == [60_000, 240_000]
    assert routing.finish_ms(own, 1) == 420_000


def test_the_version_changes_with_the_bytes(tools):
    """Any change of the file is another version."""
    content = FILE.read_bytes()
    one = Routing.parse(content, tools.facts.categories)
    two = Routing.parse(content + b"# changed\n", tools.facts.categories)
    assert one.version != two.version
    assert one.version == tools.facts.routing.version


def test_no_yaml_is_an_error_with_a_sentence(tools):
    """Neither a parser's trace nor a half-read tree."""
    with pytest.raises(RoutingError, match=r"line [0-9]+: "):
        Routing.parse(b"route: [", tools.facts.categories)


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("420200", "city"),
        ("420202", "district"),
        ("420202005", "street"),
        ("420202005001", "community"),
        ("420202005001001", "grid"),
    ],
)
def test_levels_by_digits(code, level):
    """Canonical codes say their level."""
    assert level_of(code) == level


def test_a_matcher_without_severity_asks_for_none():
    """None is no matcher, not an empty one."""
    assert MatchFile().severities() is None
