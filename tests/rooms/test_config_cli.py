"""`gridhub config`: what is judged, published, refused and told, on topics in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gridhub.streams import city as city_data
from gridhub.streams import config_cli, config_store
from gridhub.streams.config_cli import config
from gridhub.streams.config_store import Item
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.standing import Standing, settled
from gridhub.streams.standing_files import Envelope, digest, grows

CONFIG = Path(__file__).parents[2] / "config"
WHO = ("--author", "网格中心 李", "--comment", "政发12号")
NOW_MS = 1_795_420_800_000


@pytest.fixture(scope="module")
def city(small_grids):
    """The city with the grids of one district."""
    return replace(city_data.load(), catalogue=Catalogue.load(small_grids))


@pytest.fixture
def topic():
    """The items of the two topics, as Kafka would keep them."""
    return {}


@pytest.fixture
def run(city, topic, monkeypatch):
    """Call `gridhub config` with these words."""

    def send(_settings, name, messages):
        for key, value in messages:
            topic.pop(key, None)
            topic[key] = Item(name, key, value, NOW_MS)

    monkeypatch.setattr(city_data, "load", lambda _folder: city)
    monkeypatch.setattr(
        config_store, "read_items", lambda _, name: [one for one in topic.values() if one.topic == name]
    )
    monkeypatch.setattr(config_cli, "send", send)
    return lambda *words: CliRunner().invoke(config, [str(word) for word in words])


@pytest.fixture
def write(tmp_path):
    """A rule file of the bundled one with something replaced."""

    def make(name, *pairs):
        text = (CONFIG / name).read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        target = tmp_path / name
        target.write_text(text, encoding="utf-8")
        return target

    return make


LATER = ('version: "2026-11"', 'version: "2026-12"')


def test_check_judges_files_together(run, write):
    """The version and digest of each; a matcher may name a category that the other file brings."""
    categories = write(
        "categories.csv", ("illegal_building,私", "dog,狗,Dog,matter,X0999,dog,50,3600,0,4\nillegal_building,私")
    )
    routing = write("routing.yaml", ("category: [dispute, noise]", "category: [dispute, noise, dog]"))
    done = run("check", categories, routing)
    assert done.exit_code == 0
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == ["categories.csv", "routing.yaml"]
    assert run("check", routing).exit_code == 1


@pytest.mark.parametrize(
    ("name", "pair", "said"),
    [
        ("routing.yaml", ("[fire, gas_leak]", "[fire, gas]"), "no such category: gas."),
        ("routing.yaml", ("max_fanout: 60", "max_fanout: 0"), "max_fanout: Input should be greater"),
        ("matching.yaml", ("merge: 0.66", "merge: 2"), "merge"),
        ("admissions.yaml", ("department: power", "department: powers"), "there is no department powers"),
    ],
)
def test_a_wrong_file_is_named_by_line_and_not_published(run, write, topic, name, pair, said):
    """Exit 1, a sentence on stderr, nothing on stdout, nothing on the topic."""
    path = write(name, pair)
    for words in (("check", path), ("publish", path, *WHO)):
        done = run(*words)
        assert (done.exit_code, done.stdout) == (1, "")
        assert said in done.stderr
    assert topic == {}


def test_publish_puts_a_later_version_in_force(run, write, topic):
    """Number, version, author, comment and digest; history and show tell the same."""
    path = write("routing.yaml", LATER)
    done = run("publish", path, *WHO)
    assert done.exit_code == 0
    line = json.loads(done.stdout)
    assert line["item"].startswith("routing.yaml/000001-")
    assert {name: line[name] for name in ("number", "version", "author", "comment", "in_force", "previous")} == {
        "number": 1, "version": "2026-12", "author": "网格中心 李", "comment": "政发12号", "in_force": True, "previous": "",
    }  # fmt: skip
    assert line["detail"] == "version 2026-12 in force, by 网格中心 李: 政发12号"
    assert json.loads(run("history").stdout) == line
    assert run("show", "routing.yaml").stdout == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("version", ["2026-11", "2026-9", "2026"])
def test_a_version_that_does_not_grow_is_refused(run, write, topic, version):
    """Before publishing, with both versions."""
    done = run("publish", write("routing.yaml", ('version: "2026-11"', f'version: "{version}"')), *WHO)
    assert (done.exit_code, done.stdout, topic) == (1, "", {})
    assert f"version '{version}' is not later than '2026-11', which is in force" in done.stderr


def test_each_version_names_the_one_before(run, write, topic):
    """A chain of digests, numbers from 1; the newest is shown, an older one by its number."""
    first = write("routing.yaml", LATER).read_text(encoding="utf-8")
    run("publish", write("routing.yaml", LATER), *WHO)
    run("publish", write("routing.yaml", ('version: "2026-11"', 'version: "2026-12.1"')), *WHO)
    one, two = (json.loads(line) for line in run("history", "routing.yaml").stdout.splitlines())
    assert (one["number"], two["number"], two["previous"]) == (1, 2, one["sha256"])
    assert "2026-12.1" in run("show", "routing.yaml").stdout
    assert run("show", "routing.yaml", "--number", 1).stdout == first
    assert run("show", "routing.yaml", "--number", 3).exit_code == 2


def envelope(content, number=1, previous="", version="2026-12", **changes):
    """An envelope of the routing file, as anybody could write it."""
    said = {
        "file": "routing.yaml", "number": number, "version": version, "author": "a", "comment": "c",
        "published_at": 1, "previous": previous, "sha256": digest(content.encode()), "content": content,
    }  # fmt: skip
    return Envelope(**said | changes)


def told_of(city, *envelopes):
    """What workers say of these messages, one after the other."""
    messages = [("hub.config", one.key, one.model_dump_json().encode()) for one in envelopes]
    return settled(Standing(city), messages, NOW_MS)


def test_of_two_that_publish_at_once_the_second_is_refused(city):
    """Both stay in the history; the workers take the first, and tell why not the other."""
    text = (CONFIG / "routing.yaml").read_text(encoding="utf-8").replace(*LATER)
    one, two = envelope(text), envelope(text + "# other\n", version="2026-12")
    told = told_of(city, one, two)
    assert [item.applied for item in told] == [True, False]
    assert "number 1 does not follow 1" in told[1].detail


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"previous": "0" * 64}, "somebody published number 1 meanwhile"),
        ({"version": "2026-13"}, "its envelope says version 2026-13"),
        ({"content": "x: 1"}, "not that of its sha256"),
        ({"author": ""}, "author"),
    ],
)
def test_workers_refuse_what_was_published_by_hand_and_does_not_fit(city, changes, said):
    """Whoever writes to the topic, the version in force stays."""
    text = (CONFIG / "routing.yaml").read_text(encoding="utf-8").replace(*LATER)
    one = envelope(text)
    right = envelope(text.replace("2026-12", "2026-12.1"), 2, one.sha256, "2026-12.1")
    messages = [
        ("hub.config", one.key, one.model_dump_json().encode()),
        (
            "hub.config",
            right.key,
            json.dumps(right.model_dump() | changes, ensure_ascii=False).replace('": ', '":', 1).encode(),
        ),
    ]
    standing = Standing(city)
    told = settled(standing, messages, NOW_MS)
    assert [item.applied for item in told] == [True, False]
    assert said in told[1].detail
    assert standing.city.routing.file_version == "2026-12"


def test_admissions_are_published_rule_by_rule(run, write, topic, city):
    """Those that are new or changed; the others stay as they are."""
    rule = next(iter(city.admissions))
    path = write("admissions.yaml", (f"legal_basis: {rule.legal_basis}", "legal_basis: 新依据"))
    done = run("publish", path, *WHO)
    assert done.exit_code == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert rule.id in {line["item"] for line in lines}
    assert all(line["in_force"] and "新依据" in line["detail"] for line in lines)
    assert {item.topic for item in topic.values()} == {"hub.admissions"}
    assert len(topic) < len(city.admissions.rules)


def test_a_file_of_another_name_is_wrong_use(run, tmp_path):
    """Exit 2, and which files there are."""
    other = tmp_path / "other.yaml"
    other.write_text("x: 1")
    done = run("check", other)
    assert done.exit_code == 2
    assert "there are categories.csv, matching.yaml, routing.yaml" in done.stderr


@pytest.mark.parametrize(
    ("before", "after", "later"),
    [
        ("2026-11", "2026-12", True),
        ("2026-9", "2026-10", True),
        ("2026-12", "2026-12.1", True),
        ("2026-12", "2026-12", False),
        ("2026-12.10", "2026-12.9", False),
        ("", "1", True),
    ],
)
def test_versions_grow_by_their_numbers(before, after, later):
    """Numbers in a version count as numbers."""
    assert grows(before, after) is later
