"""The registry's topic `_schemas`: read to its end and on, written one decision at a time.

Several registries may share one Kafka. Each writes with the same transactional id: who wants to write fences the
others, reads all that they committed, and only then decides. So no two registries give one id to two schemas.
"""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import structlog
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import (
    InvalidProducerEpochError,
    KafkaError,
    OffsetOutOfRangeError,
    ProducerFencedError,
    TopicAlreadyExistsError,
)

from gridhub.connectors.registry.keeping import StoreDown
from gridhub.connectors.registry.records import decode, noop_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridhub.connectors.registry.keeping import Fold
    from gridhub.connectors.registry.records import Record

TOPIC = "_schemas"
TRANSACTIONAL_ID = "gridhub-registry"
_READ_BACK_S = 10.0
_POLL_MS = 200
_STOP_S = 1.0
_WATCH_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_TRIES = 3
_FENCED = (ProducerFencedError, InvalidProducerEpochError)

log = structlog.get_logger()


def _passes(error: KafkaError) -> bool:
    """Whether to take over again: fenced, or an answer that kafka-python has no error for (the broker's UNKNOWN_SERVER_ERROR).

    Whether such a write counts is unknown; what was committed is read first, so deciding again changes nothing.
    """
    return isinstance(error, _FENCED) or type(error) is KafkaError


class _Replaced(Exception):  # noqa: N818  # caught in this file only
    """The topic is not the one that was read before."""


class KafkaLog:
    """The topic in Kafka. The fold is called in the reading thread, for each record in log order."""

    def __init__(self, bootstrap: str, fold: Fold, *, replication: int = 1, write_s: float = 8.0) -> None:
        self._bootstrap = bootstrap
        self._fold = fold
        self._replication = replication
        self._write_s = write_s  # how long a write may take, in seconds
        self._partition = TopicPartition(TOPIC, 0)
        self._applied = -1  # offset of the last record applied
        self._read_on = threading.Condition()
        self._loaded = threading.Event()
        self._stopping = threading.Event()
        self._replaced = threading.Event()
        self._writing = threading.Lock()
        self._producer: KafkaProducer | None = None
        self._topic_id: str | None = None
        self._reader = threading.Thread(target=self._read, name="registry-reader", daemon=True)

    @property
    def loaded(self) -> bool:
        """Whether everything that was there at the start has been applied."""
        return self._loaded.is_set()

    def start(self) -> None:
        """Begin to read, in a thread of its own; returns at once. While Kafka is away it tries again and again."""
        self._reader.start()

    def wait_loaded(self, timeout_s: float) -> bool:
        """Wait until the topic was read to its end; False when that took longer."""
        return self._loaded.wait(timeout_s)

    def stop(self) -> None:
        """End the thread and the connections."""
        self._stopping.set()
        if self._writing.acquire(timeout=_STOP_S):
            self._drop_producer()
            self._writing.release()
        self._reader.join(timeout=_STOP_S)  # a daemon: one that waits for Kafka ends with the process

    def write(self, decide: Callable[[], Sequence[Record]]) -> None:
        """See Log.write; blocks until the records were read back, `write_s` at most."""
        if not self.loaded:
            raise StoreDown("the registry has not read its topic yet")
        end = time.monotonic() + self._write_s
        if not self._writing.acquire(timeout=self._write_s):
            raise StoreDown("an earlier write still waits for Kafka")
        job: Future[None] = Future()
        # kafka-python waits for a commit without a limit: a thread of its own, so that neither request nor exit must
        threading.Thread(target=self._run, args=(decide, job), name="registry-writer", daemon=True).start()
        try:
            job.result(max(0.0, end - time.monotonic()))
        except TimeoutError as error:
            raise StoreDown("Kafka did not confirm the write in time") from error

    def _run(self, decide: Callable[[], Sequence[Record]], job: Future[None]) -> None:
        try:
            self._write(decide)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is raised where the result is awaited
            job.set_exception(error)
        else:
            job.set_result(None)
        finally:
            self._writing.release()

    def _write(self, decide: Callable[[], Sequence[Record]]) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                self._write_once(decide)
            except KafkaError as error:
                self._drop_producer()
                if attempt == _TRIES or not _passes(error):
                    log.warning("registry_write_failed", error=type(error).__name__, attempt=attempt)
                    raise StoreDown(f"Kafka did not take the write ({type(error).__name__})") from error
            else:
                return

    def _write_once(self, decide: Callable[[], Sequence[Record]]) -> None:
        if self._producer is None:
            self._take_over()
        records = decide()
        if records:
            self._commit(records)

    def _take_over(self) -> None:
        """Fence other writers, then read what they committed: our own mark lies behind it."""
        block_ms = int(self._write_s * 500)
        self._producer = KafkaProducer(
            **self._connection(),
            transactional_id=TRANSACTIONAL_ID,
            acks="all",
            max_block_ms=block_ms,
            request_timeout_ms=block_ms,
            delivery_timeout_ms=2 * block_ms,
            transaction_timeout_ms=2 * block_ms,
        )
        self._producer.init_transactions()
        self._commit([noop_record()])

    def _commit(self, records: Sequence[Record]) -> None:
        assert self._producer is not None
        applied = self._applied
        self._producer.begin_transaction()
        sent = [self._producer.send(TOPIC, key=key, value=value) for key, value in (r.encode() for r in records)]
        self._producer.commit_transaction()
        last = max(future.get(timeout=_READ_BACK_S).offset for future in sent)
        if last <= applied:
            self._replaced.set()
            raise StoreDown("the topic was replaced by another one; it is being read anew")
        self._wait_applied(last)

    def _wait_applied(self, offset: int) -> None:
        with self._read_on:
            if not self._read_on.wait_for(lambda: self._applied >= offset, _READ_BACK_S):
                raise StoreDown("the write was sent but not read back in time")

    def _drop_producer(self) -> None:
        if self._producer is not None:
            self._producer.close(timeout=1)
            self._producer = None

    def _read(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                self._follow()
                pause_s = _FIRST_PAUSE_S
            except (_Replaced, OffsetOutOfRangeError):
                self._begin_anew()
            except KafkaError as error:
                log.warning("registry_read_failed", error=type(error).__name__, retry_in_s=pause_s)
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _begin_anew(self) -> None:
        """Somebody deleted the topic, and with it what it said."""
        log.warning("registry_topic_replaced", topic=TOPIC, applied=self._applied)
        self._loaded.clear()
        with self._read_on:
            self._applied = -1
        self._fold.clear()
        self._replaced.clear()

    def _follow(self) -> None:
        """Read from behind the last applied record until told to stop, or until Kafka raises."""
        with contextlib.ExitStack() as stack:
            admin = KafkaAdminClient(**self._connection())
            stack.callback(admin.close)
            self._require_same_topic(admin)
            consumer = self._consumer()
            stack.callback(consumer.close, autocommit=False)
            end = consumer.end_offsets([self._partition])[self._partition]
            looked_at = time.monotonic()
            while not self._stopping.is_set():
                self._take_in(consumer.poll(timeout_ms=_POLL_MS).get(self._partition, []))
                if not self.loaded and consumer.position(self._partition) >= end:
                    self._loaded.set()
                if self._replaced.is_set() or time.monotonic() - looked_at > _WATCH_S:
                    self._require_same_topic(admin)
                    looked_at = time.monotonic()

    def _consumer(self) -> KafkaConsumer:
        consumer = KafkaConsumer(
            **self._connection(),
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="none",
        )
        consumer.assign([self._partition])
        consumer.seek(self._partition, self._applied + 1)
        return consumer

    def _require_same_topic(self, admin: KafkaAdminClient) -> None:
        """See that the topic exists and is the one that was read; _Replaced when it is another one."""
        topic_id = _topic_id(admin) or _created(admin, self._replication)
        before, self._topic_id = self._topic_id, topic_id
        if self._replaced.is_set() or before not in (None, topic_id):
            raise _Replaced

    def _connection(self) -> dict[str, Any]:
        return {
            "bootstrap_servers": self._bootstrap.split(","),
            "client_id": "gridhub-registry",
            "reconnect_backoff_ms": 50,
            "reconnect_backoff_max_ms": 500,
        }

    def _take_in(self, messages: Sequence[object]) -> None:
        for message in messages:
            record = decode(message.key, message.value)  # type: ignore[attr-defined]  # kafka-python is untyped
            if record is not None:
                self._fold.apply(record)
            with self._read_on:
                self._applied = message.offset  # type: ignore[attr-defined]
                self._read_on.notify_all()


def _topic_id(admin: KafkaAdminClient) -> str | None:
    """Kafka's own id of the topic; None when there is no such topic."""
    found = admin.describe_topics([TOPIC])[0]["topic_id"]
    return None if found is None else str(found)


def _created(admin: KafkaAdminClient, replication: int) -> str | None:
    """The id of the topic, made now unless another registry is quicker."""
    with contextlib.suppress(TopicAlreadyExistsError):
        admin.create_topics([NewTopic(TOPIC, 1, replication, topic_configs={"cleanup.policy": "compact"})])
    return _topic_id(admin)
