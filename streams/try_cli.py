"""`gridhub try`: a department's events the whole road without Kafka, one result per line of input."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import click
import pyarrow as pa

from gridhub.connectors.sources.departments import Department
from gridhub.schemas.catalogue import readers
from gridhub.schemas.codec import BadRecord, Codec
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams import messages, road
from gridhub.streams.json_records import JsonForm
from gridhub.streams.memory import MemoryState
from gridhub.streams.messages import Origin
from gridhub.streams.records import Outcome, Reason
from gridhub.streams.rooms.admit import InboundFacts
from gridhub.streams.rooms.outbound import OutboundFacts
from gridhub.streams.settings import load
from gridhub.streams.try_telling import explained
from gridhub.streams.words import LANGUAGES

Result = dict[str, Any]
LINE_BYTES = 1_048_576


class Desk(NamedTuple):
    """Everything the road needs, in memory."""

    department: Department
    codec: Codec
    form: JsonForm
    inbound: InboundFacts
    outbound: OutboundFacts
    state: MemoryState
    explain: str | None = None  # the language of the sentences


@click.command("try")
@click.option("--department", required=True, help="Code, name or alias of the department that sends these records.")
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]),
    help="The moment to judge by, UTC (what is too old, what is approved); unset: now.",
)
@click.option("--explain", type=click.Choice(LANGUAGES), help="Add `explained`: why, in Chinese or English sentences.")
def try_road(department: str, at: datetime | None, explain: str | None) -> None:
    """Read records as JSON lines on stdin, write one result per line on stdout, in order.

    Example: gridhub try --department power --at 2026-11-21 < events.jsonl
    """
    settings = load()
    try:
        city = city_data.load(settings.config_dir)
    except city_data.CityError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    found = city.departments.by_alias(department)
    if found is None:
        click.echo(f"There is no department {department!r}. Known: {', '.join(city.departments.by_code)}.", err=True)
        sys.exit(2)
    codec = local_codec(city.further, settings.max_message_bytes)
    desk = Desk(
        found, codec, JsonForm(readers(city.further)[found.record]), city_data.inbound_facts(city, settings, codec.decode_many),
        city_data.outbound_facts(city, settings), MemoryState(), explain,
    )  # fmt: skip
    now_ms = time.time_ns() // 1_000_000 if at is None else int(at.replace(tzinfo=UTC).timestamp() * 1000)
    for result in results(click.get_binary_stream("stdin"), desk, now_ms):
        click.echo(json.dumps(result, ensure_ascii=False))


def results(lines: Iterable[bytes], desk: Desk, now_ms: int) -> Iterator[Result]:
    """One result per line that is not blank."""
    for number, line in enumerate(lines):
        if line.strip():
            yield _result(line, number, desk, now_ms)


def _result(line: bytes, number: int, desk: Desk, now_ms: int) -> Result:
    if len(line) > LINE_BYTES:
        return _refused(None, Reason.TOO_LARGE, f"The line has more than {LINE_BYTES} bytes.")
    try:
        record = desk.form.avro_ready(json.loads(line))
        value = desk.codec.encode(desk.department.record, record)
    except (BadRecord, ValueError, RecursionError) as error:
        return _refused(None, Reason.BAD_BYTES, f"Not a {desk.department.record} as JSON: {error}")
    origin = Origin(desk.department.topic.name, 0, number, now_ms, None, value)
    inbound = road.inbound(messages.raw_table([origin]), desk.inbound, now_ms)
    if inbound.refused.num_rows:
        row = inbound.refused.to_pylist()[0]
        return _refused(row["event_id"], row["reason"], row["detail"], row["candidates"]) | _why(inbound, None, desk)
    outbound = road.outbound(inbound.located, desk.outbound, now_ms, desk.state)
    desk.state.apply(outbound.changes)
    road.settle(outbound.notices, desk.outbound, now_ms, desk.state)
    return _told(inbound.located, outbound) | _why(inbound, outbound, desk)


def _why(inbound: road.Inbound, outbound: road.Outbound | None, desk: Desk) -> Result:
    return {"explained": explained(inbound, outbound, desk.inbound, desk.explain)} if desk.explain else {}


def _refused(event_id: str | None, reason: str, detail: str, candidates: list[str] | None = None) -> Result:
    return _line(event_id, Outcome.REFUSED, reason=str(reason), detail=detail, candidates=candidates or [])


def _told(located: pa.RecordBatch, outbound: road.Outbound) -> Result:
    event = located.to_pylist()[0]
    decision = outbound.decided.decisions[0]
    place = {"grid_ids": event["grid_ids"], "method": event["method"], "confidence": event["confidence"]}
    tasks = [
        {name: row[name] for name in ("task_id", "version", "action", "role", "recipient", "accept_by", "finish_by")}
        for row in outbound.sent.task_rows
    ]
    duplicate = decision["outcome"] == Outcome.DUPLICATE
    reason = Reason.DUPLICATE.value if duplicate else decision["reason"] or None
    more = {"detail": decision["reason"]} if duplicate else {}
    return _line(
        event["event_id"], decision["outcome"], **place, reason=reason, incident_id=decision["incident_id"] or None,
        tasks=tasks, **more,
    )  # fmt: skip


def _line(event_id: str | None, outcome: str, **more: Any) -> Result:
    blank: Result = {
        "reason": None,
        "grid_ids": [],
        "method": None,
        "confidence": None,
        "incident_id": None,
        "tasks": [],
    }
    return {"event_id": event_id, "outcome": str(outcome), **blank, **more}
