"""Matters: what truly happens, where and when, and which reports will be told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gridhub.connectors.simulator.ground import Ground
from gridhub.connectors.simulator.kinds import HEALTH, KINDS, Kind, Voice
from gridhub.connectors.simulator.land import Land, Spot
from gridhub.connectors.simulator.report import Precision, Report

if TYPE_CHECKING:
    from collections.abc import Collection
    from random import Random

    from gridhub.streams.categories import Categories

_TRIES = 12
_MOST_REPORTS = 4
_LONGEST_SPREAD_MS = 90 * 60_000
_SPREAD = 0.35  # of the window: how long a matter is told of at most
_JITTER = 0.3  # of the radius: how far a report's point lies from the matter's
_GONE = 1.2  # windows after which the same place may see another matter
_WIDE_FORMS = ("district", "district", "streets", "community", "polygon", "circle")


@dataclass(frozen=True, slots=True)
class Matter:
    """One true matter with its reports in the order in which they happened."""

    matter_id: str
    kind: Kind
    grid: str | None  # None: wide
    reports: tuple[Report, ...]
    twin: str = ""  # another matter that nobody could tell from this one


class Planner:
    """Draws matters. Two of one group are kept apart unless `beside` puts one near another on purpose."""

    def __init__(
        self, land: Land, categories: Categories, departments: Collection[str], rng: Random, serial: int = 0
    ) -> None:
        """`departments` are those that may tell; `serial` is the number before the run's first event."""
        self.land, self.rng, self.ground = land, rng, Ground()
        self._categories = categories
        self._departments = frozenset(departments)
        self._serial = serial
        self.longest_spread_ms = _LONGEST_SPREAD_MS
        self._matters = 0
        self._radius_m: dict[str, float] = {}
        for kind in KINDS:
            row = categories[kind.category]
            if not kind.wide and not kind.keyed:
                self._radius_m[row.matter_group] = max(self._radius_m.get(row.matter_group, 0.0), row.radius_m)

    def tellers(self, voices: tuple[Voice, ...]) -> list[Voice]:
        """Those voices whose department is there."""
        return [voice for voice in voices if voice.department in self._departments]

    def serial(self) -> int:
        """The next number of an event, unique in the run."""
        self._serial += 1
        return self._serial

    def matter(self, kind: Kind, at_ms: int, within: str = "", within_codes: tuple[str, ...] = ()) -> Matter | None:
        """A matter of this kind at free ground at this moment; None where none was found in some tries."""
        if kind.wide:
            return self._wide(kind, at_ms, within_codes)
        for _ in range(_TRIES):
            spot = self._spot(kind, within)
            subject = self._subject(kind, spot)
            if self._take(kind, spot, subject, at_ms):
                return self.told(kind, spot, subject, at_ms)
        return None

    def told(  # noqa: PLR0913  # what a matter consists of
        self,
        kind: Kind,
        spot: Spot,
        subject: str,
        at_ms: int,
        precision: Precision = "any",
        *,
        drill: bool = False,
        voices: tuple[Voice, ...] = (),
        most: int = _MOST_REPORTS,
    ) -> Matter:
        """The matter at this spot, with its reports."""
        first = self.rng.choice(voices or self.tellers(kind.first))
        chosen = [first, *self._more(kind, voices, most)]
        times = self._times(kind, at_ms, len(chosen))
        jitter_m = self._categories[kind.category].radius_m * _JITTER
        reports = []
        for turn, (voice, told_ms) in enumerate(zip(chosen, times, strict=True)):
            lon, lat = self.land.near(self.rng, spot, jitter_m)
            reports.append(Report(voice, self.serial(), told_ms, spot.grid, lon, lat, subject, precision, drill, turn))
        return Matter(self._id(), kind, spot.grid, tuple(reports))

    def window_ms(self, kind: Kind) -> int:
        """The time in which reports of one such matter lie."""
        return self._categories[kind.category].window_s * 1000

    def radius_m(self, kind: Kind) -> float:
        """How far apart two reports of one such matter may lie."""
        return self._categories[kind.category].radius_m

    def take(self, kind: Kind, spot: Spot, at_ms: int, until_ms: int, reach_m: float) -> bool:
        """Take ground for several matters of one kind, and for as far as they reach."""
        group = self._categories[kind.category].matter_group
        return self.ground.take(group, spot, self._radius_m[group], at_ms, until_ms, reach_m)

    def _id(self) -> str:
        self._matters += 1
        return f"m{self._matters:07d}"

    def _more(self, kind: Kind, voices: tuple[Voice, ...], most: int) -> list[Voice]:
        found: list[Voice] = []
        known = voices or self.tellers(kind.more)
        while known and kind.more and len(found) < most - 1 and self.rng.random() < kind.again:
            found.append(self.rng.choice(known))
        return found

    def _spread_ms(self, kind: Kind) -> int:
        return min(int(self.window_ms(kind) * _SPREAD), self.longest_spread_ms)

    def _times(self, kind: Kind, at_ms: int, count: int) -> list[int]:
        """When each report happened, whole seconds: several departments write no milliseconds."""
        spread_s = self._spread_ms(kind) // 1000
        later = sorted(at_ms + int(spread_s * self.rng.random() ** 2) * 1000 for _ in range(count - 1))
        return [moment // 1000 * 1000 for moment in (at_ms, *later)]

    def _take(self, kind: Kind, spot: Spot, subject: str, at_ms: int) -> bool:
        group = self._categories[kind.category].matter_group
        until = at_ms + self._spread_ms(kind) + int(self.window_ms(kind) * _GONE)
        if kind.subject == "licence" and not self.ground.take_subject(group, subject, at_ms, until):
            return False
        return kind.keyed or self.ground.take(group, spot, self._radius_m[group], at_ms, until)

    def _spot(self, kind: Kind, within: str) -> Spot:
        grid = self.land.grid(self.rng, within)
        needs_mca = any(voice.department == HEALTH for voice in kind.first)
        while needs_mca and not self.land.mca(grid[:12]):
            grid = self.land.grid(self.rng, within)
        return self.land.spot(self.rng, grid)

    def _subject(self, kind: Kind, spot: Spot) -> str:
        if kind.subject == "transformer":
            return self.rng.choice(self.land.transformers[spot.grid])
        if kind.subject == "licence":
            return self.rng.choice(self.land.licences[spot.grid])
        return f"P{self.rng.getrandbits(64):016x}" if kind.subject == "person" else ""

    # wide matters

    def _wide(self, kind: Kind, at_ms: int, within_codes: tuple[str, ...]) -> Matter | None:
        group = self._categories[kind.category].matter_group
        until = at_ms + self._spread_ms(kind) + int(self.window_ms(kind) * _GONE)
        for _ in range(_TRIES):
            codes, form = (within_codes, "codes") if within_codes else self._area(kind)
            if self.ground.take_whole(group, codes, at_ms, until):
                return self._wide_told(kind, codes, form, at_ms)
        return None

    def _area(self, kind: Kind) -> tuple[tuple[str, ...], str]:
        """The codes that a wide matter covers, and the form in which they are told."""
        rng, land = self.rng, self.land
        if kind.subject == "feeder":
            return (rng.choice(tuple(land.feeders)),), "codes"
        form = rng.choice(_WIDE_FORMS)
        street = rng.choice(land.streets)
        if form == "polygon" and land.outline(land.widest(street)):
            return (land.widest(street),), "polygon"
        if form == "circle":
            return (land.grid(rng),), "circle"
        if form == "community":
            return (land.widest(rng.choice(land.communities)),), "codes"
        inside = land.catalogue.children(street[:6])
        if form == "streets" and len(inside) > 2:
            return tuple(map(land.widest, sorted(rng.sample(inside, 2)))), "codes"
        return (street[:6],), "codes"

    def _wide_told(self, kind: Kind, codes: tuple[str, ...], form: str, at_ms: int) -> Matter:
        rng = self.rng
        subject = rng.choice(self.land.feeders[codes[0]]) if kind.subject == "feeder" else ""
        chosen = [rng.choice(self.tellers(kind.first)), *self._more(kind, (), _MOST_REPORTS)]
        spot = self.land.spot(rng, codes[0]) if form == "circle" else Spot("", 0.0, 0.0, 0.0)
        ends = kind.subject == "warning" and len(chosen) > 1 and rng.random() < 0.5
        grid = spot.grid or f"{codes[0]}"
        reports = tuple(
            Report(
                voice,
                self.serial(),
                told_ms,
                grid,
                spot.lon,
                spot.lat,
                subject,
                turn=turn,
                wide=codes,
                form=form,
                last=ends and turn == len(chosen) - 1,
            )
            for turn, (voice, told_ms) in enumerate(zip(chosen, self._times(kind, at_ms, len(chosen)), strict=True))
        )
        return Matter(self._id(), kind, spot.grid or None, reports)
