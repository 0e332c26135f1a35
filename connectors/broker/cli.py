"""`gridhub broker start|stop|status`: the embedded Kafka from the command line."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from gridhub.connectors.broker import Broker, BrokerError
from gridhub.streams import settings


def _broker() -> Broker:
    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        raise click.UsageError(str(error)) from error
    return Broker(
        chosen.data_dir,
        chosen.broker_port,
        chosen.broker_controller_port,
        heap_mb=chosen.broker_heap_mb,
        min_free_mb=chosen.broker_min_free_mb,
        cache=chosen.broker_cache,
        repository=chosen.broker_repository,
    )


def _say(message: str) -> None:
    click.echo(message, err=True)


@click.group(name="broker")
def group() -> None:
    """The embedded Kafka broker: one real node on this machine, with its data below GRIDHUB_DATA_DIR.

    Example: gridhub broker start && gridhub broker status
    """


@group.command()
@click.option("--timeout-s", default=60.0, show_default=True, help="Seconds that the broker has to answer.")
def start(timeout_s: float) -> None:
    """Start the broker in the background; the first time, fetch it (38 MB).

    Example: gridhub broker start
    """
    broker = _broker()
    try:
        broker.start(timeout_s, on_progress=_say)
    except BrokerError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(asdict(broker.status()), ensure_ascii=False))


@group.command()
@click.option("--timeout-s", default=15.0, show_default=True, help="Seconds until it is ended by force.")
def stop(timeout_s: float) -> None:
    """Stop the broker; its data stays.

    Example: gridhub broker stop
    """
    broker = _broker()
    running = broker.status().running
    broker.stop(timeout_s)
    _say("The broker is stopped." if running else "The broker was not running.")


@group.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Print one JSON object about the broker; exit 1 when it does not run.

    Example: gridhub broker status
    """
    seen = _broker().status()
    click.echo(json.dumps(asdict(seen), ensure_ascii=False))
    context.exit(0 if seen.running else 1)
