"""`gridhub route`: show the routing tree, try it, and check a changed one before it goes live."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NoReturn

import click
import orjson

from gridhub.streams.categories import Categories
from gridhub.streams.matching import Matching
from gridhub.streams.moments import Moment
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.rooms.assignment import assignments
from gridhub.streams.rooms.outbound import OutboundFacts
from gridhub.streams.routing import Routing, RoutingError
from gridhub.streams.routing_show import shown_tree
from gridhub.streams.routing_trial import Trial, tried
from gridhub.streams.settings import load
from gridhub.streams.silences import NO_SILENCES, Silences

MOMENT = Moment()
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("route")
def route() -> None:
    """Show, try and check the rules that decide who gets which task.

    Example: gridhub route test --category fire --code 420202005001001
    """


@route.command("check")
@click.argument("file", type=_FILE)
def check(file: Path) -> None:
    """Say whether FILE is a routing tree that the hub would take; each problem is a sentence on stderr, exit 1.

    Example: gridhub route check config/routing.yaml
    """
    routing = _routing(file, Categories.load())
    click.echo(orjson.dumps({"file": str(file), "version": routing.version, "departments": len(routing.departments)}))


@route.command("show")
@click.option("--file", type=_FILE, help="Another routing.yaml than the one that the hub starts with.")
def show(file: Path | None) -> None:
    """Print the routing tree with its lines, matchers, recipients and groups; then intervals, inhibit rules, limits.

    Example: gridhub route show --file config/routing.yaml
    """
    routing = _routing(file, Categories.load())
    click.echo("\n".join(shown_tree(routing)))


@route.command("test")
@click.option("--category", required=True, help="Category of config/categories.csv.")
@click.option("--severity", type=click.IntRange(1, 4), help="1 特别重大 … 4 一般; the category's default unless given.")
@click.option("--code", "codes", multiple=True, required=True, help="Canonical code of the place; may be given again.")
@click.option("--source", "sources", multiple=True, default=["power"], help="Department that reported it.")
@click.option("--status", type=click.Choice(["actual", "exercise", "test"]), default="actual")
@click.option("--parent", default="", help="Rule of matching.yaml by which it has a parent.")
@click.option("--at", "at_ms", type=MOMENT, help="Moment to judge by, in China's time; unset: now.")
@click.option("--open", "sources_open", multiple=True, metavar="CATEGORY[:SEVERITY[:CODE]]",
              help="An incident that is open meanwhile, for the inhibit rules; at the same place unless told.")  # fmt: skip
@click.option("--silence", "silences", multiple=True, metavar="MATCHERS",
              help='A silence to try, its matchers with commas between, such as category="noise",severity>=4.')  # fmt: skip
@click.option("--live", is_flag=True, help="With routing and silences as they are in force on hub.config.")
@click.option("--file", type=_FILE, help="Another routing.yaml than the one that the hub starts with.")
def test(file: Path | None, *, live: bool, **asked: Any) -> None:
    """Print who would get a task for such an incident, one JSON object per task, the handler first, each with its line.

    Where a silence or an inhibit rule keeps the tasks back, one line more says which and by which line; where a task waits
    for its group or an hour, it says until when.

    Example: gridhub route test --category fire --severity 2 --code 420202005001001 --at 2026-11-23T22:00
    """
    if live and file is not None:
        raise click.UsageError("Give either --live or --file.")
    facts = _live_facts() if live else _facts(file)
    at_ms = asked["at_ms"] if asked["at_ms"] is not None else time.time_ns() // 1_000_000
    incident = _incident(asked, facts)
    try:
        trial = tried(incident, asked["sources_open"], asked["silences"], facts, at_ms)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    _print(trial, incident, facts, at_ms)


def _print(trial: Trial, incident: dict[str, Any], facts: OutboundFacts, at_ms: int) -> None:
    if trial.kept_back is not None:
        click.echo(orjson.dumps(trial.kept_back))
    for item in assignments(incident, facts, at_ms):
        answer = trial.answer(item)
        if trial.kept_back is None:
            click.echo(orjson.dumps(answer))
        else:
            click.echo(orjson.dumps({**answer, "kept_back": trial.kept_back["by"]}))


def _routing(file: Path | None, categories: Categories) -> Routing:
    try:
        return Routing.load(file, categories)
    except RoutingError as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from error


def _facts(file: Path | None, silences: Silences = NO_SILENCES) -> OutboundFacts:
    categories, settings = Categories.load(), load()
    return OutboundFacts(
        categories=categories,
        matching=Matching.load(None, categories),
        routing=_routing(file, categories),
        catalogue=Catalogue.load(),
        retention_ms=int(settings.duplicate_retention_h * 3_600_000),
        accept_limit_ms=int(settings.accept_limit_min * 60_000),
        silences=silences,
    )


def _live_facts() -> OutboundFacts:
    """What workers decide by now."""
    from gridhub.streams import city as city_data
    from gridhub.streams.config_store import in_force, spoken

    settings = load()
    with spoken(settings):
        return city_data.outbound_facts(in_force(settings, time.time_ns() // 1_000_000).city, settings)


def _incident(asked: dict[str, Any], facts: OutboundFacts) -> dict[str, Any]:
    """As much of an incident as routing reads; wrong use ends with exit 2."""
    category = asked["category"]
    if category not in facts.categories:
        _wrong(f"There is no category {category}; config/categories.csv has them.")
    for code in asked["codes"]:
        if facts.catalogue.place(code) is None:
            _wrong(
                f"There is no place {code}; canonical codes have 6, 9, 12 or 15 digits. `gridhub locate` finds them."
            )
    severity = asked["severity"] or Categories.load()[category].default_severity
    return {
        "incident_id": f"{asked['codes'][0][:9]}-try",
        "area": asked["codes"][0][:9],
        "category": category,
        "severity": severity,
        "sources": list(asked["sources"]),
        "status": asked["status"],
        "grid_ids": list(asked["codes"]),
        "parent_rule": asked["parent"],
        "told": {category: ["", ""]},
        "event_ids": ["try/try"],
    }


def _wrong(message: str) -> NoReturn:
    raise click.UsageError(message)
