"""The scripted day on real parts: Kafka, registry, workers with the clock in a file, a sink and its target on a socket."""

from __future__ import annotations

import base64
import json
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import click
import yaml
from kafka import KafkaProducer
from kafka.errors import KafkaError

from gridhub.connectors.demo.day import rules
from gridhub.connectors.demo.day import script as scripts
from gridhub.connectors.demo.day.chaos import Chaos
from gridhub.connectors.demo.day.kafka import ClockFile, KafkaHub
from gridhub.connectors.demo.day.lines import TASK
from gridhub.connectors.demo.day.play import Player, Timeline
from gridhub.connectors.demo.day.script import Script, Step
from gridhub.connectors.demo.day.target import Mood, Target, Version
from gridhub.connectors.demo.parts import Part
from gridhub.connectors.demo.ready import await_workers, tell_addresses
from gridhub.connectors.demo.show import say
from gridhub.connectors.demo.town import DemoError, Town, clean_folder, make_town
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import Codec
from gridhub.schemas.registry import connect, load_codec
from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.city import City
from gridhub.streams.settings import Settings

PATIENCE_S = 120.0  # for what one step causes
ARRIVE_S = 60.0  # for the last deliveries
SETTLE_S = 1.5  # four ticks and more: what comes now comes too often
SESSION_S = 6.0  # after which a killed worker is taken for dead: the least that the broker takes
SECRET = "GRIDHUB_DAY_SECRET"  # noqa: S105  # the variable's name; its value is made for each run
PATIENCE = {
    "timeout_s": 1.0,
    "attempts": 100,
    "first_wait_s": 0.1,
    "longest_wait_s": 1.0,
    "break_after": 5,
    "break_s": 0.5,
}


@dataclass(frozen=True)
class Order:
    """What the user asked for."""

    workers: int
    seed: int
    chaos: bool


@dataclass
class Found:
    """What came of the day."""

    timeline: Timeline
    tasks: list[Version]
    complaints: list[str]  # what is not right at the target, a sentence each
    journal: list[str]  # what breaks the journal's chains
    chaos: dict[str, int]  # how often what was done
    met: dict[str, int]  # requests that the target took in each of its moods
    repeats: int  # deliveries that came once more with the same key
    seconds: float = 0.0


def day(order: Order, chosen: Settings) -> int:
    """Play the day on real parts; the exit code. The timeline goes to stdout, its last line is a JSON object."""
    folder = (chosen.data_dir / "demo").absolute()
    clean_folder(folder)
    city, script = city_data.load(chosen.config_dir), scripts.load()
    with ExitStack() as stack:
        try:
            found = _run(order, make_town(chosen, folder, say), city, script, stack)
        except KafkaError as error:
            raise DemoError(f"Kafka did not answer as it should: {error!r}; see {folder / 'logs'}.") from error
        finally:
            _undisturbed()  # a second Ctrl-C must not leave parts behind
    return tell(found)


def _undisturbed() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _run(order: Order, town: Town, city: City, script: Script, stack: ExitStack) -> Found:
    clock = ClockFile(town.folder / "clock", script.ms(script.steps[0].at))
    session = (
        {} if "session_timeout_s" in town.settings.model_fields_set else {"GRIDHUB_SESSION_TIMEOUT_S": str(SESSION_S)}
    )
    town.worker_environment = {"GRIDHUB_CLOCK_FILE": str(clock.path), **session}
    stack.callback(town.stop)
    town.start(0, city)
    _publish(rules.items(script), town.settings.bootstrap)
    for _ in range(order.workers):
        town.add_worker()
    codec = load_codec(
        connect(town.settings.registry, town.folder / "schemas"),
        catalogue(city.further),
        city.further,
        topics.HUB_BYTES,
    )
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    target = Target(secret)
    stack.callback(target.close)
    sink = _sink(town, target, secret)
    stack.callback(_stop, sink)
    say(f"Waiting for {order.workers} worker{'s' * (order.workers > 1)} …")
    await_workers(town)
    tell_addresses(town)
    return _play(order, town, city, script, clock, codec, sink, target, stack)


def _publish(items: list[rules.Item], bootstrap: str) -> None:
    """What operators have published before the day; the workers read it when they start."""
    producer = KafkaProducer(bootstrap_servers=bootstrap.split(","), acks="all", client_id="gridhub-day")
    try:
        for key, value in items:
            producer.send(topics.CONFIG.name, value, key=key).get(timeout=PATIENCE_S)
    finally:
        producer.close(timeout=5)


def _play(  # noqa: PLR0913  # all the parts of the day
    order: Order, town: Town, city: City, script: Script, clock: ClockFile, codec: Codec, sink: Part, target: Target,
    stack: ExitStack,
) -> Found:  # fmt: skip
    hub = KafkaHub(town.settings.bootstrap, codec, clock)
    stack.callback(hub.close)
    player = Player(script, city.departments, hub, PATIENCE_S)
    chaos = Chaos(town, sink, target, script.steps, order.seed, say) if order.chaos else None

    def on_step(number: int, _step: Step) -> None:
        if chaos is not None:
            chaos.on_step(number)
        else:
            town.check()

    began = time.monotonic()
    timeline = player.play(click.echo, on_step, lambda: hub.settle(SETTLE_S))
    target.mood = Mood.WELL
    tasks = [(one.record["task_id"], one.record["version"]) for one in hub.published() if one.kind == TASK]
    _until(lambda: not target.missing(tasks), ARRIVE_S)
    repeats = target.arrivals.total() - len(target.arrivals)
    seconds = time.monotonic() - began
    return Found(
        timeline, tasks, target.wrong(tasks), hub.journal_breaks(), dict(chaos.done) if chaos else {},
        dict(target.met), repeats, seconds,
    )  # fmt: skip


def _sink(town: Town, target: Target, secret: str) -> Part:
    """`gridhub sinks run` with the target as the only one; the secret goes through the environment."""
    place = town.folder / "sinks.yaml"
    entry = {"name": "day-desk", "kind": "webhook", "url": target.url, "secret_env": SECRET, **PATIENCE}
    place.write_text(yaml.safe_dump({"targets": [entry]}), "utf-8")
    environment = {
        "GRIDHUB_KAFKA": town.settings.bootstrap, "GRIDHUB_REGISTRY_URL": town.settings.registry,
        "GRIDHUB_DATA_DIR": str(town.folder), SECRET: secret,
    }  # fmt: skip
    part = Part("sinks", ["sinks", "run", "--file", str(place)], environment, town.logs)
    part.start()
    return part


def _stop(part: Part) -> None:
    part.ask_to_stop()
    part.wait_stopped(time.monotonic() + 5)


def _until(question: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not question() and time.monotonic() < deadline:
        time.sleep(0.05)


def tell(found: Found) -> int:
    """Print what is different, and the totals; the exit code."""
    for text in found.timeline.differences():
        say(text)
    for text in (*found.complaints, *found.journal):
        say(f"WRONG: {text}")
    totals = {
        "lines": len(found.timeline.actual), "missing": found.timeline.missing, "extra": found.timeline.extra,
        "task_versions": len(found.tasks), "target_wrong": len(found.complaints), "journal_wrong": len(found.journal),
        "repeated_deliveries": found.repeats,
        "seconds": round(found.seconds, 1), "done": found.chaos, "target_met": found.met,
    }  # fmt: skip
    click.echo(json.dumps(totals, ensure_ascii=False))
    return 0 if found.timeline.right and not (found.complaints or found.journal) else 1
