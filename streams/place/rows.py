"""The catalogue's files as rows: where they lie, and how they are read."""

import csv
from importlib.resources import files
from importlib.resources.abc import Traversable

Row = dict[str, str]

_MOST_BYTES = 64 * 1024 * 1024


def grid_folder() -> Traversable:
    """The folder `grids` of the installed package gridhub.config."""
    return files("gridhub.config") / "grids"


def gazetteer_folder() -> Traversable:
    """The folder `gazetteer` of the installed package gridhub.config."""
    return files("gridhub.config") / "gazetteer"


def read_bytes(folder: Traversable, name: str) -> bytes:
    """One file's bytes; ValueError when it is larger than 64 MiB, which no catalogue of one city is."""
    with (folder / name).open("rb") as source:
        content = source.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{name} is larger than {_MOST_BYTES} bytes")
    return content


def read_rows(folder: Traversable, name: str) -> list[Row]:
    """The rows of a CSV file with a header line; ValueError naming file and line where a row has too many or too few cells."""
    text = read_bytes(folder, name).decode("utf-8-sig")
    reader = csv.DictReader(text.splitlines())
    rows: list[Row] = []
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(f"{name} line {reader.line_num}: not as many cells as the header has")
        rows.append(row)
    return rows


def csv_bytes(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    """A CSV file with Unix line ends, the same bytes on every machine."""
    lines = [",".join(header), *(",".join(row) for row in rows)]
    return ("\n".join(lines) + "\n").encode()
