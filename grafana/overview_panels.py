"""What the overview shows of the city, its departments and the dispatch. `make_dashboards.py` turns it into JSON."""

from __future__ import annotations

from engine_panels import ENGINE
from panels import BOTH, INBOUND, WORKER, PanelSpec, Query, quantiles, rate
from sink_panels import SINKS

CITY = (
    PanelSpec(
        "stat", "每秒接收 / Received", "各部门主题上读到的事件 / Events read from the departments' topics", "eps", 4,
        (Query(rate("gridhub_received_total", BOTH), "received"),), decimals=1,
    ),
    PanelSpec(
        "stat", "每秒准入 / Admitted", "通过准入的事件 / Events that the approved list let in", "eps", 4,
        (Query(rate("gridhub_admitted_total", BOTH), "admitted"),), decimals=1,
    ),
    PanelSpec(
        "stat", "拒绝比例 / Refused share",
        "进入隔离区的比例；没有事件时为 0 / Share put into quarantine; 0 while nothing arrives", "percentunit", 4,
        (
            Query(
                f"{rate('gridhub_refused_total', f'{INBOUND},{BOTH}')}"
                f" / clamp_min({rate('gridhub_received_total', BOTH)}, 1e-9)",
                "refused",
            ),
        ),
        ((0.05, "orange"), (0.2, "red")), decimals=2,
    ),
    PanelSpec(
        "stat", "在办事件 / Open incidents", "现在未结案的事件 / Incidents that are open now", "short", 4,
        (Query(f"sum (gridhub_incidents_open{{{WORKER}}})", "open"),), decimals=0,
    ),
    PanelSpec(
        "stat", "端到端 p95 / End to end p95", "从部门记录到任务提交 / From the department's record to the committed task",
        "s", 4, quantiles("gridhub_end_to_end_seconds", BOTH, "", (0.95,), "{share}"),
        ((1, "orange"), (5, "red")),
    ),
    PanelSpec(
        "stat", "守恒差 / Conservation gap",
        "接收 − 已定位 − 拒绝，必须为 0 / Received − located − refused; must be 0", "short", 4,
        (
            Query(
                f"abs(sum (gridhub_received_total{{{WORKER}}}) - sum (gridhub_located_total{{{WORKER}}})"
                f" - sum (gridhub_refused_total{{{INBOUND},{WORKER}}}))",
                "gap",
            ),
        ),
        ((1, "red"),), decimals=0,
    ),
    PanelSpec(
        "lines", "全市流量 / City traffic", "接收、准入、拒绝、重复 / Received, admitted, refused, seen before", "eps", 8,
        (
            Query(rate("gridhub_received_total", BOTH), "接收 received"),
            Query(rate("gridhub_admitted_total", BOTH), "准入 admitted"),
            Query(rate("gridhub_refused_total", f"{INBOUND},{BOTH}"), "拒绝 refused"),
            Query(rate("gridhub_duplicates_total", BOTH), "重复 duplicates"),
        ),
    ),
    PanelSpec(
        "stack", "各区县在办事件 / Open incidents by district", "按六位区划码 / By 6-digit division code", "short", 8,
        (Query(f"sum by (district) (gridhub_incidents_open{{{WORKER}}})", "{{district}}"),), names="district",
    ),
    PanelSpec(
        "lines", "端到端时延 / End to end latency", "从部门记录到任务提交 / From the department's record to the committed task",
        "s", 8, quantiles("gridhub_end_to_end_seconds", BOTH, "", (0.5, 0.95, 0.99), "{share}"), ((5, "red"),),
    ),
    PanelSpec(
        "bars", "定位方式占比 / Located by method",
        "自工作进程启动以来：编码、部门主键、坐标、地址、区域 / Since the workers started: code, department key,"
        " coordinates, address, area",
        "percentunit", 12,
        (
            Query(
                f"sum by (method) (gridhub_located_total{{{BOTH}}})"
                f" / scalar(clamp_min(sum (gridhub_located_total{{{BOTH}}}), 1))",
                "{{method}}",
            ),
        ),
    ),
    PanelSpec(
        "lines", "各区县定位 / Located by district", "每秒落到网格的事件 / Events a second placed on the grid", "eps", 12,
        (Query(rate("gridhub_located_total", BOTH, "district"), "{{district}}"),), names="district",
    ),
)  # fmt: skip

DEPARTMENTS = (
    PanelSpec(
        "lines", "各部门接收 / Received by department", "每秒事件 / Events a second", "eps", 12,
        (Query(rate("gridhub_received_total", BOTH, "department"), "{{department}}"),), names="department",
    ),
    PanelSpec(
        "stack", "拒绝原因 / Refused by reason",
        "原件在 hub.quarantine / The original bytes are in hub.quarantine", "eps", 12,
        (Query(rate("gridhub_refused_total", BOTH, "reason"), "{{reason}}"),),
    ),
    PanelSpec(
        "lines", "各部门拒绝比例 / Refused share by department",
        "进入隔离区的比例 / Share of what the department sent that went into quarantine", "percentunit", 12,
        (
            Query(
                f"{rate('gridhub_refused_total', f'{INBOUND},{BOTH}', 'department')}"
                f" / clamp_min({rate('gridhub_received_total', BOTH, 'department')}, 1e-9)",
                "{{department}}",
            ),
        ),
        ((0.2, "red"),), names="department",
    ),
    PanelSpec(
        "lines", "重复事件 / Duplicates by department",
        "同一来源、同一编号再次到达 / Same source and event id seen again", "eps", 12,
        (Query(rate("gridhub_duplicates_total", BOTH, "department"), "{{department}}"),), names="department",
    ),
    PanelSpec(
        "bars", "最近事件距今 / Age of the last event",
        "启动以来没有事件的部门不显示 / Departments without an event since the start are not shown", "s", 12,
        (
            Query(
                f"time() - max by (department) (gridhub_last_event_timestamp_seconds{{{BOTH}}})", "{{department}}"
            ),
        ),
        ((21600, "orange"), (86400, "red")), names="department",
    ),
    PanelSpec(
        "lines", "各部门端到端 p95 / End to end p95 by department",
        "从部门记录到任务提交 / From the department's record to the committed task", "s", 12,
        quantiles("gridhub_end_to_end_seconds", BOTH, "department", (0.95,), "{{{{department}}}}"), ((5, "red"),),
        names="department",
    ),
)  # fmt: skip

DISPATCH = (
    PanelSpec(
        "lines", "按接收角色派遣 / Tasks by role", "每秒派出的任务 / Tasks a second", "ops", 8,
        (Query(rate("gridhub_tasks_dispatched_total", WORKER, "role"), "{{role}}"),),
    ),
    PanelSpec(
        "lines", "按方式派遣 / Tasks by action", "主办、协办、知会 / Handle, assist, inform", "ops", 8,
        (Query(rate("gridhub_tasks_dispatched_total", WORKER, "action"), "{{action}}"),),
    ),
    PanelSpec(
        "lines", "立案与归并 / Opened and joined",
        "新立案、并入、疑似、挂接 / Opened, merged, possibly the same, attached to a parent", "eps", 8,
        (
            Query(rate("gridhub_incidents_opened_total", WORKER), "立案 opened"),
            Query(f"{rate('gridhub_merged_total', WORKER)} or vector(0)", "并入 merged"),
            Query(f"{rate('gridhub_possible_total', WORKER)} or vector(0)", "疑似 possible"),
            Query(f"{rate('gridhub_attached_total', WORKER)} or vector(0)", "挂接 attached"),
            Query(f"{rate('gridhub_incidents_closed_total', WORKER)} or vector(0)", "结案 closed"),
        ),
    ),
    PanelSpec(
        "stack", "按等级立案 / Opened by severity", "1 特别重大 … 4 一般 / 1 most severe … 4 ordinary", "eps", 8,
        (Query(rate("gridhub_incidents_opened_total", WORKER, "severity"), "{{severity}}"),),
    ),
    PanelSpec(
        "bars", "事项前十 / Ten most frequent matters",
        "自工作进程启动以来的立案 / Incidents opened since the workers started", "short", 8,
        (
            Query(
                f"topk(10, sum by (matter_group) (gridhub_incidents_opened_total{{{WORKER}}}))", "{{matter_group}}"
            ),
        ),
    ),
    PanelSpec(
        "stat", "超期任务（一小时）/ Tasks overdue (1 h)", "过去一小时超过时限的任务 / Tasks that passed a limit in the last hour",
        "short", 8, (Query(f"sum (increase(gridhub_tasks_overdue_total{{{WORKER}}}[1h]))", "overdue"),),
        ((1, "orange"), (10, "red")), decimals=0,
    ),
    PanelSpec(
        "lines", "任务阶段 / Task steps", "派遣、接单、处理、反馈、核查、结案等 / Dispatched, accepted, handling, reported, checked, closed",
        "ops", 24, (Query(rate("gridhub_task_steps_total", WORKER, "stage"), "{{stage}}"),),
    ),
)  # fmt: skip

ROWS = (
    ("全市 / City", CITY),
    ("部门 / Departments", DEPARTMENTS),
    ("派遣 / Dispatch", DISPATCH),
    ("引擎 / Engine", ENGINE),
    ("出口 / Ways out", SINKS),
)
