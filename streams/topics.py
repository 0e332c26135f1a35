"""Every topic of the hub, once: name, key, value, retention, who writes and who reads."""

from __future__ import annotations

from dataclasses import dataclass

DAY_MS = 86_400_000
HUB_BYTES = 8 << 20
"""Largest message on the hub's own topics: a refusal holds a whole department's message."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `partitions` None means the setting `partitions`; retention in ms, -1 for ever."""

    name: str
    key: str
    values: tuple[str, ...]
    cleanup: str
    retention_ms: int
    written_by: str
    read_by: str
    partitions: int | None = None
    largest_bytes: int | None = None  # of one message; None leaves it to the broker

    def config(self) -> dict[str, str]:
        """The topic's settings as Kafka names them."""
        largest = {"max.message.bytes": str(self.largest_bytes)} if self.largest_bytes else {}
        # the broker's clock, not the writers': one that runs ahead is neither believed nor a reason to refuse its records
        clock = {"message.timestamp.type": "LogAppendTime"}
        return {"cleanup.policy": self.cleanup, "retention.ms": str(self.retention_ms), **clock, **largest}


LOCATED = Topic("hub.located", "area", ("LocatedEvent",), "delete", 7 * DAY_MS, "inbound", "outbound, archive")
INCIDENTS = Topic(
    "hub.incidents", "incident id", ("Incident",), "compact,delete", 90 * DAY_MS, "outbound", "console, ticketing"
)
TASKS = Topic("hub.tasks", "task id", ("Task",), "compact,delete", 90 * DAY_MS, "outbound", "ticketing, sinks, console")
STATUS = Topic(
    "hub.status",
    "area, from the task id",
    ("TaskStatus", "Command", "ParentNotice"),
    "delete",
    30 * DAY_MS,
    "ticketing, console, outbound (notices of parents)",
    "outbound",
)
QUARANTINE = Topic(
    "hub.quarantine", "source topic", ("Refusal",), "delete", 30 * DAY_MS, "every stage", "workbench, console",
    largest_bytes=HUB_BYTES,
)  # fmt: skip
JOURNAL = Topic("hub.journal", "area", ("Decision",), "delete", 180 * DAY_MS, "every stage", "explain, audit, console")
STATE = Topic(
    "hub.state", "state key", (), "compact", -1, "outbound (changelog of its local state)", "outbound, on restore"
)
DELIVERIES = Topic(
    "hub.deliveries", "target and task id", ("Delivery",), "delete", 90 * DAY_MS, "sinks", "explain, audit, console"
)
PARKED = Topic("hub.parked", "target and message key", ("Delivery",), "compact", -1, "sinks", "sinks, operators")
ADMISSIONS = Topic("hub.admissions", "rule id", (), "compact", -1, "operators", "workers")
CONFIG = Topic(
    "hub.config",
    "file name/number, silence/id",
    (),
    "compact",
    -1,
    "operators (`gridhub config`, `gridhub silence`)",
    "workers",
)
GRIDS = Topic(
    "hub.grids", "part or manifest of a version", (), "compact", -1, "operators (`gridhub grids load`)", "workers"
)

HUB_TOPICS = (
    LOCATED,
    INCIDENTS,
    TASKS,
    STATUS,
    QUARANTINE,
    JOURNAL,
    STATE,
    DELIVERIES,
    PARKED,
    ADMISSIONS,
    CONFIG,
    GRIDS,
)


def department_topic(code: str, record: str) -> Topic:
    """The topic that only this department writes; `record` is its Avro record's full name."""
    return Topic(
        f"dept.{code}.events", "the department's own subject id", (record,), "delete", 7 * DAY_MS, code, "inbound"
    )


def department_of(topic: str) -> str | None:
    """The department code in a topic's name, or None when it is not a department's topic."""
    parts = topic.split(".")
    return parts[1] if len(parts) == 3 and parts[0] == "dept" and parts[2] == "events" else None
