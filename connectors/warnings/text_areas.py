"""Which of our places a warning text names: 黄石港区、西塞山区; 我市大部; 保安镇、还地桥镇等乡镇. Names only, never guesses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridhub.streams.place.catalogue import Catalogue

_PROVINCES = [
    "北京市",
    "天津市",
    "上海市",
    "重庆市",
    "河北省",
    "山西省",
    "辽宁省",
    "吉林省",
    "黑龙江省",
    "江苏省",
    "浙江省",
    "安徽省",
    "福建省",
    "江西省",
    "山东省",
    "河南省",
    "湖南省",
    "广东省",
    "海南省",
    "四川省",
    "贵州省",
    "云南省",
    "陕西省",
    "甘肃省",
    "青海省",
    "台湾省",
    "内蒙古自治区",
    "广西壮族自治区",
    "西藏自治区",
    "宁夏回族自治区",
    "新疆维吾尔自治区",
    "香港",
    "澳门",
]
_OTHER_PLACE = re.compile(
    "|".join(_PROVINCES)
    + r"|(?!我市|全市|本市|该市|县市|大部)[\u4e00-\u9fff]{2,6}?(?:市|自治州|地区|盟)(?!区|场|民|政|级|气象|内|大部|部分)"
)
_OWN_PLACE = re.compile(r"(?:我|全|本|该|辖)(?:市|县|区)(?!域)")
_EXCEPT = re.compile(r"(?<![解消清排])除(?!险)[^,。;]{1,30}?(?:以外|之外|外)|(?:不含|不包括)[^,。;将]{1,30}")
_LIST_END = re.compile(
    r"等(?:地|地区|乡镇|镇|街道|乡|镇街|处|县市区|区|县|[一二三四五六七八九十\d]+个?(?:乡镇|镇|街道|区|县市区|地))?"
)
_NATIONAL = re.compile(r"中央气象台|国家|中国气象局|应急管理部|水利部|自然资源部")
_PROVINCIAL = re.compile(r"湖北省|武汉中心气象台|省气象台|省气象局")


@dataclass(frozen=True, slots=True)
class NamedAreas:
    """`codes`: our places that the text names. `elsewhere`: places that are not ours. `unread`: why there is no code.

    `by_issuer`: the text names no place, the codes are where the issuing body speaks for.
    """

    codes: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    unread: str = ""
    by_issuer: bool = False


def jurisdiction(issuer: str, catalogue: Catalogue) -> str | None:
    """The place that an issuing body speaks for: our city or one of its districts; None for any other or an unnamed one.

    Of several bodies that issue together, the first that is ours counts.
    """
    for body in issuer.split("、"):
        words = body.removeprefix("湖北省").removeprefix("湖北")
        ours = words.startswith("黄石") and not words.startswith("黄石港")
        words = re.sub(r"^黄石市?", "", words) if ours else words
        for name, code in _districts(catalogue).items():
            if words.startswith(name):
                return code
        if ours and not _town_before_agency(words):
            return catalogue.root
    return None


def _town_before_agency(words: str) -> bool:
    return bool(re.match(r"[\u4e00-\u9fff]{1,8}[县区](?=气象|自然|水|应急)", words))


def areas_in(text: str, issuer: str, catalogue: Catalogue) -> NamedAreas:
    """The places of our city that a text names for its warning.

    Districts and streets by name, districts also without their suffix, streets without it in a list that ends in 等乡镇.
    Where the text names none, the place that the issuing body speaks for; a province's or another city's body gives
    none then, and another city's never does.
    """
    home = jurisdiction(issuer, catalogue)
    wide = _NATIONAL.search(issuer) or _PROVINCIAL.search(issuer)
    if home is None and issuer and not wide:
        return NamedAreas(elsewhere=(issuer,), unread=f"{issuer} speaks for no place of this city")
    words = _clauses(text.replace(issuer, ""))
    if excepted := _EXCEPT.search(words):
        named = _named(words[: excepted.start()] + words[excepted.end() :], catalogue)
        out = _named(excepted[0], catalogue)
        return _without(named or ([home] if home else []), out, excepted[0], catalogue)
    named = _named(words, catalogue)
    elsewhere = tuple(
        dict.fromkeys(
            match[0] for match in _OTHER_PLACE.finditer(words) if "黄石" not in match[0] and "大冶" not in match[0]
        )
    )
    if named and home:
        named = [code for code in named if _inside(code, home)] or named
    if named:
        return NamedAreas(_outermost(named), elsewhere)
    if home and not (elsewhere and not _OWN_PLACE.search(words)):
        return NamedAreas((home,), elsewhere, by_issuer=not _OWN_PLACE.search(words))
    if re.search(r"黄石市?(?!港|大道|路)", words) and not home:
        return NamedAreas((catalogue.root,), elsewhere)
    return NamedAreas((), elsewhere, "the text names no place of this city")


def _clauses(text: str) -> str:
    """Without the clauses about where wind or cold comes from, and without advice."""
    return re.split(r"请(?:注意|做好|加强|有关|各)|防御指南", text)[0]


def _named(words: str, catalogue: Catalogue) -> list[str]:
    """Codes of districts and streets in the order of the text; a name that lies inside a longer one does not count."""
    found: list[tuple[int, int, str]] = []
    names = {**_districts(catalogue), **_streets(catalogue)}
    listed = [match.start() for match in _LIST_END.finditer(words)]
    short = _short_streets(catalogue)
    for name, code in names.items():
        found += [(m.start(), m.end(), code) for m in re.finditer(re.escape(name), words)]
    for end in listed:  # 灵乡、金山店、还地桥等乡镇
        start = end
        for item in reversed(re.split(r"[、和及]", words[max(0, end - 120) : end])):
            start -= len(item)
            tail = next((name for name in short if item.endswith(name)), None)
            if tail is None:
                break
            found.append((start + len(item) - len(tail), start + len(item), short[tail]))
            start -= 1
    kept: list[tuple[int, int, str]] = []
    for begin, stop, code in sorted(found, key=lambda hit: (hit[0], -hit[1])):
        if not kept or begin >= kept[-1][1]:
            kept.append((begin, stop, code))
    return list(dict.fromkeys(code for _, _, code in kept))


def _without(codes: list[str], out: list[str], words: str, catalogue: Catalogue) -> NamedAreas:
    """All of the codes but what is excepted: a wider place is told as its parts."""
    if not out:
        return NamedAreas((), (), f"what is excepted is not known: {words}")
    parts: list[str] = []
    for code in codes:
        inside = [gone for gone in out if gone != code and _inside(gone, code)]
        parts += list(catalogue.children(code)) if inside else [code]
    kept = [code for code in parts if not any(_inside(code, gone) for gone in out)]
    return NamedAreas(tuple(dict.fromkeys(kept)))


def _outermost(codes: list[str]) -> tuple[str, ...]:
    return tuple(code for code in codes if not any(other != code and _inside(code, other) for other in codes))


def _inside(code: str, wide: str) -> bool:
    return code.startswith(wide[:4] if wide.endswith("00") and len(wide) == 6 else wide)


@lru_cache(maxsize=4)
def _districts(catalogue: Catalogue) -> dict[str, str]:
    """District names with and without their suffix, longest first."""
    found = {}
    for place in catalogue.places("district"):
        found[place.name] = place.code
        if len(stem := re.sub(r"[区县市]$", "", place.name)) > 1:
            found[stem] = place.code
    found.pop("铁山", None)  # a mountain of many places, and the beginning of other names
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


@lru_cache(maxsize=4)
def _streets(catalogue: Catalogue) -> dict[str, str]:
    names: dict[str, list[str]] = {}
    for place in catalogue.places("street"):
        names.setdefault(place.name, []).append(place.code)
    return {name: codes[0] for name, codes in sorted(names.items(), key=lambda item: -len(item[0])) if len(codes) == 1}


@lru_cache(maxsize=4)
def _short_streets(catalogue: Catalogue) -> dict[str, str]:
    """Streets and towns without 街道, 镇 or 乡, where that is no other street's name."""
    found: dict[str, list[str]] = {}
    for name, code in _streets(catalogue).items():
        stem = re.sub(r"(?:街道|镇|乡)$", "", name)
        if len(stem) > 1:
            found.setdefault(stem, []).append(code)
    return {name: codes[0] for name, codes in sorted(found.items(), key=lambda item: -len(item[0])) if len(codes) == 1}
