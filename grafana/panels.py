"""How a panel is described, the PromQL pieces that panels share, and display names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WORKER = 'instance=~"$worker"'
BOTH = f'department=~"$department",{WORKER}'
INBOUND = 'room=~"admit|normalise"'
RATE = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and its legend."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """One panel: title and text in both languages, unit as Grafana names it, width of 24 columns, limits and colours.

    `limits` are (value, colour) steps above the green base; they are the values that the alert rules use, or half of
    them. `names` says which table of display names renames the series.
    """

    kind: Literal["stat", "lines", "stack", "bars"]
    title: str
    text: str
    unit: str
    width: int
    queries: tuple[Query, ...]
    limits: tuple[tuple[float, str], ...] = ()
    names: Literal["", "district", "department"] = ""
    decimals: int | None = None


def quantiles(series: str, matchers: str, by: str, shares: tuple[float, ...], legend: str) -> tuple[Query, ...]:
    """One query per share of the histogram, kept apart by the label(s) `by`; nothing moves: no value."""
    keep = f"le, {by}" if by else "le"
    return tuple(
        Query(
            f"histogram_quantile({share}, sum by ({keep}) (rate({series}_bucket{{{matchers}}}{RATE})))",
            legend.format(share=f"p{round(share * 100)}"),
        )
        for share in shares
    )


def rate(series: str, matchers: str, by: str = "") -> str:
    """The per-second rate of a counter, summed but for the label(s) `by`."""
    return f"sum{f' by ({by})' if by else ''} (rate({series}{{{matchers}}}{RATE}))"


DISTRICTS = {
    "420200": "黄石市 Huangshi",
    "420202": "黄石港区 Huangshigang",
    "420203": "西塞山区 Xisaishan",
    "420204": "下陆区 Xialu",
    "420205": "铁山区 Tieshan",
    "420222": "阳新县 Yangxin",
    "420281": "大冶市 Daye",
}
"""Names of the six-digit codes, GB/T 2260."""

DEPARTMENT_NAMES = {
    "public-security": "公安 public security",
    "social-security": "社保 social security",
    "family-planning": "计生 family planning",
    "power": "电力 power",
    "meteorology": "气象 meteorology",
    "food-drug": "食药 food and drug",
    "citizen-hotline": "市民热线 citizens' hotline",
    "unknown": "未知 unknown",
}
