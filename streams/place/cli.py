"""`gridhub locate`: places from standard input, answers to standard output, one JSON object a line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
import orjson

from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.place.locate import locate_line

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_LINE_BYTES = 65_536


@click.command("locate")
@click.option(
    "--grids",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of another catalogue in the form of config/grids.",
)
def locate(grids: Path | None) -> None:
    """Find the grid, community, street, district or city of each place given on standard input.

    One JSON object a line: {"address"} and/or {"lon","lat","crs"} and/or {"code","system"}. One answer a line. What is
    not found or ambiguous has no code, but a problem and candidates.

    Example: echo '{"address":"黄石市黄石港区桂花湾社区"}' | gridhub locate
    """
    catalogue = Catalogue.load(grids)
    for line in _lines(click.get_binary_stream("stdin")):
        click.echo(orjson.dumps(answer(catalogue, line)))


def answer(catalogue: Catalogue, line: bytes) -> dict[str, Any]:
    """The answer to one line; a line that is no JSON object gets an answer with the problem `not_a_json_object`."""
    try:
        request = orjson.loads(line) if len(line) <= _MOST_LINE_BYTES else None
    except orjson.JSONDecodeError:
        request = None
    if not isinstance(request, dict):
        return {"method": None, "confidence": 0.0, "candidates": [], "problem": "not_a_json_object"}
    return locate_line(catalogue, request)


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """The lines of a stream that are not blank; of an overlong line only its too long beginning is kept."""
    while line := source.readline(_MOST_LINE_BYTES + 1):
        end = line
        while end and not end.endswith(b"\n") and len(end) > _MOST_LINE_BYTES:
            end = source.readline(_MOST_LINE_BYTES + 1)
        if line.strip():
            yield line
