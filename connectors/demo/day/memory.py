"""The whole hub in memory, its clock moved by hand: the same road as a worker's, without Kafka."""

from __future__ import annotations

from collections.abc import Iterable

from gridhub.connectors.demo.day.lines import DECISION, INCIDENT, TASK, Published, Row
from gridhub.connectors.demo.day.messages import Sent
from gridhub.schemas.codec import Codec
from gridhub.streams import city as city_data
from gridhub.streams import messages, road, topics
from gridhub.streams.city import City
from gridhub.streams.memory import MemoryState
from gridhub.streams.messages import Origin
from gridhub.streams.rooms.outbound import Tracked
from gridhub.streams.settings import Settings, load


class MemoryHub:
    """One state for every area. What a message causes is there as soon as it was sent."""

    def __init__(self, city: City, codec: Codec, settings: Settings | None = None) -> None:
        """A hub of this city; see `rules.city_by` for what operators have published."""
        self._codec, settings = codec, settings or load()
        self._inbound = city_data.inbound_facts(city, settings, codec.decode_many)
        self._outbound = city_data.outbound_facts(city, settings)
        self._state, self._now_ms, self._offset = MemoryState(), 0, 0
        self._published: list[Published] = []

    def set_clock(self, now_ms: int) -> None:
        """Let the time pass, and what falls due in it happen."""
        self._now_ms = now_ms
        self._chime()

    def send(self, sent: Sent) -> None:
        """One message goes the road."""
        self._offset += 1
        value = self._codec.encode(sent.subject, sent.record)
        origin = Origin(sent.topic, 0, self._offset, self._now_ms, sent.key, value)
        if sent.topic == topics.STATUS.name:
            table = messages.read_status([origin], self._codec).table
            self._take(road.status(table, self._outbound, self._now_ms, self._state))
        else:
            self._event(origin)
        self._chime()

    def published(self) -> list[Published]:
        """Every record so far."""
        return self._published

    def _event(self, origin: Origin) -> None:
        inbound = road.inbound(messages.raw_table([origin]), self._inbound, self._now_ms)
        found = road.outbound(inbound.located, self._outbound, self._now_ms, self._state)
        self._state.apply(found.changes)
        self._publish(found.decisions, found.sent.incident_rows, found.sent.task_rows)
        self._settle(found.notices)

    def _chime(self) -> None:
        for rung in road.chime(self._outbound, self._now_ms, self._state):
            self._publish(rung.decisions, rung.incident_rows, rung.task_rows)
            self._settle(rung.notices)

    def _take(self, tracked: Tracked) -> None:
        self._state.apply(tracked.changes)
        self._publish(tracked.decisions, tracked.incident_rows, tracked.task_rows)
        self._settle(tracked.notices)

    def _settle(self, notices: list[Row]) -> None:
        for tracked in road.settle(notices, self._outbound, self._now_ms, self._state):
            self._publish(tracked.decisions, tracked.incident_rows, tracked.task_rows)

    def _publish(self, decisions: Iterable[Row], incidents: Iterable[Row], tasks: Iterable[Row]) -> None:
        for kind, rows in ((DECISION, decisions), (INCIDENT, incidents), (TASK, tasks)):
            self._published += (Published(kind, dict(row)) for row in rows)
