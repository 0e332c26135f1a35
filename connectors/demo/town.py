"""Everything a demo runs on this machine: broker, registry, topics and schemas, workers."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gridhub.connectors.broker import Broker
from gridhub.connectors.demo.parts import Part, pick_port
from gridhub.streams.city import City
from gridhub.streams.provision import provision
from gridhub.streams.settings import Settings

Say = Callable[[str], None]
STOP_S = 8.0
ENDED_BY_SOMEBODY = {0: "it was asked to stop", -signal.SIGTERM: "SIGTERM", -signal.SIGKILL: "SIGKILL"}
"""Exit codes of a part that did nothing wrong: a demo is there to be broken."""


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass
class Town:
    """A running hub. `settings` name the addresses that the parts were given."""

    settings: Settings
    folder: Path
    say: Say
    broker: Broker | None
    registry: Part
    workers: list[Part] = field(default_factory=list)
    metrics_ports: dict[str, int] = field(default_factory=dict)
    worker_environment: dict[str, str] = field(default_factory=dict)
    """Further variables for workers added from now on; they win over the town's own."""
    _ports: set[int] = field(default_factory=set)
    _made: int = 0

    def start(self, workers: int, city: City) -> None:
        """Start all parts in order; `ready.await_workers` waits until the workers own their lanes."""
        if self.broker is not None:
            self.broker.start(on_progress=self.say)
        self.registry.start()
        provision(self.settings, city, wait_s=60)
        for _ in range(workers):
            self.add_worker()
        if workers:
            self.say(f"Waiting for {workers} worker{'s' * (workers > 1)} …")

    def add_worker(self) -> Part:
        """Start one more worker with a name and a metrics port of its own."""
        self._made += 1
        name = f"worker-{self._made}"
        port = pick_port(self.settings.metrics_port, self._ports)
        environment = {**self._environment(), **self.worker_environment}
        part = Part(name, ["worker", "--name", name, "--metrics-port", str(port)], environment, self.logs)
        part.start()
        self.workers.append(part)
        self.metrics_ports[name] = port
        return part

    def remove_worker(self, part: Part) -> None:
        """Stop one worker in good order."""
        part.ask_to_stop()
        part.wait_stopped(time.monotonic() + STOP_S)
        self.workers.remove(part)
        self._ports.discard(self.metrics_ports.pop(part.name))

    def restart_broker(self, say: Say, *, down_s: float = 0.0) -> None:
        """Stop the broker in good order and start it again after `down_s`; only says so where it is somebody else's."""
        if self.broker is None:
            say("the broker is not ours to restart")
            return
        say("stopping the broker")
        self.broker.stop()
        time.sleep(down_s)
        self.broker.start()
        say("the broker runs again")

    def check(self) -> None:
        """Start parts again that somebody has ended, as a supervisor would; DemoError when one has ended by itself."""
        for part in (self.registry, *self.workers):
            if part.running:
                continue
            if part.exit_code not in ENDED_BY_SOMEBODY:
                raise DemoError(f"{part.name} ended with code {part.exit_code}:\n{part.last_words()}")
            self.say(f"{part.name} was ended from outside ({ENDED_BY_SOMEBODY[part.exit_code]}); it is started again.")
            part.start()

    def stop(self) -> None:
        """End every part: workers and registry together, then the broker."""
        parts = [*self.workers, self.registry]
        for part in parts:
            part.ask_to_stop()
        deadline = time.monotonic() + STOP_S
        for part in parts:
            part.wait_stopped(deadline)
        if self.broker is not None:
            self.broker.stop(timeout_s=STOP_S)

    @property
    def logs(self) -> Path:
        """Where the parts write."""
        return self.folder / "logs"

    def _environment(self) -> dict[str, str]:
        return {
            "GRIDHUB_KAFKA": self.settings.bootstrap,
            "GRIDHUB_REGISTRY_URL": self.settings.registry,
            "GRIDHUB_DATA_DIR": str(self.settings.data_dir),
        }


def make_town(chosen: Settings, folder: Path, say: Say) -> Town:
    """A town that is not started yet, with its data below `folder`; default ports that are taken are passed over."""
    ports: set[int] = set()
    changes: dict[str, object] = {"data_dir": folder}
    own_broker = not chosen.kafka
    own = ("broker_port", "broker_controller_port") * own_broker + ("registry_port",) * (not chosen.registry_url)
    for name in own:
        port = getattr(chosen, name)
        # a port that somebody chose is kept: when it is taken, the part that needs it says so
        changes[name] = port if name in chosen.model_fields_set else pick_port(port, ports)
    settings = chosen.model_copy(update=changes)
    broker = None
    if own_broker:
        broker = Broker(
            folder, settings.broker_port, settings.broker_controller_port, heap_mb=settings.broker_heap_mb,
            min_free_mb=settings.broker_min_free_mb,
            cache=settings.broker_cache,
            repository=settings.broker_repository,
        )  # fmt: skip
    registry = Part(
        "registry", ["registry", "--port", str(settings.registry_port)],
        {"GRIDHUB_KAFKA": settings.bootstrap, "GRIDHUB_DATA_DIR": str(folder)}, folder / "logs",
    )  # fmt: skip
    return Town(settings, folder, say, broker, registry, _ports=ports)


def clean_folder(folder: Path) -> None:
    """An empty folder for one run; DemoError when another demo's broker still runs in it."""
    running = Broker(folder, 1, 2).status() if folder.exists() else None
    if running is not None and running.running:
        raise DemoError(
            f"Another demo runs in {folder} (Kafka at {running.bootstrap}, pid {running.pid}). Stop it with Ctrl-C in its "
            f"terminal, or end its broker with: GRIDHUB_DATA_DIR={folder} gridhub broker stop"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
