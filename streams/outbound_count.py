"""What the outbound stage adds to the metrics after its transaction is committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from gridhub.streams import road, timer_keys
from gridhub.streams.memory import Changes, State
from gridhub.streams.metrics import Metrics
from gridhub.streams.rooms.clocks import KINDS, PAUSE
from gridhub.streams.rooms.ledger import task_key
from gridhub.streams.rooms.outbound import Dispatched, Tracked
from gridhub.streams.rooms.reopening import is_news
from gridhub.streams.rooms.timers import Timer
from gridhub.streams.series import UNKNOWN

_NO_STEPS = tuple(f"timer/{kind}/" for kind in KINDS if kind != PAUSE)
"""How the cause of a version begins that a timer changed, and not its stage."""
_BY_OUTCOME = {"merged": "merged", "possible": "possible", "attached": "attached"}


def count_events(metrics: Metrics, result: road.Outbound, groups: Mapping[str, str], partition: int) -> None:
    """Count the outcomes of located events, the incidents opened and the tasks dispatched."""
    metrics.taken.inc(result.located.num_rows)
    metrics.count_rows(metrics.duplicates, result.decided.refused, ["source"])
    kept = result.decided.kept
    outcomes = zip(kept.column("outcome").to_pylist(), kept.column("category").to_pylist(), strict=True)
    for (outcome, category), count in Counter(outcomes).items():
        if outcome in _BY_OUTCOME:
            metrics.child(getattr(metrics, _BY_OUTCOME[outcome]), groups.get(category, UNKNOWN)).inc(count)
    opened = [row for row in result.sent.incident_rows if row["version"] == 1]
    # what opened as the child of a parent is counted as attached
    alone = [row for row in opened if not row["parent_id"]]
    kinds = ((groups.get(row["category"], UNKNOWN), str(row["severity"])) for row in alone)
    metrics.count(metrics.incidents_opened, kinds)
    again = [row for row in result.sent.incident_rows if is_news(row)]
    metrics.count(metrics.incidents_open, ((str(partition), row["area"][:6]) for row in [*opened, *again]))
    _count_reopened(metrics, again, groups)
    _count_tasks(metrics, result.sent.task_rows)


def count_steps(metrics: Metrics, tracked: Tracked, groups: Mapping[str, str], partition: int) -> None:
    """Count the steps of tasks, the incidents that ended, and those that a person opened by taking others apart."""
    for row in tracked.ended:
        metrics.incidents_closed.labels(groups.get(row["category"], UNKNOWN)).inc()
        metrics.incidents_open.labels(str(partition), row["area"][:6]).dec()
    metrics.count(metrics.incidents_open, ((str(partition), row["area"][:6]) for row in tracked.opened))
    _count_reopened(metrics, [row for row in tracked.opened if is_news(row)], groups)
    rows = tracked.task_rows
    steps = (row for row in rows if row["version"] > 1 and not row["changed_by"].startswith(_NO_STEPS))
    metrics.count(metrics.task_steps, ((row["stage"],) for row in steps))
    _count_tasks(metrics, rows)


def _count_reopened(metrics: Metrics, rows: list[dict[str, Any]], groups: Mapping[str, str]) -> None:
    metrics.count(metrics.incidents_reopened, ((groups.get(row["category"], UNKNOWN),) for row in rows))


def count_timers(metrics: Metrics, changes: Changes, fired: list[Timer], now_ms: int) -> None:
    """Count the timers that were set and those that fired, and how late."""
    new = (key for key, value in changes.items() if value is not None and key.startswith(timer_keys.PREFIX))
    metrics.count(metrics.timers_set, ((timer_keys.named(key)[0],) for key in new))
    metrics.timers_rang(((timer.kind, timer.due_ms) for timer in fired), now_ms)


def newly_overdue(sent: Dispatched, before: State) -> int:
    """How many tasks passed a limit in this batch that had not passed one in the state before."""
    late = {row["task_id"] for row in sent.task_rows if row["overdue"]}
    if not late:
        return 0
    known = before.get_many([task_key(task_id) for task_id in late])
    return sum(value is None or not orjson.loads(value)["overdue"] for value in known)


def _count_tasks(metrics: Metrics, rows: list[dict[str, Any]]) -> None:
    new = [row for row in rows if row["version"] == 1]
    metrics.count(metrics.tasks_dispatched, ((row["action"], row["role"]) for row in new))
    metrics.count(metrics.task_steps, ((row["stage"],) for row in new))
