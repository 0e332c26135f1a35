"""`gridhub registry`: the embedded schema registry in the foreground."""

from __future__ import annotations

import click


@click.command(name="registry")
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Port; unset: GRIDHUB_REGISTRY_PORT.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
def registry(port: int | None, host: str) -> None:
    """Serve a Confluent-compatible schema registry whose schemas lie in Kafka, in the topic _schemas.

    There is no log-in: keep it on a loopback address, or behind a proxy that asks for one.

    Example: gridhub registry --port 19081
    """
    from gridhub.connectors.registry.server import serve
    from gridhub.streams import settings

    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        raise click.UsageError(str(error)) from error
    port = port or chosen.registry_port
    click.echo(f"Schema registry at http://{host}:{port}, kept in Kafka at {chosen.bootstrap}.", err=True)
    serve(chosen.bootstrap, host, port, replication=chosen.replication)
