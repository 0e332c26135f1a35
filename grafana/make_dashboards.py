"""Writes grafana/dashboards/*.json from the panels in overview_panels.py and engine_panels.py: `python grafana/make_dashboards.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as model
from overview_panels import ROWS
from panels import DEPARTMENT_NAMES, DISTRICTS, PanelSpec, Query

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = model.DataSourceRef(type_val="prometheus", uid="$datasource")
COLUMNS = 24
HEIGHTS = {"stat": 4, "lines": 8, "stack": 8, "bars": 8}
NAMES: dict[str, dict[str, str]] = {"": {}, "district": DISTRICTS, "department": DEPARTMENT_NAMES}


def overview() -> dict[str, Any]:
    """The overview dashboard as Grafana's JSON; the same code gives the same text."""
    built = (
        board.Dashboard("gridhub 总览 / Overview")
        .uid("gridhub-overview")
        .description(
            "城市网格化枢纽：全市、部门、派遣、引擎 / The city's grid hub: city, departments, dispatch, engine"
        )
        .tags(["gridhub"])
        .timezone("browser")
        .time("now-30m", "now")
        .refresh("10s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    for variable in _variables():
        built.with_variable(variable)
    for part in _placed():
        built.with_row(part) if isinstance(part, board.Row) else built.with_panel(part)
    text: dict[str, Any] = json.loads(json.dumps(built.build(), cls=JSONEncoder))
    return text


def _variables() -> Iterator[Any]:
    yield board.DatasourceVariable("datasource").label("数据源 / Data source").type("prometheus")
    yield _choice("department", "部门 / Department", "label_values(gridhub_received_total, department)")
    yield _choice("worker", "工作进程 / Worker", "label_values(gridhub_worker_info, instance)")


def _choice(name: str, label: str, query: str) -> board.QueryVariable:
    return (
        board.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def _placed() -> Iterator[Any]:
    """Rows and panels with numbers and places: left to right, a new line where the 24 columns are full."""
    top, number = 0, 0
    for title, specs in ROWS:
        number += 1
        yield board.Row(title).id(number).grid_pos(model.GridPos(x=0, y=top, w=COLUMNS, h=1))
        top, left, tallest = top + 1, 0, 0
        for spec in specs:
            if left + spec.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            number += 1
            place = model.GridPos(x=left, y=top, w=spec.width, h=HEIGHTS[spec.kind])
            yield _panel(spec).id(number).grid_pos(place)
            left, tallest = left + spec.width, max(tallest, place.h)
        top += tallest


def _panel(spec: PanelSpec) -> Any:
    panel = _shape(spec).title(spec.title).description(spec.text).unit(spec.unit).datasource(SOURCE)
    steps = [model.Threshold(value=None, color="green")]
    steps += [model.Threshold(value=value, color=color) for value, color in spec.limits]
    panel.thresholds(board.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
    if spec.decimals is not None:
        panel.decimals(spec.decimals)
    for index, query in enumerate(spec.queries):
        panel.with_target(_target(query, chr(ord("A") + index), instant=spec.kind == "bars"))
    for code, name in NAMES[spec.names].items():
        panel.override_by_name(code, [model.DynamicConfigValue(id_val="displayName", value=name)])
    return panel


def _target(query: Query, ref: str, *, instant: bool) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(ref).datasource(SOURCE)
    return target.instant() if instant else target.range()


def _shape(spec: PanelSpec) -> Any:
    if spec.kind == "stat":
        last = common.ReduceDataOptions().calcs(["lastNotNull"])
        named = words.BigValueTextMode.VALUE if len(spec.queries) == 1 else words.BigValueTextMode.AUTO
        named = words.BigValueTextMode.NAME if "工作进程" in spec.title else named
        return stat.Panel().reduce_options(last).text_mode(named).graph_mode(words.BigValueGraphMode.AREA)
    if spec.kind == "bars":
        last = common.ReduceDataOptions().calcs(["lastNotNull"])
        return bargauge.Panel().reduce_options(last).orientation(words.VizOrientation.HORIZONTAL).min(0)
    return _lines(spec)


def _lines(spec: PanelSpec) -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(True).placement(words.LegendPlacement.BOTTOM)
    legend.display_mode(words.LegendDisplayMode.LIST)
    panel = timeseries.Panel().legend(legend).min(0).fill_opacity(10).line_width(1)
    panel.tooltip(common.VizTooltipOptions().mode(words.TooltipDisplayMode.MULTI))
    if spec.kind == "stack":
        panel.stacking(common.StackingConfig().mode(words.StackingMode.NORMAL)).fill_opacity(40)
    if spec.limits:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(words.GraphTresholdsStyleMode.DASHED))
    return panel


def text_of(dashboard: dict[str, Any]) -> str:
    """The text of the file in git."""
    return json.dumps(dashboard, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


DASHBOARDS = {"overview.json": overview}


def main() -> int:
    """Writes every dashboard and says which."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in DASHBOARDS.items():
        (FOLDER / name).write_text(text_of(make()), encoding="utf-8")
        print(f"wrote {FOLDER.name}/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
