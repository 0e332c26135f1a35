"""Keeps the store up to date with Kafka: reports, incidents, tasks, and what the hub decided or refused."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import structlog
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from gridhub.connectors.open311.reports import row_of
from gridhub.connectors.open311.services import RECORD
from gridhub.schemas.codec import BadRecord, UnknownSchema
from gridhub.schemas.registry import RegistryLater
from gridhub.streams import topics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridhub.connectors.open311.store import Row, Store
    from gridhub.schemas.codec import Codec

_POLL_MS = 200
_STOP_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_PRUNE_S = 3600.0
log = structlog.get_logger()


class _NoTopicError(Exception):
    """A topic is not there yet; caught in this file only."""


class Follower:
    """Reads from where the store is, in a thread of its own; each poll is one transaction with its offsets."""

    def __init__(self, bootstrap: str, codec: Codec, store: Store, department: str) -> None:
        self._bootstrap, self._codec, self._store, self._department = bootstrap.split(","), codec, store, department
        self._topics: dict[str, tuple[str, Callable[[Row], None]]] = {
            topics.department_topic(department, "").name: (RECORD, self._report),
            topics.INCIDENTS.name: (f"gridhub.hub.{topics.INCIDENTS.values[0]}", self._incident),
            topics.TASKS.name: (f"gridhub.hub.{topics.TASKS.values[0]}", self._task),
            topics.JOURNAL.name: (f"gridhub.hub.{topics.JOURNAL.values[0]}", self._decision),
            topics.QUARANTINE.name: (f"gridhub.hub.{topics.QUARANTINE.values[0]}", self._refusal),
        }
        self._loaded, self._stopping = threading.Event(), threading.Event()
        self._pruned = 0.0
        self._thread = threading.Thread(target=self._run, name="open311-follower", daemon=True)

    @property
    def loaded(self) -> bool:
        """Whether all that was there at the start is in the store."""
        return self._loaded.is_set()

    def wait_loaded(self, timeout_s: float) -> bool:
        """Wait until it is; False when that took longer."""
        return self._loaded.wait(timeout_s)

    def start(self) -> None:
        """Begin; returns at once. While Kafka is away it tries again and again."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                self._follow()
                pause_s = _FIRST_PAUSE_S
            except (KafkaError, RegistryLater, UnknownSchema, _NoTopicError) as error:
                log.warning("open311_read_failed", error=str(error) or type(error).__name__, retry_in_s=pause_s)
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _follow(self) -> None:
        with contextlib.ExitStack() as stack:
            consumer = self._consumer()
            stack.callback(consumer.close, autocommit=False)
            self._store.belongs_to(self._cluster())
            ends = consumer.end_offsets(self._seek(consumer))
            while not self._stopping.is_set():
                self._take_in(consumer.poll(timeout_ms=_POLL_MS))
                if not self.loaded and all(consumer.position(tp) >= end for tp, end in ends.items()):
                    self._loaded.set()
                self._prune()

    def _consumer(self) -> KafkaConsumer:
        return KafkaConsumer(
            bootstrap_servers=self._bootstrap, client_id="gridhub-open311", group_id=None, enable_auto_commit=False,
            isolation_level="read_committed", auto_offset_reset="earliest",
        )  # fmt: skip

    def _cluster(self) -> str:
        admin = KafkaAdminClient(bootstrap_servers=self._bootstrap, client_id="gridhub-open311")
        try:
            return str(admin.describe_cluster()["cluster_id"])
        finally:
            admin.close()

    def _seek(self, consumer: KafkaConsumer) -> list[TopicPartition]:
        """Assign every partition, each from where the store is or from its beginning; _NoTopicError where one is missing."""
        partitions = {name: consumer.partitions_for_topic(name) for name in self._topics}
        if missing := [name for name, numbers in partitions.items() if not numbers]:
            raise _NoTopicError(f"there is no topic {missing[0]}: gridhub provision")
        tps = [TopicPartition(name, number) for name, numbers in partitions.items() for number in numbers]
        consumer.assign(tps)
        places = self._store.places()
        for tp in tps:
            if (following := places.get((tp.topic, tp.partition))) is not None:
                consumer.seek(tp, following)
            else:
                consumer.seek_to_beginning(tp)
        return tps

    def _take_in(self, records: dict[TopicPartition, list[Any]]) -> None:
        if not records:
            return
        order = list(self._topics)  # incidents before tasks: the steps of a task are kept where its incident is known
        with self._store.together():
            for tp, part in sorted(records.items(), key=lambda item: order.index(item[0].topic)):
                self._take(tp.topic, [record.value for record in part if record.value is not None])
                self._store.went_on(tp.topic, tp.partition, part[-1].offset + 1)

    def _take(self, topic: str, values: Sequence[bytes]) -> None:
        """Note each record; what cannot be read is the worker's to refuse, not ours."""
        name, take = self._topics[topic]
        for found in self._codec.decode_many(values):
            if not isinstance(found, BadRecord) and found.name == name:
                take(found.record)

    def _report(self, event: Row) -> None:
        if event["source"] == self._department:
            self._store.told(row_of(event))

    def _incident(self, incident: Row) -> None:
        ours = [name for name in (*incident["event_ids"], *incident["possible_ids"]) if self._ours(name)]
        if not ours and self._department not in incident["sources"]:
            return
        at = max(incident["last_event_at"], incident["closed_at"] or 0)
        self._store.incident(
            {
                "id": incident["incident_id"],
                "version": incident["version"],
                "state": incident["state"],
                "merged": incident["merged_into"],
                "place": incident["place_name"],
                "at": at,
            }
        )
        for name in ours:
            request_id = name.partition("/")[2]
            self._store.report(_without_words(request_id, incident), None)
            self._store.linked(request_id, incident["incident_id"], anew=True)

    def _ours(self, told: str) -> bool:
        return told.startswith(f"{self._department}/")

    def _task(self, task: Row) -> None:
        same = ("version", "action", "role", "recipient", "recipient_name", "category", "severity", "area", "stage",
                "finish_by", "note")  # fmt: skip
        row = {name: task[name] for name in same}
        self._store.task(row | {"id": task["task_id"], "incident": task["incident_id"], "since": task["stage_since"]})

    def _decision(self, decision: Row) -> None:
        """The journal knows the incident of every report, also beyond the fifty that an incident names."""
        if decision["source"] == self._department and decision["incident_id"]:
            self._store.linked(decision["event_id"], decision["incident_id"], anew=False)

    def _refusal(self, refusal: Row) -> None:
        if refusal["source"] == self._department and refusal["event_id"]:
            self._store.refused(refusal["event_id"], refusal["reason"])

    def _prune(self) -> None:
        if time.monotonic() >= self._pruned:
            self._pruned = time.monotonic() + _PRUNE_S
            self._store.prune(time.time_ns() // 1_000_000)


def _without_words(request_id: str, incident: Row) -> Row:
    """A report of which only the incident is left: the department's topic keeps a week, the incidents' ninety days."""
    return {
        "id": request_id,
        "code": incident["category"],
        "text": None,
        "media": None,
        "lat": incident["lat"],
        "lon": incident["lon"],
        "address": incident["place_name"],
        "address_id": None,
        "requested": incident["first_event_at"],
    }
