"""`gridhub task`: report on a task as its handler or checker, and decide about it as somebody else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

import click
import orjson
from kafka.errors import KafkaError

from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import UnknownSchema
from gridhub.schemas.registry import RegistryLater, connect, load_codec
from gridhub.streams import topics
from gridhub.streams.incident_cli import command_record
from gridhub.streams.moments import ms_of
from gridhub.streams.rooms import stages
from gridhub.streams.sending import area_of, send
from gridhub.streams.settings import load
from gridhub.streams.story import Reader

Command = TypeVar("Command", bound=Callable[..., Any])
_ACTOR = click.option("--actor", required=True, help="Who does it: an opaque id, kept in the journal.")
_ID = click.option("--id", "own_id", help="The record's own id; the same one again is ignored. Unset: a new one.")
_NOTE = click.option("--note", default="", help="A word for the next person; no personal data.")
_REASON = click.option("--reason", required=True, help="Why, for the journal; no personal data.")
_UNTIL = click.option("--until", required=True, help="When it ends, as 2026-12-01T09:00 (China's time unless it says).")
_CAUSE = click.option("--cause", required=True, help="The listed reason (挂账原因), see docs/tasks.md.")


def _with(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """The options of a kind of command, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_reports = _with(click.argument("task_id"), _ACTOR, _NOTE, _ID)
_decides = _with(click.argument("task_id"), _ACTOR, _REASON, _ID)


@click.group("task")
def task() -> None:
    """Take a task from stage to stage, and decide about it. `show` tells where it is and what may follow.

    Example: gridhub task --help
    """


@task.command("accept")
@_reports
def accept(task_id: str, **given: Any) -> None:
    """The recipient takes the task (接单).

    Example: gridhub task accept 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001 --actor wang
    """
    _report(task_id, stages.ACCEPTED, **given)


@task.command("start")
@_reports
def start(task_id: str, **given: Any) -> None:
    """Work begins, or goes on after a suspension or a failed check (处理).

    Example: gridhub task start 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001 --actor wang
    """
    _report(task_id, stages.HANDLING, **given)


@task.command("report")
@_reports
def report(task_id: str, **given: Any) -> None:
    """The handler says that it is done (反馈).

    Example: gridhub task report 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001 --actor wang --note 已清理
    """
    _report(task_id, stages.REPORTED, **given)


@task.command("return")
@_reports
def return_(task_id: str, **given: Any) -> None:
    """The recipient gives it back: it goes one level up, and to an arbiter when that happens too often (退单).

    Example: gridhub task return 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001 --actor wang --note 不属本网格
    """
    _report(task_id, stages.RETURNED, **given)


@task.command("extend")
@_reports
def extend(task_id: str, **given: Any) -> None:
    """The handler asks for more time; `approve` or `refuse` answers (申请延期).

    Example: gridhub task extend 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001 --actor wang --note 等交警
    """
    _report(task_id, stages.EXTENDED, **given)


@task.command("check")
@_reports
@click.option("--fail", is_flag=True, help="The work is found wanting: back to the handler (返工).")
def check(task_id: str, *, fail: bool, **given: Any) -> None:
    """Somebody else than the handler has looked at what was reported (核查).

    Example: gridhub task check 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001 --actor li
    """
    _report(task_id, stages.REWORKED if fail else stages.CHECKED, **given)


@task.command("close")
@_reports
def close(task_id: str, **given: Any) -> None:
    """A checked task ends, and with the last one that handles it the incident (结案).

    Example: gridhub task close 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001 --actor li
    """
    _report(task_id, stages.CLOSED, **given)


@task.command("approve")
@_decides
def approve(task_id: str, **given: Any) -> None:
    """Grant the time that the handler asked for (准予延期).

    Example: gridhub task approve 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001 --actor zhao --reason 情况属实
    """
    _order("approve", task_id, **given)


@task.command("refuse")
@_decides
def refuse(task_id: str, **given: Any) -> None:
    """Grant no more time; the limit stays (不准延期).

    Example: gridhub task refuse 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001 --actor zhao --reason 理由不足
    """
    _order("refuse", task_id, **given)


@task.command("suspend")
@_decides
@_CAUSE
@_UNTIL
def suspend(task_id: str, cause: str, until: str, **given: Any) -> None:
    """Let the task's clock rest for a listed reason, until a moment (挂账).

    Example: gridhub task suspend 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001 --actor zhao
    --reason 配件在途 --cause parts --until 2026-12-01T09:00
    """
    _order("suspend", task_id, **given, cause=cause, until=moment(until))


@task.command("resume")
@_decides
def resume(task_id: str, **given: Any) -> None:
    """Let a suspended task go on before its end (恢复).

    Example: gridhub task resume 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001 --actor zhao --reason 配件到货
    """
    _order("resume", task_id, **given)


@task.command("arbitrate")
@_decides
@click.option("--to", "recipient", required=True, metavar="ROLE:CODE", help="Who handles it and may not return it.")
def arbitrate(task_id: str, recipient: str, **given: Any) -> None:
    """Decide who handles what was returned too often (仲裁).

    Example: gridhub task arbitrate 420202005-1f2e3d4c5b6a7988-handle-department_unit-governance-420202-r3 --actor zhao
    --reason 属社区职责 --to community:420202005001
    """
    _order("arbitrate", task_id, **given, recipient=recipient)


@task.command("cancel")
@_decides
def cancel(task_id: str, **given: Any) -> None:
    """End one task without a result; `gridhub incident cancel` ends all of an incident (作废).

    Example: gridhub task cancel 420202005-1f2e3d4c5b6a7988-assist-grid_member-420202005001001 --actor zhao --reason 不再需要
    """
    _order("cancel", task_id, **given)


@task.command("reopen")
@_decides
def reopen(task_id: str, **given: Any) -> None:
    """The incident of a closed task was not solved: its last handler has it again (重开).

    Example: gridhub task reopen 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001 --actor zhao --reason 居民再次反映
    """
    _order("reopen", task_id, **given)


@task.command("show")
@click.argument("task_id")
def show(task_id: str) -> None:
    """The newest version of a task, and what may follow.

    Example: gridhub task show 420202005-1f2e3d4c5b6a7988-handle-grid_member-420202005001001
    """
    area_of(task_id, "task")
    found = newest(task_id)
    if found is None:
        click.echo(f"There is no task {task_id}.", err=True)
        sys.exit(1)
    click.echo(orjson.dumps({**found, "allowed": stages.allowed(found["stage"])}))


def newest(task_id: str) -> dict[str, Any] | None:
    """The task's newest record on hub.tasks; exit 1 when the topics cannot be read."""
    settings = load()
    try:
        registry = connect(settings.registry, settings.data_dir / "schemas")
        reader = Reader(settings.bootstrap, load_codec(registry, catalogue()))
        try:
            records = (record for _, record in reader.records(topics.TASKS.name, [task_id]))
            versions = [record for record in records if record["task_id"] == task_id]
        finally:
            reader.close()
    except (RegistryLater, UnknownSchema, KafkaError) as error:
        click.echo(f"The hub's topics cannot be read: {error}. Kafka: {settings.bootstrap} (GRIDHUB_KAFKA).", err=True)
        sys.exit(1)
    return max(versions, key=lambda record: int(record["version"]), default=None)


def moment(text: str) -> int:
    """A time as people write it, in ms; exit 2 when it is none."""
    try:
        return ms_of(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r} is no time: write 2026-12-01T09:00.") from error


def _report(task_id: str, stage: str, actor: str, note: str, own_id: str | None) -> None:
    record = {
        "status_id": own_id or f"cli-{uuid4()}",
        "task_id": task_id,
        "stage": stage,
        "actor": actor,
        "at": time.time_ns() // 1_000_000,
        "note": note,
        "sender": "gridhub-task",
        "cause": "",
        "until": None,
    }
    send("TaskStatus", record, area_of(task_id, "task"))


def _order(kind: str, task_id: str, actor: str, reason: str, own_id: str | None, **values: Any) -> None:
    area = area_of(task_id, "task")
    incident_id = "-".join(task_id.split("-")[:2])
    record = command_record(kind, incident_id, actor, reason, own_id) | {"task_id": task_id} | values
    send("Command", record, area)
