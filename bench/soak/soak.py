"""A long run at half of what the hub can take: memory must stay flat, nothing may fall behind, no warning may repeat.

    python bench/soak/soak.py                               an hour at half of the measured maximum
    python bench/soak/soak.py --minutes 10 --rate 800       ten minutes at 800 events a second

A real Kafka, the registry and two workers as processes; a simulated city's events of the present moment, without end. Every
five seconds each worker's memory and lag. One JSON object on stdout; exit code 1 when a worker's memory grew by more than
`--most-growth` of itself after the warm-up (the first third), when the lag grew, when a warning came more than three times, or when a worker ended.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from samples import Watched, slope_per_h

from gridhub.connectors.broker import free_port
from gridhub.connectors.demo.check import wait_drained
from gridhub.connectors.demo.town import Town, make_town
from gridhub.connectors.simulator.city import City as SimulatedCity
from gridhub.connectors.simulator.message import Message
from gridhub.connectors.simulator.publisher import publish
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import Codec
from gridhub.schemas.registry import connect, load_codec
from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.settings import load

WORKERS = 2
LOOK_S = 5.0
BURST_EVENTS = 20_000
DRAIN_S = 300.0
SEED = 1
MOST_REPEATS = 3
SECONDS_BEHIND = 5.0  # of events, that the mean lag may grow by from the first to the last quarter
KEPT_BYTES = {"retention.bytes": str(128 << 20), "segment.bytes": str(32 << 20)}


@dataclass
class Soak:
    """A running hub under an even load."""

    folder: Path
    watched: list[Watched] = field(default_factory=list)
    published: int = 0
    failed: BaseException | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.facts = city_data.load(None)
        self.city = SimulatedCity(self.facts.catalogue, self.facts.departments, SEED)
        chosen = load(
            data_dir=self.folder, kafka="", registry_url="", broker_port=free_port(), metrics_port=free_port(),
            broker_controller_port=free_port(), registry_port=free_port(),
        )  # fmt: skip
        self.town: Town = make_town(chosen, self.folder, say)
        self.codec: Codec

    def start(self) -> None:
        """Kafka with topics that do not outgrow the disk, then the workers."""
        self.town.start(0, self.facts)
        self.codec = load_codec(connect(self.town.settings.registry, self.folder / "schemas"), catalogue())
        self._bound_topics()
        for _ in range(WORKERS):
            part = self.town.add_worker()
            assert part.pid is not None
            self.watched.append(Watched(part.name, part.pid, self.town.metrics_ports[part.name], part.log))

    def _bound_topics(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.town.settings.bootstrap})
        names = {*self._names(), *(topic.name for topic in topics.HUB_TOPICS if "delete" in topic.cleanup)}
        resources = [
            ConfigResource(
                ConfigResource.Type.TOPIC, name,
                incremental_configs=[
                    ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in KEPT_BYTES.items()
                ],
            )
            for name in names
        ]  # fmt: skip
        for done in admin.incremental_alter_configs(resources).values():
            done.result(30)

    def _names(self) -> list[str]:
        return [*self.city.topics.values(), topics.LOCATED.name, topics.STATUS.name]

    def _messages(self) -> Iterator[Message]:
        return self.city.live(SEED, lambda: time.time_ns() // 1_000_000)

    def maximum(self) -> float:
        """Events a second, both stages, of a burst that waits for nobody; the second of two, since workers warm up."""
        seconds = 0.0
        for _ in range(2):
            begun = time.monotonic()
            publish(islice(self._messages(), BURST_EVENTS), self.town.settings.bootstrap, self.codec, None)
            self._drain()
            seconds = time.monotonic() - begun
        return BURST_EVENTS / seconds

    def _drain(self) -> bool:
        return wait_drained(self.town.settings.bootstrap, self.town.settings.group, self._names(), DRAIN_S)

    def load(self, rate: float) -> None:
        """Publish at this rate until `end`; for a thread of its own."""
        try:
            publish(
                self._messages(), self.town.settings.bootstrap, self.codec, None, rate, self._count, self._over.is_set
            )
        except BaseException as error:  # noqa: BLE001  # raised again by the main thread
            self.failed = error

    def _count(self, done: int) -> None:
        self.published = done

    def run(self, minutes: float, rate: float) -> dict[str, Any]:
        """The soak itself; what it says."""
        thread = threading.Thread(target=self.load, args=(rate,), name="load", daemon=True)
        thread.start()
        begun = time.monotonic()
        try:
            while (at_s := time.monotonic() - begun) < 60 * minutes:
                self.town.check()
                if self.failed is not None:
                    raise self.failed
                looks = [worker.look(at_s) for worker in self.watched]
                if len(self.watched[0].samples) % 12 == 0:
                    say(f"{at_s / 60:.0f} min: " + ", ".join(f"{x.rss_mb:.0f} MB, {x.lag:.0f} behind" for x in looks))
                time.sleep(LOOK_S)
        finally:
            self._over.set()
            thread.join(30)
        return self._told(time.monotonic() - begun, rate, drained=self._drain())

    def _told(self, seconds: float, rate: float, *, drained: bool) -> dict[str, Any]:
        lags = [sum(looks) for looks in zip(*([s.lag for s in worker.samples] for worker in self.watched), strict=True)]
        quarter = max(1, len(lags) // 4)
        repeated: Counter[str] = Counter()
        for worker in self.watched:
            repeated += Counter({text: n for text, n in worker.warnings().items() if n > MOST_REPEATS})
        return {
            "minutes": round(seconds / 60, 1),
            "rate": round(rate),
            "events": self.published,
            "published_per_s": round(self.published / seconds),
            "workers": [_memory(worker) for worker in self.watched],
            "lag_most": max(lags),
            "lag_first_quarter": round(sum(lags[:quarter]) / quarter),
            "lag_last_quarter": round(sum(lags[-quarter:]) / quarter),
            "drained": drained,
            "repeated_warnings": dict(repeated),
        }


def _memory(worker: Watched) -> dict[str, Any]:
    settled = worker.settled()
    hours = (settled[-1].at_s - settled[0].at_s) / 3600
    slope = slope_per_h(settled, "rss_mb")
    mean = sum(sample.rss_mb for sample in settled) / len(settled)
    return {
        "worker": worker.name,
        "rss_mb": round(mean, 1),
        "rss_most_mb": round(max(sample.rss_mb for sample in worker.samples), 1),
        "slope_mb_per_h": round(slope, 1),
        "growth": round(slope * hours / mean, 4),
        "unanswered": worker.unanswered,
    }


def problems(line: dict[str, Any], most_growth: float) -> list[str]:
    """What is not as it should be after a soak, in sentences."""
    found = [
        f"The memory of {worker['worker']} grew by {worker['growth']:.1%} ({worker['slope_mb_per_h']} MB/h)."
        for worker in line["workers"]
        if worker["growth"] > most_growth
    ]
    found += [
        f"{worker['worker']} did not answer {worker['unanswered']} times when it was asked for its lag."
        for worker in line["workers"]
        if worker["unanswered"] > MOST_REPEATS
    ]
    if line["lag_last_quarter"] > line["lag_first_quarter"] + SECONDS_BEHIND * line["rate"]:
        found.append(f"The lag grew from {line['lag_first_quarter']} to {line['lag_last_quarter']} events.")
    if not line["drained"]:
        found.append(f"Not everything was worked off within {DRAIN_S:.0f} s after the end.")
    found += [f"{times} times: {text}" for text, times in line["repeated_warnings"].items()]
    return found


def say(text: str) -> None:
    """A line for a person."""
    sys.stderr.write(text + "\n")


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the soak; its line on stdout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, help="events a second; unset: --share of what a burst shows as maximum")
    parser.add_argument("--share", type=float, default=0.5, help="of the measured maximum")
    parser.add_argument("--most-growth", type=float, default=0.05, help="share of its memory that a worker may grow by")
    parser.add_argument("--keep", action="store_true", help="keep the logs also of a good run")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, _as_interrupt)
    folder = Path(tempfile.mkdtemp(prefix="gridhub-soak-"))
    soak = Soak(folder)
    wrong = ["It did not come to its end."]
    try:
        soak.start()
        maximum = None if chosen.rate else soak.maximum()
        line = soak.run(chosen.minutes, chosen.rate or chosen.share * (maximum or 1.0))
        wrong = problems(line, chosen.most_growth)
        sys.stdout.write(json.dumps(line | {"maximum": maximum and round(maximum), "problems": wrong}) + "\n")
    except KeyboardInterrupt:
        return 130
    finally:
        soak.town.stop()
        if wrong or chosen.keep:
            say(f"The logs are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
