"""config/clocks.yaml: how long each stage of a task may take. Checked at load, asked with a category and a severity."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gridhub.streams.files import UnreadableError, read_bounded
from gridhub.streams.strictyaml import strict_yaml_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gridhub.streams.rooms.outbound import Categories
    from gridhub.streams.strictyaml import Lines

MINUTE_MS, DAY_MS = 60_000, 86_400_000
KINDS = ("accept", "finish", "check", "arbitrate")
SEVERITIES = (1, 2, 3, 4)
_MOST_BYTES = 1_048_576
_MOST_REOPEN_DAYS = 25  # an ended incident stays in the state for 30

Minutes = Annotated[int, Field(gt=0, le=525_600)]
Lead = Annotated[int, Field(ge=0, le=525_600)]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class ClocksError(ValueError):
    """clocks.yaml is wrong; the message has one sentence per mistake, each with its line."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StageFile(_Part):
    """The clock of one stage; in a group what is left out is as under `stages`."""

    time: Literal["natural", "work"] | None = None
    minutes: Minutes | dict[int, Minutes] | None = None
    remind_min: Lead | dict[int, Lead] | None = None
    escalate_min: Minutes | dict[int, Minutes] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        for value in (self.minutes, self.remind_min, self.escalate_min):
            if isinstance(value, dict) and set(value) != set(SEVERITIES):
                raise ValueError("minutes by severity want each of 1 to 4")
        return self


class StagesFile(_Part):
    """A clock for each stage that waits for somebody."""

    accept: StageFile
    finish: StageFile
    check: StageFile
    arbitrate: StageFile

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in KINDS:
            stage: StageFile = getattr(self, name)
            needed = {"time", "remind_min", "escalate_min"} | ({"minutes"} if name in {"check", "arbitrate"} else set())
            lacking = sorted(word for word in needed if getattr(stage, word) is None)
            if lacking:
                raise ValueError(f"{name} wants {', '.join(lacking)}: no group need say it")
        return self


class GroupMatch(_Part):
    """Matchers of a group: all of them must fit, each with any of its values."""

    category: list[str] | None = None
    matter_group: list[str] | None = None
    life_safety: bool | None = None


class GroupFile(_Part):
    """Clocks of some categories."""

    name: Word
    match: GroupMatch
    accept: StageFile = StageFile()
    finish: StageFile = StageFile()
    check: StageFile = StageFile()
    arbitrate: StageFile = StageFile()


class SuspensionFile(_Part):
    """A reason for which a clock may rest."""

    name: str = Field(min_length=1, max_length=60)
    most_days: int = Field(ge=1, le=366)


class ExtensionFile(_Part):
    """How often more time is granted, and how much of the first time."""

    most: int = Field(ge=0, le=10)
    share: float = Field(gt=0, le=4)


class ClocksFile(_Part):
    """The whole file."""

    version: str = Field(min_length=1, max_length=40)
    stages: StagesFile
    groups: list[GroupFile] = []
    suspend: dict[Word, SuspensionFile]
    extend: ExtensionFile
    arbitrate_after: int = Field(ge=1, le=20)
    reopen_days: dict[str, Annotated[int, Field(ge=0, le=_MOST_REOPEN_DAYS)]]
    memory_days: int = Field(ge=0, le=3650)


class Times(NamedTuple):
    """One stage's clock for one category and severity, in ms of its time."""

    time: str  # natural | work
    limit_ms: int | None  # None: the route says
    remind_ms: int
    escalate_ms: int


@dataclass(frozen=True)
class Clocks:
    """The checked file. `version` is its own and a hash of its bytes."""

    version: str
    file: ClocksFile = field(repr=False)
    group_of: Mapping[str, GroupFile] = field(repr=False)  # of the categories that have one
    content: bytes = field(repr=False, default=b"")  # the file, for another table of categories
    _asked: dict[tuple[str, str, int], Times] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, path: Path | None, categories: Categories) -> Clocks:
        """The checked file (None: the bundled one); ClocksError names each mistake with its line."""
        source = path if path is not None else files("gridhub.config") / "clocks.yaml"
        try:
            return cls.parse(read_bounded(source, _MOST_BYTES), categories)
        except UnreadableError as error:
            raise ClocksError(str(error)) from error

    @classmethod
    def parse(cls, content: bytes, categories: Categories) -> Clocks:
        """The checked clocks from a file's bytes; ClocksError as `load`."""
        try:
            tree, lines = strict_yaml_lines(content, "clocks.yaml")
        except ValueError as error:
            raise ClocksError(str(error)) from error
        try:
            file = ClocksFile.model_validate(tree)
        except ValidationError as error:
            raise ClocksError("\n".join(_sentence(one, tree, lines) for one in error.errors())) from error
        problems = [f"clocks.yaml line {lines.of(path)}: {text}" for path, text in _problems(file, categories)]
        if problems:
            raise ClocksError("\n".join(problems))
        version = f"{file.version}+{blake2b(content, digest_size=6).hexdigest()}"
        return cls(version, file, _grouped(file, categories), content)

    def times(self, kind: str, category: str, severity: int) -> Times:
        """The clock of a stage; `kind` is of KINDS."""
        asked = kind, category, severity
        found = self._asked.get(asked)
        if found is None:
            found = self._asked[asked] = self._times(kind, category, severity)
        return found

    def _times(self, kind: str, category: str, severity: int) -> Times:
        plain: StageFile = getattr(self.file.stages, kind)
        group = self.group_of.get(category)
        own: StageFile = getattr(group, kind) if group is not None else StageFile()

        def minutes(word: str) -> int | None:
            value = getattr(own, word) if getattr(own, word) is not None else getattr(plain, word)
            found: int | None = value[severity] if isinstance(value, dict) else value
            return None if found is None else found * MINUTE_MS

        time = own.time or plain.time or "natural"
        return Times(time, minutes("minutes"), minutes("remind_min") or 0, minutes("escalate_min") or DAY_MS)

    def reopen_ms(self, category: str) -> int:
        """How long after its close an incident of this category opens again; 0: never."""
        return self.file.reopen_days.get(category, 0) * DAY_MS

    @property
    def memory_ms(self) -> int:
        """How long it is remembered who solved a category at a place."""
        return self.file.memory_days * DAY_MS


@cache
def bundled() -> Clocks:
    """The clocks that come with the hub, for the categories that come with it."""
    from gridhub.streams.categories import Categories  # only where nobody loaded a city

    return Clocks.load(None, Categories.load())


def _grouped(file: ClocksFile, categories: Categories) -> dict[str, GroupFile]:
    found: dict[str, GroupFile] = {}
    for name in categories:
        group = next((group for group in file.groups if _fits(group.match, name, categories)), None)
        if group is not None:
            found[name] = group
    return found


def _fits(match: GroupMatch, name: str, categories: Categories) -> bool:
    row = categories[name]
    return (
        (match.category is None or name in match.category)
        and (match.matter_group is None or row.matter_group in match.matter_group)
        and (match.life_safety is None or bool(row.life_safety) == match.life_safety)
    )


def _sentence(error: Any, tree: Any, lines: Lines) -> str:
    """One mistake as pydantic found it, with its line; a key stands in the tree's lines as it is written."""
    path: tuple[str | int, ...] = ()
    node = tree
    for part in error["loc"]:
        if isinstance(node, list) and isinstance(part, int) and part < len(node):
            path, node = (*path, part), node[part]
        elif isinstance(node, dict) and part in node:
            path, node = (*path, str(part)), node[part]
    return f"clocks.yaml line {lines.of(path)}: {'.'.join(map(str, error['loc'])) or 'the file'}: {error['msg']}."


def _problems(file: ClocksFile, categories: Categories) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What only the city's own tables can tell, with where it stands."""
    groups = {categories[name].matter_group for name in categories}
    names: set[str] = set()
    for place, group in enumerate(file.groups):
        if group.name in names:
            yield ("groups", place, "name"), f"Two groups are named {group.name}."
        names.add(group.name)
        for word, known in (("category", set(categories)), ("matter_group", groups)):
            for value in getattr(group.match, word) or ():
                if value not in known:
                    yield ("groups", place, "match", word), f"Group {group.name}: no such {word}: {value}."
    for name, days in file.reopen_days.items():
        if name not in categories:
            yield ("reopen_days", name), f"no such category: {name}."
        elif days and categories[name].life_safety:
            yield ("reopen_days", name), f"{name} may cost lives: each event of it is a new incident."
