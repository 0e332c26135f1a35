"""The job's two stages as work of the transport: batches in, effects out. No Kafka, no Faust.

A large batch is worked in columns. In a small one the columns would cost more than they spare, so it goes row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any

import columns
import job
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from job import CATEGORY, HOUR_MS, PARTITIONS, ROLES, WINDOW_MS

from gridhub.streams.place.shapes import grid_map
from gridhub.streams.transport import Outputs

Changes = dict[bytes, bytes | None]
_TIME = Struct(">q")
_EVENT = {name: place for place, name in enumerate(columns.arrow_schema(job.HEADS[101]).names)}
_EMPTY = pa.scalar("")
SMALL = 32  # events of one schema below which rows are cheaper than columns
_ROLES = [(pa.scalar("/" + role), role) for role in ROLES]


class Stages:
    """What both stages know: the ground, and names as Arrow arrays."""

    def __init__(self) -> None:
        ids = [grid for grid, _ in job.mesh()]
        self._map = grid_map(shapely.polygons(np.array([[*quad, quad[0]] for _, quad in job.mesh()])))
        self._gazetteer = job.gazetteer()
        self._keys = [grid.encode() for grid in ids]
        self._grid_of = {key: number for number, key in enumerate(self._keys)}
        self._grids = pa.array(ids)
        self._names = sorted(CATEGORY.values())
        self._categories = pa.array(self._names)
        self._category_of = {pair: self._names.index(name) for pair, name in CATEGORY.items()}

    def locate(self, values: Sequence[bytes], topic: str) -> list[Outputs]:
        """Stage one: each event goes, as it is, to the partition of its grid."""
        made = []
        for head, rows in columns.by_schema(values).items():
            mine = [values[row] for row in rows] if len(rows) < len(values) else values
            grid = self._map.locate(*self._places(columns.read(head, mine)))
            keys = self._keys
            made.append(Outputs(topic, [keys[g] for g in grid.tolist()], mine, (grid % PARTITIONS).tolist()))
        return made

    def _places(self, events: pa.RecordBatch) -> tuple[Any, Any]:
        """Coordinates, or those of the address."""
        lon, lat = (events.column(_EVENT[name]) for name in ("lon", "lat"))
        x, y = lon.to_numpy(zero_copy_only=False), lat.to_numpy(zero_copy_only=False)
        if lon.null_count:
            missing = np.nonzero(np.isnan(x))[0]
            addresses = events.column(_EVENT["address"]).take(pa.array(missing)).to_pylist()
            x, y = x.copy(), y.copy()
            x[missing], y[missing] = zip(*map(self._gazetteer.__getitem__, addresses), strict=True)
        return x, y

    def merge(  # noqa: PLR0913  # the places to write to
        self, keys: Sequence[bytes], values: Sequence[bytes], state: Any, norm: str, task: str, partition: int
    ) -> tuple[list[Outputs], Changes]:
        """Stage two: drop known ids, find or open incidents, write located events and tasks."""
        outputs: list[Outputs] = []
        changes: Changes = {}
        for head, rows in columns.by_schema(values).items():
            grid = [self._grid_of[keys[row]] for row in rows]
            mine = [values[row] for row in rows]
            if len(rows) < SMALL:
                outputs += self._merge_rows(list(map(job.decode, mine)), grid, state, changes, norm, task, partition)
            else:
                events = columns.read(head, mine)
                outputs += self._merge_columns(events, grid, state, changes, norm, task, partition)
        return outputs, changes

    def _merge_rows(  # noqa: PLR0913  # the places to write to
        self,
        events: list[job.Record],
        grid: list[int],
        state: Any,
        changes: Changes,
        norm: str,
        task: str,
        partition: int,
    ) -> list[Outputs]:
        category = [self._category_of[event["source"], event["type"]] for event in events]
        ids, times = ([event[name] for event in events] for name in ("event_id", "occurred_at"))
        norms, tasks = Outputs(norm, [], [], partition), Outputs(task, [], [], partition)
        for row, incident, opened in zip(*_decide(ids, grid, category, times, state, changes), strict=True):
            event, key, name = events[row], self._keys[grid[row]], self._names[category[row]]
            x, y = self._gazetteer[event["address"]] if event["lon"] is None else (event["lon"], event["lat"])
            place = key.decode()
            norms.keys.append(key)
            norms.values.append(job.norm_value(event, name, place, incident, opened=opened, x=x, y=y))
            if opened:
                tasks.keys.extend([key] * len(ROLES))
                tasks.values.extend(job.task_values(event, name, place, incident))
        return [made for made in (norms, tasks) if made.keys]

    def _merge_columns(  # noqa: PLR0913  # the places to write to
        self,
        events: pa.RecordBatch,
        grid: list[int],
        state: Any,
        changes: Changes,
        norm: str,
        task: str,
        partition: int,
    ) -> list[Outputs]:
        pairs = zip(*(events.column(_EVENT[name]).to_pylist() for name in ("source", "type")), strict=True)
        category = [self._category_of[pair] for pair in pairs]
        kept, incidents, opened = _decide(
            events.column(_EVENT["event_id"]).to_pylist(), grid, category,
            events.column(_EVENT["occurred_at"]).to_numpy().tolist(), state, changes,
        )  # fmt: skip
        if not kept:
            return []
        x, y = self._places(events)
        if len(kept) < len(grid):
            rows = np.array(kept)
            x, y, events = x[rows], y[rows], events.take(pa.array(rows))
            grid, category = [grid[row] for row in kept], [category[row] for row in kept]
        incident = pa.array(incidents)
        names = self._grids.take(pa.array(grid)), self._categories.take(pa.array(category))
        keys = [self._keys[g] for g in grid]
        id_, source, time_ms, severity, payload = (
            events.column(_EVENT[name]) for name in ("event_id", "source", "occurred_at", "severity", "payload")
        )
        located = [
            id_, source, names[1], time_ms, names[0], incident, pa.array(opened), pa.array(x), pa.array(y), severity, payload,
        ]  # fmt: skip
        made = [Outputs(norm, keys, columns.write(job.HEAD_NORM, located), partition)]
        if any(opened):
            new = np.nonzero(np.array(opened))[0]
            picked = [column.take(pa.array(new)) for column in (incident, id_, *names, severity, time_ms)]
            owners = [keys[row] for row in new.tolist()]
            made += [Outputs(task, owners, values, partition) for values in _tasks(*picked)]
        return made


def _decide(  # noqa: PLR0913  # columns
    ids: list[str], grid: list[int], category: list[int], times: list[int], state: Any, changes: Changes
) -> tuple[list[int], list[str], list[bool]]:
    """The rules over state: which rows stay, their incidents, and which of these they open; `changes` grows by them."""
    id_keys = [b"s" + id_.encode() for id_ in ids]
    open_keys = [b"o" + (g * 64 + c).to_bytes(4, "big") for g, c in zip(grid, category, strict=True)]
    found = state.get_many(id_keys + open_keys)
    seen, known = found[: len(ids)], found[len(ids) :]
    kept, incidents, opened = [], [], []
    unpack, pack = _TIME.unpack_from, _TIME.pack
    for row, (before, id_key, open_key, time_ms) in enumerate(zip(seen, id_keys, open_keys, times, strict=True)):
        if before is not None or id_key in changes:
            continue
        changes[id_key] = b"1"
        kept.append(row)
        last = changes.get(open_key) or known[row]
        if last is not None and time_ms - unpack(last)[0] <= WINDOW_MS:
            if time_ms > unpack(last)[0]:
                changes[open_key] = pack(time_ms) + last[8:]
            incidents.append(last[8:].decode())
            opened.append(False)
        else:
            incident = "inc-" + ids[row]
            changes[open_key] = pack(time_ms) + incident.encode()
            incidents.append(incident)
            opened.append(True)
    return kept, incidents, opened


def _tasks(  # noqa: PLR0913  # columns
    incident: Any, id_: Any, grid: Any, category: Any, severity: Any, time_ms: Any
) -> list[list[bytes]]:
    """The tasks of opened incidents, framed, one list for each role."""
    due = pa.array(time_ms.to_numpy() + HOUR_MS * (5 - severity.to_numpy().astype(np.int64)))
    made = []
    for suffix, role in _ROLES:
        task_id = pc.binary_join_element_wise(incident, suffix, _EMPTY)
        roles = pa.repeat(role, len(incident))
        made.append(
            columns.write(job.HEAD_TASK, [task_id, incident, id_, grid, category, roles, severity, time_ms, due])
        )
    return made
