"""Reports and steps on their way to Kafka. A report that Kafka does not take is sent again until it does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import orjson
import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from gridhub.streams import topics
from gridhub.streams.messages import SUBJECTS

if TYPE_CHECKING:
    from gridhub.connectors.open311.store import Row, Store
    from gridhub.schemas.codec import Codec

ANSWER_S = 5.0
_AGAIN_S = 3.0
_STOP_S = 2.0
log = structlog.get_logger()


class Outbox:
    """The way to Kafka: idempotent, confirmed by all replicas."""

    def __init__(self, bootstrap: str, codec: Codec, store: Store, department: str, answer_s: float = ANSWER_S) -> None:
        self._bootstrap, self._codec, self._store, self._answer_s = bootstrap.split(","), codec, store, answer_s
        self._topic = topics.department_topic(department, "").name
        self._department = department
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="open311-outbox", daemon=True)

    def start(self) -> None:
        """Begin to send again what an earlier run or an outage left behind."""
        self._thread.start()

    def stop(self) -> None:
        """End; what waits stays in the store."""
        self._stopping.set()
        self._thread.join(self._answer_s + _STOP_S)
        with self._lock:
            if self._producer is not None:
                self._producer.close(timeout=1)

    def report(self, event: Row) -> bool:
        """Send a report; whether Kafka has it. If not, it is sent again later, under the same id."""
        value = self._codec.encode(f"{self._topic}-value", {**event, "source": self._department})
        if not self._sent(self._topic, event["id"].encode(), value):
            return False
        self._store.sent(event["id"])
        return True

    def step(self, status: Row, area: str) -> bool:
        """Send a step of a task; whether Kafka has it. If not, the client sends it again: the hub takes it once."""
        return self._sent(topics.STATUS.name, area.encode(), self._codec.encode(SUBJECTS["TaskStatus"], status))

    def _sent(self, topic: str, key: bytes, value: bytes) -> bool:
        try:
            self._connected().send(topic, value, key=key).get(timeout=self._answer_s)
        except KafkaError as error:
            log.warning("open311_send_failed", topic=topic, error=type(error).__name__)
            return False
        return True

    def _connected(self) -> KafkaProducer:
        with self._lock:
            if self._producer is None:
                wait_ms = int(self._answer_s * 1000)
                self._producer = KafkaProducer(
                    bootstrap_servers=self._bootstrap, client_id="gridhub-open311", acks="all", enable_idempotence=True,
                    max_block_ms=wait_ms, bootstrap_timeout_ms=wait_ms, request_timeout_ms=wait_ms,
                    delivery_timeout_ms=2 * wait_ms, reconnect_backoff_max_ms=500,
                )  # fmt: skip
            return self._producer

    def _run(self) -> None:
        while not self._stopping.is_set():
            for row in self._store.waiting():
                if self._stopping.is_set() or not self.report(orjson.loads(row["event"])):
                    break
            self._stopping.wait(_AGAIN_S)
