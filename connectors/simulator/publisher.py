"""Publish messages as departments would, and write down the truth with where Kafka put each of them."""

from __future__ import annotations

import time
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from gridhub.connectors.simulator.message import Encoder, Message, Truth

MOST_UNANSWERED = 10_000
DELIVERY_TIMEOUT_S = 300.0
_FLUSH_S = 0.5


class PublishError(Exception):
    """Kafka did not take a message within the delivery timeout, or refused it; the text says which and what to do."""


class _Sent(NamedTuple):
    truth: Truth
    answer: Any


def publish(  # noqa: PLR0913  # each is one independent setting
    messages: Iterable[Message],
    bootstrap: str,
    codec: Encoder,
    truth_path: Path | None,
    rate_per_s: float | None = None,
    on_progress: Callable[[int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    delivery_timeout_s: float = DELIVERY_TIMEOUT_S,
) -> int:
    """Publish messages in order, each once, until they end or `stop` says so; how many Kafka has confirmed.

    `truth_path` gets one line per message, in the order of publishing, with partition and offset; None writes none.
    A broker that is away for less than `delivery_timeout_s` costs waiting only: the producer is idempotent, so its
    repetitions neither double nor reorder. At most MOST_UNANSWERED messages are in memory. PublishError when Kafka
    stays away longer or refuses a message; the truth of what was confirmed is written by then.
    """
    with ExitStack() as open_things:
        truth = open_things.enter_context(truth_path.open("wb")) if truth_path else None
        line = _Line(_producer(bootstrap, delivery_timeout_s), truth, on_progress or (lambda _count: None))
        open_things.callback(line.close)
        pace = _Pace(rate_per_s)
        for message in messages:
            pace.wait(stop, line.write_answered)
            if stop():
                break
            line.send(message, message.encoded(codec))
        line.write_all()
        return line.confirmed


def _producer(bootstrap: str, delivery_timeout_s: float) -> KafkaProducer:
    try:
        return _connected(bootstrap, delivery_timeout_s)
    except KafkaError as error:
        raise PublishError(
            f"No Kafka answers at {bootstrap} ({type(error).__name__}): start it, or set GRIDHUB_KAFKA."
        ) from error


def _connected(bootstrap: str, delivery_timeout_s: float) -> KafkaProducer:
    return KafkaProducer(
        bootstrap_servers=bootstrap.split(","),
        acks="all",
        enable_idempotence=True,
        max_in_flight_requests_per_connection=5,
        delivery_timeout_ms=int(delivery_timeout_s * 1000),
        max_block_ms=int(delivery_timeout_s * 1000),
        bootstrap_timeout_ms=int(delivery_timeout_s * 1000),
        request_timeout_ms=10_000,
        reconnect_backoff_max_ms=1_000,
        linger_ms=10,
        batch_size=131_072,
    )


class _Line:
    """What was sent, in order, until Kafka has answered."""

    def __init__(self, producer: KafkaProducer, truth: BinaryIO | None, on_progress: Callable[[int], None]) -> None:
        self.confirmed = 0
        self._producer, self._truth, self._on_progress = producer, truth, on_progress
        self._sent: deque[_Sent] = deque()
        self._flushed_at = time.monotonic()

    def send(self, message: Message, value: bytes) -> None:
        """Send one message; waits while too many are unanswered."""
        while len(self._sent) >= MOST_UNANSWERED:
            self._write(self._sent.popleft())
        try:
            answer = self._producer.send(message.topic, value, key=message.key)
        except KafkaError as error:
            self._fail(message.truth, error)
        self._sent.append(_Sent(message.truth, answer))
        self.write_answered()

    def write_answered(self) -> None:
        """Write the truth of what has been answered, as far as it is without a gap."""
        while self._sent and self._sent[0].answer.is_done:
            self._write(self._sent.popleft())
        if time.monotonic() - self._flushed_at >= _FLUSH_S:
            self._flush()

    def write_all(self) -> None:
        """Wait for every answer, and write the truth."""
        self._producer.flush()
        while self._sent:
            self._write(self._sent.popleft())
        self._flush()

    def close(self) -> None:
        """End the producer; what is unanswered by now is given up."""
        self._producer.close(timeout=5)

    def _write(self, sent: _Sent) -> None:
        try:
            place = sent.answer.get()
        except KafkaError as error:
            self._fail(sent.truth, error)
        self.confirmed += 1
        if self._truth:
            self._truth.write(sent.truth.placed(place.partition, place.offset).line())

    def _flush(self) -> None:
        self._flushed_at = time.monotonic()
        if self._truth:
            self._truth.flush()
        self._on_progress(self.confirmed)

    def _fail(self, truth: Truth, error: KafkaError) -> None:
        self._flush()
        raise PublishError(
            f"Kafka did not take message {truth.seq} for {truth.topic} ({type(error).__name__}); {self.confirmed} were "
            "confirmed before it. See whether the broker runs and has the topics (gridhub provision)."
        ) from error


class _Pace:
    """Keeps to a rate over the whole run; None is as fast as it goes."""

    def __init__(self, rate_per_s: float | None) -> None:
        self._rate_per_s = rate_per_s
        self._begun = time.monotonic()
        self._count = 0

    def wait(self, stop: Callable[[], bool], meanwhile: Callable[[], None]) -> None:
        """Wait until the next message is due, looking at `stop` and doing `meanwhile` several times a second."""
        if self._rate_per_s is None:
            return
        due = self._begun + self._count / self._rate_per_s
        self._count += 1
        while (left := due - time.monotonic()) > 0 and not stop():
            time.sleep(min(left, 0.2))
            meanwhile()
