"""config/clocks.yaml: what is wrong is named with its line, and never applied; what is right answers by group and severity."""

from __future__ import annotations

from importlib.resources import files

import pytest

from gridhub.streams.clocks import Clocks, ClocksError

MINUTE_MS = 60_000
TEXT = (files("gridhub.config") / "clocks.yaml").read_text(encoding="utf-8")


def parse(tools, text):
    """The clocks of this text, for the real categories."""
    return Clocks.parse(text.encode(), tools.facts.categories)


def line_of(text, word):
    """The number of the first line with this word."""
    return next(number for number, line in enumerate(text.splitlines(), 1) if word in line)


def test_the_bundled_file_answers_by_group_and_severity(tools):
    """A group's own clock, and what it leaves out as everybody has it."""
    clocks = parse(tools, TEXT)
    fire = clocks.times("check", "fire", 1)
    assert (fire.time, fire.limit_ms, fire.remind_ms) == ("natural", 60 * MINUTE_MS, 15 * MINUTE_MS)
    assert clocks.times("check", "noise", 1).time == "work"
    visit = clocks.times("finish", "health_visit", 4)
    assert (visit.time, visit.limit_ms) == ("work", 2730 * MINUTE_MS)
    assert clocks.times("accept", "fire", 2).escalate_ms == 10 * MINUTE_MS
    assert clocks.times("accept", "gone", 2).limit_ms is None


def test_the_version_is_the_files_own_and_a_hash(tools):
    """One byte more is another version."""
    first, second = parse(tools, TEXT).version, parse(tools, TEXT + "\n").version
    assert first.startswith("2026-11+")
    assert first != second


@pytest.mark.parametrize(
    ("before", "after", "word", "said"),
    [
        ("  accept:    {time: natural", "  accept:    {time: lunar", "lunar", "natural"),
        ("arbitrate_after: 3", "arbitrate_after: 0", "arbitrate_after: 0", "greater than or equal to 1"),
        ("arbitrate_after: 3", "arbitrate_afterwards: 3", "arbitrate_afterwards", "Extra inputs"),
        ("extend: {most: 2", "extend: {most: two", "extend: {most: two", "integer"),
        ("  noise: 7", "  nois: 7", "  nois: 7", "no such category: nois"),
        ("  noise: 7", "  fire: 7", "  fire: 7", "fire may cost lives"),
        ("  noise: 7", "  noise: 26", "  noise: 26", "less than or equal to 25"),
        ("[pension_verification, benefit", "[pensions, benefit", "[pensions", "no such matter_group: pensions"),
        ("  - name: visits", "  - name: services", "  - name: services", "Two groups are named services"),
        ("{1: 120, 2: 240, 3: 390, 4: 780}", "{1: 120, 2: 240, 3: 390}", "  check:     {time: work", "each of 1 to 4"),
        ("minutes: 3900, ", "minutes: -1, ", "minutes: -1", "greater than 0"),
        (
            "  weather:    {name: 天气不具备施工条件, most_days: 10}",
            "  weather:    {most_days: 10}",
            "  weather:",
            "name",
        ),
        ("memory_days: 180", "memory_days: 180\nmemory_days: 1", "", "twice"),
    ],
)
def test_each_mistake_is_named_with_its_line(tools, before, after, word, said):
    """What is wrong, and where to look."""
    assert before in TEXT
    text = TEXT.replace(before, after, 1)
    with pytest.raises(ClocksError) as raised:
        parse(tools, text)
    message = str(raised.value)
    assert said in message
    if word:
        number = max(n for n, line in enumerate(text.splitlines(), 1) if word in line)
        assert f"line {number}:" in message


def test_several_mistakes_are_named_at_once(tools):
    """One sentence each."""
    text = TEXT.replace("  noise: 7", "  nois: 7").replace("  dispute: 14", "  fire: 14")
    with pytest.raises(ClocksError) as raised:
        parse(tools, text)
    assert len(str(raised.value).splitlines()) == 2


@pytest.mark.parametrize("text", ["", "[]", "version: 1", "\x00", "a: [", "stages: 3\nversion: x"])
def test_what_is_no_such_file_is_refused(tools, text):
    """A sentence, no stack."""
    with pytest.raises(ClocksError, match=r"clocks\.yaml"):
        parse(tools, text)


def test_a_missing_file_is_refused(tools, tmp_path):
    """Named by its name."""
    with pytest.raises(ClocksError, match=r"clocks\.yaml"):
        Clocks.load(tmp_path / "clocks.yaml", tools.facts.categories)


def test_a_stage_that_all_groups_need_says_all(tools):
    """Without the plain clock's levels a category outside the groups would have none."""
    text = TEXT.replace("  finish:    {time: natural, remind_min", "  finish:    {remind_min", 1)
    with pytest.raises(ClocksError, match="finish wants time") as raised:
        parse(tools, text)
    assert f"line {line_of(text, 'stages:')}:" in str(raised.value)
