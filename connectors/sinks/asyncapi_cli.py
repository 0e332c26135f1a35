"""`gridhub asyncapi`: what a consumer sends and receives, as AsyncAPI 3.0."""

from __future__ import annotations

import click
import orjson


@click.command("asyncapi")
@click.option("--consumer", default="ticketing", show_default=True, help="ticketing, console or department/CODE.")
def asyncapi(consumer: str) -> None:
    """Print the AsyncAPI 3.0 document of one consumer: its topics, keys, records and settings, from the hub's own tables.

    Example: gridhub asyncapi --consumer department/power
    """
    from gridhub.connectors.sinks.asyncapi import NoConsumerError, document
    from gridhub.streams import city as city_data
    from gridhub.streams.settings import load

    settings = load()
    try:
        city = city_data.load(settings.config_dir)
        found = document(consumer, city.departments, settings, city.further)
    except (city_data.CityError, NoConsumerError) as error:
        raise click.UsageError(str(error)) from error
    click.echo(orjson.dumps(found))
