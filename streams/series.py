"""Every series of the hub, once: name, kind, unit, labels, help, buckets. `metrics.py` makes them.

Dashboards, alert rules and docs/metrics.md are tested against this table.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridhub.streams.records import Reason

STAGES = ("inbound", "outbound")
ROOM_REASONS: dict[str, tuple[Reason, ...]] = {
    "admit": (
        Reason.BAD_BYTES,
        Reason.UNKNOWN_SCHEMA,
        Reason.TOO_LARGE,
        Reason.UNKNOWN_DEPARTMENT,
        Reason.WRONG_DEPARTMENT,
        Reason.MISSING_FIELD,
        Reason.WRONG_TIME,
        Reason.UNKNOWN_TYPE,
        Reason.NOT_ADMITTED,
        Reason.BROKEN,
    ),
    "normalise": (Reason.NOT_LOCATED, Reason.PLACES_CONTRADICT, Reason.OUTSIDE_CITY, Reason.BROKEN),
    "deduplicate": (Reason.BROKEN,),
    "dispatch": (Reason.BROKEN,),
    "track": (
        Reason.BAD_BYTES,
        Reason.UNKNOWN_TASK,
        Reason.UNKNOWN_INCIDENT,
        Reason.UNKNOWN_EVENT,
        Reason.WRONG_TRANSITION,
        Reason.SAME_ACTOR,
        Reason.WRONG_ACTOR,
        Reason.NOT_LISTED,
        Reason.BROKEN,
    ),
}
"""Each room and the reasons it refuses for: the label sets of gridhub_refused_total that exist from the start."""

TASK_STAGES = (
    "dispatched", "accepted", "handling", "reported", "checked", "closed",
    "returned", "extended", "reworked", "suspended", "cancelled", "arbitrating", "reopened",
)  # fmt: skip
METHODS = ("code", "key", "coordinates", "address", "area")
ACTIONS = ("handle", "assist", "inform")
TRANSACTION_RESULTS = ("committed", "aborted", "fenced")
STANDING_TOPICS = ("hub.admissions", "hub.config", "hub.grids")
STANDING_RESULTS = ("applied", "refused")
UNKNOWN = "unknown"
"""The department label of what no known department sent: publishers never choose label values."""

ROOM_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
TRANSACTION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
END_TO_END_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BATCH_BUCKETS = (1.0, 5.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2000.0, 5000.0, 20000.0)
LATE_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0, 3600.0)
RESTORE_BUCKETS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Series:
    """One series as Prometheus sees it; `unit` is what one step of the value means."""

    name: str
    kind: str  # counter | gauge | histogram
    unit: str
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


SINK_SERIES = (
    Series(
        "gridhub_sink_deliveries_total", "counter", "deliveries", ("target", "fate"),
        "Versions of tasks whose fate at a target is known: taken, refused, or later (parked until it is well again)",
    ),
    Series("gridhub_sink_retries_total", "counter", "attempts", ("target",), "Attempts after the first one"),
    Series("gridhub_sink_parked", "gauge", "deliveries", ("target",), "Deliveries that wait for a second try or for a person"),
    Series("gridhub_sink_circuit_open", "gauge", "1", ("target",), "1 while a target in trouble is left alone"),
    Series(
        "gridhub_sink_oldest_undelivered_seconds", "gauge", "seconds", ("target",),
        "Age of the oldest version of a task that is on its way to the target or parked; 0 when none is",
    ),
)  # fmt: skip
"""Series that `gridhub sinks run` serves on a page of its own; the others are a worker's."""

SERIES = (
    Series("gridhub_received_total", "counter", "events", ("department",), "Events read from the departments' topics"),
    Series("gridhub_admitted_total", "counter", "events", ("department",), "Events that the room admit let in"),
    Series(
        "gridhub_refused_total", "counter", "events", ("department", "room", "reason"),
        "Events and statuses put into quarantine; exact duplicates are counted in gridhub_duplicates_total only",
    ),
    Series(
        "gridhub_located_total", "counter", "events", ("department", "method", "district"),
        "Events placed on the grid, by the way that found the place and the 6-digit district code",
    ),
    Series("gridhub_taken_total", "counter", "events", (), "Located events that the outbound rooms decided on; what they raised on is not among them"),
    Series("gridhub_duplicates_total", "counter", "events", ("department",), "Events seen before (same source and id)"),
    Series("gridhub_merged_total", "counter", "events", ("matter_group",), "Events joined to an open incident"),
    Series(
        "gridhub_possible_total", "counter", "events", ("matter_group",),
        "Events attached to an incident as possible, for a person to decide",
    ),
    Series(
        "gridhub_attached_total", "counter", "events", ("matter_group",),
        "Events attached as children to a parent incident such as a rainstorm warning",
    ),
    Series(
        "gridhub_incidents_opened_total", "counter", "incidents", ("matter_group", "severity"), "Incidents opened"
    ),
    Series("gridhub_incidents_closed_total", "counter", "incidents", ("matter_group",), "Incidents closed"),
    Series(
        "gridhub_incidents_reopened_total", "counter", "incidents", ("matter_group",),
        "Closed incidents opened again because the matter came back (false closes)",
    ),
    Series(
        "gridhub_incidents_open", "gauge", "incidents", ("partition", "district"),
        "Incidents open now in the state of the partitions that this worker owns",
    ),
    Series("gridhub_tasks_dispatched_total", "counter", "tasks", ("action", "role"), "Tasks given to recipients"),
    Series("gridhub_task_steps_total", "counter", "steps", ("stage",), "Task stages entered (dispatched … closed)"),
    Series("gridhub_tasks_overdue_total", "counter", "tasks", (), "Tasks that passed a limit"),
    Series("gridhub_timers_set_total", "counter", "timers", ("kind",), "Timers set, or set anew for another time"),
    Series("gridhub_timers_fired_total", "counter", "timers", ("kind",), "Timers that fell due and acted, each once"),
    Series(
        "gridhub_timer_late_seconds", "histogram", "seconds", ("kind",),
        "From a timer's time to the commit of what it caused", LATE_BUCKETS,
    ),
    Series(
        "gridhub_last_event_timestamp_seconds", "gauge", "seconds since 1970", ("department",),
        "Broker time of the department's newest event that this worker committed",
    ),
    Series(
        "gridhub_end_to_end_seconds", "histogram", "seconds", ("department",),
        "From the broker's time of the department's record to the commit of its tasks", END_TO_END_BUCKETS,
    ),
    Series("gridhub_room_seconds", "histogram", "seconds", ("room",), "Time of one room for one batch", ROOM_BUCKETS),
    Series("gridhub_batch_events", "histogram", "events", ("stage",), "Events in one transaction", BATCH_BUCKETS),
    Series(
        "gridhub_transactions_total", "counter", "transactions", ("stage", "result"),
        "Kafka transactions by their end: committed, aborted (then retried or left to the next owner) or fenced",
    ),
    Series(
        "gridhub_transaction_seconds", "histogram", "seconds", ("stage",),
        "From the begin of a transaction to the end of its commit", TRANSACTION_BUCKETS,
    ),
    Series("gridhub_lag_events", "gauge", "events", ("topic", "partition"), "Records behind the end of the partition"),
    Series(
        "gridhub_lag_seconds", "gauge", "seconds", ("topic", "partition"),
        "Age of the oldest record that is not yet committed; 0 when none waits",
    ),
    Series(
        "gridhub_commit_age_seconds", "gauge", "seconds", ("stage", "partition"),
        "Time since this lane last committed or last had nothing to do; grows while it is stuck",
    ),
    Series("gridhub_lanes", "gauge", "lanes", ("stage",), "Partitions that this worker owns"),
    Series("gridhub_state_keys", "gauge", "keys", ("partition",), "Keys in the local state, about"),
    Series("gridhub_state_bytes", "gauge", "bytes", ("partition",), "Size of the local state on disk, about"),
    Series("gridhub_restored_keys_total", "counter", "keys", (), "Keys read back from the changelog"),
    Series("gridhub_restore_seconds", "histogram", "seconds", (), "Time to restore one partition's state", RESTORE_BUCKETS),
    Series(
        "gridhub_restore_left_records", "gauge", "records", ("partition",),
        "Changelog records that a lane being opened has still to read; 0 when none is",
    ),
    Series("gridhub_standby_lanes", "gauge", "lanes", (), "Lanes of other workers whose state is kept warm here"),
    Series("gridhub_rebalances_total", "counter", "rebalances", (), "Times that partitions were given out anew"),
    Series("gridhub_fenced_total", "counter", "lanes", (), "Lanes lost to another worker while in a transaction"),
    Series(
        "gridhub_poison_events_total", "counter", "events", ("stage",),
        "Events on which a room raised; they are in quarantine with reason broken",
    ),
    Series(
        "gridhub_standing_changes_total", "counter", "changes", ("topic", "result"),
        "Versions of the grids, approvals and rule files read from their topics: put in force, or refused as wrong",
    ),
    Series(
        "gridhub_rules_info", "gauge", "1", ("rule", "version"),
        "Version of each rule file and of the grids that this worker decides by now",
    ),
    Series(
        "gridhub_calendar_known_until_timestamp_seconds", "gauge", "seconds", (),
        "End of the last year in a row whose holidays and swap days are known; from then on limits go by the weekday",
    ),
    Series("gridhub_rehearsal_clock", "gauge", "1", (), "1 where the time comes from a file (clock_file): a rehearsal"),
    Series("gridhub_worker_info", "gauge", "1", ("version", "worker"), "Name and version of this worker"),
    Series("gridhub_build_info", "gauge", "1", ("version", "python"), "Version of the package and of Python"),
    *SINK_SERIES,
)  # fmt: skip
"""The closed table of series. A name outside of it is an error in code, dashboards, rules and docs alike."""

TABLE = {series.name: series for series in SERIES}
