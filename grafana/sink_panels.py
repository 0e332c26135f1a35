"""What the overview shows of the ways out: what reached which target, and who is left alone. Zero where no `gridhub sinks run` is scraped."""

from __future__ import annotations

from panels import WORKER, PanelSpec, Query, rate

SINKS = (
    PanelSpec(
        "lines", "投递结果 / Deliveries", "每秒投递，按目标与结果 / Deliveries a second by target and fate", "ops", 8,
        (Query(f"{rate('gridhub_sink_deliveries_total', WORKER, 'target, fate')} or vector(0)", "{{target}} {{fate}}"),),
    ),
    PanelSpec(
        "lines", "最久未送达 / Oldest undelivered", "在途或暂存的最老任务有多久 / Age of the oldest task on its way or parked",
        "s", 8,
        (
            Query(
                f"max by (target) (gridhub_sink_oldest_undelivered_seconds{{{WORKER}}}) or vector(0)", "{{target}}"
            ),
        ),
        ((900, "red"),),
    ),
    PanelSpec(
        "lines", "暂存、熔断与重试 / Parked, left alone, tried again",
        "暂存的投递、熔断的目标、每秒重试 / Deliveries parked, targets left alone, further attempts a second", "short", 8,
        (
            Query(f"sum by (target) (gridhub_sink_parked{{{WORKER}}}) or vector(0)", "暂存 parked {{target}}"),
            Query(f"sum (gridhub_sink_circuit_open{{{WORKER}}}) or vector(0)", "熔断 left alone"),
            Query(f"{rate('gridhub_sink_retries_total', WORKER)} or vector(0)", "重试 retries"),
        ),
    ),
)  # fmt: skip
