"""The job's two stages as work of the transport: batches in, effects out. No Kafka, no Faust."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any

import columns
import job
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from job import CATEGORY, HOUR_MS, PARTITIONS, ROLES, WINDOW_MS

from gridhub.streams.transport import Outputs

Changes = dict[bytes, bytes | None]
_TIME = Struct(">q")
_EVENT = {name: place for place, name in enumerate(columns.arrow_schema(job.HEADS[101]).names)}
_EMPTY, _INC = pa.scalar(""), pa.scalar("inc-")
_ROLES = [(pa.scalar("/" + role), role) for role in ROLES]


class Stages:
    """What both stages know: the ground, and names as Arrow arrays."""

    def __init__(self) -> None:
        self._locator = job.Locator()
        ids = self._locator.ids
        self._keys = [grid.encode() for grid in ids]
        self._grid_of = {key: number for number, key in enumerate(self._keys)}
        self._grids = pa.array(ids)
        names = sorted(CATEGORY.values())
        self._categories = pa.array(names)
        self._category_of = {pair: names.index(name) for pair, name in CATEGORY.items()}

    def locate(self, values: Sequence[bytes], topic: str) -> list[Outputs]:
        """Stage one: each event goes, as it is, to the partition of its grid."""
        made = []
        for head, rows in columns.by_schema(values).items():
            mine = [values[row] for row in rows] if len(rows) < len(values) else values
            grid = self._locator.many(*self._places(columns.read(head, mine)))
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
            x[missing], y[missing] = zip(*map(self._locator.gazetteer.__getitem__, addresses), strict=True)
        return x, y

    def merge(  # noqa: PLR0913  # the places to write to
        self, keys: Sequence[bytes], values: Sequence[bytes], state: Any, norm: str, task: str, partition: int
    ) -> tuple[list[Outputs], Changes]:
        """Stage two: drop known ids, find or open incidents, write located events and tasks."""
        outputs: list[Outputs] = []
        changes: Changes = {}
        for head, rows in columns.by_schema(values).items():
            events = columns.read(head, [values[row] for row in rows])
            grid = [self._grid_of[keys[row]] for row in rows]
            outputs += self._merge(events, grid, state, changes, norm, task, partition)
        return outputs, changes

    def _merge(  # noqa: PLR0913  # the places to write to
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
