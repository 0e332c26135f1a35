"""What the outbound rooms ask for and give back: facts, column layouts, results."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from gridhub.streams.clocks import Clocks, bundled
from gridhub.streams.organisation.charter import Charter
from gridhub.streams.records import LOCATED, REFUSAL, STRINGS, empty, table
from gridhub.streams.rooms.organisation import Organisation
from gridhub.streams.silences import NO_SILENCES, Silences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gridhub.streams.matching import Matching
    from gridhub.streams.rooms.assignment import Assignment
    from gridhub.streams.rooms.ledger import Ledger
    from gridhub.streams.rooms.timers import Timer
    from gridhub.streams.routing import Routing

Row = dict[str, Any]
"""One record as its Avro schema names the fields, times in ms."""


class Category(Protocol):
    """One row of config/categories.csv, as far as these rooms read it."""

    @property
    def matter_group(self) -> str:
        """Categories of one group can be the same matter."""

    @property
    def radius_m(self) -> float:
        """How far apart two reports of one matter may lie."""

    @property
    def window_s(self) -> float:
        """How far apart in time they may be."""

    @property
    def life_safety(self) -> bool:
        """People may be in danger: never held back as merely possible."""


class Categories(Protocol):
    """The city's table of categories."""

    def __iter__(self) -> Iterator[str]: ...

    def __getitem__(self, category: str, /) -> Category: ...

    def get(self, category: str, /) -> Category | None:
        """The category's row, or None when the table has no such code."""


class Place(Protocol):
    """A place of the catalogue."""

    @property
    def name(self) -> str:
        """Its name, for a person."""

    @property
    def lon(self) -> float | None:
        """With `lat` a point inside it, WGS-84; None where nobody has told."""

    @property
    def lat(self) -> float | None:
        """See `lon`."""


class Places(Protocol):
    """The grid catalogue, as far as tasks need it. Codes have 6, 9, 12 or 15 digits."""

    @property
    def root(self) -> str:
        """The code of the city."""

    def place(self, code: str, /) -> Place | None:
        """The place of this code, or None."""

    def children(self, code: str, /) -> Sequence[str]:
        """Codes of the places one level below, in order; asked only for places that there are."""

    def staff(self, grid: str, at_ms: int | None, /) -> Sequence[str]:
        """The numbers of a grid's members at a moment."""


@dataclass(frozen=True)
class OutboundFacts:
    """Everything the outbound rooms know besides the batch, the time and the state; read-only for a batch."""

    categories: Categories
    matching: Matching
    routing: Routing
    catalogue: Places
    retention_ms: int  # how long an event id is remembered
    accept_limit_ms: int  # time to accept a task where the rule says nothing (十五分钟服务圈)
    rules: dict[str, str] = field(default_factory=dict)  # versions, for the journal
    charter: Charter = field(default_factory=Charter)  # what the city tells of its organisation
    clocks: Clocks = field(default_factory=bundled)  # limits of each stage of a task
    silences: Silences = NO_SILENCES  # of operators, from hub.config

    @cached_property
    def organisation(self) -> Organisation:
        """Who serves which place, from the catalogue and the names of departments; remembers what it was asked."""
        return Organisation(self.catalogue, self.routing.departments, self.charter)

    @cached_property
    def assigned(self) -> dict[tuple[object, ...], tuple[Assignment, ...]]:
        """What `assignments` was asked, and its answers: they follow from these facts alone."""
        return {}


def _schema(like: pa.Schema | None = None, **columns: pa.DataType) -> pa.Schema:
    fields = [pa.field(name, kind) for name, kind in columns.items()]
    return pa.schema([*(like or []), *fields])


DECIDED = _schema(
    LOCATED,
    incident_id=pa.string(),
    outcome=pa.string(),  # opened | attached | merged | possible
    raised=pa.bool_(),  # this event made its incident more severe, or brought danger to life into it
)
"""Located events with what became of them."""

INCIDENT = _schema(
    incident_id=pa.string(),
    version=pa.int32(),
    area=pa.string(),
    grid_ids=STRINGS,
    place_name=pa.string(),
    lon=pa.float64(),
    lat=pa.float64(),
    category=pa.string(),
    severity=pa.int32(),
    status=pa.string(),
    state=pa.string(),  # open | closed | cancelled | merged
    title=pa.string(),
    opened_at=pa.int64(),
    first_event_at=pa.int64(),
    last_event_at=pa.int64(),
    closed_at=pa.int64(),
    events=pa.int32(),
    possible=pa.int32(),
    sources=STRINGS,
    event_ids=STRINGS,
    subject_keys=STRINGS,
    task_ids=STRINGS,
    changed_by=pa.string(),
    possible_ids=STRINGS,
    parent_id=pa.string(),
    inhibited=pa.bool_(),
    merged_into=pa.string(),
    absorbed=STRINGS,
    reopened=pa.int32(),
)
"""The columns of Incident.avsc: one row per version."""

TASK = _schema(
    task_id=pa.string(),
    incident_id=pa.string(),
    version=pa.int32(),
    area=pa.string(),
    grid_ids=STRINGS,
    place_name=pa.string(),
    lon=pa.float64(),
    lat=pa.float64(),
    category=pa.string(),
    severity=pa.int32(),
    status=pa.string(),
    action=pa.string(),
    role=pa.string(),
    recipient=pa.string(),
    recipient_name=pa.string(),
    title=pa.string(),
    text=pa.string(),
    stage=pa.string(),
    stage_since=pa.int64(),
    created_at=pa.int64(),
    accept_by=pa.int64(),
    finish_by=pa.int64(),
    overdue=pa.bool_(),
    returns=pa.int32(),
    handler=pa.string(),
    checker=pa.string(),
    note=pa.string(),
    route=pa.string(),
    changed_by=pa.string(),
    check_by=pa.int64(),
    check_unit=pa.string(),
    paused_ms=pa.int64(),
    suspend_reason=pa.string(),
    suspended_until=pa.int64(),
    extension_asked_by=pa.string(),
    extensions=pa.int32(),
    escalations=pa.int32(),
    escalated_to=pa.string(),
    reminded_at=pa.int64(),
    reopened=pa.int32(),
    arbitrated=pa.bool_(),
    proposed_by=pa.string(),
    also_incidents=STRINGS,
    on_duty=pa.string(),
)
"""The columns of Task.avsc: one row per version."""

STATUS = _schema(
    row=pa.int32(),  # index into the batch of hub.status: leads back to the original bytes
    kind=pa.string(),  # status (TaskStatus) | command (Command) | parent (ParentNotice)
    status_id=pa.string(),  # status id or command id
    task_id=pa.string(),  # of a status, and of a command on one task
    incident_id=pa.string(),  # of a command
    stage=pa.string(),  # the stage asked for, or the command's kind
    actor=pa.string(),
    at=pa.int64(),
    note=pa.string(),  # note or reason
    sender=pa.string(),
    event=pa.string(),  # of a command: source/event id
    other_incident_id=pa.string(),  # of a command
    notice=pa.string(),  # of a parent: the whole notice, JSON
    cause=pa.string(),  # of a suspension: the listed reason
    until=pa.int64(),  # of a suspension: its end, ms
    recipient=pa.string(),  # of an arbitration: who handles it
)
"""Status reports, commands and notices of parents, in the order of the topic."""


@dataclass(frozen=True)
class Deduplicated:
    """What `deduplicate` gives back. Law: rows in = kept (opened + attached + merged + possible) + refused (duplicate)."""

    kept: pa.RecordBatch
    refused: pa.RecordBatch
    rows: list[Row]  # the incident after each kept event, in the order of `kept`
    seen: dict[bytes, bytes | None]  # when the new events were seen
    ledger: Ledger  # candidates and incidents as they are now
    decisions: list[Row]
    notices: list[Row] = field(default_factory=list)  # ParentNotice records for other areas

    @cached_property
    def changes(self) -> dict[bytes, bytes | None]:
        """What the state must take when `dispatch`, whose changes hold these too, is not asked."""
        return {**self.seen, **self.ledger.changes()}

    @cached_property
    def snapshots(self) -> pa.RecordBatch:
        """The same rows as a table INCIDENT; made when asked for, since `dispatch` publishes the later form."""
        return table(INCIDENT, self.rows)


@dataclass(frozen=True)
class Dispatched:
    """What `dispatch` gives back: tasks and incidents to publish, one row per version.

    A row has the fields of Task.avsc or Incident.avsc, and what only the state knows beside them.
    """

    task_rows: list[Row]
    incident_rows: list[Row]
    changes: dict[bytes, bytes | None]
    decisions: list[Row]
    notices: list[Row] = field(default_factory=list)  # ParentNotice records for other areas, or of what ended

    @cached_property
    def tasks(self) -> pa.RecordBatch:
        """The tasks as a table TASK; made when asked for, since records are written straight from the rows."""
        return table(TASK, self.task_rows)

    @cached_property
    def incidents(self) -> pa.RecordBatch:
        """The incidents as a table INCIDENT; made when asked for."""
        return table(INCIDENT, self.incident_rows)


@dataclass(frozen=True)
class Tracked(Dispatched):
    """What `track` and `ring` give back. Law: rows in = rows taken + refused; one decision each, and one per matter given out."""

    refused: pa.RecordBatch = field(default_factory=lambda: empty(REFUSAL))
    opened: list[Row] = field(default_factory=list)  # incidents that a person opened, or opened again
    ended: list[Row] = field(default_factory=list)  # incidents that were open and are closed, cancelled or merged now
    fired: list[Timer] = field(default_factory=list)  # by `ring` only

    @property
    def sent(self) -> Dispatched:
        """What goes out, as the other road has it."""
        return self
