"""What the hub made of the messages, as far as the check looks at it; read from Kafka, or made by a road in memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from gridhub.streams.topics import department_of

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOM = "deduplicate"


class Position(NamedTuple):
    """Where a message lies in Kafka."""

    topic: str
    partition: int
    offset: int


class Located(NamedTuple):
    """One message of hub.located: where it lies, which message it came from, and where it happened."""

    at: Position
    origin: Position
    area: str
    codes: tuple[str, ...]
    method: str


class Refused(NamedTuple):
    """One message of hub.quarantine that came from a department."""

    origin: Position
    room: str
    reason: str


class Decided(NamedTuple):
    """One decision of `deduplicate`; `at` is the position of the located event that it decided on."""

    at: Position
    outcome: str
    incident_id: str


@dataclass(slots=True)
class Findings:
    """Everything that was found, in the order of each partition."""

    located: list[Located] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    incidents: Counter[str] = field(default_factory=Counter)  # by id: how often version 1 was published
    tasks: Counter[str] = field(default_factory=Counter)  # by id: how often version 1 was published
    incident_of: dict[str, str] = field(default_factory=dict)  # task id to incident id
    inhibited: set[str] = field(default_factory=set)  # ids of incidents whose tasks wait for the end of a parent

    def add_located(self, at: Position, record: Mapping[str, Any]) -> None:
        """Take in a LocatedEvent."""
        origin = Position(record["origin_topic"], record["origin_partition"], record["origin_offset"])
        codes = tuple(sorted(record["grid_ids"]))
        self.located.append(Located(at, origin, record["area"], codes, record["method"]))

    def add_refused(self, record: Mapping[str, Any]) -> None:
        """Take in a Refusal, if it is of a department's message."""
        origin = Position(record["source_topic"], record["source_partition"], record["source_offset"])
        if department_of(origin.topic) is not None:
            self.refused.append(Refused(origin, record["room"], record["reason"]))

    def add_decision(self, record: Mapping[str, Any]) -> None:
        """Take in a Decision, if it is about a located event."""
        if record["room"] == ROOM:
            at = Position(record["origin_topic"], record["origin_partition"], record["origin_offset"])
            self.decided.append(Decided(at, record["outcome"], record["incident_id"]))

    def add_incident(self, record: Mapping[str, Any]) -> None:
        """Take in one version of an Incident."""
        name = record["incident_id"]
        self.incidents[name] += record["version"] == 1
        (self.inhibited.add if record.get("inhibited") else self.inhibited.discard)(name)

    def add_task(self, record: Mapping[str, Any]) -> None:
        """Take in one version of a Task."""
        self.tasks[record["task_id"]] += record["version"] == 1
        self.incident_of[record["task_id"]] = record["incident_id"]
