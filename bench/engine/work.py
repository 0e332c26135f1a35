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
from job import CATEGORY, DEPARTMENTS, HOUR_MS, KINDS, PARTITIONS, ROLES, WINDOW_MS

from gridhub.streams.place.shapes import grid_map
from gridhub.streams.transport import Outputs

Changes = dict[bytes, bytes | None]
_TIME, _CODE = Struct(">q"), Struct(">cI")
_EVENT = {name: place for place, name in enumerate(columns.arrow_schema(job.HEADS[101]).names)}
_EMPTY = pa.scalar("")
_NEVER = (-(1 << 62), b"")
KINDS_AT_MOST = 64  # in a number of grid and kind
SMALL = 32  # events of one schema below which rows are cheaper than columns
_ROLES = [(pa.scalar("/" + role), role) for role in ROLES]


class Stages:
    """What both stages know: the ground, and names as Arrow arrays."""

    def __init__(self) -> None:
        ids = [grid for grid, _ in job.mesh()]
        self._map = grid_map(shapely.polygons(np.array([[*quad, quad[0]] for _, quad in job.mesh()])))
        self._gazetteer = job.gazetteer()
        self._keys = [grid.encode() for grid in ids]
        self._key_at = np.array(self._keys, object)
        self._grid_of = {key: number for number, key in enumerate(self._keys)}
        self._grids = pa.array(ids)
        self._names = sorted(CATEGORY.values())
        self._categories = pa.array(self._names)
        self._category_of = {pair: self._names.index(name) for pair, name in CATEGORY.items()}
        self._sources, self._kinds = (
            pa.array(DEPARTMENTS),
            pa.array([kind for kinds in KINDS.values() for kind in kinds]),
        )
        self._category_at = np.full((len(self._sources), len(self._kinds)), -1)
        for (source, kind), number in self._category_of.items():
            self._category_at[self._sources.index(source).as_py(), self._kinds.index(kind).as_py()] = number

    def locate(self, values: Sequence[bytes], topic: str) -> list[Outputs]:
        """Stage one: each event goes, as it is, to the partition of its grid."""
        made = []
        for head, rows in columns.by_shape(values).items():
            mine = [values[row] for row in rows] if len(rows) < len(values) else values
            small = len(mine) < SMALL
            grid = self._map.locate(*(self._places_of(mine) if small else self._places(columns.read(head, mine))))
            keys = self._key_at
            made.append(Outputs(topic, keys[grid].tolist(), mine, (grid % PARTITIONS).tolist()))
        return made

    def _places_of(self, values: Sequence[bytes]) -> tuple[Any, Any]:
        """As `_places`, of a few values."""
        events = list(map(job.decode, values))
        x, y = zip(
            *(self._gazetteer[e["address"]] if e["lon"] is None else (e["lon"], e["lat"]) for e in events), strict=True
        )
        return np.array(x), np.array(y)

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
        for head, rows in columns.by_shape(values).items():
            whole = len(rows) == len(values)
            grid = list(map(self._grid_of.__getitem__, keys if whole else (keys[row] for row in rows)))
            mine = values if whole else [values[row] for row in rows]
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
        ids, times = [b"s" + event["event_id"].encode() for event in events], [event["occurred_at"] for event in events]
        codes = [g * KINDS_AT_MOST + c for g, c in zip(grid, category, strict=True)]
        norms, tasks = Outputs(norm, [], [], partition), Outputs(task, [], [], partition)
        for row, name_, opened in zip(*_decide(ids, codes, times, state, changes), strict=True):
            incident = name_.decode()
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
        id_, source, kind, time_ms, severity, payload = (
            events.column(_EVENT[name]) for name in ("event_id", "source", "type", "occurred_at", "severity", "payload")
        )
        grids = np.array(grid)
        categories = self._category_at[_places_in(self._sources, source), _places_in(self._kinds, kind)]
        ids, codes = columns.prefixed(b"s", id_), (grids * KINDS_AT_MOST + categories).tolist()
        kept, incidents, opened = _decide(ids, codes, time_ms.to_numpy().tolist(), state, changes)
        if not kept:
            return []
        x, y = self._places(events)
        if len(kept) < len(grid):
            rows = np.array(kept)
            x, y, grids, categories, picked = x[rows], y[rows], grids[rows], categories[rows], pa.array(rows)
            id_, source, time_ms, severity, payload = (
                column.take(picked) for column in (id_, source, time_ms, severity, payload)
            )
        incident = pa.array(incidents, pa.string())
        names = self._grids.take(pa.array(grids)), self._categories.take(pa.array(categories))
        keys = self._key_at[grids].tolist()
        located = [
            id_, source, names[1], time_ms, names[0], incident, pa.array(opened), pa.array(x), pa.array(y), severity, payload,
        ]  # fmt: skip
        made = [Outputs(norm, keys, columns.write(job.HEAD_NORM, located), partition)]
        if any(opened):
            new = np.nonzero(np.array(opened))[0]
            opening = [column.take(pa.array(new)) for column in (incident, id_, *names, severity, time_ms)]
            owners = [keys[row] for row in new.tolist()]
            made += [Outputs(task, owners, values, partition) for values in _tasks(*opening)]
        return made


def _places_in(names: pa.Array, column: pa.Array) -> Any:
    """Where each value of the column stands among the names."""
    return pc.index_in(column, names).to_numpy()


def _decide(
    id_keys: list[bytes], codes: list[int], times: list[int], state: Any, changes: Changes
) -> tuple[list[int], list[bytes], list[bool]]:
    """The rules over state: which rows stay, their incidents, and which of these they open; `changes` grows by them."""
    places = list(dict.fromkeys(codes))
    open_keys = [_CODE.pack(b"o", code) for code in places]
    found = state.get_many(id_keys + open_keys)
    known = [changes.get(key) or before for key, before in zip(open_keys, found[len(id_keys) :], strict=True)]
    open_ = {
        code: (_TIME.unpack_from(last)[0], last[8:])
        for code, last in zip(places, known, strict=True)
        if last is not None
    }
    kept, incidents, opened = [], [], []
    moved = set()
    for row, (before, id_key, code, time_ms) in enumerate(zip(found, id_keys, codes, times)):  # noqa: B905  # open keys come last
        if before is not None or id_key in changes:
            continue
        changes[id_key] = b"1"
        kept.append(row)
        since_ms, incident = open_.get(code, _NEVER)
        if new := time_ms - since_ms > WINDOW_MS:
            incident = b"inc-" + id_key[1:]
        if new or time_ms > since_ms:
            open_[code] = time_ms, incident
            moved.add(code)
        incidents.append(incident)
        opened.append(new)
    for code, key in zip(places, open_keys, strict=True):
        if code in moved:
            time_ms, incident = open_[code]
            changes[key] = _TIME.pack(time_ms) + incident
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
