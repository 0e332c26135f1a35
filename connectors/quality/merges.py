"""One matter told by 1, 5 or 10 departments: does the hub make one incident of it, and two of two?

Ten departments are made as files, as any of the 22 would join: each with its own words, its own way to say a place
(points in five systems, codes of several lengths, keys, addresses) and its own category for the same thing. What happens
is drawn by the simulator, so that the truth is known; what lies near each other on purpose has a sign that tells it apart.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import yaml

from gridhub.connectors.demo.check_compare import pairs
from gridhub.connectors.quality.measure import Measure, confusion
from gridhub.connectors.simulator import urban
from gridhub.connectors.simulator.kinds import BY_NAME, FOOD, HEALTH, POLICE, POWER, SOCIAL, URBAN, WEATHER
from gridhub.connectors.simulator.land import Land
from gridhub.connectors.simulator.matters import Planner
from gridhub.connectors.simulator.neighbours import pair
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams import messages as records
from gridhub.streams import road, topics
from gridhub.streams.memory import MemoryState
from gridhub.streams.messages import Origin
from gridhub.streams.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridhub.connectors.demo.check_report import Pairs
    from gridhub.connectors.simulator.matters import Matter
    from gridhub.connectors.simulator.report import Report
    from gridhub.streams.categories import Categories

Row = dict[str, Any]
DEPARTMENTS = (1, 5, 10)
MATTERS, SEED = 500, 5
NOW_MS = 1_795_410_000_000  # 2026-11-23T13:00:00+08:00
_DAY_MS, _BATCH = 86_400_000, 500
_ALONE = 3  # reports where one department tells alone
_STRAY = 0.25  # of the radius: how far a report lies from the first
_NEIGHBOURS = 0.15  # of the matters: a pair that lies near each other on purpose
_LEAST_PRECISION, _LEAST_RECALL = 0.98, 0.95

VIEWS: dict[str, tuple[str, ...]] = {
    "outage": ("power_outage", "power_outage", "dark_street", "transformer_fault", "voltage_abnormal", "lift_alarm"),
    "transformer": ("transformer_fault", "power_outage", "voltage_abnormal"),
    "dark_street": ("dark_street", "dark_street", "power_outage"),
    "wire_down": ("cable_down", "cable_down", "power_facility"),
    "water": ("water_main_burst", "water_outage"),
    "flood": ("flooding",),
    "tree": ("tree_down",),
    "collapse": ("road_collapse",),
    "landslide": ("landslide",),
    "fire": ("fire",),
    "gas": ("gas_leak",),
    "traffic": ("traffic_accident",),
    "brawl": ("brawl",),
    "noise": ("noise",),
    "unlicensed": ("unlicensed_food",),
    "poisoning": ("food_poisoning",),
    "garbage": ("exposed_garbage",),
    "manhole": ("manhole_cover",),
    "parking": ("illegal_parking",),
    "vending": ("street_vending", "shop_outside"),
}
"""Kind of matter: the categories under which departments tell of it."""

WAYS = (
    "coordinates",
    "coordinates",
    "code",
    "coordinates",
    "address",
    "coordinates",
    "key",
    "code",
    "coordinates",
    "area",
)
"""How each of the ten departments says a place."""

PHRASES = (
    "{0}", "市民来电反映{0}", "巡查发现{0}，已拍照", "热线工单：{0}，请核实", "{0}（群众举报）", "值班员报告附近{0}",
    "视频巡检识别：{0}", "社区上报{0}，影响居民出行", "接转办：疑似{0}", "网民留言称家门口{0}",
)  # fmt: skip
"""How each of them writes."""


@dataclass(frozen=True)
class Told:
    """One message and its truth."""

    code: str
    record: Row
    matter: str
    kind: str
    near: bool = False  # put near another matter on purpose


def measures(_data: Path | None = None) -> Iterator[Measure]:
    """One measure for each number of departments."""
    for count in DEPARTMENTS:
        yield merges(count)


def merges(departments: int, matters: int = MATTERS, seed: int = SEED, shuffled: float = 0.05) -> Measure:
    """So many matters, each told by so many departments; a share of the messages arrives out of order.

    `precision` and `recall` are over pairs of events; an event that is possible counts as joined, since a person sees it
    beside its incident. `merged_recall` leaves those out.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = _city(Path(folder))
        told = _disturbed(list(_told(data, departments, matters, seed)), seed, shuffled)
        wide, strict, errors, taken = _judged(told, data, Path(folder))
    return Measure(
        f"merges_{departments}_departments",
        len(told),
        {
            "matters": len({one.matter for one in told}),
            "near_on_purpose": len({one.matter for one in told if one.near}),
            "refused": len(told) - taken,
            "pairs": wide.true,
            "precision": round(wide.precision, 4),
            "recall": round(wide.recall, 4),
            "merged_precision": round(strict.precision, 4),
            "merged_recall": round(strict.recall, 4),
        },
        floors={"precision": _LEAST_PRECISION, "recall": _LEAST_RECALL, "pairs": 1},
        ceilings={"refused": 0},
        table=confusion(f"Wrong pairs, {departments} departments", errors, "rows: kind, columns: error")
        if errors
        else "",
    )


# ten departments as files


def codes() -> tuple[str, ...]:
    """The codes of the ten departments."""
    return tuple(f"bureau-{number:02d}" for number in range(1, len(WAYS) + 1))


def _city(folder: Path) -> city_data.City:
    """The bundled city with ten more departments, which may tell everything."""
    template = files("gridhub.connectors.simulator") / "departments" / URBAN / "department.yaml"
    base = yaml.safe_load(template.read_text("utf-8"))
    categories = sorted({category for views in VIEWS.values() for category in views})
    rules = (files("gridhub.config") / "admissions.yaml").read_text("utf-8")
    for code in codes():
        made = base | {
            "code": code, "names": {"zh": f"部门{code[-2:]}", "en": f"Bureau {code[-2:]}"}, "aliases": [],
            "category": {"table": {category: category for category in categories}},
        }  # fmt: skip
        place = folder / "departments" / code
        place.mkdir(parents=True)
        (place / "department.yaml").write_text(yaml.safe_dump(made, allow_unicode=True, sort_keys=False), "utf-8")
        (place / "README.md").write_text(f"# {code}\n", "utf-8")
        rules += _rule(code, categories)
    (folder / "admissions.yaml").write_text(rules, "utf-8")
    return city_data.load(folder)


def _rule(code: str, categories: list[str]) -> str:
    return f"""
  - id: MESSUNG-{code[-2:]}
    department: {code}
    categories: [{", ".join(categories)}]
    legal_basis: 测量用
    approver: 测量用
    valid_from: 2015-01-01
"""


# what they tell


def _told(data: city_data.City, departments: int, matters: int, seed: int) -> Iterator[Told]:
    """The messages in the order of their time."""
    rng = Random(f"gridhub/merges/{departments}/{seed}")
    land = Land(data.catalogue)
    voices = (POLICE, POWER, WEATHER, FOOD, SOCIAL, HEALTH, URBAN)
    planner = Planner(land, data.categories, voices, rng)
    found: list[tuple[int, Told]] = []
    for at in range(matters):
        at_ms = NOW_MS - _DAY_MS + at * _DAY_MS // matters
        together = pair(planner, at_ms) if rng.random() < _NEIGHBOURS else []
        alone = planner.matter(BY_NAME[rng.choice(tuple(VIEWS))], at_ms)
        drawn = [(matter, True) for matter in together] or ([(alone, False)] if alone else [])
        for matter, near in drawn:
            found += _reports(matter, departments, planner, data.categories, near=near)
    found.sort(key=lambda item: item[0])
    yield from (told for at_ms, told in found if at_ms <= NOW_MS)


def _reports(
    matter: Matter, departments: int, planner: Planner, categories: Categories, *, near: bool
) -> Iterator[tuple[int, Told]]:
    """One report by each of so many departments, within the time and radius of the matter; of a single one, three."""
    rng, first = planner.rng, matter.reports[0]
    bureaus = sorted(rng.sample(range(len(WAYS)), departments)) * (_ALONE if departments == 1 else 1)
    window_ms, radius_m = planner.window_ms(matter.kind), planner.radius_m(matter.kind)
    last_ms = matter.reports[-1].at_ms if near else first.at_ms + min(window_ms // 3, 90 * 60_000)
    views = VIEWS.get(matter.kind.name, (matter.kind.category,))
    for turn, bureau in enumerate(bureaus):
        told_ms = rng.randint(first.at_ms, last_ms) // 1000 * 1000 if turn else first.at_ms
        spot = planner.land.spot(rng, first.grid)._replace(lon=first.lon, lat=first.lat)
        lon, lat = planner.land.near(rng, spot, radius_m * _STRAY)
        report = replace(first, serial=planner.serial(), at_ms=told_ms, lon=lon, lat=lat)
        category = matter.kind.category if near or not turn else rng.choice(views)
        yield told_ms, replace(_message(report, bureau, category, matter, planner, categories), near=near)


def _message(  # noqa: PLR0913  # what is told, by whom, and what there is to draw from
    report: Report, bureau: int, category: str, matter: Matter, planner: Planner, categories: Categories
) -> Told:
    code, rng = codes()[bureau], planner.rng
    way = "coordinates" if report.precision == "point" else WAYS[bureau]
    columns, _ = urban.placed(report, planner.land, rng, way)
    named = report.subject.startswith("TQ") and (report.precision == "key" or rng.random() < 0.5)
    words = PHRASES[bureau].format(categories[category].name_zh)
    record = {
        "id": f"{code[-2:]}{report.serial:09d}",
        "source": code,
        "type": category,
        "time": report.at_ms,
        "title": categories[category].name_zh,
        "text": words,
        "status": "exercise" if report.drill else "actual",
        "place": columns,
        "subjectKeys": [f"transformer:{report.subject}"] if named else [],
    }
    return Told(code, record, matter.matter_id, matter.kind.name)


def _disturbed(told: list[Told], seed: int, share: float) -> list[Told]:
    """The same messages, a share of them later than they happened."""
    rng = Random(seed)
    keyed = [(at + (rng.randint(1, 400) if rng.random() < share else 0), at) for at in range(len(told))]
    return [told[at] for _, at in sorted(keyed)]


# what the hub makes of it


def _judged(told: list[Told], data: city_data.City, folder: Path) -> tuple[Pairs, Pairs, list[tuple[str, str]], int]:
    """Pairs with what is possible as joined, pairs of what is merged only, kinds of errors, and how many were taken."""
    codec = local_codec([folder / "departments" / code for code in codes()])
    settings, state = load(), MemoryState()
    inbound = city_data.inbound_facts(data, settings, codec.decode_many)
    outbound = city_data.outbound_facts(data, settings)
    given: list[tuple[Told, str]] = []
    alone: list[tuple[str, str]] = []
    for start in range(0, len(told), _BATCH):
        batch = told[start : start + _BATCH]
        origins = [
            Origin(topic, 0, start + at, NOW_MS, b"", codec.encode(f"{topic}-value", one.record))
            for at, one in enumerate(batch)
            for topic in [topics.department_topic(one.code, "").name]
        ]
        found = road.inbound(records.raw_table(origins), inbound, NOW_MS)
        sent = road.outbound(found.located, outbound, NOW_MS, state)
        state.apply(sent.changes)
        road.settle(sent.notices, outbound, NOW_MS, state)
        for row in sent.decided.decisions:
            one, name = batch[row["row"]], row["incident_id"]
            given.append((one, name))
            alone.append((one.matter, f"{name}/{len(given)}" if row["outcome"] == "possible" else name))
    return pairs([(one.matter, name) for one, name in given]), pairs(alone), _wrong(given), len(given)


def _wrong(given: list[tuple[Told, str]]) -> list[tuple[str, str]]:
    """(kind, joined wrongly or missed), once for each incident or matter in which it happened."""
    kinds = {one.matter: one.kind for one, _ in given}
    incidents = Counter(dict.fromkeys({(name, one.matter) for one, name in given}, 1))
    by_incident = Counter(name for name, _ in incidents)
    by_matter = Counter(matter for _, matter in incidents)
    joined = [(kinds[matter], "joined wrongly") for name, matter in incidents if by_incident[name] > 1]
    return joined + [(kinds[matter], "in several incidents") for matter, count in by_matter.items() if count > 1]
