"""The names that an address may say, with and without their suffix, and the words that show it means another city."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from gridhub.streams.place.answer import Place

CITY_NAME, CITY_SHORT = "黄石市", "黄石"
_STREET_SUFFIX = re.compile(r"(街道|镇|乡)$")
_DISTRICT_SUFFIX = re.compile(r"[区县市]$")
_COMMUNITY = re.compile(r"^(.+?)(社区|居委会|居民委员会)(居委会|居民委员会|委员会)?$")
_VILLAGE = re.compile(r"^(.+?)(村村民委员会|村村委会|村委会|村民委员会)$")
# U+23C97 is outside the BMP, so systems write it in many ways; each stands for the first character of one town.
_WEI = re.compile("[𣲗湋潍沣](?=源口)")
_SPACE = re.compile(r"\s+")
# 黄石市场 is a market, 黄石路 a road, 黄石公园 a park in America: what follows decides what a name is.
_AFTER_CITY = re.compile(r"[场]")
_ROAD = re.compile(r"^[\u4e00-\u9fff]{2,8}?(?:路|街|大道|巷|里)(?:[0-9]|[东南西北]|$)")
_NO_PLACE = re.compile(
    r"^(?:大道|大街|路|街|巷|桥|站|火车|汽车|湖|港|河|山|江|公园|公路|国家|市场|中学|小学|学|医院|镇|乡|村|县|区|市"
    r"|开发区|经济|工业|新区|高速|水库|矿|铁)"
)
_ABROAD = re.compile(
    r"(?:驻(?!黄石|阳新|大冶).{1,4}办)|(?:武汉|宜昌|襄阳|荆州|荆门|鄂州|孝感|黄冈|咸宁|随州|十堰|恩施|仙桃|潜江|天门|神农架|北京|上海|天津|重庆|"
    r"深圳|广州|九江|南昌|莆田|长沙|郑州|合肥|南京|杭州|美国|怀俄明|香港|澳门|台湾)(?!路|街|大道|东路|西路|南路|北路|巷)"
)
_OTHER_AREA = re.compile(r"[\u4e00-\u9fff]{2,6}?(?:省|自治区|自治州|市|县)(?!场)")
_MOST_CHARACTERS = 300
_LONGEST_NAME = 24


@dataclass(frozen=True)
class Gazetteer:
    """Names to codes; a form may be borne by several communities."""

    districts: dict[str, str] = field(default_factory=dict)
    districts_short: dict[str, str] = field(default_factory=dict)
    streets: dict[str, str] = field(default_factory=dict)
    streets_short: dict[str, str] = field(default_factory=dict)
    communities: dict[str, list[str]] = field(default_factory=dict)


def build(places: Iterable[Place], elsewhere: Mapping[str, str]) -> Gazetteer:
    """Index the names of all districts, streets and communities.

    `elsewhere` leads from towns of the other official list, which ours lacks, to their district.
    """
    names = Gazetteer(streets=dict(elsewhere))
    for place in places:
        if place.level == "district":
            names.districts[place.name] = place.code
            names.districts_short[_DISTRICT_SUFFIX.sub("", place.name)] = place.code
        elif place.level == "street":
            names.streets.update(dict.fromkeys(_street_forms(place.name), place.code))
            names.streets_short[_STREET_SUFFIX.sub("", place.name)] = place.code
        elif place.level == "community":
            for form in _forms(place.name):
                names.communities.setdefault(form, []).append(place.code)
    return names


def _street_forms(name: str) -> tuple[str, ...]:
    """The ways a street's name is written: 沈家营街道, 沈家营街办, 沈家营办事处; a town has one way."""
    if not name.endswith("街道"):
        return (name,)
    return (name, *(name[:-2] + office for office in ("街道办事处", "街道办", "街办", "办事处")))


def _forms(name: str) -> set[str]:
    """The ways a community's name is written: always with a word that says what it is."""
    if village := _VILLAGE.match(name):
        stem = village[1]
        return {name, f"{stem}村", f"{stem}村委会", f"{stem}村村委会", f"{stem}村民委员会", f"{stem}村村民委员会"}
    if community := _COMMUNITY.match(name):
        stem = community[1]
        return {name, f"{stem}社区", f"{stem}居委会", f"{stem}社区居委会", f"{stem}社区居民委员会"}
    return {name}


def clean(text: str) -> str:
    """An address in one spelling: half-width, no blanks, one way to write 韦源口; empty when longer than 300 characters."""
    if len(text) > _MOST_CHARACTERS:
        return ""
    return _WEI.sub("韦", _SPACE.sub("", unicodedata.normalize("NFKC", text)))


def longest(table: Container[str], text: str) -> str:
    """The longest name that a text begins with, or an empty text."""
    sizes = range(min(len(text), _LONGEST_NAME), 1, -1)
    return next((text[:size] for size in sizes if text[:size] in table), "")


def follows_as_place(rest: str) -> bool:
    """Whether a name without its suffix is a place, judging by what follows it: a road of its own, and no other noun."""
    return bool(_ROAD.match(rest)) and not _NO_PLACE.match(rest)


def is_market(rest: str) -> bool:
    """Whether 黄石市 or 大冶市 goes on as 市场 (market)."""
    return bool(_AFTER_CITY.match(rest))


def names_other_city(text: str, own: Iterable[str]) -> bool:
    """Whether a text names an area that is not ours, or an office of ours in another city."""
    if _ABROAD.search(text):
        return True
    ours = tuple(own)
    return any(not found[0].endswith(ours) for found in _OTHER_AREA.finditer(text))
