"""Real reports of other cities as located events, by the declared mapping pairs.yaml."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gridhub.streams.strictyaml import strict_yaml

Row = dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(_Part):
    """Where a city itself says that a report is a duplicate."""

    column: str
    words: str


class Keys(_Part):
    """The column that names the building for these types."""

    column: str
    kind: str
    types: list[str]


class Reports(_Part):
    """How one file is read."""

    name: str
    file: str
    source: str
    id: str
    time: str
    lon: str
    lat: str
    type: str
    words: list[str]
    place: list[str]
    same: list[str]
    cut: int = Field(default=0, ge=0)
    told: Told | None = None
    keys: Keys | None = None
    planned: list[str]
    categories: dict[str, str]

    def matter(self, row: Row) -> str:
        """What the file itself takes for one matter; empty where it does not say."""
        parts = [row[name][: -self.cut or None].strip() for name in self.same]
        return "\x1f".join(parts) if all(parts) else ""

    def is_told(self, row: Row) -> bool:
        """Whether the city closed the report as a duplicate."""
        return self.told is not None and self.told.words in row[self.told.column]


def mappings() -> list[Reports]:
    """The mappings of pairs.yaml, in its order."""
    content = (files("gridhub.connectors") / "quality" / "pairs.yaml").read_bytes()
    entries: Any = strict_yaml(content, "pairs.yaml")
    return [Reports.model_validate(entry) for entry in entries]


def read(path: Path, reports: Reports) -> tuple[list[Row], int]:
    """The file's rows that have a category, a point and a time, in order of time; and how many were left out."""
    with path.open(encoding="utf-8-sig", newline="") as source:
        rows = list(csv.DictReader(source))
    kept = [row for row in rows if row[reports.type] in reports.categories and row[reports.lon] and row[reports.lat]]
    return sorted(kept, key=lambda row: (row[reports.time], row[reports.id])), len(rows) - len(kept)


def located(row: Row, reports: Reports, number: int) -> Row:
    """One report as a LOCATED row; the area is the file's own district or postcode, made into a code of its own."""
    at_ms = int(datetime.fromisoformat(row[reports.time]).replace(tzinfo=UTC).timestamp() * 1000)
    area = "9" + "".join(f"{ord(sign) % 10}" for name in reports.place for sign in row[name])[:8].ljust(8, "0")
    words = " ".join(row[name] for name in reports.words)
    return {
        "row": number, "source": reports.name, "event_id": row[reports.id], "type": row[reports.type],
        "category": reports.categories[row[reports.type]], "severity": 4, "status": "actual",
        "planned": row[reports.type] in reports.planned, "occurred_at": at_ms, "received_at": at_ms,
        "title": words, "text": "", "subject_keys": _keys(row, reports), "schema_id": 0, "admission": "measure",
        "area": area, "grid_ids": [area], "method": "coordinates", "confidence": 1.0, "lon": float(row[reports.lon]),
        "lat": float(row[reports.lat]), "exact_point": True, "place_name": "", "catalogue": reports.name,
    }  # fmt: skip


def _keys(row: Row, reports: Reports) -> list[str]:
    keys = reports.keys
    named = keys is not None and row[reports.type] in keys.types and row[keys.column]
    return [f"{keys.kind}:{row[keys.column]}"] if keys and named else []
