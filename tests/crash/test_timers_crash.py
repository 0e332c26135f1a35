"""Timers under kill -9: every one fires once, stamped with its time, while its workers die in the middle of ringing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

APP = Path(__file__).with_name("timer_app.py")
PARTITIONS, IN, OUT, STATE = 4, "timers.in", "timers.out", "timers.state"  # as timer_app.py has them
TIMERS, FIRST_MS, SPAN_MS, THEN_MS = 200, 3000, 12_000, 700
LIMIT_S = 100.0


class Workers:
    """The app's processes, and what they committed."""

    def __init__(self, bootstrap, folder):
        self.bootstrap, self.folder, self.running = bootstrap, folder, []
        self.fired = []  # (partition, subject, time it was stamped with)
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        wanted = [NewTopic(name, PARTITIONS, 1) for name in (IN, OUT)]
        wanted.append(NewTopic(STATE, PARTITIONS, 1, config={"cleanup.policy": "compact"}))
        for future in admin.create_topics(wanted).values():
            future.result(30)
        self._reader = Consumer({
            "bootstrap.servers": bootstrap, "group.id": "timers-reader", "isolation.level": "read_committed",
            "enable.auto.commit": False, "log_level": 0,
        })  # fmt: skip
        self._reader.assign([TopicPartition(OUT, number, 0) for number in range(PARTITIONS)])

    def set(self, due):
        """Publish timers {subject: due time}; each sets another one when it fires."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for number, (subject, due_ms) in enumerate(due.items()):
            value = orjson.dumps({"due_ms": due_ms, "payload": {"then_ms": THEN_MS}})
            producer.produce(IN, value, subject, partition=number % PARTITIONS)
        assert producer.flush(30) == 0

    def start(self, name):
        """One more worker; a name that was there before finds its old state."""
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, str(APP), self.bootstrap, str(self.folder), name]
            self.running.append(subprocess.Popen(command, stdout=log, stderr=log))

    def kill(self):
        """Kill -9 the oldest one."""
        worker = self.running.pop(0)
        assert worker.poll() is None, "it ended by itself"
        worker.kill()
        worker.wait(30)

    def await_fired(self, count):
        """Wait until so many fired, by what is committed."""
        until = time.monotonic() + LIMIT_S
        while len(self.fired) < count:
            assert time.monotonic() < until, f"{len(self.fired)} of {count} fired within {LIMIT_S:.0f} s"
            for message in self._reader.consume(100, 0.05):
                assert message.error() is None
                stamped_ms, _ = orjson.loads(message.value())
                self.fired.append((message.partition(), message.key().decode(), stamped_ms))

    def stop(self):
        """End what still runs."""
        self._reader.close()
        for worker in self.running:
            worker.terminate()
        for worker in self.running:
            try:
                worker.wait(20)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait(20)


@pytest.fixture
def workers(broker, tmp_path):
    """No process yet; whatever was started is ended."""
    workers = Workers(broker.bootstrap, tmp_path)
    yield workers
    workers.stop()


@pytest.mark.crash
@pytest.mark.broker
@pytest.mark.timeout(240)
def test_every_timer_fires_once_whoever_dies_meanwhile(workers):
    """Two hundred timers within seconds and those that they set; two workers killed while they ring, states old and new."""
    start_ms = time.time_ns() // 1_000_000 + FIRST_MS
    due = {f"t{number:03}": start_ms + number * SPAN_MS // TIMERS for number in range(TIMERS)}
    workers.set(due)
    workers.start("one")
    workers.await_fired(20)
    workers.start("two")  # a folder of its own: all timers come from the changelog
    workers.kill()
    workers.await_fired(TIMERS // 2)
    workers.start("one")  # finds a state that is long behind
    workers.kill()
    workers.await_fired(2 * TIMERS)
    expected = due | {f"{subject}+": due_ms + THEN_MS for subject, due_ms in due.items()}
    assert Counter(subject for _, subject, _ in workers.fired) == Counter(expected.keys())
    assert {subject: stamped_ms for _, subject, stamped_ms in workers.fired} == expected
    for lane in range(PARTITIONS):
        times = [stamped_ms for partition, _, stamped_ms in workers.fired if partition == lane]
        assert times == sorted(times)
