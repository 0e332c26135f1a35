"""The job that every contender does: its records, its 5,000 polygons, its rules, and the contender's side of the harness.

Imported by the harness and by every contender written in Python, in whatever environment that one runs: it needs fastavro
alone, and numpy and shapely for `Locator`.
"""

from __future__ import annotations

import io
import os
import random
import time
from functools import cache
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

Record = dict[str, Any]
PARTITIONS, COLUMNS, ROWS = 6, 100, 50
WINDOW_MS = 600_000
HOUR_MS = 3_600_000
DEPARTMENTS = ("power", "police")
KINDS = {
    "power": ("outage", "line-fault", "theft", "maintenance"),
    "police": ("dispute", "traffic", "noise", "crowd"),
}
CATEGORY = {(source, kind): f"{source}.{kind}" for source, kinds in KINDS.items() for kind in kinds}
ROLES = ("grid-worker", "department")
CHANNELS = ("scada", "hotline", "patrol", "sensor")
NOTES = ("停电影响居民用电，请尽快安排处理", "群众反映情况，请社区网格员核实")
YEAR = "2026"

MILLIS: Record = {"type": "long", "logicalType": "timestamp-millis"}
_MAP = {"type": "map", "values": "string"}


def _schema(name: str, namespace: str, **fields: Any) -> Record:
    rows = [{"name": field, "type": kind} for field, kind in fields.items()]
    return {"type": "record", "name": name, "namespace": namespace, "fields": rows}


def event_schema(name: str, millis: Any = "long") -> Record:
    """A department's event. As a plain long, fastavro builds no datetime of the time: the bytes are the same."""
    return _schema(
        name, "hub.in", event_id="string", source="string", type="string", occurred_at=millis, lon=["null", "double"],
        lat=["null", "double"], address=["null", "string"], severity="int", payload=_MAP,
    )  # fmt: skip


def norm_schema(millis: Any = "long") -> Record:
    """A located event."""
    return _schema(
        "Normalised", "hub", event_id="string", source="string", category="string", occurred_at=millis,
        grid_id="string", incident_id="string", opened="boolean", lon="double", lat="double", severity="int",
        payload=_MAP,
    )  # fmt: skip


def task_schema(millis: Any = "long") -> Record:
    """A task of an opened incident."""
    return _schema(
        "Task", "hub", task_id="string", incident_id="string", event_id="string", grid_id="string", category="string",
        role="string", severity="int", created_at=millis, due_at=millis,
    )  # fmt: skip


SCHEMAS: dict[int, Record] = {
    101: event_schema("Power"),
    102: event_schema("Police"),
    201: norm_schema(),
    202: task_schema(),
}
HEADS = {number: b"\0" + number.to_bytes(4, "big") for number in SCHEMAS}
_PARSED = {HEADS[number]: parse_schema(schema) for number, schema in SCHEMAS.items()}
HEAD_NORM, HEAD_TASK = HEADS[201], HEADS[202]


def decode(value: bytes) -> Record:
    """The record of a Confluent-framed value."""
    stream = io.BytesIO(value)
    record: Record = schemaless_reader(stream, _PARSED[stream.read(5)], None)  # type: ignore[assignment]
    return record


def encode(head: bytes, record: Record) -> bytes:
    """The framed value of a record; `head` names its schema."""
    stream = io.BytesIO()
    stream.write(head)
    schemaless_writer(stream, _PARSED[head], record)
    return stream.getvalue()


def encode_event(record: Record) -> bytes:
    """An event as its department wrote it."""
    return encode(HEADS[101 + DEPARTMENTS.index(record["source"])], record)


# -- the ground ----------------------------------------------------------------------------------------------------------

Corner = tuple[float, float]
Quad = tuple[Corner, Corner, Corner, Corner]


@cache
def mesh(columns: int = COLUMNS, rows: int = ROWS) -> tuple[tuple[str, Quad], ...]:
    """Quadrilaterals that share jittered corners: they tile the area without gaps."""
    drawn = random.Random(7)
    w, h = 0.4 / columns, 0.2 / rows
    v = [
        [
            (114.9 + (i + drawn.uniform(-0.2, 0.2)) * w, 29.9 + (j + drawn.uniform(-0.2, 0.2)) * h)
            for i in range(columns + 1)
        ]
        for j in range(rows + 1)
    ]
    return tuple(
        (f"HS-{j:02d}-{i:03d}", (v[j][i], v[j][i + 1], v[j + 1][i + 1], v[j + 1][i]))
        for j in range(rows)
        for i in range(columns)
    )


def inside(quad: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """The point at (a, b) of a quadrilateral, both from 0 to 1; also of arrays of them."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad
    p, q = 1 - a, 1 - b
    return p * q * x0 + a * q * x1 + a * b * x2 + p * b * x3, p * q * y0 + a * q * y1 + a * b * y2 + p * b * y3


def address(grid: str) -> str:
    """The address of a grid's centre."""
    return f"黄石市黄石港区胜阳港社区{grid}号楼"


@cache
def gazetteer() -> dict[str, Corner]:
    """Where each address is."""
    return {address(grid): inside(quad, 0.5, 0.5) for grid, quad in mesh()}


def write_ground(folder: Path) -> None:
    """The polygons and the gazetteer as text, for contenders in another language."""
    folder.mkdir(parents=True, exist_ok=True)
    grids = ["\t".join([grid, *(repr(c) for point in quad for c in point)]) for grid, quad in mesh()]
    (folder / "grids.tsv").write_text("\n".join(grids) + "\n", encoding="utf-8")
    places = [f"{name}\t{x!r}\t{y!r}" for name, (x, y) in gazetteer().items()]
    (folder / "gazetteer.tsv").write_text("\n".join(places) + "\n", encoding="utf-8")


class Locator:
    """Point in polygon over a tree of bounding boxes: one by one, or a whole batch."""

    def __init__(self) -> None:
        import numpy as np
        import shapely

        self._shapely, self._np = shapely, np
        self.ids = [grid for grid, _ in mesh()]
        shapes = shapely.polygons(np.array([[*quad, quad[0]] for _, quad in mesh()]))
        shapely.prepare(shapes)
        self.tree = shapely.STRtree(shapes)
        self.gazetteer = gazetteer()

    def place(self, event: Record) -> Corner:
        """Its coordinates, or those of its address."""
        return self.gazetteer[event["address"]] if event["lon"] is None else (event["lon"], event["lat"])

    def one(self, event: Record) -> tuple[str, float, float]:
        """The grid of an event, and where it is."""
        x, y = self.place(event)
        return self.ids[self.tree.query(self._shapely.Point(x, y), predicate="intersects")[0]], x, y

    def many(self, x: Any, y: Any) -> Any:
        """The index of each point's grid, as an array; every point must be in one."""
        point, grid = self.tree.query(self._shapely.points(x, y), predicate="intersects")
        found = self._np.full(len(x), -1, self._np.int64)
        found[point] = grid
        return found


# -- the rules, once, in plain Python ------------------------------------------------------------------------------------


class Rules:
    """State in memory: the ids seen, and the open incident of each (grid, category)."""

    def __init__(self) -> None:
        self.seen: set[Any] = set()
        self.open: dict[Any, list[Any]] = {}

    def apply(self, event_id: Any, key: Any, occurred_at: int) -> tuple[Any, bool] | None:
        """None for an exact duplicate, else the id of the event that opened its incident, and whether it is this one."""
        if event_id in self.seen:
            return None
        self.seen.add(event_id)
        known = self.open.get(key)
        if known is not None and occurred_at - known[1] <= WINDOW_MS:
            known[1] = max(known[1], occurred_at)
            return known[0], False
        self.open[key] = [event_id, occurred_at]
        return event_id, True

    def event(self, event: Record, grid: str) -> tuple[str, str, bool] | None:
        """The same for a decoded event: its category, its incident, whether it was opened."""
        category = CATEGORY[event["source"], event["type"]]
        found = self.apply(event["event_id"], (grid, category), event["occurred_at"])
        return None if found is None else (category, f"inc-{found[0]}", found[1])


def norm_value(  # noqa: PLR0913  # one per field
    event: Record, category: str, grid: str, incident: str, *, opened: bool, x: float, y: float
) -> bytes:
    """The located event, framed."""
    kept = {name: event[name] for name in ("event_id", "source", "occurred_at", "severity", "payload")}
    place = {"category": category, "grid_id": grid, "incident_id": incident, "opened": opened, "lon": x, "lat": y}
    return encode(HEAD_NORM, {**kept, **place})


def task_values(event: Record, category: str, grid: str, incident: str) -> list[bytes]:
    """The two tasks of an opened incident, framed."""
    created, severity = event["occurred_at"], event["severity"]
    common = {
        "incident_id": incident, "event_id": event["event_id"], "grid_id": grid, "category": category,
        "severity": severity, "created_at": created, "due_at": created + HOUR_MS * (5 - severity),
    }  # fmt: skip
    return [encode(HEAD_TASK, {**common, "task_id": f"{incident}/{role}", "role": role}) for role in ROLES]


# -- the contender's side of the harness ---------------------------------------------------------------------------------


class Run:
    """What the harness tells a contender, through its environment."""

    broker = os.environ.get("BENCH_BROKER", "127.0.0.1:9092")
    inputs = os.environ.get("BENCH_INPUTS", "").split(",")
    norm = os.environ.get("BENCH_NORM", "")
    task = os.environ.get("BENCH_TASK", "")
    group = os.environ.get("BENCH_GROUP", "")
    state = os.environ.get("BENCH_STATE", "")
    exactly_once = os.environ.get("BENCH_EXACTLY_ONCE") == "1"
    linger_ms = int(os.environ.get("BENCH_LINGER_MS", "10"))
    commit_s = float(os.environ.get("BENCH_COMMIT_S", "1"))
    worker = int(os.environ.get("BENCH_WORKER", "0"))
    workers = int(os.environ.get("BENCH_WORKERS", "1"))


PRODUCER = {
    "bootstrap.servers": Run.broker,
    "linger.ms": Run.linger_ms,
    "queue.buffering.max.messages": 1_000_000,
    "enable.idempotence": True,
    "batch.num.messages": 10_000,
    "batch.size": 262_144,
}
_noted = False


def first() -> None:
    """Note the moment the first event was consumed."""
    global _noted  # noqa: PLW0603  # called per event by some contenders: nothing may be cheaper
    if not _noted:
        _noted = True
        file = Path(os.environ["BENCH_FIRST"])
        if not file.exists():
            draft = file.with_suffix(f".{os.getpid()}")
            draft.write_text(repr(time.time()), encoding="ascii")
            draft.rename(file)
