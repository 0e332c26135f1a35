"""Break a running two-stage app in a chosen way and count what came out: `python tests/crash/faults.py kill --seed 3`.

Prints one JSON line per fault: {"fault","seed","events","lost","doubled","out_of_order","seconds"}. What lies in
tally.in is the truth; tally.out must hold each of it once, numbered 1..n per key, in the order of tally.in.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from gridhub.connectors.broker import Broker, free_port

APP = Path(__file__).with_name("tally_app.py")
PARTITIONS = 4
KEYS = 300
EVENTS_PER_S = 600
SESSION_S = 6.0
START_LIMIT_S = 60.0
END_LIMIT_S = 90.0  # the longest that the app may take to finish after the last fault
QUIET_S = 3.0  # how long nothing more may come, once everything is there


@dataclass
class Ring:
    """A broker, a producer that never stops, and workers that come and go. Everything lies below `folder`."""

    folder: Path
    seed: int
    events: int
    broker: Broker = field(init=False)
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    exit_codes: dict[str, int] = field(default_factory=dict)
    started: int = 0
    died: int = 0
    produced: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.broker = Broker(self.folder, free_port(), free_port())

    # -- the app ----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the broker, make the topics."""
        self.broker.start()
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        topics = [NewTopic(f"tally.{name}", PARTITIONS, 1) for name in ("in", "mid", "out")]
        topics.append(NewTopic("tally.state", PARTITIONS, 1, config={"cleanup.policy": "compact"}))
        for future in admin.create_topics(topics).values():
            future.result(30)

    def close(self) -> None:
        """End every process that was started."""
        for worker in self.workers.values():
            worker.kill()
            worker.wait()
        self.broker.stop()

    def add(self, name: str | None = None) -> str:
        """Start a worker; under an old name it finds its old local state."""
        if name is None:
            self.started += 1
            name = f"w{self.started}"
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, str(APP), self.broker.bootstrap, str(self.folder), name]
            self.workers[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        return name

    def joined(self) -> None:
        """Wait until every worker has lanes: a story about workers begins when there are some."""
        until = time.monotonic() + START_LIMIT_S
        while time.monotonic() < until:
            if all(b"lanes [(" in (self.folder / f"{name}.log").read_bytes() for name in self.workers):
                return
            time.sleep(0.1)
        raise TimeoutError(f"no worker has lanes after {START_LIMIT_S} s: {sorted(self.workers)}")

    def any(self) -> str:
        """The name of one worker, drawn."""
        return self.random.choice(sorted(self.workers))

    def kill(self, name: str) -> None:
        """Kill a worker, kill -9."""
        worker = self.workers.pop(name)
        worker.kill()
        worker.wait()

    def remove(self, name: str) -> None:
        """Ask a worker to stop; its exit code is kept, 10 s are its limit."""
        worker = self.workers.pop(name)
        if worker.poll() is not None:  # it had ended by itself, the broker being away
            self.died += 1
            return
        worker.terminate()
        try:
            self.exit_codes[name] = worker.wait(10)
        except subprocess.TimeoutExpired:
            self.exit_codes[name] = -signal.SIGKILL
            worker.kill()
            worker.wait()

    def revive(self) -> None:
        """Start a worker again that ended by itself, as a supervisor would."""
        for name, worker in list(self.workers.items()):
            if worker.poll() is not None:
                self.died += 1
                self.add(name)

    # -- the load ---------------------------------------------------------------------------------------------------

    def produce(self) -> None:
        """Publish all events at an even pace; what cannot be sent now is kept and sent later, in order, once."""
        draw = random.Random(self.seed)
        producer = Producer(
            {
                "bootstrap.servers": self.broker.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 5,
                "partitioner": "murmur2_random",
                "message.timeout.ms": 120_000,
                "log_level": 0,
            }
        )
        began = time.monotonic()
        for number in range(self.events):
            producer.produce("tally.in", key=b"k%d" % draw.randrange(KEYS), value=b"%d" % number)
            producer.poll(0)
            self.produced = number + 1
            time.sleep(max(0.0, began + number / EVENTS_PER_S - time.monotonic()))
        producer.flush(60)

    def at(self, share: float) -> None:
        """Wait until this share of the events is produced."""
        while self.produced < share * self.events:
            self.revive()
            time.sleep(0.02)

    def rest(self, seconds: float) -> None:
        """Let this time pass, workers that died are started again."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.revive()
            time.sleep(0.02)

    # -- the count --------------------------------------------------------------------------------------------------

    def read(self, topic: str, wanted: int, limit_s: float) -> list[tuple[bytes, bytes]]:
        """Committed records of a topic, in order per partition: at least `wanted`, then until nothing more comes."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker.bootstrap,
                "group.id": "count",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        found: list[tuple[bytes, bytes]] = []
        end = time.monotonic() + limit_s
        quiet_at = time.monotonic()
        while time.monotonic() < end and (len(found) < wanted or time.monotonic() - quiet_at < QUIET_S):
            self.revive()
            for message in consumer.consume(1000, 0.2):
                if message.error() is None:
                    found.append((message.key(), message.value()))
                    quiet_at = time.monotonic()
        consumer.close()
        return found


# -- faults: each is a story told while events flow ---------------------------------------------------------------------


def kill(ring: Ring) -> None:
    """Three workers die without a word; each time a new one with empty local state comes."""
    for share in (0.2, 0.45, 0.7):
        ring.at(share)
        ring.kill(ring.any())
        ring.add()


def kill_same(ring: Ring) -> None:
    """Workers die and come back at once under their names, with their local state as it lay on the disk."""
    for share in (0.2, 0.4, 0.6, 0.8):
        ring.at(share)
        name = ring.any()
        ring.kill(name)
        ring.add(name)


def state_gone(ring: Ring) -> None:
    """A worker dies and its local state with it."""
    ring.at(0.4)
    name = ring.any()
    ring.kill(name)
    shutil.rmtree(ring.folder / name)
    ring.add(name)


def pause(ring: Ring) -> None:
    """A worker is frozen for longer than its session, others take over, then it wakes and thinks it still owns."""
    ring.at(0.3)
    name = ring.any()
    ring.workers[name].send_signal(signal.SIGSTOP)
    ring.rest(SESSION_S + 5)
    ring.workers[name].send_signal(signal.SIGCONT)
    ring.rest(3)


def broker_stop(ring: Ring) -> None:
    """The broker is stopped cleanly and started again."""
    ring.at(0.4)
    ring.broker.stop()
    ring.rest(1)
    ring.broker.start()


def broker_kill(ring: Ring) -> None:
    """The broker is killed and started again."""
    ring.at(0.4)
    ring.broker.kill()
    ring.rest(1)
    ring.broker.start()


def scale(ring: Ring) -> None:
    """A third worker joins, then one leaves in good order."""
    ring.at(0.25)
    ring.add()
    ring.at(0.7)
    ring.remove(min(ring.workers))


def everything(ring: Ring) -> None:
    """A freeze, a kill in the meantime, a broker that dies, a worker that leaves."""
    ring.at(0.15)
    frozen = ring.any()
    ring.workers[frozen].send_signal(signal.SIGSTOP)
    ring.add()
    ring.at(0.4)
    ring.kill(ring.random.choice(sorted(ring.workers.keys() - {frozen})))
    ring.add()
    ring.rest(SESSION_S)
    ring.workers[frozen].send_signal(signal.SIGCONT)
    ring.broker.kill()
    ring.rest(1)
    ring.broker.start()
    ring.remove(ring.random.choice(sorted(ring.workers.keys() - {frozen})))


def none(ring: Ring) -> None:
    """Nothing happens: what the count is worth."""
    ring.at(1.0)


FAULTS: dict[str, Callable[[Ring], None]] = {
    story.__name__: story
    for story in (none, kill, kill_same, state_gone, pause, broker_stop, broker_kill, scale, everything)
}


def run(fault: str, seed: int, events: int, folder: Path) -> dict[str, object]:
    """Tell one story and count; nothing is left running."""
    ring = Ring(folder, seed, events)
    began = time.monotonic()
    try:
        ring.open()
        ring.add()
        ring.add()
        ring.joined()
        load = threading.Thread(target=ring.produce, daemon=True)
        load.start()
        FAULTS[fault](ring)
        load.join()
        given = ring.read("tally.in", ring.events, 30)
        come = ring.read("tally.out", len(given), END_LIMIT_S)
        for name in sorted(ring.workers):
            ring.remove(name)
    finally:
        ring.close()
    return {
        "fault": fault,
        "seed": seed,
        "events": len(given),
        **_verdict(given, come),
        "seconds": round(time.monotonic() - began, 1),
        "died": ring.died,
        "exit_codes": ring.exit_codes,
    }


def _verdict(given: list[tuple[bytes, bytes]], come: list[tuple[bytes, bytes]]) -> dict[str, int]:
    results = [(key, *value.split()) for key, value in come]
    before, after = Counter(given), Counter((key, value) for key, value, _ in results)
    wanted: dict[bytes, list[tuple[bytes, int]]] = defaultdict(list)
    for key, value in given:
        wanted[key].append((value, len(wanted[key]) + 1))
    found: dict[bytes, list[tuple[bytes, int]]] = defaultdict(list)
    for key, value, number in results:
        found[key].append((value, int(number)))
    return {
        "lost": (before - after).total(),
        "doubled": (after - before).total(),
        "out_of_order": sum(found[key] != numbers for key, numbers in wanted.items()),
        # keys of which only the end is missing: late rather than lost
        "unfinished": sum(found[key] == numbers[: len(found[key])] != numbers for key, numbers in wanted.items()),
    }


def say(line: str) -> None:
    """One line on stdout, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run the chosen faults; 0 when nothing was lost, doubled or out of order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="fault", help=f"of {', '.join(FAULTS)}; all when none is named")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=6000)
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs also when all is well")
    chosen = parser.parse_args()
    if unknown := set(chosen.faults) - FAULTS.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))  # so that what was started is ended
    good = True
    for fault in chosen.faults or FAULTS:
        folder = Path(tempfile.mkdtemp(prefix=f"gridhub-{fault}-"))
        result = run(fault, chosen.seed, chosen.events, folder)
        say(json.dumps(result))
        fine = not (result["lost"] or result["doubled"] or result["out_of_order"])
        good = good and fine
        if chosen.keep or not fine:
            sys.stderr.write(f"logs are in {folder}\n")
        else:
            shutil.rmtree(folder)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
