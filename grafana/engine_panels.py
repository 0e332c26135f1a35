"""What the overview shows of the engine: lag, transactions, state, the process."""

from __future__ import annotations

from panels import RATE, WORKER, PanelSpec, Query, quantiles, rate

ENGINE = (
    PanelSpec(
        "lines", "积压条数 / Lag", "尚未处理的记录 / Records that wait", "short", 8,
        (Query(f"sum by (topic) (gridhub_lag_events{{{WORKER}}})", "{{topic}}"),),
    ),
    PanelSpec(
        "lines", "积压时长 / Lag in time", "最老的未处理记录有多久 / Age of the oldest record that waits", "s", 8,
        (Query(f"max by (topic) (gridhub_lag_seconds{{{WORKER}}})", "{{topic}}"),), ((60, "red"),),
    ),
    PanelSpec(
        "lines", "提交间隔 / Commit age",
        "每道最近一次提交或空闲距今 / Time since a lane last committed or had nothing to do", "s", 8,
        (Query(f"max by (stage, instance) (gridhub_commit_age_seconds{{{WORKER}}})", "{{instance}} {{stage}}"),),
        ((60, "red"),),
    ),
    PanelSpec(
        "lines", "事务 / Transactions", "每秒事务，按结果 / Transactions a second by their end", "ops", 8,
        (Query(rate("gridhub_transactions_total", WORKER, "stage, result"), "{{stage}} {{result}}"),),
    ),
    PanelSpec(
        "lines", "事务时长 / Transaction time", "p50 与 p95 / p50 and p95", "s", 8,
        quantiles("gridhub_transaction_seconds", WORKER, "stage", (0.5, 0.95), "{{{{stage}}}} {share}"),
        ((15, "red"),),
    ),
    PanelSpec(
        "lines", "批量 / Batch size", "每个事务的事件数 / Events in one transaction", "short", 8,
        quantiles("gridhub_batch_events", WORKER, "stage", (0.5, 0.95), "{{{{stage}}}} {share}"),
    ),
    PanelSpec(
        "lines", "各室用时 / Room time", "每批 p95 / p95 for one batch", "s", 8,
        quantiles("gridhub_room_seconds", WORKER, "room", (0.95,), "{{{{room}}}}"), ((1, "red"),),
    ),
    PanelSpec(
        "lines", "分到的分区 / Lanes", "每个工作进程拥有的分区 / Partitions that each worker owns", "short", 8,
        (Query(f"sum by (instance, stage) (gridhub_lanes{{{WORKER}}})", "{{instance}} {{stage}}"),),
    ),
    PanelSpec(
        "lines", "重分配与围栏 / Rebalances and fencing",
        "十分钟内的次数 / Times in ten minutes", "short", 8,
        (
            Query(f"sum (increase(gridhub_rebalances_total{{{WORKER}}}[10m]))", "重分配 rebalances"),
            Query(f"sum (increase(gridhub_fenced_total{{{WORKER}}}[10m]))", "围栏 fenced"),
            Query(f"sum (increase(gridhub_poison_events_total{{{WORKER}}}[10m]))", "毒事件 poison events"),
        ),
        ((3, "red"),),
    ),
    PanelSpec(
        "lines", "本地状态条目 / State keys", "每个工作进程 / By worker", "short", 6,
        (Query(f"sum by (instance) (gridhub_state_keys{{{WORKER}}})", "{{instance}}"),),
    ),
    PanelSpec(
        "lines", "本地状态大小 / State size", "每个工作进程 / By worker", "bytes", 6,
        (Query(f"sum by (instance) (gridhub_state_bytes{{{WORKER}}})", "{{instance}}"),),
    ),
    PanelSpec(
        "lines", "恢复条目 / Restored keys", "每秒从变更日志读回 / Keys a second read back from the changelog", "ops", 6,
        (Query(rate("gridhub_restored_keys_total", WORKER, "instance"), "{{instance}}"),),
    ),
    PanelSpec(
        "stat", "平均恢复时长 / Mean restore time",
        "每个分区；没有恢复过为 0 / For one partition; 0 while none was restored", "s", 6,
        (
            Query(
                f"sum (gridhub_restore_seconds_sum{{{WORKER}}})"
                f" / clamp_min(sum (gridhub_restore_seconds_count{{{WORKER}}}), 1)",
                "restore",
            ),
        ),
        ((15, "orange"), (60, "red")),
    ),
    PanelSpec(
        "lines", "内存 / Memory", "常驻内存 / Resident memory", "bytes", 8,
        (Query(f"process_resident_memory_bytes and on (instance) gridhub_worker_info{{{WORKER}}}", "{{instance}}"),),
    ),
    PanelSpec(
        "lines", "处理器 / CPU", "占用的核数 / Cores in use", "short", 8,
        (
            Query(
                f"rate(process_cpu_seconds_total{RATE}) and on (instance) gridhub_worker_info{{{WORKER}}}",
                "{{instance}}",
            ),
        ),
    ),
    PanelSpec(
        "stat", "工作进程 / Workers", "名称与版本 / Name and version", "short", 8,
        (
            Query(
                f"gridhub_worker_info{{{WORKER}}} * on (instance) group_left (python) gridhub_build_info{{{WORKER}}}",
                "{{worker}} {{version}} (Python {{python}})",
            ),
        ),
        decimals=0,
    ),
)  # fmt: skip
