"""The command line `gridhub`. One JSON object a line on stdout, messages on stderr; exit 0 good, 1 not, 2 wrong use."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

COMMANDS = {
    "broker": ("gridhub.connectors.broker.cli:group", "Start, stop or look at the embedded Kafka."),
    "registry": ("gridhub.connectors.registry.cli:registry", "Run the embedded schema registry."),
    "provision": ("gridhub.streams.run_cli:provision", "Make topics and register schemas."),
    "worker": ("gridhub.streams.run_cli:worker", "Run a worker: departments' events in, tasks out."),
    "simulate": ("gridhub.connectors.simulator.cli:simulate", "Publish a simulated city's events, with the truth."),
    "demo": ("gridhub.connectors.demo.cli:demo", "Run everything on this machine: broker, workers, simulator."),
    "try": ("gridhub.streams.try_cli:try_road", "Take events the whole road without Kafka."),
    "locate": ("gridhub.streams.place.cli:locate", "Find places on the grid."),
    "convert": ("gridhub.connectors.warnings.cli:group", "Make events of CAP messages and warning texts."),
    "grids": ("gridhub.streams.grids_cli:grids", "Check, compare and put in force the city's grids."),
    "organisation": (
        "gridhub.streams.organisation_cli:organisation",
        "See units, who is on duty, who walks where in time.",
    ),
    "incident": ("gridhub.streams.incident_cli:incident", "Confirm, reject, split, merge or cancel incidents."),
    "task": ("gridhub.streams.task_cli:task", "Take a task from stage to stage, decide about it, show it."),
    "explain": ("gridhub.streams.explain_cli:explain", "Tell an event's whole story."),
    "journal": ("gridhub.streams.journal_cli:journal", "Check the journal's hash chains."),
    "whatif": ("gridhub.streams.whatif.cli:whatif", "Try proposed rules on what really came."),
    "department": ("gridhub.connectors.sources.cli:group", "List departments, check a department's files."),
    "open311": ("gridhub.connectors.open311.cli:group", "Take citizens' reports over Open311 GeoReport v2."),
    "asyncapi": (
        "gridhub.connectors.sinks.asyncapi_cli:asyncapi",
        "Print what a consumer sends and receives, as AsyncAPI.",
    ),
    "sinks": ("gridhub.connectors.sinks.cli:group", "Carry tasks to other systems: webhooks and mail."),
    "route": ("gridhub.streams.routing_cli:route", "Show and try the routing tree."),
    "silence": ("gridhub.streams.silences_cli:silence", "Keep tasks of a known nuisance back for a time."),
    "config": ("gridhub.streams.config_cli:config", "Check rule files, put them in force, see their history."),
    "quality": ("gridhub.connectors.quality.cli:quality", "Measure how good places, warnings and merges are."),
    "settings": ("gridhub.streams.run_cli:settings_table", "Show every setting and its value."),
}


class Lazy(click.Group):
    """Loads a command's module only when it is called: `gridhub --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table, without loading anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gridhub")
def gridhub() -> None:
    """Event-driven hub for a city's grid governance (网格化服务管理).

    Example: gridhub try --department power < events.jsonl
    """


def main(argv: list[str] | None = None) -> Any:
    """Run the command line; a known mistake ends with a sentence on stderr, never with a stack trace."""
    from gridhub.streams.settings import SettingsError

    try:
        return gridhub.main(args=argv, prog_name="gridhub")
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
