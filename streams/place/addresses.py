"""From Chinese address text to the deepest place that it really says; precision before reach.

The text is read from its beginning (or from the first full name of the city or of a district) level by level, as
addresses are written. A road gives no district: 黄石大道 crosses several. A community's bare name is no id: 18 of them
occur twice in the city. What is ambiguous or contradicts itself comes back as candidates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gridhub.streams.place.answer import CITY, Answer, Problem
from gridhub.streams.place.gazetteer import (
    CITY_NAME,
    CITY_SHORT,
    Gazetteer,
    build,
    clean,
    follows_as_place,
    is_market,
    longest,
    names_other_city,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridhub.streams.place.catalogue import Catalogue

_BETWEEN = re.compile(r"^[,。.;:/|>()·\-—_]+")
_COUNTRY = re.compile(r"^(?:中国|中华人民共和国)?(?:湖北省|湖北)?")
_ZONE = re.compile(r"^(?:国家级)?(?:经济技术|经开)?开发区(?:[·、/]?(?=铁山区))?")
_GRID = re.compile(r"第?0*([0-9]{1,3}|[一二三四五六七八九十])(?:号)?(?:专属)?网格")
_COUNTY_TOWN = re.compile(r"^城关(?:镇|街道)?(?!村|社区)")
_JOINED = re.compile(r"^(?:与|和|及|、|至|到)")
_BOUNDARY = "号路街道巷栋楼幢室,、()0123456789"
_NUMERALS = "一二三四五六七八九十"
_ZONE_CODE = "420240"
# 兴国镇 is the county town of 阳新县; 大冶's old 城关 is several streets now, so only its city is certain.
_COUNTY_TOWNS = {"420222": "420222100"}

_WHOLE_NAME = 0.95
_SHORT_NAME = 0.8
_NO_CITY_NAMED = 0.8
_OTHER_LIST_ONLY = 0.6


@dataclass(frozen=True, slots=True)
class _Reading:
    """How far a text has been read: the narrowest code so far, how sure, and the rest of the text."""

    rest: str
    code: str = ""
    confidence: float = _WHOLE_NAME
    context: bool = False  # the province, the city or a district was named
    zone: bool = False

    def to(self, code: str, name: str, sure: float = 1.0) -> _Reading:
        """Read on past a name."""
        rest = _BETWEEN.sub("", self.rest[len(name) :])
        return replace(self, rest=rest, code=code or self.code, confidence=self.confidence * sure)


class AddressLocator:
    """Finds places in address texts; pure, made once per catalogue edition."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Index the names of a catalogue."""
        self._catalogue = catalogue
        places = [place for level in ("district", "street", "community") for place in catalogue.places(level)]
        self._names: Gazetteer = build(places, catalogue.other_towns)
        self._starts = (*self._names.districts, CITY_NAME)

    def locate_many(self, texts: Sequence[str | None]) -> list[Answer]:
        """One answer per text, in order; equal texts of a batch are read once."""
        answers = {text: self.locate(text) for text in set(texts)}
        return [answers[text] for text in texts]

    def locate(self, text: str | None) -> Answer:
        """The deepest place that an address says, or the problem with the candidates."""
        address = clean(text or "")
        if not address:
            return _problem(Problem.NO_PLACE_NAMED if text else Problem.NOT_GIVEN)
        start = self._beginning(address)
        if start is None:
            return _problem(Problem.OUTSIDE_CITY if self._elsewhere(address) else Problem.NO_PLACE_NAMED)
        return self._read(start)

    # where the address begins

    def _beginning(self, address: str) -> _Reading | None:
        """The text from the city, a district or a whole name on; None when nothing in it can be ours."""
        rest = _BETWEEN.sub("", _COUNTRY.sub("", address))
        begun = _Reading(rest, context=rest != address)
        if self._known_start(begun):
            return None if self._elsewhere(_office(rest)) else begun
        at = min((found for name in self._starts if (found := rest.find(name)) >= 0), default=-1)
        if at < 0 or self._elsewhere(rest[:at]) or self._elsewhere(_office(rest)):
            return None
        late = _Reading(rest[at:])
        return late if self._known_start(late) else None

    def _known_start(self, reading: _Reading) -> bool:
        names = (self._names.districts, self._names.streets, self._names.communities)
        rest = reading.rest
        if is_market(rest.removeprefix(longest(self._starts, rest))):
            return False
        short = self._short_district(reading, context=reading.context)
        return (
            rest.startswith(CITY_NAME)
            or any(longest(table, rest) for table in names)
            or self._bare_city(reading)
            or bool(short)
        )

    def _bare_city(self, reading: _Reading) -> bool:
        """黄石 without 市 is the city only where one of its places follows, or after the province a road or nothing."""
        after = reading.rest.removeprefix(CITY_SHORT)
        if after == reading.rest:
            return False
        tables = (self._names.districts, self._names.streets)
        inside = any(longest(table, after) for table in tables) or bool(_ZONE.match(after))
        return inside or (reading.context and (not after or follows_as_place(after)))

    def _elsewhere(self, text: str) -> bool:
        return names_other_city(text, (*self._starts, "湖北省"))

    # level by level

    def _read(self, reading: _Reading) -> Answer:
        reading = self._district(self._zone(self._city(reading)))
        if other := self._joined(reading):
            return _problem(Problem.AMBIGUOUS_NAME, [reading.code, other])
        reading = self._county_town(reading)
        street = self._street(reading)
        if street.code != reading.code and not self._inside(street.code, reading.code):
            return _problem(Problem.PLACES_CONTRADICT, [reading.code, street.code])
        return self._community(street)

    def _city(self, reading: _Reading) -> _Reading:
        if reading.rest.startswith(CITY_NAME):
            return replace(reading.to(CITY, CITY_NAME), context=True)
        if not longest(self._names.districts, reading.rest) and self._bare_city(reading):
            return replace(reading.to(CITY, CITY_SHORT), context=True)
        return reading

    def _zone(self, reading: _Reading) -> _Reading:
        zone = _ZONE.match(reading.rest) if reading.code == CITY else None
        return replace(reading.to("", zone[0]), zone=True) if zone else reading

    def _district(self, reading: _Reading) -> _Reading:
        if name := longest(self._names.districts, reading.rest):
            return replace(reading.to(self._names.districts[name], name), context=True, zone=False)
        if name := self._short_district(reading, context=reading.context):
            return replace(reading.to(self._names.districts_short[name], name, _SHORT_NAME), context=True, zone=False)
        return reading

    def _short_district(self, reading: _Reading, *, context: bool) -> str:
        """A district without its suffix, where a street, the county town or (in the city) a road of its own follows."""
        name = longest(self._names.districts_short, reading.rest)
        rest = reading.rest.removeprefix(name)
        if not name or longest(self._names.streets, reading.rest) or longest(self._names.communities, reading.rest):
            return ""
        inside = longest(self._names.streets, rest) or _COUNTY_TOWN.match(rest)
        return name if inside or (context and (not rest or follows_as_place(rest))) else ""

    def _joined(self, reading: _Reading) -> str:
        """The second district of 黄石港区与西塞山区交界处."""
        after = _JOINED.sub("", reading.rest)
        if len(reading.code) != 6 or after == reading.rest:
            return ""
        return self._names.districts.get(longest(self._names.districts, after), "")

    def _county_town(self, reading: _Reading) -> _Reading:
        town = _COUNTY_TOWN.match(reading.rest) if reading.code != CITY and len(reading.code) == 6 else None
        return reading.to(_COUNTY_TOWNS.get(reading.code, ""), town[0], _SHORT_NAME) if town else reading

    def _street(self, reading: _Reading) -> _Reading:
        if len(reading.code) > 6:
            return reading
        if name := longest(self._names.streets, reading.rest):
            code = self._names.streets[name]
            sure = _OTHER_LIST_ONLY if len(code) == 6 else 1.0
            sure *= 1.0 if reading.context else _NO_CITY_NAMED
            return replace(reading.to(code, name, sure), zone=False)
        name = longest(self._names.streets_short, reading.rest)
        rest = reading.rest.removeprefix(name)
        named = name and reading.context and not longest(self._names.communities, reading.rest)
        if named and (follows_as_place(rest) or longest(self._names.communities, rest)):
            return replace(reading.to(self._names.streets_short[name], name, _SHORT_NAME), zone=False)
        return reading

    def _community(self, reading: _Reading) -> Answer:
        name = longest(self._names.communities, reading.rest) or self._later_community(reading)
        bearers = [code for code in self._names.communities.get(name, ()) if self._inside(code, reading.code)]
        if len(bearers) > 1:
            return _problem(Problem.AMBIGUOUS_NAME, bearers)
        if not bearers:
            return self._end(reading)
        sure = 1.0 if reading.context or reading.code else _NO_CITY_NAMED
        rest = reading.rest.partition(name)[2]
        return self._grid(replace(reading, rest=rest, code=bearers[0], confidence=reading.confidence * sure))

    def _later_community(self, reading: _Reading) -> str:
        """A community of the named district or street further on, as in 湖滨大道12号桂花湾社区."""
        if len(reading.code) < 6 or reading.code == CITY:
            return ""
        rest = reading.rest
        starts = (at for at in range(1, len(rest)) if rest[at - 1] in _BOUNDARY)
        found = (longest(self._names.communities, rest[at:]) for at in starts)
        inside = (
            name for name in found if any(self._inside(c, reading.code) for c in self._names.communities.get(name, ()))
        )
        return next(inside, "")

    def _grid(self, reading: _Reading) -> Answer:
        """第001网格 after the community's name."""
        found = _GRID.match(_BETWEEN.sub("", reading.rest))
        if found:
            serial = _NUMERALS.find(found[1]) + 1 or int(found[1])
            code = f"{reading.code}{serial:03d}"
            if not self._catalogue.place(code):
                return _problem(Problem.UNKNOWN_CODE, [reading.code])
            reading = replace(reading, code=code)
        return Answer("address", reading.code, round(reading.confidence, 3))

    def _end(self, reading: _Reading) -> Answer:
        if reading.zone:
            return self._catalogue.resolve_codes([_ZONE_CODE], [None])[0].by("address")
        if not reading.code:
            return _problem(Problem.NO_PLACE_NAMED)
        return Answer("address", reading.code, round(reading.confidence, 3))

    def _inside(self, code: str, around: str) -> bool:
        return around in {"", CITY} or code.startswith(around)


def _office(text: str) -> str:
    """The part of a text that may say 驻汉办: an office of ours elsewhere."""
    found = re.search(r"驻(?!黄石|阳新|大冶).{1,4}办", text)
    return found[0] if found else ""


def _problem(problem: Problem, candidates: Sequence[str] = ()) -> Answer:
    return Answer("address", problem=problem, candidates=tuple(candidates))
