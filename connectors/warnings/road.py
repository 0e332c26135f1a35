"""Where converted warnings go: to standard output as events or records, or on the department's topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import orjson

from gridhub.connectors.sources.departments import Departments
from gridhub.connectors.warnings.events import DEPARTMENT, canonical
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridhub.connectors.sources.departments import Department
    from gridhub.connectors.warnings.records import Converted
    from gridhub.streams.settings import Settings


@dataclass(frozen=True)
class Desk:
    """What conversion needs: the department's mapping and the grid catalogue."""

    department: Department
    catalogue: Catalogue
    settings: Settings

    @classmethod
    def load(cls) -> Desk:
        """From the city's configuration, else the bundled one."""
        settings = load()
        folder = settings.config_dir
        grids = folder / "grids" if folder and (folder / "grids").exists() else None
        return cls(Departments.load().by_code[DEPARTMENT], Catalogue.load(grids), settings)

    def write(self, found: Iterable[Converted], *, records: bool, publish: bool) -> None:
        """Print what was found; publish it as well where that is asked. A message that is no warning is not published."""
        converted = list(found)
        sent = [one.record for one in converted if one.publish]
        if publish:
            _publish(sent, self)
        for one in converted:
            if records and one.publish:
                click.echo(orjson.dumps(one.record))
            elif not records:
                click.echo(orjson.dumps(canonical(one, self.department, self.catalogue)))


def _publish(records: list[dict[str, object]], desk: Desk) -> None:
    """Put the records on the topic; what hinders it is said as the command's own failure."""
    from gridhub.connectors.warnings.publish import NotPublishedError, publish

    try:
        count = publish(records, desk.department, desk.settings)
    except NotPublishedError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} published on {desk.department.topic.name}.", err=True)
