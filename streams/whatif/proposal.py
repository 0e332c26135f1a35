"""The two cities that a what-if compares: as it is in force, and the same with the proposed files in their places."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.city import City, CityError
from gridhub.streams.standing import Standing, settled

INBOUND = ("admissions.yaml", "categories.csv", "departments", "grids", "gazetteer")
"""Files whose change may change what is admitted, or where it lies: a replay begins with the departments' own topics."""
Message = tuple[str, bytes, bytes | None]
"""Topic, key and value of standing data."""


class ProposalError(Exception):
    """The proposed files cannot be used; the message says why."""


@dataclass(frozen=True)
class Proposal:
    """Both cities, the names of the files that differ, and what operators published that is not in force."""

    live: City
    proposed: City
    names: tuple[str, ...]
    not_in_force: tuple[str, ...] = ()

    @property
    def inbound(self) -> bool:
        """Whether the departments' topics must be taken, not only what was located."""
        return any(name in INBOUND for name in self.names)


def propose(folder: Path | None, new: Path, published: Sequence[Message], now_ms: int) -> Proposal:
    """The city of `folder` (None: the bundled one) with what was published on top, and the same with `new`.

    `new` is a folder laid out like the bundled config/, holding only what is to change, or one file of it. A published
    rule file of a name that `new` has gives way to it; approvals and silences stay on top. CityError, ProposalError.
    """
    offered = _offered(new)
    live, told = _with(_load(folder), published, now_ms)
    with tempfile.TemporaryDirectory(prefix="gridhub-whatif-") as work:
        laid = _overlaid(Path(work), folder, offered)
        start = _load(laid)
        if "grids" not in offered:
            start = replace(start, catalogue=live.catalogue)
        kept = [message for message in published if not _replaced(message, offered)]
        proposed, _ = _with(start, kept, now_ms)
    return Proposal(live, proposed, tuple(sorted(offered)), told)


def known_names() -> list[str]:
    """The names of files and folders that a proposal may hold."""
    return sorted({path.name for path in files("gridhub.config").iterdir() if _is_data(path.name)} | {"departments"})


def _is_data(name: str) -> bool:
    return not name.startswith(("_", ".")) and not name.endswith(".py")


def _offered(new: Path) -> dict[str, Path]:
    """The files and folders of the proposal by the name they have in the city's folder."""
    names = known_names()
    if new.is_file():
        found = next((name for name in names if _fits(new.name, name)), None)
        if found is None:
            raise ProposalError(f"{new.name} is named like none of the city's files: {', '.join(names)}.")
        return {found: new}
    offered = {path.name: path for path in new.iterdir() if _is_data(path.name)} if new.is_dir() else {}
    if not offered:
        raise ProposalError(f"{new} holds none of the city's files: {', '.join(names)}.")
    if wrong := sorted(set(offered) - set(names)):
        raise ProposalError(f"{new} holds {wrong[0]}, which is none of the city's files: {', '.join(names)}.")
    return offered


def _fits(given: str, name: str) -> bool:
    """routing.yaml, routing-new.yaml and routing.2.yaml are all a proposed routing.yaml."""
    stem, _, kind = name.rpartition(".")
    return bool(stem) and given.startswith(stem) and given.endswith(f".{kind}")


def _overlaid(work: Path, folder: Path | None, offered: dict[str, Path]) -> Path:
    """A folder of links: the proposed files, and beside them those of the city."""
    for name, path in offered.items():
        (work / name).symlink_to(path.resolve())
    for path in folder.iterdir() if folder is not None else ():
        if path.name not in offered:
            (work / path.name).symlink_to(path.resolve())
    return work


def _load(folder: Path | None) -> City:
    return city_data.load(folder)


def _replaced(message: Message, offered: Iterable[str]) -> bool:
    """Whether this is a published rule file in whose place the proposal has one."""
    topic, key, _ = message
    item = key.decode("utf-8", "replace").partition("/")[0]
    return topic == topics.CONFIG.name and any(item in {name, name.partition(".")[0]} for name in offered)


def _with(start: City, published: Sequence[Message], now_ms: int) -> tuple[City, tuple[str, ...]]:
    """The city with what was published; and what of it is not in force, a sentence each."""
    standing = Standing(start)
    told = settled(standing, published, now_ms)
    return standing.city, tuple(f"{one.topic} {one.item}: {one.detail}" for one in told if not one.applied)


__all__ = ["CityError", "Proposal", "ProposalError", "known_names", "propose"]
