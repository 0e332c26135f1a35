"""Commands that run parts of the hub: provision, worker, settings."""

from __future__ import annotations

import json
import sys

import click

from gridhub.streams import city as city_data
from gridhub.streams.settings import Settings, load


@click.command()
def provision() -> None:
    """Make every topic and register every schema; prints the schema ids by subject.

    Example: gridhub provision
    """
    from gridhub.streams.provision import ProvisionError
    from gridhub.streams.provision import provision as make_ready

    settings = load()
    try:
        ids = make_ready(settings, city_data.load(settings.config_dir))
    except (ProvisionError, city_data.CityError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(json.dumps(ids, ensure_ascii=False))


@click.command()
@click.option("--name", help="Name of this worker; unset: GRIDHUB_WORKER_NAME.")
@click.option("--metrics-port", type=int, help="Port of /metrics; unset: GRIDHUB_METRICS_PORT.")
def worker(name: str | None, metrics_port: int | None) -> None:
    """Run a worker until SIGINT or SIGTERM. Several share the partitions of one Kafka.

    Example: gridhub worker --name worker-2 --metrics-port 19102
    """
    from gridhub.streams.metrics_page import MetricsPortError
    from gridhub.streams.worker import run

    given = {"worker_name": name, "metrics_port": metrics_port}
    settings = load(**{key: value for key, value in given.items() if value is not None})
    try:
        code = run(settings)
    except (city_data.CityError, MetricsPortError) as error:
        click.echo(str(error), err=True)
        code = 1
    sys.exit(code)


@click.command("settings")
def settings_table() -> None:
    """Print every setting, its value and what it means, one JSON object a line.

    Example: gridhub settings
    """
    settings = load()
    for name, field in Settings.model_fields.items():
        row = {"setting": f"GRIDHUB_{name.upper()}", "value": getattr(settings, name), "meaning": field.description}
        click.echo(json.dumps(row, ensure_ascii=False, default=str))
