"""The simulated city: a seeded stream of messages as its departments would publish them, with the truth about each."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import replace
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Any

from gridhub.connectors.simulator import food, health, police, power, social, urban, weather
from gridhub.connectors.simulator.faults import departments_for, spoil
from gridhub.connectors.simulator.kinds import (
    BY_NAME,
    FOOD,
    HEALTH,
    KINDS,
    POLICE,
    POWER,
    QUIET,
    SOCIAL,
    URBAN,
    WEATHER,
    Kind,
)
from gridhub.connectors.simulator.land import Land
from gridhub.connectors.simulator.matters import Matter, Planner
from gridhub.connectors.simulator.message import Message, Truth
from gridhub.connectors.simulator.neighbours import indistinct, pair
from gridhub.connectors.simulator.rates import FAULTS, RATES, Fault
from gridhub.connectors.simulator.report import Report, Told
from gridhub.connectors.simulator.rhythm import HOURS, Clock, hour_of
from gridhub.connectors.simulator.storms import EVENTS_PER_STORM, STORM, STORM_MINUTES, STORM_WARNING
from gridhub.streams.categories import Categories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.resources.abc import Traversable

    from gridhub.connectors.sources.departments import Departments
    from gridhub.streams.place.catalogue import Catalogue

SCENARIOS = tuple(EVENTS_PER_STORM)
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
EVENTS_PER_DAY = 20_000
_LEAST_DAYS, _MOST_DAYS = 1.0, 25.0
_LATE_H = (0.5, 6.0)
_LIVE_LATE_H = (0.01, 0.1)  # in an endless run, so that what waits stays bounded
_LIVE_SPREAD_MS = 3 * MINUTE_MS
_MOST_WAITING = 50_000
TELL: dict[str, Callable[[Report, Land, Random], Told]] = {
    POLICE: police.tell,
    POWER: power.tell,
    WEATHER: weather.tell,
    FOOD: food.tell,
    SOCIAL: social.tell,
    HEALTH: health.tell,
    URBAN: urban.tell,
}


class City:
    """A city with its departments. Everything drawn comes from the seed: same arguments, same bytes, same order."""

    def __init__(
        self,
        catalogue: Catalogue,
        departments: Departments,
        seed: int,
        folder: Traversable | None = None,
        categories: Categories | None = None,
    ) -> None:
        """`departments` that the simulator has words for take part; `folder` is the catalogue's (None: bundled)."""
        self.land = Land(catalogue, folder)
        self.topics = {code: departments.by_code[code].topic.name for code in TELL if code in departments.by_code}
        self.categories = categories or Categories.load()
        self.seed = seed

    def generate(self, events: int, seed: int, start_ms: int, scenario: str = "ordinary") -> Iterator[Message]:
        """Exactly so many messages, in publishing order; what they tell of lies in the days before `start_ms`.

        Up to 20,000 messages lie within one day; more take longer, and 25 days at most. ValueError for a scenario that
        is not one of SCENARIOS.
        """
        days = min(max(events / EVENTS_PER_DAY, _LEAST_DAYS), _MOST_DAYS)
        clock = Clock(start_ms - int(days * DAY_MS), start_ms, _intensity())
        run = _Run(self, f"{seed}/{start_ms}", scenario, end_ms=start_ms)
        return itertools.islice(run.messages(lambda made: clock.at(made / events), events), events)

    def live(self, seed: int, now_ms: Callable[[], int], scenario: str = "ordinary") -> Iterator[Message]:
        """Messages without end, of the time at which each is asked for; bounded memory."""
        run = _Run(self, f"{seed}/{now_ms()}", scenario, end_ms=None)
        return run.messages(lambda _made: now_ms(), None)


def _intensity() -> list[float]:
    """The whole city's reports by hour of day."""
    return [
        sum(kind.often * HOURS[kind.rhythm][hour] / sum(HOURS[kind.rhythm]) for kind in KINDS) for hour in range(24)
    ]


class _Run:
    """One run: the planner, what waits to be published, and the numbers given out so far."""

    def __init__(self, city: City, name: str, scenario: str, end_ms: int | None) -> None:
        if scenario not in EVENTS_PER_STORM:
            raise ValueError(f"no such scenario: {scenario}; known: {', '.join(SCENARIOS)}")
        self.rng = Random(f"gridhub/{city.seed}/{name}")
        self.city, self.land, self.end_ms = city, city.land, end_ms
        first_serial = int.from_bytes(blake2b(name.encode(), digest_size=2).digest()) % 9_000 * 100_000
        self.planner = Planner(city.land, city.categories, city.topics, self.rng, first_serial)
        self.kinds = [kind for kind in KINDS if self.planner.tellers(kind.first)]
        self.per_hour = [self._shares(hour) for hour in range(24)]
        self.faults = [fault for fault in FAULTS if self._can(fault)]
        self.fault_share = sum(fault.rate for fault in self.faults)
        self.storm_every = EVENTS_PER_STORM[scenario]
        self.next_storm = self.rng.randint(1, self.storm_every)
        self.waiting: list[tuple[int, int, Message]] = []
        self.made = self.happened = self.now = 0
        if end_ms is None:
            self.planner.longest_spread_ms = _LIVE_SPREAD_MS
        self.seq = itertools.count()
        self.turn = itertools.count()

    def messages(self, clock: Callable[[int], int], most: int | None) -> Iterator[Message]:
        """What is due, in order of publishing; once enough is made, all that waits."""
        while most is None or self.made < most:
            now = self.now = clock(self.made)
            yield from self._due(now)
            self._happen(now)
            self.planner.ground.prune(now - 2 * DAY_MS)
        yield from self._due(None)

    def _due(self, now: int | None) -> Iterator[Message]:
        while self.waiting and (now is None or self.waiting[0][0] <= now):
            _, _, message = heapq.heappop(self.waiting)
            yield message

    # what happens next

    def _happen(self, now: int) -> None:
        self.happened += 1
        # A matter brings several messages and a fault one: its chance grows by that, so that its share is of messages.
        fault = self.fault_share * (self.made + 1) / self.happened
        draw = self.rng.random()
        if draw < fault:
            self._fault(now)
        elif self.made >= self.next_storm:
            self.next_storm += self.storm_every
            self._storm(now)
        elif draw > 1 - RATES.neighbour - RATES.indistinct:
            for matter in pair(self.planner, now) if draw > 1 - RATES.neighbour else indistinct(self.planner, now):
                self._tell(matter)
        else:
            self._one(self._kind(now), now)

    def _kind(self, now: int) -> Kind:
        return self.rng.choices(self.kinds, cum_weights=self.per_hour[hour_of(now)])[0]

    def _one(self, kind: Kind, now: int, within: str = "", codes: tuple[str, ...] = ()) -> None:
        matter = self.planner.matter(kind, now, within, codes)
        if matter is None and not within and kind.name != QUIET and self.city.topics.get(HEALTH):
            matter = self.planner.matter(BY_NAME[QUIET], now)
        if matter is not None:
            self._tell(matter)

    def _storm(self, now: int) -> None:
        """A warning for a district, and what the storm does there within the next two hours."""
        district = self.rng.choice(self.land.districts)
        if self.planner.tellers(BY_NAME[STORM_WARNING].first):
            self._one(BY_NAME[STORM_WARNING], now, district, (district,))
        for name, (fewest, most) in STORM.items():
            for _ in range(self.rng.randint(fewest, most) if self.planner.tellers(BY_NAME[name].first) else 0):
                later = now + self.rng.randint(5, STORM_MINUTES) * MINUTE_MS
                self._one(BY_NAME[name], later, district)

    # telling it

    def _tell(self, matter: Matter) -> None:
        first_id = ""
        for report in matter.reports:
            told = self._told(report, first_id)
            first_id = first_id or told.event_id
            if self.end_ms is None or report.at_ms <= self.end_ms:
                self._publish(matter, report, told)

    def _told(self, report: Report, first_id: str = "") -> Told:
        if first_id:
            report = replace(report, first_id=first_id)
        return TELL[report.voice.department](report, self.land, self.rng)

    def _publish(self, matter: Matter, report: Report, told: Told) -> None:
        late = self.rng.random() < RATES.late
        at_ms = report.at_ms + (self._hours() if late else 0)
        truth = self._truth(report.voice.department, told, matter, late=late)
        self._wait(at_ms, self._message(told, truth))
        if self.rng.random() < RATES.redelivered:
            self._again(at_ms, told, truth, told.record)
        elif report.voice.department == POWER and self.rng.random() < RATES.restated:
            header = told.record["header"]
            self._again(at_ms, told, truth, told.record | {"header": header | {"msgId": f"{header['msgId']}-R"}})

    def _again(self, at_ms: int, told: Told, truth: Truth, record: dict[str, Any]) -> None:
        later = self._hours() if self.rng.random() < RATES.second_late else self.rng.randint(0, 30_000)
        again = replace(truth, kind="duplicate", duplicate_of=truth.seq, seq=next(self.seq))
        self._wait(at_ms + later + 1, self._message(replace(told, record=record), again))

    def _hours(self) -> int:
        """How late, in ms."""
        low, high = _LATE_H if self.end_ms is not None else _LIVE_LATE_H
        return int(self.rng.uniform(low, high) * HOUR_MS)

    def _wait(self, at_ms: int, message: Message) -> None:
        if self.end_ms is None and at_ms > self.now and len(self.waiting) >= _MOST_WAITING:
            return
        self.made += 1
        heapq.heappush(self.waiting, (at_ms, next(self.turn), message))

    def _message(self, told: Told, truth: Truth) -> Message:
        return Message(truth.topic, told.key.encode(), told.record, f"{truth.topic}-value", None, truth)

    def _truth(self, department: str, told: Told, matter: Matter, *, late: bool) -> Truth:
        return Truth(
            seq=next(self.seq),
            topic=self.city.topics[department],
            department=department,
            source=department,
            event_id=told.event_id,
            kind="valid",
            true_grid=matter.grid,
            true_codes=told.codes,
            place_way=told.way,
            true_matter=matter.matter_id,
            twin=matter.twin,
            late=late,
        )

    # what must be refused

    def _fault(self, now: int) -> None:
        fault = self.rng.choices(self.faults, [fault.rate for fault in self.faults])[0]
        department = self.rng.choice([code for code in departments_for(fault.name) if code in self.city.topics])
        told = self._told(self._alone(department, now))
        record = told.record | ({"_now_ms": self.end_ms or now} if fault.name in {"future", "ancient"} else {})
        flawed = spoil(fault.name, department, record, self.land, self.rng)
        carrier = self._carrier(department) if fault.name == "foreign_record" else department
        topic = self.city.topics[carrier]
        truth = Truth(
            seq=next(self.seq),
            topic=topic,
            department=carrier,
            source=department,
            event_id="" if fault.name == "no_id" or flawed.raw is not None or flawed.damage else told.event_id,
            kind="refused",
            expected_reason=fault.reason,
            fault=fault.name,
        )
        subject = f"{self.city.topics[department]}-value"
        self._wait(now, Message(topic, told.key.encode(), flawed.record, subject, flawed.raw, truth, flawed.damage))

    def _alone(self, department: str, now: int) -> Report:
        """A report of no matter, to be spoiled."""
        kinds = [kind for kind in self.kinds if not kind.wide and kind.first[0].department == department]
        kind = self.rng.choice(kinds)
        grid = self.land.grid(self.rng)
        while not self.land.mca(grid[:12]):
            grid = self.land.grid(self.rng)
        spot = self.land.spot(self.rng, grid)
        subject = f"P{self.rng.getrandbits(64):016x}" if kind.subject == "person" else ""
        return Report(kind.first[0], self.planner.serial(), now, grid, spot.lon, spot.lat, subject)

    def _carrier(self, department: str) -> str:
        return self.rng.choice([code for code in self.city.topics if code not in {department, URBAN}])

    def _can(self, fault: Fault) -> bool:
        return any(code in self.city.topics for code in departments_for(fault.name)) and (
            fault.name != "foreign_record" or len(self.city.topics) > 2
        )

    def _shares(self, hour: int) -> list[float]:
        shares = (kind.often * HOURS[kind.rhythm][hour] / sum(HOURS[kind.rhythm]) for kind in self.kinds)
        return list(itertools.accumulate(shares))
