"""A small city for the tests of the outbound rooms: two districts, real categories, real rules, state in a dict."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import orjson
import pytest

from gridhub.schemas.registry import local_codec
from gridhub.streams import sending
from gridhub.streams.categories import Categories
from gridhub.streams.matching import Matching
from gridhub.streams.memory import MemoryState
from gridhub.streams.records import LOCATED, table
from gridhub.streams.road import chime, settle
from gridhub.streams.rooms import clocks
from gridhub.streams.rooms.deduplicate import deduplicate
from gridhub.streams.rooms.dispatch import dispatch
from gridhub.streams.rooms.ledger import Ledger, incident_key, task_key
from gridhub.streams.rooms.outbound import STATUS, Deduplicated, Dispatched, OutboundFacts, Tracked
from gridhub.streams.rooms.track import track
from gridhub.streams.routing import Routing
from gridhub.streams.timer_keys import due_ms_of, named

NOW = 1_790_000_000_000
HOUR_MS = 3_600_000
GRID = "420202005001001"
Row = dict[str, Any]


class Spot(NamedTuple):
    name: str
    lon: float | None = None
    lat: float | None = None


class SmallCity:
    """Places by code; what has no name here is not in the catalogue."""

    root: ClassVar = "420200"
    names: ClassVar[dict[str, str]] = {
        "420200": "黄石市",
        "420202": "黄石港区",
        "420203": "西塞山区",
        "420202005": "沈家营街道",
        "420202006": "黄石港街道",
        "420203001": "澄月街道",
        "420202005001": "桂花湾社区居委会",
        "420202005201": "胜利村委会",
        "420202005001001": "第001网格",
        "420202005001002": "第002网格",
        "420202005201001": "第001网格",
    }

    def place(self, code: str) -> Spot | None:
        return Spot(self.names[code]) if code in self.names else None

    def children(self, code: str) -> tuple[str, ...]:
        stem, digits = (code[:4], 6) if code == "420200" else (code, len(code) + 3)
        return tuple(name for name in self.names if name.startswith(stem) and len(name) == digits and name != code)

    def staff(self, grid: str, at_ms: int | None = None) -> tuple[str, ...]:
        return ()


CATEGORIES = Categories.load()
FACTS = OutboundFacts(
    categories=CATEGORIES,
    matching=Matching.load(None, CATEGORIES),
    routing=Routing.load(None, CATEGORIES),
    catalogue=SmallCity(),
    retention_ms=72 * HOUR_MS,
    accept_limit_ms=15 * 60_000,
    rules={"matching": "m1", "routing": "r1"},
)


def event(event_id: str = "e1", **changes: Any) -> Row:
    """One LOCATED row: an outage told by the power company at a point, unless `changes` say otherwise."""
    grid = changes.get("grid_ids", [GRID])[0]
    row: Row = {
        "row": 0, "source": "power", "event_id": event_id, "type": "t", "category": "power_outage", "severity": 3,
        "status": "actual", "planned": False, "occurred_at": NOW, "received_at": NOW, "title": "小区停电",
        "text": "居民反映整栋楼没有电", "subject_keys": [], "schema_id": 1, "admission": "a", "area": grid[:9],
        "grid_ids": [grid], "method": "coordinates", "confidence": 1.0, "lon": 115.02, "lat": 30.25,
        "exact_point": True, "place_name": "桂花湾社区", "catalogue": "c1",
    }  # fmt: skip
    return row | changes


def located(rows: list[Row]) -> Any:
    """A LOCATED batch; rows are numbered as they stand."""
    return table(LOCATED, [{**row, "row": index} for index, row in enumerate(rows)])


@dataclass
class World:
    """Rooms, facts and a state that takes what they decide."""

    facts: OutboundFacts = FACTS
    state: MemoryState = field(default_factory=MemoryState)
    now: int = NOW
    tasks: dict[str, Row] = field(default_factory=dict)
    incidents: dict[str, Row] = field(default_factory=dict)
    notices: list[Row] = field(default_factory=list)
    _reports: int = 0

    def take(self, *rows: Row) -> tuple[Deduplicated, Dispatched]:
        """Events as one batch through deduplicate and dispatch; the state takes their changes."""
        found = deduplicate(located(list(rows)), self.facts, self.now, self.state)
        sent = dispatch(found, self.facts, self.now, self.state)
        self._keep(sent)
        return found, sent

    def report(self, *rows: Row) -> Tracked:
        """Statuses and commands as one batch through track; the state takes its changes."""
        batch = table(STATUS, [{**row, "row": index} for index, row in enumerate(rows)])
        done = track(batch, self.facts, self.now, self.state)
        self._keep(done)
        return done

    def step(self, task_id: str, stage: str, actor: str = "wang", **changes: Any) -> Row:
        """A TaskStatus row with an id of its own."""
        self._reports += 1
        row: Row = {
            "kind": "status", "status_id": f"s{self._reports}", "task_id": task_id, "incident_id": None,
            "stage": stage, "actor": actor, "at": self.now, "note": "", "sender": "tickets",
        }  # fmt: skip
        return row | changes

    def cancel(self, incident_id: str, **changes: Any) -> Row:
        """A Command row that cancels an incident."""
        named = {"kind": "command", "incident_id": incident_id, "sender": "command"}
        return self.step("", "cancel", "operator") | named | changes

    def order(self, kind: str, incident_id: str, **changes: Any) -> Row:
        """A Command row: confirm, reject, split or merge."""
        return self.cancel(incident_id, stage=kind, event="", other_incident_id="") | changes

    def settle(self) -> list[Tracked]:
        """What parents have told other areas since, taken there."""
        notices, self.notices = self.notices, []
        done = settle(notices, self.facts, self.now, self.state)
        for tracked in done:
            self._publish(tracked)
        return done

    def ring(self) -> list[Tracked]:
        """What is due by now, done."""
        done = chime(self.facts, self.now, self.state)
        for tracked in done:
            self.notices += tracked.notices
            self._publish(tracked)
        return done

    def stored(self, task_id: str) -> Row:
        """A task as the state has it, with what only the state knows."""
        return orjson.loads(self.state[task_key(task_id)])

    def store(self, task: Row) -> None:
        """Put a task into the state as it is, with the timer that it demands."""
        ledger = Ledger(self.state)
        ledger.fetch([task_key(task["task_id"])])
        clocks.keep(ledger, task)
        self.state.apply(ledger.changes())
        self.tasks[task["task_id"]] = task

    def ledger(self) -> Ledger:
        """The state as a batch sees it."""
        return Ledger(self.state)

    def stored_incident(self, incident_id: str) -> Row:
        """An incident as the state has it."""
        return orjson.loads(self.state[incident_key(incident_id)])

    def store_incident(self, incident: Row) -> None:
        """Put an incident into the state as it is."""
        self.state.apply({incident_key(incident["incident_id"]): orjson.dumps(incident)})

    def timers(self, subject: str) -> list[tuple[str, int]]:
        """Kind and time of the timers of this subject."""
        keys = [key for key, _ in self.state.due(2**62, 10_000)]
        return [(named(key)[0], due_ms_of(key)) for key in keys if named(key)[1] == subject]

    def drop_timers(self) -> None:
        """Forget every timer, as a state from before timers has none."""
        self.state.apply({key: None for key in list(self.state) if key[:2] in {b"d|", b"d@"}})

    def finish(self, task_id: str) -> None:
        """One task from dispatched to closed, handled by one person and checked by another."""
        for stage in ("accepted", "handling", "reported"):
            self.report(self.step(task_id, stage, "wang"))
        for stage in ("checked", "closed"):
            self.report(self.step(task_id, stage, "li"))

    def handlers(self) -> list[Row]:
        """The newest versions of all tasks with action handle."""
        return [task for task in self.tasks.values() if task["action"] == "handle"]

    def _keep(self, result: Dispatched | Tracked) -> None:
        self.state.apply(result.changes)
        self.notices += result.notices
        self._publish(result)

    def _publish(self, result: Dispatched | Tracked) -> None:
        self.tasks.update({row["task_id"]: row for row in result.tasks.to_pylist()})
        self.incidents.update({row["incident_id"]: row for row in result.incidents.to_pylist()})


class Tools(NamedTuple):
    """What tests make rows and worlds with."""

    event: Any
    located: Any
    world: type[World]
    facts: OutboundFacts
    now: int
    grid: str

    def __repr__(self) -> str:
        """Short: a failing property prints its arguments, and the facts are a whole city."""
        return f"Tools(grid={self.grid})"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Row]]:
    """What a command would publish: area and decoded record."""
    found: list[tuple[str, Row]] = []
    codec = local_codec()
    monkeypatch.setattr(sending, "load_codec", lambda *_: codec)
    monkeypatch.setattr(
        sending, "publish", lambda _, area, value: found.append((area, codec.decode_many([value])[0].record))
    )
    return found


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Rows and worlds, for tests which need several or draw them at random."""
    return Tools(event, located, World, FACTS, NOW, GRID)


@pytest.fixture
def world() -> World:
    """A fresh world."""
    return World()


SMALL = "420205"


@pytest.fixture(scope="session")
def small_grids(tmp_path_factory):
    """The folder of a small catalogue: one district of the city with all that belongs to it."""
    source = Path(__file__).parents[2] / "config" / "grids"
    folder = tmp_path_factory.mktemp("small") / "grids"
    (folder / "keys").mkdir(parents=True)
    for path in source.rglob("*.csv"):
        head, *rows = path.read_text(encoding="utf-8").splitlines()
        inside = path.name != "private-codes.csv"  # which name several districts
        kept = [row for row in rows if (SMALL in row and inside) or row.startswith("420200000000")]
        (folder / path.relative_to(source)).write_text("\n".join([head, *kept, ""]), encoding="utf-8")
    for name, column in (("grids.geojson", "code"), ("districts.geojson", "adcode")):
        collection = orjson.loads((source / name).read_bytes())
        kept = [feature for feature in collection["features"] if feature["properties"][column].startswith(SMALL)]
        (folder / name).write_bytes(orjson.dumps(collection | {"features": kept}))
    return folder
