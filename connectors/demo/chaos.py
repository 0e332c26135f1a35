"""What is broken on purpose while a demo runs: workers killed, the broker restarted, workers added and removed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from gridhub.connectors.demo.town import Town

Deed = tuple[float, str]


@dataclass(frozen=True)
class Wishes:
    """How often what shall happen during a run."""

    kills: int = 0
    broker_restarts: int = 0
    churn: bool = False

    @property
    def any(self) -> bool:
        """Whether anything shall be broken."""
        return bool(self.kills or self.broker_restarts or self.churn)

    def deeds(self) -> list[Deed]:
        """(share of the events published, what) in order: spread over the run, never at its very ends."""
        kinds = ["kill"] * self.kills + ["broker"] * self.broker_restarts + ["add", "remove"] * self.churn
        spread = random.Random(len(kinds))
        first, last = kinds.index("add") if self.churn else 0, kinds.index("remove") if self.churn else 0
        order = list(range(len(kinds)))
        spread.shuffle(order)
        if self.churn and order.index(first) > order.index(last):
            order = [{first: last, last: first}.get(index, index) for index in order]
        return [((place + 1) / (len(kinds) + 1), kinds[index]) for place, index in enumerate(order)]


class Chaos:
    """Does the deeds in a thread of its own, as the publisher's progress passes their places."""

    def __init__(self, town: Town, wishes: Wishes, say: Callable[[str], None], seed: int) -> None:
        self._town, self._say = town, say
        self._deeds = wishes.deeds()
        self._random = random.Random(seed)
        self._progress = 0.0
        self._added: list[str] = []
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)
        self.failed: BaseException | None = None

    def start(self) -> None:
        """Begin to watch the progress."""
        self._thread.start()

    def progress(self, share: float) -> None:
        """Tell how much of the run's events is published, 0 to 1."""
        self._progress = share

    def finish(self) -> None:
        """Wait until every deed is done."""
        self._progress = 1.0
        self._thread.join()
        if self.failed is not None:
            raise self.failed

    def _run(self) -> None:
        try:
            for share, deed in self._deeds:
                while self._progress < share:
                    time.sleep(0.02)
                getattr(self, f"_{deed}")()
        except BaseException as error:  # noqa: BLE001  # handed to the demo's own thread by finish()
            self.failed = error

    def _kill(self) -> None:
        part = self._random.choice([part for part in self._town.workers if part.running])
        self._say(f"kill -9 {part.name} (pid {part.pid})")
        part.kill()
        time.sleep(0.5)
        part.start()
        self._say(f"{part.name} started again (pid {part.pid})")

    def _broker(self) -> None:
        self._town.restart_broker(self._say, down_s=1.0)

    def _add(self) -> None:
        self._say(f"{self._town.add_worker().name} joins")

    def _remove(self) -> None:
        part = self._random.choice([part for part in self._town.workers if part.running])
        self._say(f"{part.name} leaves")
        self._town.remove_worker(part)
