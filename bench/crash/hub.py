"""A running hub of real processes, the load on it, and what a fault's story may do to it.

A worker that ends by itself is started again, as a supervisor would, and counted: nobody should have to.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cluster import Cluster, linked, replicated
from faults import FAULTS, SESSION_S, Fault

from gridhub.connectors.broker import free_port
from gridhub.connectors.demo.parts import Part
from gridhub.connectors.demo.show import say
from gridhub.connectors.demo.town import Town, make_town
from gridhub.connectors.simulator.city import City as SimulatedCity
from gridhub.connectors.simulator.publisher import publish
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import Codec
from gridhub.schemas.registry import connect, load_codec
from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.settings import load

WORKERS = 2
START_S = 90.0
LOOK_S = 0.05
PILE_S = 3.0
MOMENT_S = (0.05, 0.8)
BATCH_EVENTS = 5  # many transactions, so that a stroke falls into some
INJECT, INJECTED = "GRIDHUB_CRASH_INJECT", Path(__file__).with_name("inject")
PYTHONPATH = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
LIMITS = {"GRIDHUB_SESSION_TIMEOUT_S": str(SESSION_S), "GRIDHUB_BATCH_EVENTS": str(BATCH_EVENTS)}


@dataclass
class Cell:
    """A hub that runs, the load on it, and what its story may do to it."""

    name: str
    seed: int
    events: int
    span_s: float
    folder: Path
    sabotage: str | None = None  # of inject/injected.py: what the check must see
    town: Town = field(init=False)
    cluster: Cluster | None = field(init=False, default=None)
    codec: Codec = field(init=False)
    hands: list[str] = field(default_factory=list)
    planned_hands: int = 0
    published: float = 0.0
    failed: BaseException | None = None
    _away: set[str] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.draw = random.Random(f"{self.name}/{self.seed}")
        self.fault: Fault = FAULTS[self.name]
        self.facts = city_data.load(None)
        self.city = SimulatedCity(self.facts.catalogue, self.facts.departments, self.seed)
        if self.fault.kafka == "linked":
            self.cluster = linked(self.folder, WORKERS)
        if self.fault.kafka == "replicated":
            self.cluster = replicated(self.folder, 3)
        kafka = self.cluster.bootstrap if self.cluster else ""
        copies = len(self.cluster.nodes) if self.cluster else 1
        chosen = load(
            data_dir=self.folder, kafka=kafka, registry_url="", replication=copies, broker_port=free_port(),
            broker_controller_port=free_port(), registry_port=free_port(), metrics_port=free_port(),
        )  # fmt: skip
        self.town = make_town(chosen, self.folder, self.say)

    @property
    def kafka(self) -> str:
        """Kafka's address, past every cable."""
        return self.town.settings.bootstrap

    @property
    def stages(self) -> list[list[str]]:
        """The topics that workers read, in the order of the road."""
        return [list(self.city.topics.values()), [topics.STATUS.name, topics.LOCATED.name]]

    def say(self, text: str) -> None:
        """A line for a person, on stderr."""
        say(f"[{self.name} {self.seed}] {text}")

    # -- the hub ----------------------------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[None]:
        """The hub, from Kafka to its workers; everything is ended at the end, whatever it was."""
        try:
            if self.cluster is not None:
                self.cluster.start()
            self.town.start(0, self.facts)
            self.codec = load_codec(connect(self.town.settings.registry, self.folder / "schemas"), catalogue())
            if self.fault.prepare is not None:
                self.fault.prepare(self)
            for number in range(WORKERS):
                self.join(number)
            self._await_lanes()
            threading.Thread(target=self._supervise, name="supervisor", daemon=True).start()
            yield
        finally:
            self._over.set()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave parts behind
            self.town.stop()
            if self.cluster is not None:
                self.cluster.stop()

    def _await_lanes(self) -> None:
        """Wait until every lane of both stages is open; TimeoutError after START_S."""
        deadline = time.monotonic() + START_S
        while sum(part.last_words(1000).count("lane opened") for part in self.town.workers) < self._lanes:
            ended = [part for part in self.town.workers if not part.running]
            if ended or time.monotonic() > deadline:
                words = "".join(f"\n{part.name}: {part.last_words(5)}" for part in ended)
                raise TimeoutError(f"the workers did not open {self._lanes} lanes within {START_S:.0f} s{words}")
            time.sleep(LOOK_S * 4)

    @property
    def _lanes(self) -> int:
        return 2 * self.town.settings.partitions

    def join(self, number: int | None = None) -> Part:
        """One more worker; the first ones get their cable, or the clock, that the fault has prepared for them."""
        links = self.cluster.links if self.cluster else []
        kafka = {"GRIDHUB_KAFKA": f"127.0.0.1:{links[number].port}"} if links and number is not None else {}
        special = self._special(number)
        self.town.worker_environment = {**LIMITS, **kafka, **special}
        with self._lock:
            part = self.town.add_worker()
        self.say(f"{part.name} joins")
        return part

    def _special(self, number: int | None) -> dict[str, str]:
        """What the fault, and a sabotage, put into the environment of a worker: the first ones have a number."""
        found = dict(self.fault.environment(self, number)) if self.fault.environment else {}
        names = [name for name in (found.get(INJECT), self.sabotage) if name]
        if names:
            found |= {INJECT: ",".join(names), "PYTHONPATH": os.pathsep.join([str(INJECTED), *PYTHONPATH])}
        return found

    def leave(self, part: Part) -> None:
        """A worker is asked to stop; one that does not do so in time, or not with code 0, needed a hand."""
        with self._lock:
            self._away.add(part.name)
        self.say(f"{part.name} leaves")
        self.town.remove_worker(part)
        unborn = part.exit_code == -signal.SIGTERM and not part.last_words()  # it had not begun: the system ended it
        if part.exit_code != 0 and not unborn:
            self.wrong(f"{part.name} was asked to stop and ended with {part.exit_code}: {part.last_words(3)}")

    def any(self) -> Part:
        """One running worker, drawn."""
        return self.draw.choice([part for part in self.town.workers if part.running])

    def freeze(self, part: Part) -> None:
        """SIGSTOP: it holds its connections and its locks and does nothing, until `wake`."""
        assert part.pid is not None
        self.say(f"{part.name} is frozen")
        os.kill(part.pid, signal.SIGSTOP)

    def wake(self, part: Part) -> None:
        """SIGCONT."""
        assert part.pid is not None
        os.kill(part.pid, signal.SIGCONT)
        self.say(f"{part.name} wakes")

    def kill(self, part: Part) -> None:
        """Kill -9; it stays away until `revive`."""
        self.expect(part)
        self.say(f"kill -9 {part.name} (pid {part.pid})")
        part.kill()

    def expect(self, part: Part) -> None:
        """From now on this worker may end without anybody being surprised, until `revive`."""
        with self._lock:
            self._away.add(part.name)

    def revive(self, part: Part) -> None:
        """Start a worker again under its name, with whatever lies in its folder."""
        with self._lock:
            part.start()
            self._away.discard(part.name)
        self.say(f"{part.name} starts again")

    def state_of(self, part: Part) -> Path:
        """Where a worker keeps its local state."""
        return self.folder / part.name / "state"

    def _supervise(self) -> None:
        while not self._over.wait(LOOK_S * 4):
            with self._lock:
                for part in (self.town.registry, *self.town.workers):
                    if not part.running and part.name not in self._away and not self._over.is_set():
                        self.wrong(f"{part.name} ended by itself with {part.exit_code}: {part.last_words(3)}")
                        part.start()

    def wrong(self, text: str) -> None:
        """Note that somebody had to lend a hand, or that a worker did what it should not have done."""
        self.hands.append(text)
        self.say(f"WRONG: {text}")

    # -- the load ---------------------------------------------------------------------------------------------------

    def at(self, share: float) -> None:
        """Wait until this share of the events is published."""
        while self.published < share and self.failed is None:
            time.sleep(LOOK_S)

    def in_full_work(self, share: float) -> None:
        """Wait for this share, and for a moment in which every lane has work: what strikes now strikes transactions.

        All workers are held for PILE_S, so that events pile up; then they go on for a drawn moment.
        """
        self.at(share)
        held = [part.pid for part in self.town.workers if part.pid is not None]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in held:
                os.kill(pid, number)
            time.sleep(PILE_S if number == signal.SIGSTOP else self.draw.uniform(*MOMENT_S))

    def rest(self, least_s: float, most_s: float | None = None) -> None:
        """Let time pass: so long, or drawn between two bounds."""
        time.sleep(least_s if most_s is None else self.draw.uniform(least_s, most_s))

    def publish(self, truth: Path) -> None:
        """Publish all events at an even pace; for a thread of its own."""
        try:
            messages = self.city.generate(self.events, self.seed, time.time_ns() // 1_000_000)
            if self.fault.messages is not None:
                messages = self.fault.messages(messages, self.codec, self.draw)
            rate = self.events / self.span_s * self.fault.more
            publish(messages, self.kafka, self.codec, truth, rate, self._published)
        except BaseException as error:  # noqa: BLE001  # raised again by the main thread
            self.failed = error
        self.published = 1.0

    def _published(self, done: int) -> None:
        self.published = min(1.0, done / (self.events * self.fault.more))
