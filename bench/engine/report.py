"""The table and the plot in docs/performance.md, written anew from the results file.

python bench/engine/report.py                  from .gridhub/bench/results.jsonl
python bench/engine/report.py --results FILE
"""

from __future__ import annotations

import argparse
import sys
from html import escape
from pathlib import Path
from typing import Any

import envs
import summary

PAGE = envs.ROOT / "docs" / "performance.md"
PLOT = envs.ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
Line = dict[str, Any]
COLUMNS = (
    ("contender", "contender"), ("guarantee", "guarantee"), ("state", "state"), ("events_per_second", "events/s"),
    ("steady_events_per_second", "steady"), ("ratio_to_ours", "ours is × as fast"), ("cpu_s_per_100k", "CPU s per 100,000"),
    ("cpu_share_of_ours", "ours needs × the CPU"), ("peak_rss_mb", "peak MB"), ("p50_ms", "p50 ms at 500/s"),
    ("p99_ms", "p99 ms at 500/s"), ("p50_ms_at_5000", "p50 at 5,000/s"), ("p99_ms_at_5000", "p99 at 5,000/s"),
    ("cpu_percent_at_500", "CPU % at 500/s"), ("cpu_percent_idle", "CPU % idle"), ("runs", "runs"),
)  # fmt: skip
WIDTH, LEFT, BAR, GAP = 900, 210, 20, 8
COLOURS = {"gridhub": "#1f5f8b", "kafka-streams": "#b5651d"}
OTHER = "#8a8a8a"


def main() -> int:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=envs.HOME / "results.jsonl")
    results = parser.parse_args().results
    found = summary.medians(summary.lines(results))
    measured = [line for line in found if line.get("events_per_second") and "-road" not in line["contender"]]
    if not measured:
        sys.stderr.write("No results yet: `make bench` first.\n")
        return 1
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(
        f"{before}{BEGIN}\n{_tables(found)}{_parts(results.with_name('parts.jsonl'))}\n{END}{after}", encoding="utf-8"
    )
    PLOT.write_text(_plot(measured), encoding="utf-8")
    return 0


def _tables(found: list[Line]) -> str:
    peers = [line for line in found if "-road" not in line["contender"]]
    roads = [line for line in found if "-road" in line["contender"]]
    parts = ["![Events per second and CPU seconds of each contender](performance.svg)", _table(peers)]
    if roads:
        parts += ["The hub's whole road on the simulator's events, and the same rooms in a plain loop:", _table(roads)]
    return "\n\n".join(parts) + "\n"


def _parts(file: Path) -> str:
    """What the parts cost: one table for each kind of line."""
    kinds: dict[tuple[str, ...], list[Line]] = {}
    for line in summary.lines(file):
        kinds.setdefault(tuple(line), []).append(line)
    tables = []
    for names, lines in kinds.items():
        rows = ["| " + " | ".join(f"`{name}`" for name in names) + " |", "|" + "---|" * len(names)]
        rows += ["| " + " | ".join(str(line[name]) for name in names) + " |" for line in lines]
        tables.append("\n".join(rows))
    return "\n" + "\n\n".join(tables) + "\n" if tables else ""


def _table(lines: list[Line]) -> str:
    shown = [(key, title) for key, title in COLUMNS if any(line.get(key) is not None for line in lines)]
    rows = ["| " + " | ".join(title for _, title in shown) + " |", "|" + "---|" * len(shown)]
    for line in lines:
        cells = [_cell(key, line) for key, _ in shown]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(key: str, line: Line) -> str:
    value = line.get(key)
    if key == "contender":
        asked = " ".join(f"{name}={what}" for name, what in line.get("asked", {}).items())
        told = str(line.get("skipped") or line.get("error") or "").strip()
        marks = [f"`{asked}`"] * bool(asked) + ["disturbed"] * bool(line.get("disturbed"))
        if told and not line.get("events_per_second"):
            marks.append(f"not measured: {told.splitlines()[-1]}")
        return f"{value} ({'; '.join(marks)})" if marks else str(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:,.0f}" if abs(value) >= 100 else f"{value:g}"


def _plot(lines: list[Line]) -> str:
    """Bars of events/s, and beside each its CPU seconds per 100,000 events."""
    most = max(line["events_per_second"] for line in lines)
    height = len(lines) * (BAR + GAP) + 40
    room = WIDTH - LEFT - 230
    rows = []
    for number, line in enumerate(lines):
        y = 30 + number * (BAR + GAP)
        width = max(1, round(line["events_per_second"] / most * room))
        colour = next((c for name, c in COLOURS.items() if line["contender"].startswith(name)), OTHER)
        asked = " ".join(line.get("asked", {}).values())
        name = escape(f"{line['contender']} {asked}".strip())
        said = f"{line['events_per_second']:,.0f}/s, {line['cpu_s_per_100k']:.2f} CPU s"
        rows.append(
            f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{name}</text>'
            f'<rect x="{LEFT}" y="{y}" width="{width}" height="{BAR}" fill="{colour}"/>'
            f'<text x="{LEFT + width + 6}" y="{y + 15}">{said}</text>'
        )
    title = "Events per second, and CPU seconds per 100,000 events"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13"'
        f' role="img" aria-label="{title}"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="{LEFT}" y="18" font-weight="bold">{title}</text>' + "\n".join(rows) + "</svg>\n"
    )


if __name__ == "__main__":
    sys.exit(main())
