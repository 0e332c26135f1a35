"""What the people and departments of the script send, as ordinary clients of the hub would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gridhub.connectors.demo.day.lines import Names
from gridhub.connectors.demo.day.script import Command, Event, Report, Script, ScriptError, Step, changed
from gridhub.connectors.sources.departments import Departments
from gridhub.schemas.catalogue import readers
from gridhub.streams import topics
from gridhub.streams.json_records import JsonForm
from gridhub.streams.messages import SUBJECTS

SENDER = "day"


class Sent(NamedTuple):
    """One message: its topic and key, and the record under its subject (None: the bytes are there already)."""

    topic: str
    key: bytes
    subject: str
    record: dict[str, Any]


class Senders:
    """Makes the message of each step."""

    def __init__(self, script: Script, departments: Departments, names: Names) -> None:
        self._script, self._departments, self._names = script, departments, names
        self._forms: dict[str, JsonForm] = {}

    def message(self, step: Step) -> Sent | None:
        """What this step sends; None when only time passes. ScriptError when it names what is not there."""
        makers: tuple[tuple[Any, Callable[[Any, Step], Sent]], ...] = (
            (step.event, self._event), (step.report, self._report), (step.command, self._command),
        )  # fmt: skip
        try:
            return next((make(deed, step) for deed, make in makers if deed is not None), None)
        except KeyError as error:
            raise ScriptError(f"{step.at} {step.tells}: there is no {error} yet.") from error

    def _event(self, event: Event, _step: Step) -> Sent:
        department = self._departments.by_code[event.department]
        record = changed(department.folder / "examples" / f"{event.like}.json", event.change)
        if department.record not in self._forms:
            self._forms[department.record] = JsonForm(readers()[department.record])
        ready = self._forms[department.record].avro_ready(record)
        return Sent(department.topic.name, b"day", f"{department.topic.name}-value", ready)

    def event_id(self, event: Event) -> str:
        """source/event id of the event, as incidents name it."""
        department = self._departments.by_code[event.department]
        row = department.event(self._event(event, self._script.steps[0]).record)
        return f"{department.code}/{row['event_id']}"

    def _report(self, report: Report, step: Step) -> Sent:
        task = self._names.full(report.task)
        at_ms = self._script.ms(report.at or step.at)
        record = {
            "status_id": f"{step.at} {report.actor} {report.stage}", "task_id": task,
            "stage": report.stage, "actor": report.actor, "at": at_ms, "note": report.note, "sender": SENDER,
            "cause": report.cause, "until": report.until and self._script.ms(report.until),
        }  # fmt: skip
        return Sent(topics.STATUS.name, _area(task), SUBJECTS["TaskStatus"], record)

    def _command(self, command: Command, step: Step) -> Sent:
        incident = self._names.full(command.incident)
        record = {
            "command_id": f"{step.at} {command.actor} {command.kind}",
            "kind": command.kind, "incident_id": incident, "actor": command.actor, "at": self._script.ms(step.at),
            "reason": command.reason, "event": command.event,
            "other_incident_id": command.other and self._names.full(command.other),
            "task_id": command.task and self._names.full(command.task), "recipient": command.recipient,
            "cause": command.cause, "until": command.until and self._script.ms(command.until),
        }  # fmt: skip
        return Sent(topics.STATUS.name, _area(incident), SUBJECTS["Command"], record)


def event_names(script: Script, departments: Departments) -> dict[str, str]:
    """What the script calls the incident that each event opens."""
    senders = Senders(script, departments, Names({}))
    return {senders.event_id(step.event): step.event.names for step in script.steps if step.event and step.event.names}


def _area(name: str) -> bytes:
    return name.partition("-")[0].encode()
