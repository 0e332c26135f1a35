"""Reading one address from a place in the text on: province, city, zone, district, street, community, grid.

Addresses go from wide to narrow. A name is taken where the one before it ended; the whole names of districts also
stand alone. Names without their suffix (下陆, 大冶) are taken only where what follows shows that a place is meant.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from gridhub.streams.place.answer import CITY as CITY_CODE
from gridhub.streams.place.gazetteer import (
    CITY,
    CITY_SHORT,
    COMMUNITY,
    DISTRICT,
    DISTRICT_SHORT,
    OTHER,
    OTHER_SHORT,
    PROVINCE,
    STREET,
    STREET_SHORT,
    Hit,
    Hits,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

BETWEEN = frozenset(",，。.;；:：/|>()（）·•・-—_~\"'“”[]【】<>《》")
_CITY_FILL = re.compile(r"(?:市辖区|市区|城区|市直)")
_SMALL_PLACE = frozenset("镇乡村")
_FILL_BEGINS = frozenset("市城")
_OFFICE_BEGINS = frozenset("党人镇乡政")
_JOINS = frozenset("与和及、至到或")
_OFFICE = re.compile(r"(?:党工委|人民政府|镇政府|乡政府|政府)?")
_ZONE = re.compile(
    r"(?:国家级)?(?:黄金山)?(?:经济技术|经济|工业)?(?:开发区|经开区)(?:黄金山(?:新区|工业园区|工业园)?)?|黄金山(?:工业)?新区|经开区"
)
_LOCAL_ZONE = re.compile(r"(?:经济技术|经济|高新技术产业|高新技术|高新)?开发区|高新区|经开区|罗桥|城北")
_COUNTY_TOWN = re.compile(r"城关(?:镇|街道)?(?!村|社区|区)")
_ROAD_NEXT = re.compile(r"[\u4e00-\u9fff]{2,8}?(?:路|街|大道|巷|里)(?:[0-9东南西北特与和附旁口,(]|交叉|$)")
# 黄石公园, 大冶湖, 阳新大道, 铁山矿: what begins so is the name of something else.
_NO_PLACE = re.compile(
    r"大道|大街|路|街|巷|桥|站|火车|汽车|湖|港|河|山|江|公园|公路|国家|市场|中学|小学|学|医院|镇|乡|村|县|区|市"
    r"|开发区|经济|工业|新区|高速|水库|矿|铁"
)
_NOT_AN_AREA = re.compile(r"[场域间块]")
_COMPANY = re.compile(
    r"[\u4e00-\u9fff()]{0,20}?(?:公司|集团|商会|银行|支行|分行|酒店|宾馆|超市|厂|店|办事处|联络处|协会|医院|大学|学院|学校|中学|局|院)"
)
_COUNTY_TOWNS = {"420222": "420222100"}
# 兴国镇 is the county town of 阳新县; the old 城关 of 大冶 is several streets now, so only its city is certain.

NO_CONTEXT = 0.8
ZONE_CODE = "420240"


class Reading(NamedTuple):
    """How far a text has been read: where, the narrowest code so far, how sure, and what it was taken from."""

    at: int
    code: str = ""
    sure: float = 0.95
    context: bool = False  # the province with a place of ours, the city or a district was named
    district: bool = False  # a district by its whole name
    zone: bool = False
    foreign: bool = False  # the next area below what was read is another city's
    candidates: tuple[str, ...] = ()  # several places of one name, inside `code`
    rivals: tuple[str, ...] = ()  # places beside `code` that the text names as well


class Reader:
    """Reads one text with the names found in it; `zone` are the codes of the development zone together."""

    def __init__(self, hits: Hits, zone: Sequence[str]) -> None:
        self.hits, self.text, self._zone_codes = hits, hits.text, frozenset(zone)
        self._read: dict[int, Reading] = {}

    def read(self, at: int) -> Reading:
        """The chain of names that begins at a place of the text."""
        if at not in self._read:
            self._read[at] = self._chain(at)
        return self._read[at]

    def _chain(self, at: int) -> Reading:
        reading = self._district(self._zone(self._city(self._province(Reading(at)))))
        if reading.foreign or reading.rivals:
            return reading
        return self._community(self._street(self._county_town(reading)))

    def skip(self, at: int) -> int:
        """The place behind signs and brackets."""
        text, end = self.text, len(self.text)
        while at < end and text[at] in BETWEEN:
            at += 1
        return at

    def is_area(self, hit: Hit) -> bool:
        """Whether 黄石市 or 铁山区 does not go on as 市场 or 区域."""
        return not _NOT_AN_AREA.match(self.text, hit.end)

    def is_company(self, at: int) -> bool:
        """Whether the text from here on to a company's or office's last word has no number and no sign."""
        return bool(_COMPANY.match(self.text, at))

    # level by level

    def _province(self, reading: Reading) -> Reading:
        hit = self.hits.at(reading.at, PROVINCE)
        if not hit:
            return reading
        after = self.skip(hit.end)
        other = self.hits.at(after, OTHER) or self._other_short(after)
        own = self.hits.at(after, CITY | DISTRICT)
        return reading._replace(at=after, context=True, foreign=bool(other and not own))

    def _other_short(self, at: int) -> Hit | None:
        hit = self.hits.at(at, OTHER_SHORT)
        return hit if hit and not road_word(self.text, hit.end) else None

    def _city(self, reading: Reading) -> Reading:
        at, hit = reading.at, self.hits.at(reading.at, CITY)
        while hit and self.is_area(hit):
            at = self.skip(hit.end)
            if self.text[at : at + 1] in _FILL_BEGINS and (fill := _CITY_FILL.match(self.text, at)):
                at = self.skip(fill.end())
            hit = self.hits.at(at, CITY)
        if at == reading.at and not self.hits.at(at, DISTRICT) and (short := self.bare_city(reading)):
            at = self.skip(short.end)
        if at == reading.at:
            return reading
        other = self.hits.at(at, OTHER)
        foreign = bool(other) and not self.hits.at(at, DISTRICT | STREET | COMMUNITY)
        return reading._replace(at=at, code=CITY_CODE, context=True, foreign=foreign)

    def bare_city(self, reading: Reading) -> Hit | None:
        """黄石 without 市: after the province, and before one of its places; 黄石镇 and 黄石村 are in other counties."""
        hit = self.hits.at(reading.at, CITY_SHORT)
        if not hit or self.hits.at(reading.at, CITY):
            return None
        if reading.context:
            return hit if self.text[hit.end : hit.end + 1] not in _SMALL_PLACE else None
        after = self.skip(hit.end)
        within = reading._replace(at=after, context=True)
        inside = self.hits.at(after, DISTRICT | STREET) or _ZONE.match(self.text, after)
        return hit if inside or self._short_district(within) or self._short_street(within) else None

    def _zone(self, reading: Reading) -> Reading:
        zone = _ZONE.match(self.text, reading.at) if reading.code == CITY_CODE else None
        return reading._replace(at=self.skip(zone.end()), zone=True) if zone else reading

    def _district(self, reading: Reading) -> Reading:
        hit = self.hits.at(reading.at, DISTRICT)
        whole = hit and self.is_area(hit) and (hit.name.anywhere or reading.context)
        if not whole:
            hit = self._short_district(reading)
        if not hit:
            return reading
        code, sure = hit.name.codes[0], reading.sure * hit.name.sure
        at, rivals = self._beside(code, hit.end)
        return reading._replace(
            at=at, code=code, sure=sure, context=True, district=bool(whole), zone=False, rivals=rivals
        )

    def _short_district(self, reading: Reading) -> Hit | None:
        """A district without its suffix, where one of its places follows, or (in the city) a road of its own."""
        hit = self.hits.at(reading.at, DISTRICT_SHORT)
        if not hit or self.hits.at(reading.at, STREET | COMMUNITY):
            return None
        after = self.skip(hit.end)
        below = self.hits.at(after, STREET | STREET_SHORT | COMMUNITY)
        own = below and any(code.startswith(hit.name.codes[0]) for code in below.name.codes)
        if own or _COUNTY_TOWN.match(self.text, after):
            return hit
        if not reading.context:
            return None
        return hit if after >= len(self.text) or self._road_next(after) or _LOCAL_ZONE.match(self.text, after) else None

    def _beside(self, code: str, end: int) -> tuple[int, tuple[str, ...]]:
        """Where to read on, and 西塞山区 in 黄石港区与西塞山区交界处, but not 大冶市 in 西塞山区大冶市某某公司."""
        at = self.skip(end)
        joined = self.text[at : at + 1] in _JOINS
        other = self.hits.at(self.skip(at + 1) if joined else at, DISTRICT)
        if not other or other.name.codes[0] == code or not self.is_area(other) or self.is_company(other.end):
            return at, ()
        return at, other.name.codes

    def _county_town(self, reading: Reading) -> Reading:
        named = reading.code not in {"", CITY_CODE} and self.text.startswith("城关", reading.at)
        town = _COUNTY_TOWN.match(self.text, reading.at) if named else None
        if not town:
            return reading
        code = _COUNTY_TOWNS.get(reading.code, reading.code)
        return reading._replace(at=self.skip(town.end()), code=code, sure=reading.sure * 0.8)

    def _street(self, reading: Reading) -> Reading:
        if len(reading.code) > 6:
            return reading
        hit = self.hits.at(reading.at, STREET)
        if hit and not (hit.name.anywhere or reading.context or self._own_community_next(hit)):
            return reading._replace(at=hit.end, candidates=hit.name.codes)
        hit = hit or self._short_street(reading)
        return self.take_street(reading, hit) if hit else reading

    def take_street(self, reading: Reading, hit: Hit) -> Reading:
        """Go into a street; one of another district is a rival.

        The development zone and 铁山区 are one administration: its streets on other districts' land are no rivals, but
        the district that the text names stays the answer.
        """
        code = hit.name.codes[0]
        if not self.inside(code, reading):
            shared = {reading.code, code} <= self._zone_codes
            return reading._replace(candidates=(code,)) if shared else reading._replace(rivals=(code,))
        sure = reading.sure * hit.name.sure * (1.0 if reading.context else NO_CONTEXT)
        end = hit.end
        if self.text[end : end + 1] in _OFFICE_BEGINS and (office := _OFFICE.match(self.text, end)):
            end = office.end()
        return reading._replace(at=self.skip(end), code=code, sure=sure, zone=False)

    def _own_community_next(self, street: Hit) -> bool:
        """A town that others counties have too is ours where one of its own villages follows."""
        below = self.hits.at(self.skip(street.end), COMMUNITY)
        return bool(below and any(code.startswith(street.name.codes[0]) for code in below.name.codes))

    def _short_street(self, reading: Reading) -> Hit | None:
        hit = self.hits.at(reading.at, STREET_SHORT) if reading.context else None
        if not hit or self.hits.at(reading.at, COMMUNITY) or not self.inside(hit.name.codes[0], reading):
            return None
        after = self.skip(hit.end)
        ends = after >= len(self.text)
        return hit if ends or self._road_next(after) or self._own_community_next(hit) else None

    def _community(self, reading: Reading) -> Reading:
        if len(reading.code) > 9 or reading.candidates:
            return reading
        hit = self.hits.at(reading.at, COMMUNITY)
        return self.take_community(reading, hit) if hit else reading

    def take_community(self, reading: Reading, hit: Hit) -> Reading:
        """Go into a community: the only one of its name inside what was read, else all of them are candidates.

        A name that other counties bear too (和平社区, 东山村) is no answer alone.
        """
        bearers = tuple(code for code in hit.name.codes if self.inside(code, reading))
        alone = not (reading.context or reading.code)
        if len(bearers) != 1 or (alone and not hit.name.anywhere):
            return reading._replace(candidates=bearers)
        sure = NO_CONTEXT if alone else 1.0
        return reading._replace(at=hit.end, code=bearers[0], sure=reading.sure * sure * hit.name.sure, zone=False)

    def inside(self, code: str, reading: Reading) -> bool:
        """Whether a place may lie in what was read."""
        return reading.code in {"", CITY_CODE} or code.startswith(reading.code)

    def _road_next(self, at: int) -> bool:
        return bool(_ROAD_NEXT.match(self.text, at)) and not _NO_PLACE.match(self.text, at)


_ROAD_WORD = re.compile(
    r"(?:[东南西北中一二三四五]|[东南西北]段)?(?:路|街|大道|大街|巷|里|桥(?![东西]区)|道(?=[0-9]|$)|弄|广场|花园|小区|大厦|酒店|宾馆)"
)


def road_word(text: str, at: int) -> bool:
    """Whether what ends here is a road's or building's name: 武汉路, 杭州西路, 上海花园."""
    return bool(_ROAD_WORD.match(text, at))
