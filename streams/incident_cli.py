"""`gridhub incident`: what a person decides about incidents, as a command to the hub."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

import click

from gridhub.streams.sending import area_of, send

Command = TypeVar("Command", bound=Callable[..., Any])
_ORDER = (
    click.option("--actor", required=True, help="Who decides: an opaque id, kept in the journal."),
    click.option("--reason", required=True, help="Why, for the journal; no personal data."),
    click.option("--id", "command_id", help="The command's own id; the same one again is ignored. Unset: a new one."),
)


def _ordered(command: Command) -> Command:
    """The options that every command has."""
    for option in reversed(_ORDER):
        command = option(command)
    return command


@click.group("incident")
def incident() -> None:
    """Decide about incidents: does an event belong, are two one matter. `gridhub explain` tells what came of it.

    Example: gridhub incident --help
    """


@incident.command("confirm")
@click.argument("incident_id")
@click.argument("event", metavar="SOURCE/EVENT_ID")
@_ordered
def confirm(incident_id: str, event: str, **order: Any) -> None:
    """A possible event belongs to the incident.

    Example: gridhub incident confirm 420202005-1f2e3d4c5b6a7988 power/TD1 --actor zhang --reason 现场核实
    """
    _send("confirm", incident_id, event=_event(event), **order)


@incident.command("reject")
@click.argument("incident_id")
@click.argument("event", metavar="SOURCE/EVENT_ID")
@_ordered
def reject(incident_id: str, event: str, **order: Any) -> None:
    """A possible event does not belong to the incident: it gets one of its own, with tasks.

    Example: gridhub incident reject 420202005-1f2e3d4c5b6a7988 power/TD1 --actor zhang --reason 另一处停电
    """
    _send("reject", incident_id, event=_event(event), **order)


@incident.command("split")
@click.argument("incident_id")
@click.option("--event", metavar="SOURCE/EVENT_ID", help="The event that leaves.")
@click.option("--incident", "other", help="The incident, merged into this one before, that leaves.")
@_ordered
def split(incident_id: str, event: str | None, other: str | None, **order: Any) -> None:
    """An event, or an incident merged before, leaves the incident again; give one of --event and --incident.

    Example: gridhub incident split 420202005-1f2e3d4c5b6a7988 --event power/TD1 --actor zhang --reason 不是同一事项
    """
    if (event is None) == (other is None):
        raise click.UsageError("Give either --event or --incident.")
    _send("split", incident_id, event=_event(event) if event else "", other=other or "", **order)


@incident.command("merge")
@click.argument("incident_id")
@click.argument("other")
@_ordered
def merge(incident_id: str, other: str, **order: Any) -> None:
    """The incident OTHER becomes part of INCIDENT_ID; its open tasks end. `split --incident` undoes it.

    Example: gridhub incident merge 420202005-1f2e3d4c5b6a7988 420202005-8899aabbccddeeff --actor zhang --reason 同一处停电
    """
    _send("merge", incident_id, other=other, **order)


@incident.command("cancel")
@click.argument("incident_id")
@_ordered
def cancel(incident_id: str, **order: Any) -> None:
    """The incident and its open tasks end without a result (作废).

    Example: gridhub incident cancel 420202005-1f2e3d4c5b6a7988 --actor zhang --reason 误报
    """
    _send("cancel", incident_id, **order)


def _event(told: str) -> str:
    source, slash, event_id = told.partition("/")
    if not (source and slash and event_id):
        raise click.UsageError(f"{told!r} is no event: write SOURCE/EVENT_ID, as the incident names it.")
    return told


def command_record(  # noqa: PLR0913  # the fields of Command.avsc
    kind: str,
    incident_id: str,
    actor: str,
    reason: str,
    command_id: str | None = None,
    event: str = "",
    other: str = "",
) -> dict[str, Any]:
    """A record of Command.avsc, decided now."""
    return {
        "command_id": command_id or f"cli-{uuid4()}",
        "kind": kind,
        "incident_id": incident_id,
        "actor": actor,
        "at": time.time_ns() // 1_000_000,
        "reason": reason,
        "event": event,
        "other_incident_id": other,
        "task_id": "",
        "recipient": "",
        "cause": "",
        "until": None,
    }


def _send(kind: str, incident_id: str, **order: Any) -> None:
    """Publish the command, keyed by the incident's area; prints it when Kafka has it, exit 1 when it could not."""
    area = area_of(incident_id, "incident")
    send("Command", command_record(kind, incident_id, **order), area)
