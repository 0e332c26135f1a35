"""Writes the parts of docs/ that the code already knows: `make docs`, or `python docs/make_tables.py`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gridhub.connectors.sinks import asyncapi
from gridhub.connectors.sources.departments import Departments
from gridhub.streams.cli import COMMANDS, gridhub
from gridhub.streams.clocks import KINDS as CLOCKS
from gridhub.streams.clocks import bundled
from gridhub.streams.place.findings import KINDS
from gridhub.streams.rooms import stages
from gridhub.streams.settings import Settings
from gridhub.streams.topics import DAY_MS, HUB_TOPICS, Topic, department_topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

DOCS = Path(__file__).parent
BEGIN = "<!-- written by docs/make_tables.py -->\n"
END = "<!-- end -->"
SIGNS = {"ge": "≥", "gt": ">", "le": "≤"}


def settings() -> str:
    """One row per setting, in the order of the code."""
    lines = ["| setting | default | limits | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "unset" if field.default in {None, ""} else f"`{field.default}`"
        lines.append(f"| `GRIDHUB_{name.upper()}` | {default} | {_limits(field)} | {field.description} |")
    return "\n".join(lines) + "\n"


def _limits(field: FieldInfo) -> str:
    found = [
        f"{sign} {getattr(one, name)}" for name, sign in SIGNS.items() for one in field.metadata if hasattr(one, name)
    ]
    found += [f"`{pattern}`" for one in field.metadata if (pattern := getattr(one, "pattern", None))]
    found += [", ".join(f"`{word}`" for word in getattr(field.annotation, "__args__", ()) if isinstance(word, str))]
    return ", ".join(filter(None, found))


def topics() -> str:
    """One row per topic: the hub's own, then the departments'."""
    lines = ["| topic | key | records | kept | written by | read by |", "|---|---|---|---|---|---|"]
    own = [department_topic(department.code, department.record) for department in Departments.load()]
    for topic in (*HUB_TOPICS, *own):
        values = ", ".join(f"`{value}`" for value in topic.values) or "bytes"
        lines.append(
            f"| `{topic.name}` | {topic.key} | {values} | {_kept(topic)} | {topic.written_by} | {topic.read_by} |"
        )
    return "\n".join(lines) + "\n"


def _kept(topic: Topic) -> str:
    days = f"{topic.retention_ms // DAY_MS} days" if topic.retention_ms > 0 else "for ever"
    return f"last of each key, {days}" if "compact" in topic.cleanup else days


def commands() -> str:
    """A section per command: what it does, its options, its example."""
    context = click.Context(gridhub, info_name="gridhub")
    sections = []
    for name in COMMANDS:
        command = gridhub.get_command(context, name)
        assert command is not None
        sections.append("\n\n".join(_sections(command, click.Context(command, info_name=name, parent=context))))
    return "\n" + "\n\n".join(sections) + "\n\n"


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    text, example = halves(command)
    level = "##" + "#" * (context.command_path.count(" ") - 1)
    given = [
        piece for piece in command.collect_usage_pieces(context) if "OPTIONS" not in piece and "COMMAND" not in piece
    ]
    yield f"{level} {' '.join((context.command_path, *given))}\n\n{text}"
    options = [one for one in command.params if isinstance(one, click.Option)]
    if options:
        rows = [
            f"| `{', '.join((*one.opts, *one.secondary_opts))}` | {_meaning(one)} | {_default(one)} |"
            for one in options
        ]
        yield "\n".join(["| option | meaning | default |", "|---|---|---|", *rows])
    yield f"```\n{example}\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _sections(inner, click.Context(inner, info_name=name, parent=context))


def _meaning(option: click.Option) -> str:
    choices = option.type.choices if isinstance(option.type, click.Choice) else ()
    return " ".join(filter(None, (option.help, f"One of: {', '.join(map(str, choices))}." if choices else "")))


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    plain = isinstance(option.default, (str, int, float)) and not isinstance(option.default, bool)
    return f"`{option.default}`" if plain else ""


def halves(command: click.Command) -> tuple[str, str]:
    """What a command's help says before its example, in one line a paragraph, and the example."""
    text, _, example = (command.help or "").partition("Example:")
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return "\n\n".join(filter(None, paragraphs)), " ".join(example.split("\n\n")[0].split())


def findings() -> str:
    """One row per kind of finding of `gridhub grids check`."""
    lines = ["| kind | | what is wrong | what to do |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {kind.severity} | {kind.zh}<br>{kind.en} | {kind.do_zh}<br>{kind.do_en} |"
        for name, kind in KINDS.items()
    ]
    return re.sub(r"\{\w+\}", "…", "\n".join(lines)) + "\n"


def tasks() -> str:
    """The machine of a task's stages, and the clocks that come with the hub."""
    lines = [
        "## Stages", "", "| stage | meaning | a report may bring | a command may bring | the hub brings |", "|---|---|---|---|---|",
        *(_stage(name) for name in stages.STAGES_ZH),
        "", "A report of `extended` only asks; the command `approve` brings the stage.",
        "", "## Times", "", "| group | clock | time | minutes, severity 1 / 2 / 3 / 4 | reminder before | next level after |",
        "|---|---|---|---|---|---|", *_clocks(),
        "", "## Reasons of a suspension", "", "| cause | | at most |", "|---|---|---|",
        *(f"| `{name}` | {one.name} | {one.most_days} days |" for name, one in bundled().file.suspend.items()),
    ]  # fmt: skip
    return "\n".join(["", *lines, "", ""])


def _stage(name: str) -> str:
    def following(by: str) -> str:
        steps = [step for step in stages.MACHINE if step.stage == name and step.by == by]
        told = [f"`{step.following}`" + ("" if by == stages.REPORT else f" ({step.word})") for step in steps]
        return ", ".join(told) or "–"

    cells = " | ".join(following(by) for by in (stages.REPORT, stages.COMMAND, stages.HUB))
    return f"| `{name}` {stages.STAGES_ZH[name]} | {stages.MEANING[name]} | {cells} |"


def _clocks() -> Iterator[str]:
    file = bundled().file
    for group, clocks in [("all others", file.stages), *((one.name, one) for one in file.groups)]:
        for kind in CLOCKS:
            one = getattr(clocks, kind)
            cells = [_minutes(value) for value in (one.minutes, one.remind_min, one.escalate_min)]
            if one.model_fields_set:
                yield f"| {group} | {kind} | {one.time or ''} | {' | '.join(cells)} |"


def _minutes(value: object) -> str:
    if isinstance(value, dict):
        return " / ".join(str(minutes) for _, minutes in sorted(value.items()))
    return "" if value is None else str(value)


PAGES = {
    "settings.md": settings, "topics.md": topics, "commands.md": commands, "grids.md": findings, "tasks.md": tasks,
}  # fmt: skip


def renewed(name: str) -> str:
    """The page with its written part as the code is now; ValueError when the page has lost its marks."""
    page = (DOCS / name).read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/{name} has lost the marks around its written part")
    return f"{before}{BEGIN}{PAGES[name]()}{END}{after}"


def asyncapi_examples() -> dict[str, str]:
    """The texts of docs/examples/asyncapi/ by file name: a document of each consumer, of one department for all."""
    departments = Departments.load()
    chosen = [name for name in asyncapi.consumers(departments) if not name.startswith("department/")]
    return {
        f"{name.replace('/', '-')}.json": json.dumps(
            asyncapi.document(name, departments, Settings.model_construct()), ensure_ascii=False, indent=1
        )
        + "\n"
        for name in (*chosen, "department/power")
    }


def main() -> int:
    """Writes every page and says so."""
    for name, text in asyncapi_examples().items():
        (DOCS / "examples" / "asyncapi" / name).write_text(text, encoding="utf-8")
        print(f"wrote docs/examples/asyncapi/{name}")
    for name in PAGES:
        (DOCS / name).write_text(renewed(name), encoding="utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
