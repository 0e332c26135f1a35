"""`gridhub organisation`: check the organisation's files, ask who a unit is, who is on duty, who can walk where in time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import orjson

from gridhub.streams.city import City, CityError
from gridhub.streams.city import load as load_city
from gridhub.streams.organisation.charter import Charter
from gridhub.streams.organisation.coverage import Coverage, coverage
from gridhub.streams.organisation.duty import Duty
from gridhub.streams.organisation.load import Around, load_charter
from gridhub.streams.organisation.notes import masked, notes
from gridhub.streams.organisation.roles import DEPARTMENT_UNIT, ROLES, parse, problem_of
from gridhub.streams.organisation.tables import OrganisationError, read_moment
from gridhub.streams.organisation.units import Unit
from gridhub.streams.rooms.organisation import Organisation
from gridhub.streams.settings import load as load_settings

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_AT = click.option("--at", "moment", help="Day or moment in China, as 2026-10-01T22:00; now unless given.")
_PERSONAL = click.option("--show-personal", is_flag=True, help="Show persons' numbers, names and contacts unmasked.")
_DIGITS = {"city": 4, "district": 6, "street": 9}


@click.group("organisation")
def organisation() -> None:
    """Look at the city's organisation: units, duty, walking times; check its files.

    Example: gridhub organisation check
    """


@organisation.command("check")
@click.argument("folder", type=_FOLDER, required=False)
def check(folder: Path | None) -> None:
    """Say whether FOLDER (unset: the one in force) is an organisation that the hub would take; exit 1 when it is not.

    Each mistake is a sentence with file and line on stderr. What is not wrong but should be known, as a year whose
    holidays nobody has told, is said too.

    Example: gridhub organisation check config/organisation
    """
    charter = _charter(folder)
    now_ms = _now()
    told = list(notes(charter, now_ms))
    for note in told:
        click.echo(note, err=True)
    counts = {name: len(getattr(charter, name)) for name in ("units", "persons", "duties", "absences", "capabilities")}
    click.echo(orjson.dumps({"version": charter.version, **counts, "notes": told}))


@organisation.command("show")
@click.argument("unit")
@click.option("--category", help="Category of a matter, to see who the X of a 3+X council would be.")
@_AT
@_PERSONAL
def show(unit: str, category: str | None, moment: str | None, *, show_personal: bool) -> None:
    """Print what the hub knows of UNIT (`role:code`), or of every unit that serves a place, one JSON object a line.

    UNIT is an id as tasks have it in `recipient`, or a canonical code of a place.

    Example: gridhub organisation show grid_member:420202005001001
    """
    chart = _chart()
    at_ms = _moment(moment)
    for name in [unit] if ":" in unit else _serving(chart, unit):
        found = _unit(chart, name)
        line = _line(chart, found) | {"on_duty": _duty(chart.on_duty(found.id, at_ms), show_personal=show_personal)}
        if found.kind == "deliberation_council":
            line["council"] = chart.council(found.id, category or "")._asdict()
        click.echo(orjson.dumps(line))


@organisation.command("duty")
@click.argument("units", nargs=-1)
@_AT
@_PERSONAL
def duty(units: tuple[str, ...], moment: str | None, *, show_personal: bool) -> None:
    """Print who answers for each of UNITS at a moment (unset: for every unit with a roster), one JSON object a line.

    Persons are masked unless --show-personal is given: rosters are personal data.

    Example: gridhub organisation duty street:420202005 --at 2026-10-01T22:00
    """
    chart = _chart()
    at_ms = _moment(moment)
    for name in units or chart.charter.duties:
        found = _unit(chart, name)
        answer = _duty(chart.on_duty(found.id, at_ms), show_personal=show_personal)
        click.echo(orjson.dumps({"asked": found.id, "name": found.name, **answer}))


@organisation.command("coverage")
@click.option("--minutes", default=15.0, type=click.FloatRange(1, 120), help="Length of the walk.")
@click.option("--by", type=click.Choice(sorted(_DIGITS)), default="city", help="One line for each place of this level.")
@click.option("--at", "moment", help="Count only who is there at this moment in China; unset: all units.")
@click.option("--grids", "with_grids", is_flag=True, help="Name the grids that nobody reaches.")
def covered(minutes: float, by: str, moment: str | None, *, with_grids: bool) -> None:
    """Print how many grids have a capable unit within a walk (十五分钟服务圈), one JSON object a capability and place.

    Example: gridhub organisation coverage --by district
    """
    city, chart = _city(), _chart()
    at_ms = _moment(moment) if moment else None
    for found in coverage(chart, city.catalogue, minutes, at_ms, _DIGITS[by]):
        line = _covered(found, chart)
        click.echo(orjson.dumps(line | ({"without": found.without} if with_grids else {})))


def _covered(found: Coverage, chart: Organisation) -> dict[str, Any]:
    place = chart.places.place(found.place)
    return {
        "capability": found.capability,
        "name": chart.charter.capabilities[found.capability].name_zh,
        "place": found.place,
        "place_name": place.name if place is not None else found.place,
        "units": found.units,
        "grids": found.grids,
        "covered": found.covered,
        "share": round(found.covered / found.grids, 4),
    }


def _city() -> City:
    try:
        return load_city(load_settings().config_dir)
    except CityError as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from error


def _charter(folder: Path | None) -> Charter:
    city = _city()
    if folder is None:
        return city.charter
    try:
        return load_charter(folder, Around(city.categories, city.catalogue, city.routing.departments))
    except OrganisationError as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from error


def _chart() -> Organisation:
    city = _city()
    return Organisation(city.catalogue, city.routing.departments, city.charter)


def _serving(chart: Organisation, code: str) -> list[str]:
    """The units of every role that serve a place, the nearest first."""
    if chart.places.place(code) is None:
        raise click.UsageError(f"There is no place {code}; canonical codes have 6, 9, 12 or 15 digits.")
    roles = [role for role in ROLES if role != DEPARTMENT_UNIT and chart.stands(role, code)]
    found = [chart.resolve(role, "", (code,), 1).recipients[0].id for role in roles]
    for name, line in chart.charter.units.items():
        area = line.area or (line.recipient.place,)
        if code.startswith(tuple(one[:4] if one == chart.places.root else one for one in area)):
            found.append(name)
    return list(dict.fromkeys(found))


def _unit(chart: Organisation, name: str) -> Unit:
    wrong = problem_of(name)
    if wrong is not None or chart.places.place(parse(name).place) is None:
        raise click.UsageError(f"{name} is no unit: {wrong or 'the catalogue has no such place'}.")
    return chart.unit(name)


def _line(chart: Organisation, unit: Unit) -> dict[str, Any]:
    upper = chart.upper(unit.id)
    return {
        **unit._asdict(),
        "capabilities": sorted(unit.capabilities),
        "upper": upper.id if upper is not None else None,
        "arbiter": chart.arbiter(unit.id).id,
        "checker": chart.checker(unit.id).id,
    }


def _duty(found: Duty, *, show_personal: bool) -> dict[str, Any]:
    line = found._asdict()
    if not show_personal:
        line |= {name: masked(line[name]) for name in ("person", "contact")}
        away = line["substitute_for"]
        line["substitute_for"] = away if away is None or ":" in away else masked(away)
    return line


def _moment(text: str | None) -> int:
    if text is None:
        return _now()
    found = read_moment(text, end=False)
    if found is None:
        raise click.UsageError(f"--at {text!r} is no day or moment in China, as 2026-10-01 or 2026-10-01T22:00.")
    return found


def _now() -> int:
    return time.time_ns() // 1_000_000
