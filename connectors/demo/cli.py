"""`gridhub demo`: everything on this machine."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import click


@click.command()
@click.option("--events", type=click.IntRange(1), help="Publish so many events, check, and end; unset: until Ctrl-C.")
@click.option(
    "--workers", type=click.IntRange(1, 32), default=2, show_default=True, help="Workers that share the work."
)
@click.option("--kills", type=click.IntRange(0), default=0, help="How often a worker is ended by kill -9 on the way.")
@click.option(
    "--broker-restarts", type=click.IntRange(0), default=0, help="How often the broker is restarted on the way."
)
@click.option("--churn/--no-churn", default=False, help="Add a worker and remove one on the way.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the simulated city.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Events a second; unset: as fast as it goes.")
@click.option(
    "--scenario",
    type=click.Choice(["ordinary", "storm", "day"]),
    default="ordinary",
    show_default=True,
    help="day: a scripted day in simulated time, every record of it compared with what was to come.",
)
@click.option(
    "--chaos/--no-chaos", default=False, help="Of the scenario day: kill, restart and vex what takes part in it."
)
def demo(  # noqa: PLR0913  # each is one option of the command
    events: int | None,
    workers: int,
    kills: int,
    broker_restarts: int,
    churn: bool,  # noqa: FBT001  # a flag of the command
    seed: int,
    rate: float | None,
    scenario: str,
    chaos: bool,  # noqa: FBT001
) -> None:
    """Start broker, registry and workers, publish a simulated city's events, and check every total.

    Example: gridhub demo --events 5000 --kills 3 --broker-restarts 1
    """
    from gridhub.connectors.broker import BrokerError
    from gridhub.connectors.demo.chaos import Wishes
    from gridhub.connectors.demo.day.run import Order as DayOrder
    from gridhub.connectors.demo.day.run import day as run_day
    from gridhub.connectors.demo.day.script import ScriptError
    from gridhub.connectors.demo.run import Order
    from gridhub.connectors.demo.run import demo as run_demo
    from gridhub.connectors.demo.show import say
    from gridhub.connectors.demo.town import DemoError
    from gridhub.connectors.simulator.publisher import PublishError
    from gridhub.streams.city import CityError
    from gridhub.streams.provision import ProvisionError
    from gridhub.streams.settings import load

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _as_interrupt)  # also where a shell started us with SIGINT ignored
    wishes = Wishes(kills, broker_restarts, churn)
    if scenario == "day" and (events or rate or wishes.any):
        raise click.UsageError("The scripted day takes --workers, --seed and --chaos; the rest of it is in its script.")
    if chaos and scenario != "day":
        raise click.UsageError("--chaos is of the scenario day; here there are --kills, --broker-restarts and --churn.")
    try:
        if scenario == "day":
            code = run_day(DayOrder(workers, seed, chaos), load())
        else:
            code = run_demo(Order(events, workers, wishes, seed, rate, scenario), load())
    except (BrokerError, DemoError, CityError, ProvisionError, PublishError, ScriptError) as error:
        say(str(error))
        code = 1
    except KeyboardInterrupt:
        say("Stopped.")
        code = 130 if events else 0
    sys.exit(code)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
