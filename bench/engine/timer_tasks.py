"""Open tasks with timers, as a lane's state has them: a few incidents that the road opened, many times over."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import NamedTuple

import orjson

from gridhub.connectors.simulator import City as SimulatedCity
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams import messages, road
from gridhub.streams.memory import MemoryState
from gridhub.streams.messages import Origin
from gridhub.streams.rooms.clocks import REMIND, timer_of
from gridhub.streams.rooms.timers import mark_key
from gridhub.streams.settings import load
from gridhub.streams.timer_keys import timer_key
from gridhub.streams.transport.murmur2 import partitions

EVENTS, SEED = 400, 5
BREACH_MS = 600_000  # from the reminder to the limit: beyond what is measured
Rows = dict[bytes, bytes]


class Lane(NamedTuple):
    """One write to the state: the partition it belongs to, and keys with values."""

    partition: int
    rows: Rows


class Template(NamedTuple):
    """An incident as the state has it, with its tasks; the first ones have a reminder before them."""

    incident_id: str
    incident: bytes
    reminded: list[bytes]  # tasks, JSON
    others: list[bytes]


def templates(now_ms: int) -> list[Template]:
    """What the road makes of simulated events: each open incident with a task that somebody is to be reminded of."""
    data, codec, settings = city_data.load(), local_codec(), load()
    simulated = SimulatedCity(data.catalogue, data.departments, SEED)
    origins = [
        Origin(message.topic, 0, at, now_ms, message.key, message.encoded(codec))
        for at, message in enumerate(simulated.generate(EVENTS, SEED, now_ms))
    ]
    inbound = city_data.inbound_facts(data, settings, codec.decode_many)
    located = road.inbound(messages.raw_table(origins), inbound, now_ms).located
    state, outbound = MemoryState(), city_data.outbound_facts(data, settings)
    state.apply(road.outbound(located, outbound, now_ms, state).changes)
    found = [_template(value, state) for key, value in state.items() if key.startswith(b"i|")]
    return [one for one in found if one.reminded]


def _template(incident: bytes, state: MemoryState) -> Template:
    row = orjson.loads(incident)
    tasks = [value for value in state.get_many([f"t|{name}".encode() for name in row["task_ids"]]) if value]
    reminded = [task for task in tasks if (timer_of(orjson.loads(task)) or ("",))[0] == REMIND]
    return Template(row["incident_id"], incident, reminded, [task for task in tasks if task not in reminded])


def tasks_of(found: list[Template], due_ms: list[int], lanes: int) -> Iterator[tuple[Lane, Lane]]:
    """For each incident its rows, and the rows of its tasks' timers: one timer for each of these times."""
    left = list(reversed(due_ms))
    areas = {one.incident_id.partition("-")[0] for one in found}
    partition = dict(zip(areas, partitions([area.encode() for area in areas], lanes), strict=True))
    for number, one in enumerate(cycle(found)):
        if not left:
            return
        area = one.incident_id.partition("-")[0]
        rows, timers = _copied(one, f"{area}-{number:016x}", left)
        yield Lane(partition[area], rows), Lane(partition[area], timers)


def _copied(one: Template, incident_id: str, left: list[int]) -> tuple[Rows, Rows]:
    """The rows of one more incident of this kind, and of its timers; takes their times off the end of `left`."""
    old, new = one.incident_id.encode(), incident_id.encode()
    rows: Rows = {b"i|" + new: one.incident.replace(old, new)}
    timers: Rows = {}
    for task in one.others:
        rows |= _task(orjson.loads(task.replace(old, new)))
    for task in one.reminded:
        if not left:
            break
        due = left.pop()
        row = orjson.loads(task.replace(old, new)) | {"remind_at": due, "breach_at": due + BREACH_MS}
        rows |= _task(row)
        timers[timer_key(due, REMIND, row["task_id"])] = b"{}"
        timers[mark_key(REMIND, row["task_id"])] = str(due).encode()
    return rows, timers


def _task(row: dict[str, object]) -> Rows:
    return {f"t|{row['task_id']}".encode(): orjson.dumps(row)}
