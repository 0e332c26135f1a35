"""Silences: what may be silenced, how broad it may be, who must agree, and what the command line makes of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from gridhub.streams import city as city_data
from gridhub.streams import config_store, silences_cli
from gridhub.streams.config_store import Item
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.routing_matchers import parse
from gridhub.streams.silences import Approval, Expiry, Hidden, Silence, SilenceError, check
from gridhub.streams.silences_cli import silence
from gridhub.streams.silences_preview import Preview, counted
from gridhub.streams.standing import Standing, settled
from gridhub.streams.standing_silences import silence_key

NOW_MS = 1_795_420_800_000  # 2026-11-23
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NARROW = ['category="noise"', 'community="420205003001"']


@pytest.fixture(scope="module")
def city(small_grids):
    """The city with the grids of one district."""
    return replace(city_data.load(), catalogue=Catalogue.load(small_grids))


def made(*matchers, hidden=0, **changes):
    """A silence of two hours."""
    said = {
        "id": "s-1", "matchers": list(matchers or NARROW), "starts_at": NOW_MS, "ends_at": NOW_MS + 2 * HOUR_MS,
        "author": "Zhang", "comment": "施工", "created_at": NOW_MS,
        "would_hide": Hidden(hours=24, incidents=hidden, tasks=hidden),
    }  # fmt: skip
    return Silence(**said | changes)


def approval(one, by="li", **changes):
    """A second person's word."""
    said = {"silence": one.id, "digest": one.digest, "approved_by": by, "comment": "同意", "at": NOW_MS}
    return Approval(**said | changes)


def message(record, word=""):
    """The record on hub.config."""
    name = getattr(record, "id", None) or record.silence
    return ("hub.config", silence_key(name, word), record.model_dump_json().encode())


def standing_with(city, *messages):
    """Standing data after these messages, and what became of them."""
    standing = Standing(city)
    return standing, settled(standing, messages, NOW_MS)


def test_a_narrow_silence_is_in_force_at_once(city):
    """One category in one community: nobody else is asked."""
    standing, (told,) = standing_with(city, message(made()))
    assert told.applied
    assert told.detail == "in force, by Zhang: 施工"
    assert [one.id for one in standing.city.silences.silences] == ["s-1"]
    assert standing.city.rules["routing"] == city.rules["routing"]


@pytest.mark.parametrize(
    ("matchers", "hidden", "reason"),
    [
        (['category="noise"'], 0, "reaches 100% of the city (limit 10%)"),
        (['category="noise"', 'district="420205"'], 0, "of the city"),
        (['grid="420205003001001"'], 0, "reaches 100% of the categories (limit 10%)"),
        (['grid="420205003001001"', 'category!="noise"'], 0, "of the categories"),
        (NARROW, 51, "would have hidden 51 incidents (limit 50)"),
    ],
)
def test_a_broad_silence_waits_for_a_second_person(city, matchers, hidden, reason):
    """By the share of the city, of the categories, or by what it would have hidden; then it counts as it is."""
    one = made(*matchers, hidden=hidden)
    standing, (told,) = standing_with(city, message(one))
    assert "pending" in told.detail
    assert reason in told.detail
    assert not standing.city.silences.any
    assert list(standing.city.silences.waiting) == ["s-1"]
    told = settled(standing, [message(approval(one), "approved")], NOW_MS)
    assert [item.applied for item in told] == [True]
    assert standing.city.silences.any


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"by": " ZHANG "}, "wrote this silence; another person approves it"),
        ({"by": "Ｚhang"}, "wrote this silence"),
        ({"digest": "00"}, "for another text of this silence"),
    ],
)
def test_nobody_approves_the_own_silence_or_another_text(city, changes, said):
    """Whatever case or width a name is written in; workers judge it, whoever published."""
    one = made('category="noise"')
    standing, told = standing_with(city, message(one), message(approval(one, **changes), "approved"))
    assert not standing.city.silences.any
    refused = next(item for item in told if item.item.endswith("approved"))
    assert not refused.applied
    assert said in refused.detail


def test_what_was_approved_cannot_be_changed_later(city):
    """A silence that is written anew under its id is pending again."""
    one = made('category="noise"')
    other = made('category=~"noise|dispute"')
    standing, _ = standing_with(city, message(one), message(approval(one), "approved"), message(other))
    assert not standing.city.silences.any


def test_an_end_needs_nobody_else(city):
    """An expiry counts from the next batch on."""
    standing, _ = standing_with(city, message(made()))
    word = Expiry(silence="s-1", expired_by="Zhang", comment="完工", at=NOW_MS + 1)
    settled(standing, [message(word, "expired")], NOW_MS)
    assert not standing.city.silences.any


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"matchers": ['category="fire"']}, "fire may cost lives: it is never silenced"),
        ({"matchers": ['category=~"fire|gas_leak"']}, "may cost lives"),
        ({"matchers": ['life_safety="true"']}, "may cost lives"),
        ({"matchers": ['category="fires"']}, "no such category: fires"),
        ({"matchers": ['category="noise"', 'matter_group="water"']}, "no category fits"),
        ({"matchers": ["hour>=22", *NARROW]}, "belongs into routing.yaml"),
        ({"ends_at": NOW_MS + 8 * DAY_MS}, "lasts at most 7 days"),
    ],
)
def test_what_no_approval_can_heal_is_refused(city, changes, said):
    """Before publishing, and by workers."""
    one = made(**changes)
    with pytest.raises(SilenceError, match=said):
        check(one, city.categories, city.routing.silence_limits)
    standing, told = standing_with(city, message(one), message(approval(one), "approved"))
    assert not standing.city.silences.any
    assert not told[0].applied
    assert said in told[0].detail


@pytest.mark.parametrize(
    "content",
    [
        b"{}", b"[", b"\xff", json.dumps({"id": "s-1"}).encode(),
        made().model_dump_json().replace('"s-1"', '"s-2"').encode(),
        made().model_dump_json().replace(str(NOW_MS + 2 * HOUR_MS), "1").encode(),
        made().model_dump_json().replace('"author":"Zhang"', '"author":""').encode(),
    ],
)  # fmt: skip
def test_strange_items_silence_nothing(city, content):
    """Without an end, an author or an id of its own there is no silence, and the city stays as it was."""
    standing, (told,) = standing_with(city, ("hub.config", b"silence/s-1", content))
    assert not told.applied
    assert not standing.city.silences.any


def test_a_silence_holds_from_its_begin_to_its_end(city):
    """Begin in, end out."""
    standing, _ = standing_with(city, message(made()))
    row = {"category": "noise", "severity": 4, "sources": ["x"], "status": "actual", "grid_ids": ["420205003001001"]}
    labels = [city.routing.labels(row, "noise", NOW_MS)]
    moments = (NOW_MS - 1, NOW_MS, NOW_MS + 2 * HOUR_MS - 1, NOW_MS + 2 * HOUR_MS)
    found = [standing.city.silences.hiding(labels, at) for at in moments]
    assert found == [None, "s-1", "s-1", None]


def incident(name, at=NOW_MS, **changes):
    """As much of a published incident as the preview reads."""
    row = {
        "incident_id": name, "opened_at": at, "category": "noise", "severity": 4, "sources": ["x"], "status": "actual",
        "grid_ids": ["420205003001001"], "parent_id": None,
    }  # fmt: skip
    return row | changes


def test_the_preview_counts_what_would_have_been_hidden(city):
    """Each incident once, as it opened; what may cost lives beside it; tasks of what was hidden."""
    incidents = [
        incident("a"),
        incident("a", severity=1),
        incident("b", NOW_MS + 1),
        incident("c", NOW_MS - 1),
        incident("d", category="fire"),
        incident("e", grid_ids=["420202005001001"]),
    ]
    tasks = [{"task_id": f"{name}-{number}", "incident_id": name} for name in "abde" for number in (1, 2)]
    asked = [parse("severity>=3"), parse('district="420205"')]
    found = counted(asked, city, 24, incidents, tasks + tasks, NOW_MS)
    assert found == Preview(24, seen=4, incidents=2, tasks=4, life_safety=1, examples=("b", "a"))


@pytest.fixture
def run(city, monkeypatch):
    """Call `gridhub silence` with these words, on a topic in memory; the preview finds three incidents."""
    items: dict[bytes, Item] = {}

    def send(_settings, topic, messages):
        for key, value in messages:
            items.pop(key, None)
            items[key] = Item(topic, key, value, NOW_MS)

    def read(_bootstrap, topic):
        return [item for item in items.values() if item.topic == topic]

    monkeypatch.setattr(city_data, "load", lambda _folder: city)
    monkeypatch.setattr(config_store, "read_items", read)
    monkeypatch.setattr(silences_cli, "send", send)
    monkeypatch.setattr(silences_cli, "_now", lambda: NOW_MS)
    monkeypatch.setattr(silences_cli, "_previewed", lambda *_: Preview(24, 40, 3, 9, 1, ("i-1",)))
    return lambda *words: CliRunner().invoke(silence, list(words))


WHO = ("--actor", "zhang", "--comment", "施工")


def test_preview_and_add_print_what_is_hidden_and_how_broad_it_is(run):
    """One line: the preview, the breadth, why a second person must agree, and the state."""
    done = run("preview", 'category="noise"')
    assert done.exit_code == 0
    line = json.loads(done.stdout)
    assert line["preview"] == {
        "hours": 24, "seen": 40, "incidents": 3, "tasks": 9, "life_safety": 1, "examples": ["i-1"],
    }  # fmt: skip
    assert line["needs_approval"] == ["reaches 100% of the city (limit 10%)"]
    done = run("add", *NARROW, "--for", "2h", "--id", "s-1", *WHO)
    assert (done.exit_code, json.loads(done.stdout)["state"]) == (0, "active")
    assert run("add", *NARROW, "--for", "2h", "--id", "s-1", *WHO).exit_code == 2


def test_a_broad_one_goes_from_pending_to_active_to_expired(run):
    """Its author cannot approve it; another person can; anybody may end it; the list tells all of it."""
    done = run("add", 'category="noise"', "--for", "1d", "--id", "s-9", *WHO)
    assert json.loads(done.stdout)["state"] == "pending"
    own = run("approve", "s-9", *WHO)
    assert (own.exit_code, own.stdout) == (1, "")
    assert "another person approves it" in own.stderr
    done = run("approve", "s-9", "--actor", "li", "--comment", "同意")
    assert (done.exit_code, json.loads(done.stdout)["state"]) == (0, "active")
    listed = json.loads(run("list").stdout)
    assert (listed["id"], listed["state"], listed["ends"]) == ("s-9", "active", "2026-11-24T16:00:00+08:00")
    done = run("expire", "s-9", "--actor", "wang", "--comment", "完工")
    assert json.loads(done.stdout)["state"] == "expired"
    assert run("list").stdout == ""
    assert json.loads(run("list", "--all").stdout)["detail"] == "expired by wang"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", *NARROW, *WHO), "A silence has an end"),
        (("add", *NARROW, "--for", "2h", "--until", "2026-12-01", *WHO), "A silence has an end"),
        (("add", *NARROW, "--for", "8d", *WHO), "lasts at most 7 days"),
        (("add", *NARROW, "--until", "2026-11-01", *WHO), "in the past"),
        (("add", 'category="fire"', "--for", "2h", *WHO), "may cost lives"),
        (("add", "noise", "--for", "2h", *WHO), "is no matcher"),
        (("add", *NARROW, "--for", "2h", "--id", "A B", *WHO), "id:"),
        (("add", *NARROW, "--for", "2h", "--actor", "zhang"), "--comment"),
        (("add", "--for", "2h", *WHO), "MATCHERS"),
        (("approve", "s-404", *WHO), "There is no silence s-404"),
    ],
)
def test_wrong_use_ends_with_a_sentence(run, words, said):
    """Exit 2, and nothing is published."""
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert run("list", "--all").stdout == ""
