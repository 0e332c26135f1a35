"""`gridhub simulate`: publish a simulated city's events, with the truth about each."""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridhub.connectors.simulator.city import SCENARIOS, City
from gridhub.connectors.simulator.progress import counting
from gridhub.connectors.simulator.publisher import PublishError, publish
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import Codec, UnknownSchema
from gridhub.schemas.registry import RegistryLater, connect, load_codec
from gridhub.streams import city as city_data
from gridhub.streams import settings as all_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gridhub.streams.settings import Settings


@click.command()
@click.option("--events", type=click.IntRange(min=1), default=1000, show_default=True, help="How many messages.")
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, count and start: the same bytes.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Messages per second; default: no limit.")
@click.option("--scenario", type=click.Choice(SCENARIOS), default="ordinary", show_default=True, help="The city's day.")
@click.option("--truth", type=click.Path(dir_okay=False, path_type=Path), help="File for the truth, JSON lines.")
@click.option("--start-ms", type=int, help="The moment at which the events end, ms since 1970; default: now.")
@click.option("--forever", is_flag=True, help="Go on until Ctrl-C or SIGTERM, with current times; needs --rate.")
def simulate(  # noqa: PLR0913  # one argument per option
    events: int,
    seed: int,
    rate: float | None,
    scenario: str,
    truth: Path | None,
    start_ms: int | None,
    *,
    forever: bool,
) -> None:
    """Publish what a simulated city's departments would send, good and bad, and write down the truth.

    Example: gridhub simulate --events 5000 --seed 7 --truth truth.jsonl
    """
    if forever and rate is None:
        raise click.UsageError("--forever needs --rate: messages per second.")
    settings = all_settings.load()
    try:
        city = city_data.load(settings.config_dir)
        codec = department_codec(settings, city)
        simulated = City(city.catalogue, city.departments, seed, categories=city.categories)
        messages = (
            simulated.live(seed, now_ms, scenario) if forever
            else simulated.generate(events, seed, start_ms or now_ms(), scenario)
        )  # fmt: skip
        begun = time.monotonic()
        with stopped_by_signal() as stop, counting("simulate", None if forever else events) as progress:
            count = publish(messages, settings.bootstrap, codec, truth, rate, progress, stop)
    except UnknownSchema as error:
        click.echo(f"{error} Make the topics and schemas first: gridhub provision.", err=True)
        sys.exit(1)
    except (city_data.CityError, PublishError, RegistryLater, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    seconds = time.monotonic() - begun
    line = {"published": count, "seconds": round(seconds, 3), "events_per_second": round(count / seconds, 1)}
    click.echo(json.dumps(line | {"truth": str(truth) if truth else None}, ensure_ascii=False))


def department_codec(settings: Settings, city: city_data.City) -> Codec:
    """A codec that can write every department's record; UnknownSchema when one was never registered."""
    folders = [Path(str(department.folder)) for department in city.departments]
    topics = {department.topic.name: department for department in city.departments}
    known = {entry.topic: entry for entry in catalogue(_not_bundled(folders)) if entry.topic in topics}
    registry = connect(settings.registry, settings.data_dir / "schemas")
    try:
        return load_codec(registry, list(known.values()), _not_bundled(folders), settings.max_message_bytes)
    finally:
        registry.close()


def now_ms() -> int:
    """The wall clock, ms since the epoch."""
    return time.time_ns() // 1_000_000


@contextmanager
def stopped_by_signal() -> Iterator[Callable[[], bool]]:
    """A question that is answered yes after SIGINT or SIGTERM; the old handlers come back at the end."""
    told: list[int] = []

    def note(number: int, _frame: Any) -> None:
        told.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(told)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _not_bundled(folders: list[Path]) -> list[Path]:
    from gridhub.connectors import sources

    bundled = {Path(place).resolve() for place in sources.__path__}
    return [folder for folder in folders if folder.resolve().parent not in bundled]
