"""`gridhub sinks`: carry tasks to the targets in sinks.yaml."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

if TYPE_CHECKING:
    from gridhub.connectors.sinks.contract import Sink
    from gridhub.connectors.sinks.metrics import SinkMetrics
    from gridhub.connectors.sinks.run import Desk
    from gridhub.connectors.sinks.targets import Mail, Webhook
    from gridhub.schemas.codec import Codec
    from gridhub.streams.settings import Settings

FILE = click.option("--file", "path", type=click.Path(path_type=Path), default=None,
                    help="The targets; unset: sinks.yaml in the folder of settings.")  # fmt: skip


@click.group(name="sinks")
def group() -> None:
    """Carry tasks out of the hub: signed webhooks and mail.

    Example: gridhub sinks check
    """


@group.command()
@FILE
def check(path: Path | None) -> None:
    """Check the file of targets and that each secret is there; sends nothing.

    Example: gridhub sinks check --file sinks.yaml
    """
    settings = _settings()
    for target, _ in _sinks(_targets(path, settings)):
        click.echo(orjson.dumps({"target": target.name, "kind": target.kind, "ok": True}))


@group.command()
@FILE
@click.option("--metrics-port", type=click.IntRange(0, 65535), default=0, show_default=True,
              help="Port of /metrics on GRIDHUB_METRICS_HOST; 0: none.")  # fmt: skip
def run(path: Path | None, metrics_port: int) -> None:
    """Carry tasks until told to stop. Each target has its own consumer group: a slow one keeps no other waiting.

    Example: gridhub sinks run --metrics-port 19120
    """
    from gridhub.streams.metrics_page import MetricsPortError

    settings = _settings()
    try:
        asyncio.run(_run(_sinks(_targets(path, settings)), settings, _metrics(settings.metrics_host, metrics_port)))
    except MetricsPortError as error:
        raise click.UsageError(str(error)) from error


def _metrics(host: str, port: int) -> SinkMetrics:
    """The series of all targets, on a page if there is a port for it."""
    from prometheus_client import CollectorRegistry

    from gridhub.connectors.sinks.metrics import SinkMetrics
    from gridhub.streams.metrics_page import serve

    registry = CollectorRegistry()
    metrics = SinkMetrics(registry)
    metrics.introduce(registry)
    if port:
        serve(registry, host, port)
    return metrics


@group.command()
@click.option("--target", default=None, help="Of this target only.")
def parked(target: str | None) -> None:
    """List deliveries that wait for a second try or for a person, one JSON object a line.

    Example: gridhub sinks parked --target street-desk
    """
    from gridhub.connectors.sinks.log import parked as read

    settings = _settings()
    for row in asyncio.run(read(settings.bootstrap, _codec(settings), target)).values():
        click.echo(orjson.dumps(row))


@group.command()
@FILE
@click.option("--target", required=True, help="Name of the target.")
def redeliver(path: Path | None, target: str) -> None:
    """Carry a target's parked deliveries once more, also those that it refused. Stop its `run` before.

    Example: gridhub sinks redeliver --target street-desk
    """
    settings = _settings()
    chosen = [pair for pair in _sinks(_targets(path, settings)) if pair[0].name == target]
    if not chosen:
        raise click.UsageError(f"No target is called {target}.")
    waiting, taken = asyncio.run(_redeliver(*chosen[0], settings))
    click.echo(orjson.dumps({"target": target, "parked": waiting, "taken": taken}))
    sys.exit(0 if taken == waiting else 1)


def _settings() -> Settings:
    from gridhub.streams import logs
    from gridhub.streams.settings import load

    settings = load()
    logs.configure(settings.log_level, "sinks")
    return settings


def _targets(path: Path | None, settings: Settings) -> tuple[Webhook | Mail, ...]:
    from gridhub.connectors.sinks.targets import TargetError, load

    place = path or (settings.config_dir or Path()) / "sinks.yaml"
    try:
        found = load(place)
    except TargetError as error:
        raise click.UsageError(str(error)) from error
    if not found:
        raise click.UsageError(f"{place} names no target; docs/sinks.md shows one.")
    return found


def _sinks(targets: tuple[Webhook | Mail, ...]) -> list[tuple[Webhook | Mail, Sink]]:
    from gridhub.connectors.sinks.targets import TargetError

    try:
        return [(target, _sink(target)) for target in targets]
    except TargetError as error:
        raise click.UsageError(str(error)) from error


def _sink(target: Webhook | Mail) -> Sink:
    from gridhub.connectors.sinks.mail import MailSink
    from gridhub.connectors.sinks.targets import Mail, secret
    from gridhub.connectors.sinks.webhook import WebhookSink

    if isinstance(target, Mail):
        return MailSink(target, secret(target.password_env, least=1) if target.password_env else "")
    return WebhookSink(target, secret(target.secret_env))


def _codec(settings: Settings) -> Codec:
    from gridhub.schemas.catalogue import catalogue
    from gridhub.schemas.registry import connect, load_codec

    return load_codec(connect(settings.registry, settings.data_dir / "schemas"), catalogue())


def _desk(
    target: Webhook | Mail, sink: Sink, settings: Settings, codec: Codec, metrics: SinkMetrics | None = None
) -> Desk:
    from gridhub.connectors.sinks.courier import Courier
    from gridhub.connectors.sinks.run import Desk
    from gridhub.streams import logs

    return Desk(settings.bootstrap, Courier(target, sink), codec, logs.get("gridhub.sinks"), metrics)


async def _run(pairs: list[tuple[Webhook | Mail, Sink]], settings: Settings, metrics: SinkMetrics) -> None:
    codec = _codec(settings)
    desks = [asyncio.create_task(_desk(target, sink, settings, codec, metrics).run()) for target, sink in pairs]
    loop = asyncio.get_running_loop()
    work = asyncio.gather(*desks)
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work
    await asyncio.gather(*desks, return_exceptions=True)
    for _, sink in pairs:
        await sink.close()


async def _redeliver(target: Webhook | Mail, sink: Sink, settings: Settings) -> tuple[int, int]:
    from gridhub.connectors.sinks.log import Log
    from gridhub.connectors.sinks.log import parked as read

    codec = _codec(settings)
    waiting = await read(settings.bootstrap, codec, target.name)
    book = Log(settings.bootstrap, target.name, codec)
    await book.start()
    try:
        return len(waiting), await _desk(target, sink, settings, codec).redeliver(book, waiting, refused_too=True)
    finally:
        await book.stop()
        await sink.close()
