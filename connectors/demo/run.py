"""A demo from begin to end: start the town, publish, wait, check every total against the truth, stop everything."""

from __future__ import annotations

import json
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from kafka.errors import KafkaError

from gridhub.connectors.demo.chaos import Chaos, Wishes
from gridhub.connectors.demo.check import Lag, Report, check, show_departments, wait_drained
from gridhub.connectors.demo.closing import close_some, not_closed
from gridhub.connectors.demo.ready import await_workers, tell_addresses, total
from gridhub.connectors.demo.show import Bar, say
from gridhub.connectors.demo.town import DemoError, Town, clean_folder, make_town
from gridhub.connectors.simulator.city import City as SimulatedCity
from gridhub.connectors.simulator.publisher import publish
from gridhub.connectors.simulator.ticketing import Ticketing
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import Codec
from gridhub.schemas.registry import connect, load_codec
from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.settings import Settings

CHAOS_SECONDS = 40.0  # a run that breaks things is published over at least so long
DRAIN_S = 300.0


@dataclass(frozen=True)
class Order:
    """What the user asked for; `events` None runs until stopped."""

    events: int | None
    workers: int
    wishes: Wishes
    seed: int
    rate: float | None
    scenario: str


@dataclass(frozen=True)
class Result:
    """What a bounded demo found out: the report on the events, and the incidents that were to be closed."""

    report: Report
    closed: int
    wrongly_open: list[str]


def demo(order: Order, chosen: Settings) -> int:
    """Run it; the exit code. The last line on stdout is the totals as JSON, for a run with a number of events."""
    folder = (chosen.data_dir / "demo").absolute()
    clean_folder(folder)
    city = city_data.load(chosen.config_dir)
    town = make_town(chosen, folder, say)
    result: Result | None = None
    try:
        town.start(order.workers, city)
        registry = connect(town.settings.registry, folder / "schemas")
        codec = load_codec(registry, catalogue(city.further), city.further, topics.HUB_BYTES)
        await_workers(town)
        tell_addresses(town)
        simulated = SimulatedCity(city.catalogue, city.departments, order.seed)
        if order.events is None:
            _for_ever(order, town, simulated, codec)
        else:
            result = _bounded(order, town, simulated, codec, folder)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave parts behind
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        town.stop()
    return 0 if result is None else _tell(result)


def _bounded(order: Order, town: Town, city: SimulatedCity, codec: Codec, folder: Path) -> Result:
    events = order.events
    assert events is not None
    rate = order.rate or (events / CHAOS_SECONDS if order.wishes.any else None)
    truth = folder / "truth.jsonl"
    started = time.monotonic()
    with Bar("Publishing", events) as bar:
        chaos = Chaos(town, order.wishes, bar.say, order.seed)
        chaos.start()

        def on_progress(done: int) -> None:
            bar.at(done)
            chaos.progress(done / events)

        messages = city.generate(events, order.seed, time.time_ns() // 1_000_000, order.scenario)
        publish(messages, town.settings.bootstrap, codec, truth, rate, on_progress)
        chaos.finish()
    _drain(town, city)
    seconds = time.monotonic() - started
    say("Checking every event against the simulator's truth …")
    report = check(town.settings.bootstrap, codec, truth)
    report.seconds = seconds
    say("Working off a tenth of the incidents, to their close …")
    incidents = close_some(town.settings.bootstrap, codec)
    _drain(town, city)
    wrong = not_closed(town.settings.bootstrap, codec, incidents)
    return Result(report, len(incidents), wrong)


def _drain(town: Town, city: SimulatedCity) -> None:
    names = [*city.topics.values(), topics.LOCATED.name, topics.STATUS.name]
    most = 1
    with Bar("Working it off", most) as bar:

        def on_progress(lags: list[Lag]) -> None:
            nonlocal most
            town.check()
            left = sum(lag.offsets for lag in lags)
            most = max(most, left)
            bar.at(most - left, most)

        if not wait_drained(town.settings.bootstrap, town.settings.group, names, DRAIN_S, on_progress):
            raise DemoError(f"The workers did not work everything off within {DRAIN_S:.0f} s; see {town.logs}.")


def _for_ever(order: Order, town: Town, city: SimulatedCity, codec: Codec) -> None:
    rate = order.rate or 20.0
    say(f"Publishing {rate:g} events a second. Stop with Ctrl-C.")
    told_at = time.monotonic()

    def on_progress(done: int) -> None:
        nonlocal told_at
        town.check()
        if time.monotonic() - told_at > 10:
            told_at = time.monotonic()
            say(f"{done} events published; {_now(town)}")

    messages = city.live(order.seed, lambda: time.time_ns() // 1_000_000, order.scenario)
    ended = threading.Event()
    tickets = threading.Thread(target=_tickets, args=(town, codec, ended), name="ticketing")
    tickets.start()
    try:
        publish(messages, town.settings.bootstrap, codec, None, rate, on_progress)
    except KeyboardInterrupt:
        say("Stopping …")
    finally:
        ended.set()
        tickets.join()


def _tickets(town: Town, codec: Codec, ended: threading.Event) -> None:
    """Work off a part of the tasks until the demo ends; a broker that is away is waited for."""
    ticketing = Ticketing(town.settings.bootstrap, codec)
    while not ended.is_set():
        try:
            ticketing.turn(timeout_s=0.5)
        except KafkaError as error:
            say(f"ticketing waits for Kafka: {error}")
            ended.wait(1.0)
    ticketing.close()


def _now(town: Town) -> str:
    words = {"tasks": "gridhub_tasks_dispatched_total", "incidents": "gridhub_incidents_opened_total"}
    return ", ".join(f"{total(town, name):.0f} {word}" for word, name in words.items())


def _tell(result: Result) -> int:
    report = result.report
    show_departments(report.by_department())
    problems = report.problems()
    if result.wrongly_open:
        problems.append(f"{len(result.wrongly_open)} incidents are not in the state that ticketing brought them to.")
    for problem in problems:
        say(f"WRONG: {problem}")
    totals = {**report.to_json(), "closed": result.closed}
    print(json.dumps(totals, ensure_ascii=False), flush=True)  # noqa: T201  # the contract's last line
    return 1 if problems else 0
