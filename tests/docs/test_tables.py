"""docs/settings.md, topics.md, commands.md and reasons.md say what the code does."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gridhub.streams.cli import COMMANDS, gridhub
from gridhub.streams.records import Reason
from gridhub.streams.settings import Settings
from gridhub.streams.topics import HUB_TOPICS

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))  # a script, not a package: nobody installs it

import make_tables  # noqa: E402 - importable only from here on


def text_of(name: str) -> str:
    """A page of docs/."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def every_command() -> list[tuple[str, ...]]:
    """The words of each command and subcommand after `gridhub`."""
    context = click.Context(gridhub)
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = gridhub.get_command(context, name)
        assert command is not None
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.list_commands(context)]
    return found


EVERY = every_command()


@pytest.mark.parametrize("name", make_tables.PAGES)
def test_pages_are_as_the_code_writes_them(name: str) -> None:
    """Writing the page anew changes nothing; after a change of the code run `make docs`."""
    assert make_tables.renewed(name) == text_of(name)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_has_a_row_with_a_meaning(name: str) -> None:
    """Each setting is on its page, and says what it means in a sentence or less."""
    (row,) = [line for line in text_of("settings.md").splitlines() if line.startswith(f"| `GRIDHUB_{name.upper()}`")]
    assert len(row.rsplit("|", 2)[1].strip()) > 10


def test_no_page_names_a_setting_that_does_not_exist() -> None:
    """Whatever looks like a setting in README.md or docs/ is one, or a variable of the tests or the compose file."""
    known = {f"GRIDHUB_{name.upper()}" for name in Settings.model_fields} | {"GRIDHUB_TEST_APICURIO"}
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        named = set(re.findall(r"\bGRIDHUB_[A-Z0-9_]*[A-Z0-9]\b", page.read_text(encoding="utf-8")))
        assert named - known == set(), page.name


@pytest.mark.parametrize("topic", HUB_TOPICS, ids=lambda topic: topic.name)
def test_a_topic_has_a_row(topic: object) -> None:
    """Each of the hub's own topics is on the page."""
    assert f"| `{topic.name}` | {topic.key} |" in text_of("topics.md")  # type: ignore[attr-defined]


def test_every_reason_has_a_row_and_no_row_is_left_over() -> None:
    """docs/reasons.md has one row per Reason, each with its meaning and what the publisher should do."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (.+?) \| (.+?) \| (.+?) \|$", text_of("reasons.md"), flags=re.MULTILINE)
    assert sorted(name for name, *_ in rows) == sorted(reason.value for reason in Reason)
    assert [cells for _, *cells in rows if min(map(len, cells[1:])) < 5] == []


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_a_command_has_a_section_help_and_an_example(words: tuple[str, ...]) -> None:
    """`--help` of each command ends well, shows an example of itself, and the page has a section with it."""
    answer = CliRunner().invoke(gridhub, [*words, "--help"], prog_name="gridhub")
    assert answer.exit_code == 0, answer.output
    assert "Example:" in answer.output
    assert f"gridhub {words[0]}" in " ".join(answer.output.partition("Example:")[2].split())
    assert re.search(rf"^###? gridhub {' '.join(words)}\b", text_of("commands.md"), flags=re.MULTILINE)


def test_the_commands_of_the_page_are_those_of_the_table() -> None:
    """No section speaks of a command that is gone."""
    sections = re.findall(r"^## gridhub ([a-z0-9]+)", text_of("commands.md"), flags=re.MULTILINE)
    assert sections == list(COMMANDS)


def test_lost_marks_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without its marks a page is refused instead of being written over."""
    monkeypatch.setattr(make_tables, "DOCS", tmp_path)
    (tmp_path / "settings.md").write_text("no marks")
    with pytest.raises(ValueError, match="marks"):
        make_tables.renewed("settings.md")
