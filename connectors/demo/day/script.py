"""day.yaml: who does what at which time, and every record that must come of it. Checked as a whole when it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gridhub.streams.files import read_bounded
from gridhub.streams.moments import CHINA
from gridhub.streams.strictyaml import strict_yaml

_MOST_BYTES = 1 << 20
_FORM = "%Y-%m-%d %H:%M"


class ScriptError(ValueError):
    """The script cannot be played; the message says where it is wrong."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Event(_Part):
    """A department tells something: one of its example records, changed. `names` is what the incident is called here."""

    department: str
    like: str
    change: dict[str, Any] = {}
    names: str = Field("", pattern=r"^([a-z][a-z0-9-]*)?$")


class Report(_Part):
    """Somebody reports on a task (TaskStatus)."""

    task: str
    stage: str
    actor: str
    note: str = ""
    cause: str = ""
    until: str | None = None
    at: str | None = None  # when it was done; unset: now


class Command(_Part):
    """Somebody decides (Command)."""

    kind: str
    incident: str
    actor: str
    reason: str
    task: str = ""
    event: str = ""
    other: str = ""
    recipient: str = ""
    cause: str = ""
    until: str | None = None


class Quiet(_Part):
    """A silence that somebody has published before the day."""

    id: str
    matchers: list[str]
    begins: str
    ends: str
    author: str
    comment: str


class Rules(_Part):
    """What operators have published on hub.config before the day: changed routes by their name, and silences."""

    routes: dict[str, dict[str, Any]] = {}
    silences: list[Quiet] = []


class Step(_Part):
    """One moment of the day. `before`: what falls due until then; `then`: what comes of what somebody does then."""

    at: str
    tells: str
    event: Event | None = None
    report: Report | None = None
    command: Command | None = None
    before: str = ""
    then: str = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        deeds = [name for name in ("event", "report", "command") if getattr(self, name) is not None]
        if len(deeds) > 1:
            raise ValueError(f"one thing at a time, not {' and '.join(deeds)}")
        if self.then and not deeds:
            raise ValueError("nobody does anything: what falls due stands under `before`")
        return self


class Script(_Part):
    """The whole day."""

    year: int = Field(ge=1992, le=2100)
    about: str
    timezone: Literal["Asia/Shanghai"]
    rules: Rules = Rules()
    steps: list[Step]

    @model_validator(mode="after")
    def _order(self) -> Self:
        times = [self.ms(step.at) for step in self.steps]
        for before, after, step in zip(times, times[1:], self.steps[1:], strict=False):
            if after < before:
                raise ValueError(f"{step.at}: the clock never goes backwards")
        return self

    def ms(self, told: str) -> int:
        """A time of the script (`09-30 08:40`, Beijing) in ms since 1970; ValueError when it is none."""
        return int(datetime.strptime(f"{self.year}-{told}", _FORM).replace(tzinfo=CHINA).timestamp() * 1000)

    def expected(self) -> Iterator[str]:
        """Every line of the timeline, in order."""
        for step in self.steps:
            yield from lines_of(step.before)
            yield from lines_of(step.then)


def lines_of(block: str) -> list[str]:
    """The lines of one block."""
    return [line.strip() for line in block.splitlines() if line.strip()]


def bundled() -> Traversable:
    """The script that comes with the hub."""
    return files("gridhub.connectors.demo") / "day.yaml"


def load(place: Traversable | None = None) -> Script:
    """The checked script (None: the bundled one); ScriptError names what is wrong."""
    source = place or bundled()
    try:
        return Script.model_validate(strict_yaml(read_bounded(source, _MOST_BYTES), source.name))
    except ValidationError as error:
        raise ScriptError("\n".join(_sentence(source.name, one) for one in error.errors())) from error
    except ValueError as error:
        raise ScriptError(str(error)) from error


def _sentence(name: str, problem: Any) -> str:
    return f"{name}: {'.'.join(map(str, problem['loc'])) or 'it'}: {problem['msg']}."


def changed(example: Traversable, change: dict[str, Any]) -> dict[str, Any]:
    """An example's record with these fields (`place.code`) set to other values; ScriptError for a field it has not."""
    record: dict[str, Any] = json.loads(example.read_text("utf-8"))["record"]
    for path, value in change.items():
        *way, last = path.split(".")
        node: Any = record
        for part in way:
            node = node[int(part)] if isinstance(node, list) else node.get(part)
        if not isinstance(node, dict) or (last not in node and "." in path):
            raise ScriptError(f"{example.name} has no field {path}.")
        node[last] = value
    return record
