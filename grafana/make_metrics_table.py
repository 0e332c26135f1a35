"""Writes the table in docs/metrics.md from the closed table in code: `python grafana/make_metrics_table.py`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from check_panels import FOLDER, queries

from gridhub.streams.series import SERIES, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "metrics.md"
RULES = ROOT / "grafana" / "rules" / "gridhub.yml"
BEGIN = "<!-- table: python grafana/make_metrics_table.py -->\n"
END = "<!-- end of table -->"
NAME = re.compile(r"\bgridhub_[a-z_]+")


def uses() -> dict[str, set[str]]:
    """Where each series is read: names of series to `panels` and names of alerts. An unknown name is a KeyError."""
    found: dict[str, set[str]] = {series.name: set() for series in SERIES}
    for where, expr in _expressions():
        for name in NAME.findall(expr):
            found[name if name in TABLE else re.sub(r"_(bucket|sum|count)$", "", name)].add(where)
    return found


def _expressions() -> Iterator[tuple[str, str]]:
    for file in sorted(FOLDER.glob("*.json")):
        for _, expr in queries(json.loads(file.read_text(encoding="utf-8"))):
            yield "panels", expr
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def table() -> str:
    """The table as Markdown, one line per series, in the order of the code."""
    lines = ["| series | kind | unit | labels | what | read by |", "|---|---|---|---|---|---|"]
    read_by = uses()
    for series in SERIES:
        labels = ", ".join(f"`{label}`" for label in series.labels) or "–"
        where = ", ".join(sorted(read_by[series.name], key=lambda one: (one != "panels", one))) or "ad hoc"
        lines.append(f"| `{series.name}` | {series.kind} | {series.unit} | {labels} | {series.help} | {where} |")
    return "\n".join(lines) + "\n"


def with_table(page: str) -> str:
    """The page with the table of now between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{PAGE.name} has lost the marks around its table")
    return f"{before}{BEGIN}{table()}{END}{after}"


def main() -> int:
    """Writes the page and says so."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote docs/{PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
