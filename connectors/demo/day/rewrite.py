"""Write into day.yaml what the hub in memory makes of its script: `python -m gridhub.connectors.demo.day.rewrite FILE`.

For whoever changes rules or the script. What stands there afterwards is what the hub does, not what is right: read each
changed line before it is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from gridhub.connectors.demo.day import script as scripts
from gridhub.connectors.demo.day.memory import MemoryHub
from gridhub.connectors.demo.day.play import Player
from gridhub.connectors.demo.day.rules import city_by
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data

_STEP, _BLOCKS = "  - at: ", ("    before: |", "    then: |")
_INDENT = " " * 6


def rewritten(text: str, blocks: list[tuple[list[str], list[str]]]) -> str:
    """The script's text with other expected lines: for each step what falls due before it, and what comes of it."""
    head, *steps = _parts(_bare(text.splitlines()))
    lines = head
    for step, found in zip(steps, blocks, strict=True):
        end = len(step)
        while not step[end - 1].strip() or step[end - 1].lstrip().startswith("#"):
            end -= 1
        lines += step[:end]
        for name, rows in zip(_BLOCKS, found, strict=True):
            lines += [name, *(f"{_INDENT}{row}" for row in rows)] if rows else []
        lines += step[end:]
    return "\n".join(lines) + "\n"


def _bare(lines: list[str]) -> Iterator[str]:
    """The lines without the blocks of expected lines."""
    inside = False
    for line in lines:
        inside = line in _BLOCKS or (inside and line.startswith(_INDENT))
        if not inside:
            yield line


def _parts(lines: Iterator[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in lines:
        if line.startswith(_STEP):
            parts.append([])
        parts[-1].append(line)
    return parts


def main(place: Path) -> None:
    """Play the script of this file in memory and write what came into it."""
    script = scripts.load(place)
    city = city_by(script, city_data.load())
    player = Player(script, city.departments, MemoryHub(city, local_codec()))
    place.write_text(rewritten(place.read_text("utf-8"), list(player.rehearse())), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
