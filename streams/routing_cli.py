"""`gridhub route`: try the routing tree, and check a changed one before it goes live."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NoReturn

import click
import orjson

from gridhub.streams.categories import Categories
from gridhub.streams.matching import Matching
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.rooms.assignment import Assignment, assignments
from gridhub.streams.rooms.outbound import OutboundFacts
from gridhub.streams.routing import Routing, RoutingError
from gridhub.streams.settings import load

MINUTE_MS = 60_000
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("route")
def route() -> None:
    """Try and check the rules that decide who gets which task.

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


@route.command("test")
@click.option("--category", required=True, help="Category of config/categories.csv.")
@click.option("--severity", type=click.IntRange(1, 4), help="1 特别重大 … 4 一般; the category's default unless given.")
@click.option("--code", "codes", multiple=True, required=True, help="Canonical code of the place; may be given again.")
@click.option("--source", "sources", multiple=True, default=["power"], help="Department that reported it.")
@click.option("--status", type=click.Choice(["actual", "exercise", "test"]), default="actual")
@click.option("--file", type=_FILE, help="Another routing.yaml than the one in force.")
def test(file: Path | None, **asked: Any) -> None:
    """Print who would get a task for such an incident, one JSON object per task, the handler first.

    Example: gridhub route test --category fire --severity 2 --code 420202005001001
    """
    facts = _facts(file)
    for item in assignments(_incident(asked, facts), facts, time.time_ns() // 1_000_000):
        click.echo(orjson.dumps(_answer(item, facts, asked)))


def _routing(file: Path | None, categories: Categories) -> Routing:
    try:
        return Routing.load(file, categories)
    except RoutingError as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from error


def _facts(file: Path | None) -> OutboundFacts:
    categories, settings = Categories.load(), load()
    return OutboundFacts(
        categories=categories,
        matching=Matching.load(None, categories),
        routing=_routing(file, categories),
        catalogue=Catalogue.load(),
        retention_ms=int(settings.duplicate_retention_h * 60 * MINUTE_MS),
        accept_limit_ms=int(settings.accept_limit_min * MINUTE_MS),
    )


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
    asked["severity"] = severity
    return {
        "category": category,
        "severity": severity,
        "sources": list(asked["sources"]),
        "status": asked["status"],
        "grid_ids": list(asked["codes"]),
        "told": {category: ["", ""]},
    }


def _wrong(message: str) -> NoReturn:
    raise click.UsageError(message)


def _answer(item: Assignment, facts: OutboundFacts, asked: dict[str, Any]) -> dict[str, Any]:
    limited = item.action != "inform"
    accept_min = item.rule.accept_min or facts.accept_limit_ms / MINUTE_MS
    return {
        "action": item.action,
        "recipient": item.recipient.id,
        "recipient_name": facts.organisation.name_of(item.recipient),
        "accept_min": accept_min if limited else None,
        "finish_min": facts.routing.finish_ms(item.rule, asked["severity"]) / MINUTE_MS if limited else None,
        "route": item.route,
        "left_out": item.left_out,
    }
