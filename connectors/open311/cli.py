"""`gridhub open311`: the GeoReport v2 server, and its keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import orjson

if TYPE_CHECKING:
    from gridhub.connectors.open311.services import Services
    from gridhub.streams.city import City
    from gridhub.streams.settings import Settings

KEYS = click.option("--keys", type=click.Path(path_type=Path), default=None,
                    help="The file of keys; unset: open311/keys.json in the folder of data.")  # fmt: skip


@click.group(name="open311")
def group() -> None:
    """Take citizens' reports and tell how they stand: Open311 GeoReport v2.

    Example: gridhub open311 serve
    """


@group.command()
@KEYS
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=19311, show_default=True, help="Port to listen on.")
@click.option("--public-url", default=None, help="How clients reach it, for GET discovery; unset: http://HOST:PORT.")
@click.option("--key-to-read", is_flag=True, help="Questions need a key that may read; unset: as in the specification.")
@click.option("--reads", type=click.IntRange(1, 100_000), default=300, show_default=True,
              help="Questions a minute from one address.")  # fmt: skip
@click.option("--writes", type=click.IntRange(1, 100_000), default=120, show_default=True,
              help="Writes a minute with one key; wrong keys a minute from one address.")  # fmt: skip
def serve(keys: Path | None, host: str, port: int, public_url: str | None, **limits: Any) -> None:
    """Serve GeoReport v2 at /open311/v2. Keep it on a loopback address, behind a proxy that speaks TLS.

    Example: gridhub open311 serve --port 19311
    """
    from gridhub.connectors.open311.keys import KeysError
    from gridhub.connectors.open311.server import running_app
    from gridhub.connectors.open311.server import serve as run
    from gridhub.schemas.codec import UnknownSchema
    from gridhub.schemas.registry import RegistryLater
    from gridhub.streams.reading import codec_of

    settings = _settings()
    city, services = _services(settings)
    base = (public_url or f"http://{host}:{port}").rstrip("/")
    try:
        codec = codec_of(settings, city.further)
        folder = settings.data_dir / "open311"
        with running_app(settings.bootstrap, codec, services, folder, _keys(keys, settings), base, hosts=(host, urlsplit(base).hostname or host), **limits) as app:  # fmt: skip
            click.echo(f"Open311 at {base}/open311/v2 for {settings.bootstrap}.", err=True)
            run(app, host, port)
    except (RegistryLater, UnknownSchema, KeysError) as error:
        click.echo(f"The server does not start: {error}.", err=True)
        sys.exit(1)


@group.command()
def services() -> None:
    """List what citizens may report today, one JSON object a line.

    Example: gridhub open311 services
    """
    from gridhub.connectors.open311.server import now_ms
    from gridhub.connectors.open311.services import listed

    for one in _services(_settings())[1].offered(now_ms()):
        click.echo(orjson.dumps(listed(one)))


@group.group()
def key() -> None:
    """Make, list and take away keys. The file holds digests only.

    Example: gridhub open311 key list
    """


@key.command("add")
@KEYS
@click.argument("name")
@click.option("--may", multiple=True, required=True, type=click.Choice(["read", "report", "handle", "check"]),
              help="What the key allows; several times for several things.")  # fmt: skip
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Last day of the key; unset: none.")
@click.option("--area", multiple=True, help="Only tasks in areas whose code begins so.")
@click.option("--role", multiple=True, help="Only tasks of recipients of this kind.")
@click.option("--recipient", multiple=True, help="Only tasks of this recipient, as role:code.")
def add(keys: Path | None, name: str, may: tuple[Any, ...], until: Any, **tasks: tuple[str, ...]) -> None:
    """Make a key and print it, this once: what is kept is its digest.

    Example: gridhub open311 key add street-app --may report
    """
    from gridhub.connectors.open311.keys import KeysError
    from gridhub.connectors.open311.keys import add as make
    from gridhub.connectors.sinks.targets import Wanted

    try:
        text = make(_keys(keys, _settings()), name, may, until and until.date(), Wanted.model_validate(tasks))
    except KeysError as error:
        raise click.UsageError(str(error)) from error
    click.echo(orjson.dumps({"name": name, "may": may, "api_key": text}))


@key.command("list")
@KEYS
def list_keys(keys: Path | None) -> None:
    """List the keys and what they allow, one JSON object a line.

    Example: gridhub open311 key list
    """
    from gridhub.connectors.open311.keys import KeysError, listed

    try:
        found = listed(_keys(keys, _settings()))
    except KeysError as error:
        raise click.UsageError(str(error)) from error
    for one in found:
        click.echo(orjson.dumps(one.model_dump(mode="json", exclude={"digest"}, exclude_defaults=True)))


@key.command("drop")
@KEYS
@click.argument("name")
def drop(keys: Path | None, name: str) -> None:
    """Take a key away; a server that runs knows it at the next request.

    Example: gridhub open311 key drop street-app
    """
    from gridhub.connectors.open311.keys import drop as take_away

    if not take_away(_keys(keys, _settings()), name):
        raise click.UsageError(f"No key is called {name}.")


def _settings() -> Settings:
    from gridhub.streams import logs
    from gridhub.streams.settings import load

    settings = load()
    logs.configure(settings.log_level, "open311")
    return settings


def _keys(path: Path | None, settings: Settings) -> Path:
    return path or settings.data_dir / "open311" / "keys.json"


def _services(settings: Settings) -> tuple[City, Services]:
    from gridhub.connectors.open311.services import FILE, Services, ServicesError
    from gridhub.streams import city as city_data

    try:
        city = city_data.load(settings.config_dir)
        own = settings.config_dir / FILE if settings.config_dir else None
        return city, Services.load(city, own if own and own.exists() else None)
    except (city_data.CityError, ServicesError) as error:
        raise click.UsageError(str(error)) from error
