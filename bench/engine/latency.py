"""Latency and cost of one contender at a steady rate."""

from __future__ import annotations

import threading
import time
from typing import Any, Self

import check
import data
import job
import meter
import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition
from contenders import Contender
from runs import POLL_S, SETTLE_S, SILENT_S, Broken, Line, Setup, Started, read_back, started

WARM_S, WINDOW_S, TAIL_S = 10, 30, 2
TICK_S = 0.002  # of publishing


def latency(setup: Setup, who: Contender, rate: int) -> Line:
    """Publish at a steady rate; from just before an event is handed to the producer until its tasks can be read committed."""
    count = (WARM_S + WINDOW_S + TAIL_S) * rate
    want = data.kept(setup.data_folder, count)
    messages = list(data.messages(want.data))
    inputs = [f"latency-{time.time_ns()}.{name}" for name in job.DEPARTMENTS]
    setup.cluster.create(inputs)
    busy = meter.wait_quiet(setup.quiet_s)
    with started(setup, who, inputs, latency=True) as running, Reader(setup.cluster.bootstrap, running.task) as reader:
        clock = meter.Meter(running.roots, setup.broker_pid)
        time.sleep(SETTLE_S)
        running.demand_alive()
        sent_s, readings = _publish(setup.cluster.bootstrap, inputs, messages, rate, clock)
        _settle(setup, running, want.norms + want.tasks)
        line: Line = {
            "events": count, "rate": rate, "settings": running.own, "busy_before": busy,
            **meter.used(*readings, WINDOW_S * rate), "peak_rss_mb": clock.peak_mb(),
        }  # fmt: skip
        running.end()
        line |= _spread(reader.stop(), sent_s, rate)
        return {**line, **read_back(setup, running, count)}


def _publish(
    bootstrap: str, inputs: list[str], messages: list[Any], rate: int, clock: meter.Meter
) -> tuple[Any, list[meter.Reading]]:
    """Send each message at its time; when each was sent, and the clocks at both ends of the window."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "enable.idempotence": True, "log_level": 2})
    marks = {WARM_S * rate, (WARM_S + WINDOW_S) * rate}
    sent_s, readings = np.empty(len(messages)), []
    together = max(1, round(rate * TICK_S))  # waking more often would cost the harness more than the contender
    start_s = time.time() + 0.1
    for number, (department, partition, key, value) in enumerate(messages):
        if number in marks:
            readings.append(clock.read())
        due_s = start_s + number // together * together / rate
        while (now := time.time()) < due_s:
            producer.poll(0)
            time.sleep(max(0.0, min(TICK_S, due_s - now)))
        sent_s[number] = now
        producer.produce(inputs[department], value, key, partition=partition)
    producer.flush()
    return sent_s, readings


def _settle(setup: Setup, running: Started, want: int) -> None:
    """Wait until everything is out."""
    deadline = time.monotonic() + SILENT_S
    while sum(setup.cluster.ends([running.norm, running.task]).values()) < want:
        running.demand_alive()
        if time.monotonic() > deadline:
            raise Broken(f"did not follow: {running.last_words()}")
        time.sleep(POLL_S)
    time.sleep(TAIL_S)


def _spread(found: list[tuple[float, bytes]], sent_s: Any, rate: int) -> Line:
    if not found:
        raise Broken("no task came out")
    row = check.row_of(check.table([value for _, value in found], job.HEAD_TASK)["event_id"])
    took_ms = (np.array([at for at, _ in found]) - sent_s[row]) * 1000
    return spread_ms(took_ms[(row >= WARM_S * rate) & (row < (WARM_S + WINDOW_S) * rate)])


def spread_ms(took_ms: Any) -> Line:
    """How latencies lie."""
    if not len(took_ms):
        raise Broken("no task came out of the window")
    places = zip(("p50_ms", "p90_ms", "p99_ms", "max_ms"), np.percentile(took_ms, [50, 90, 99, 100]), strict=True)
    return {**{name: round(float(value), 1) for name, value in places}, "latencies": len(took_ms)}


class Reader:
    """Reads tasks as they become visible, in a thread, and notes when."""

    def __init__(self, bootstrap: str, topic: str, partitions: int = job.PARTITIONS) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap, "group.id": topic, "isolation.level": "read_committed",
                "enable.auto.commit": False, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 5,
            }
        )  # fmt: skip
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
        self._found: list[tuple[float, bytes]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> list[tuple[float, bytes]]:
        """What was read, and when."""
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join()
            self._consumer.close()
        return self._found

    def _read(self) -> None:
        while not self._ended.is_set():
            messages = self._consumer.consume(1000, 0.005)
            now = time.time()
            self._found += [(now, message.value()) for message in messages if message.error() is None]
