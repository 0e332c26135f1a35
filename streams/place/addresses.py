"""From Chinese address text to the deepest place that it really says; precision before reach.

One pass finds every name in the text (gazetteer.py); the chain of names is read from where the address begins
(reading.py); what stands elsewhere in the text may only agree, add, or contradict. A text that names another city first
is outside. A road gives a place only with a house number between two known ones. A community's bare name is no id: 18
of them occur twice in the city. What is ambiguous or contradicts itself comes back as candidates.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gridhub.streams.place import elsewhere
from gridhub.streams.place.answer import CITY as CITY_CODE
from gridhub.streams.place.answer import Answer, Problem
from gridhub.streams.place.gazetteer import (
    CITY,
    CITY_SHORT,
    COMMUNITY,
    DISTRICT,
    DISTRICT_SHORT,
    LANDMARK,
    PROVINCE,
    ROAD,
    STREET,
    Gazetteer,
    Hit,
)
from gridhub.streams.place.reading import ZONE_CODE, Reader, Reading
from gridhub.streams.place.spelling import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridhub.streams.place.catalogue import Catalogue

_GRID = re.compile(r"第?0*([0-9]{1,3}|[一二三四五六七八九十])号?(?:专属)?网格")
_NUMERALS = "一二三四五六七八九十"
_NUMBER = re.compile(r"[东西南北中]?段?([0-9]{1,5})(?![0-9室层楼栋单])")
# After these a name begins anew; after any other character it might be the end of a longer name.
_BOUNDARY = frozenset("号路街道巷栋楼幢弄室层组,.;:/|>()·-_~、。0123456789在于到往住至从由向是为内市区县镇乡口侧")
# A name behind one of these lies in a town or city that is not ours.
_TOWN_END = frozenset("镇乡道县区市")
_BRANCH = re.compile(r"[\u4e00-\u9fff()]{0,12}?(?:公司|集团|商会|银行|支行|分行|酒店|厂|店|办事处|联络处|协会)")

_LONGEST_COMPANY = 24
_LATER = 0.9
_STRAY = 0.8
_BY_ROAD = 0.75
_SEVERAL = 0.75
_UNKNOWN_GRID = 0.7
_OWN = PROVINCE | CITY | CITY_SHORT | DISTRICT | DISTRICT_SHORT | STREET | COMMUNITY


class AddressLocator:
    """Finds places in address texts; pure, made once per catalogue edition."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Index the names of a catalogue."""
        self._catalogue = catalogue
        places = [place for level in ("district", "street", "community") for place in catalogue.places(level)]
        self._names = Gazetteer(places, catalogue.other_towns)
        zone = catalogue.resolve_codes([ZONE_CODE], [None])[0]
        self._zone = zone.by("address")

    def locate_many(self, texts: Sequence[str | None]) -> list[Answer]:
        """One answer per text, in order; equal texts of a batch are read once."""
        answers = {text: self.locate(text) for text in set(texts)}
        return [answers[text] for text in texts]

    def locate(self, text: str | None) -> Answer:
        """The deepest place that an address says, or the problem with the candidates."""
        address = clean(text or "")
        if not address:
            return _problem(Problem.NO_PLACE_NAMED if text else Problem.NOT_GIVEN)
        reader = Reader(self._names.scan(address), self._zone.candidates)
        start = self._beginning(reader) if reader.hits.kinds & _OWN else None
        reading = reader.read(start) if start is not None else Reading(len(address))
        if elsewhere.is_before(reader, reading, len(address) if start is None else start):
            return _problem(Problem.OUTSIDE_CITY)
        if reading.rivals:
            problem = Problem.PLACES_CONTRADICT if len(reading.rivals[0]) > 6 else Problem.AMBIGUOUS_NAME
            return _problem(problem, [reading.code, *reading.rivals])
        whole = self._later(reader, self._earlier(reader, reading, start or 0))
        if elsewhere.is_after(reader, whole, reading.at):
            return _problem(Problem.OUTSIDE_CITY)
        return self._answer(reader, whole)

    # where the address begins

    def _beginning(self, reader: Reader) -> int | None:
        """The first place where the city or a district is named, else a street or community on its own."""
        starts = PROVINCE | CITY | CITY_SHORT | DISTRICT | DISTRICT_SHORT
        first = None
        for hit in reader.hits.all(starts):
            if first is None and self._is_beginning(reader, hit):
                first = hit
                if hit.name.kind != DISTRICT or len(reader.read(hit.start).code) > 6:
                    break
            elif first and self._after_company(reader, first, hit):
                return hit.start
        return first.start if first else self._bare(reader, len(reader.text))

    def _after_company(self, reader: Reader, first: Hit, hit: Hit) -> bool:
        """阳新县商会,黄石市下陆区…: the district at the beginning belongs to a company's name, the address follows."""
        between = reader.text[first.end : hit.start]
        read = reader.read(hit.start).code
        if not read or hit.name.kind == DISTRICT_SHORT or (hit.name.kind == DISTRICT and read == CITY_CODE):
            return False
        return len(between) < _LONGEST_COMPANY and elsewhere.ends_as_company(between)

    def _is_beginning(self, reader: Reader, hit: Hit) -> bool:
        if hit.start and reader.text[hit.start - 1] == "原":
            return False
        if hit.name.kind & (CITY | DISTRICT):
            return reader.is_area(hit) and hit.name.anywhere
        if hit.name.kind == DISTRICT_SHORT and hit.start and reader.text[hit.start - 1] not in _BOUNDARY:
            return False
        read = reader.read(hit.start)
        return bool(read.foreign or (read.code and (read.context or hit.name.kind != PROVINCE)))

    def _bare(self, reader: Reader, end: int) -> int | None:
        """The first street or community before `end` that begins where a name may begin."""
        for hit in reader.hits.all(STREET | COMMUNITY):
            if (
                hit.start < end
                and self._may_begin(reader, hit)
                and reader.text[hit.start - 1 : hit.start] not in _TOWN_END
            ):
                read = reader.read(hit.start)
                if read.code or read.candidates:
                    return hit.start
        return None

    def _may_begin(self, reader: Reader, hit: Hit) -> bool:
        return not hit.start or reader.text[hit.start - 1] in _BOUNDARY

    # what else the text says

    def _earlier(self, reader: Reader, reading: Reading, start: int) -> Reading:
        """沈家营街道桂花湾社区(黄石港区): the narrower place before the district."""
        before = self._bare(reader, start) if reading.code and len(reading.code) < 9 else None
        if before is None or before >= start:
            return reading
        first = reader.read(before)
        agrees = first.code and reader.inside(first.code, reading) and len(first.code) > len(reading.code)
        return first._replace(context=True, district=reading.district) if agrees else reading

    def _later(self, reader: Reader, reading: Reading) -> Reading:
        """What the text says behind the chain: a district for the city, then street and community inside them."""
        reading = self._later_districts(reader, reading)
        if reading.rivals or not reading.code or reading.candidates:
            return reading
        for kind, take in ((STREET, reader.take_street), (COMMUNITY, reader.take_community)):
            if reader.hits.kinds & kind and len(reading.code) < (9 if kind == STREET else 12):
                stray = self._stray(reader, reading, kind)
                reading = take(reading, stray)._replace(rivals=()) if stray else reading
        return reading

    def _stray(self, reader: Reader, reading: Reading, kind: int) -> Hit | None:
        """The one street or community inside what was read that stands alone further on."""
        found: dict[tuple[str, ...], Hit] = {}
        for hit in reader.hits.all(kind, reading.at):
            inside = [code for code in hit.name.codes if reader.inside(code, reading)]
            if inside and self._may_begin(reader, hit):
                found.setdefault(tuple(inside), hit)
        return next(iter(found.values())) if len(found) == 1 else None

    def _later_districts(self, reader: Reader, reading: Reading) -> Reading:
        """A district named behind the chain: it repeats it, completes it, or another full address contradicts it."""
        if not reader.hits.kinds & DISTRICT:
            return reading
        others: dict[str, Reading] = {}
        for hit in reader.hits.all(DISTRICT, reading.at):
            code = hit.name.codes[0]
            formerly = reader.text[hit.start - 1] == "原"
            if formerly or not reader.is_area(hit) or not (hit.name.anywhere or reading.context):
                continue
            if code == reading.code[:6]:
                if len(reading.code) == 6:
                    again = reader.read(hit.start)
                    reading = again if again.code.startswith(reading.code) and not again.rivals else reading
            elif reading.code == CITY_CODE:
                if self._follows_city(reader, hit) or not _BRANCH.match(reader.text, hit.end):
                    others.setdefault(code, reader.read(hit.start))
            elif reading.code and (self._is_second_address(reader, hit) or reader.text[hit.start - 1] == "驻"):
                return reading._replace(rivals=(code,))
        if len(others) == 1:
            (only,) = others.values()
            return only._replace(sure=only.sure * _LATER)
        return reading._replace(rivals=tuple(others)) if others else reading

    def _is_second_address(self, reader: Reader, hit: Hit) -> bool:
        """Whether 黄石市 stands before a further district, and no company's name after it."""
        bracket = "(" in reader.text[max(0, hit.start - 6) : hit.start]
        return self._follows_city(reader, hit) and not bracket and not reader.is_company(hit.end)

    def _follows_city(self, reader: Reader, hit: Hit) -> bool:
        return reader.text[: hit.start].rstrip(",.;:/|>()·-_~").endswith(("黄石市", "湖北省", "湖北", "黄石"))

    # the answer

    def _answer(self, reader: Reader, reading: Reading) -> Answer:
        if reading.rivals:
            named = [] if reading.code == CITY_CODE else [reading.code]
            return _problem(Problem.AMBIGUOUS_NAME, [*named, *reading.rivals])
        if reading.code in {"", CITY_CODE} and not reading.candidates:
            reading = self._by_road_or_landmark(reader, reading)
        if reading.candidates:
            return self._ambiguous(reading)
        if reading.zone and reading.code == CITY_CODE:
            return self._zone
        if not reading.code:
            return _problem(Problem.NO_PLACE_NAMED)
        return self._grid(reader, reading)

    def _ambiguous(self, reading: Reading) -> Answer:
        """Several places of one name inside a named district: the district is certain."""
        if reading.code in {"", CITY_CODE}:
            return _problem(Problem.AMBIGUOUS_NAME, reading.candidates)
        return Answer("address", reading.code, round(reading.sure * _SEVERAL, 3), reading.candidates)

    def _by_road_or_landmark(self, reader: Reader, reading: Reading) -> Reading:
        """A place that is known by name, or in the city a house number between two known ones."""
        for hit in reader.hits.all(LANDMARK):
            return reading._replace(at=len(reader.text), code=hit.name.codes[0], sure=hit.name.sure, zone=False)
        for hit in reader.hits.all(ROAD, reading.at if reading.code else 0):
            code = self._of_house(reader.text, hit) if self._may_begin(reader, hit) else ""
            if code and reading.code:
                return reading._replace(at=hit.end, code=code, sure=reading.sure * _BY_ROAD, zone=False)
        return reading

    def _of_house(self, text: str, road: Hit) -> str:
        number = _NUMBER.match(text, road.end)
        if not number:
            return ""
        rows = self._names.roads[text[road.start : road.end]]
        codes = {row["code"] for row in rows if int(row["from"]) <= int(number[1]) <= int(row["to"])}
        return codes.pop() if len(codes) == 1 else ""

    def _grid(self, reader: Reader, reading: Reading) -> Answer:
        """第001网格 after the community's name; a number that the catalogue lacks leaves the community."""
        found = _GRID.match(reader.text, reader.skip(reading.at)) if len(reading.code) == 12 else None
        if not found:
            return Answer("address", reading.code, round(reading.sure, 3))
        serial = _NUMERALS.find(found[1]) + 1 or int(found[1])
        code = f"{reading.code}{serial:03d}"
        if not self._catalogue.place(code):
            return Answer("address", reading.code, round(reading.sure * _UNKNOWN_GRID, 3))
        return Answer("address", code, round(reading.sure, 3))


def _problem(problem: Problem, candidates: Sequence[str] = ()) -> Answer:
    return Answer("address", problem=problem, candidates=tuple(candidates))
