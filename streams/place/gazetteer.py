"""The names that an address may say, each with every usual form, found all at once in a text.

Names of our own places come from the catalogue; old and other names, roads with house numbers, well-known places and
the names of all other provinces, cities and counties of China from config/gazetteer (sources: its README.md).
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import ahocorasick

from gridhub.streams.place.rows import Row, gazetteer_folder, read_rows
from gridhub.streams.place.spelling import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gridhub.streams.place.answer import Place

PROVINCE, CITY, CITY_SHORT, DISTRICT, DISTRICT_SHORT = 1, 2, 4, 8, 16
STREET, STREET_SHORT, COMMUNITY, ROAD, LANDMARK, OTHER, OTHER_SHORT = 32, 64, 128, 256, 512, 1024, 2048
"""Kinds of names; one name may be of several: 黄石港 is a district, a street and a community without their suffixes."""

_TOWN = re.compile(r"(?:街道|镇|乡)$")
_DISTRICT_SUFFIX = re.compile(r"[区县市]$")
_OFFICES = ("街道办事处", "街道社区", "街道办", "街办", "办事处", "街道")
_VILLAGE = re.compile(r"^(.+?)村?(?:村委会|村民委员会)$")
_COMMUNITY = re.compile(r"^(.+?)(?:社区居委会|社区居民委员会|居委会|居民委员会|社区)$")
_OURS_TOO = frozenset({"town", "community"})
# 新城区 and 江北区 are parts of many towns, ours too: only where an address begins do they mean another one.
_PART_OF_TOWN = re.compile(r"(?:新[市城]|城[东西南北中关]|市[中南北]|[江河][东西南北]|桥[东西])区")
_PROVINCE_SUFFIX = re.compile(r"(?:特别行政区|壮族自治区|回族自治区|维吾尔自治区|自治区|省|市)$")
_PREFECTURE_SUFFIX = re.compile(r"(?<=^..).*自治州$|(?:地区|盟|市)$")


class Name(NamedTuple):
    """What a name may mean. `anywhere`: unmistakable also where nothing else says that the text is about our city."""

    kind: int
    codes: tuple[str, ...] = ()
    sure: float = 1.0
    anywhere: bool = True


class Hit(NamedTuple):
    """A name in a text: from `start` up to `end`."""

    start: int
    end: int
    name: Name


Entry = tuple[int, int, tuple[Name, ...]]
"""What the automaton keeps with a name: its length, all its kinds, its meanings."""


class Hits:
    """The names in one text, by where they begin."""

    __slots__ = ("_at", "_starts", "kinds", "text")

    def __init__(self, text: str, found: Iterable[tuple[int, Entry]]) -> None:
        """Order what the automaton found; shorter names before longer ones that begin at the same place."""
        self.text = text
        self.kinds = 0
        self._at: dict[int, list[Entry]] = {}
        self._starts: list[int] | None = None
        at = self._at
        for last, entry in found:
            start = last + 1 - entry[0]
            self.kinds |= entry[1]
            if start in at:
                at[start].append(entry)
            else:
                at[start] = [entry]

    def at(self, start: int, kinds: int) -> Hit | None:
        """The longest name of these kinds that begins here."""
        if self.kinds & kinds and start in self._at:
            for size, mask, names in reversed(self._at[start]):
                if mask & kinds:
                    name = names[0] if mask == names[0].kind else next(n for n in names if n.kind & kinds)
                    return Hit(start, start + size, name)
        return None

    def all(self, kinds: int, start: int = 0) -> Iterator[Hit]:
        """The longest name of these kinds at each place from `start` on, in order of the text."""
        if not self.kinds & kinds:
            return
        if self._starts is None:
            self._starts = sorted(self._at)
        for place in self._starts:
            if place >= start and (hit := self.at(place, kinds)):
                yield hit

    def covered(self, inner: Hit, kinds: int) -> bool:
        """Whether a name of these kinds reaches over the whole of another, or over its beginning."""
        for start, entries in self._at.items():
            if start <= inner.start:
                for size, mask, _ in entries:
                    end = start + size
                    if mask & kinds and end > inner.start and (start < inner.start or end >= inner.end):
                        return True
        return False


class Gazetteer:
    """All names, in one automaton (Aho-Corasick: one pass over a text finds every name in it)."""

    def __init__(self, places: Iterable[Place], other_towns: Mapping[str, str]) -> None:
        """Index districts, streets and communities; `other_towns`: towns of the other official list, to districts."""
        self._names: dict[str, list[Name]] = {}
        self._elsewhere = read_rows(gazetteer_folder(), "elsewhere.csv")
        # Names of ours that towns or communities of other counties bear too: alone they do not say where a text is.
        self._common = {row["name"] for row in self._elsewhere if row["level"] in _OURS_TOO}
        self.roads: dict[str, list[Row]] = defaultdict(list)
        self._add_city()
        communities: dict[str, list[str]] = defaultdict(list)
        for place in places:
            if place.level == "community":
                for form in community_forms(place.name):
                    communities[form].append(place.code)
            else:
                self._add_place(place)
        for form, codes in communities.items():
            self._add(form, Name(COMMUNITY, tuple(codes), 1.0, said_form(form) not in self._common))
        for town, district in other_towns.items():
            self._add(town, Name(STREET, (district,), 0.65, anywhere=False))
        self._add_tables()
        self._add_elsewhere()
        self._automaton = ahocorasick.Automaton()
        for text, names in self._names.items():
            kinds = sum(name.kind for name in names)
            self._automaton.add_word(text, (len(text), kinds, tuple(names)))
        self._automaton.make_automaton()

    def scan(self, text: str) -> Hits:
        """Every name in a cleaned text."""
        return Hits(text, self._automaton.iter(text))

    def _add(self, text: str, name: Name) -> None:
        """Take a name up; the first meaning of a kind stays."""
        names = self._names.setdefault(clean(text), [])
        if not any(known.kind == name.kind for known in names):
            names.append(name)

    def _add_city(self) -> None:
        for text, kind in (("湖北省", PROVINCE), ("湖北", PROVINCE), ("黄石市", CITY), ("黄石", CITY_SHORT)):
            self._add(text, Name(kind))

    def _add_place(self, place: Place) -> None:
        codes = (place.code,)
        if place.level == "district":
            self._add(place.name, Name(DISTRICT, codes))
            self._add(_DISTRICT_SUFFIX.sub("", place.name), Name(DISTRICT_SHORT, codes, 0.8))
            return
        unique = place.name not in self._common
        for form in street_forms(place.name):
            anywhere = unique and (form == place.name or place.name.endswith("街道"))
            self._add(form, Name(STREET, codes, 1.0 if form == place.name else 0.95, anywhere))
        stem = _TOWN.sub("", place.name)
        if stem != place.name and not stem.endswith(("路", "街")):
            self._add(stem, Name(STREET_SHORT, codes, 0.8))

    def _add_tables(self) -> None:
        for row in read_rows(gazetteer_folder(), "aliases.csv"):
            kind = {6: DISTRICT, 9: STREET, 12: COMMUNITY}[len(row["code"])]
            self._add(row["name"], Name(kind, (row["code"],), 0.85, row["use"] == "anywhere"))
        for row in read_rows(gazetteer_folder(), "roads.csv"):
            self.roads[row["road"]].append(row)
            self._add(row["road"], Name(ROAD))
        for row in read_rows(gazetteer_folder(), "places.csv"):
            self._add(row["name"], Name(LANDMARK, (row["code"],), 0.7))

    def _add_elsewhere(self) -> None:
        """Other areas by their whole names; provinces and prefectures also without their suffix."""
        for row in self._elsewhere:
            if row["level"] in _OURS_TOO:
                continue
            # 沛县 is too short, and 新城区 too common, to mean another city anywhere in a text.
            weak = len(row["name"]) == 2 or _PART_OF_TOWN.fullmatch(row["name"])
            self._add(row["name"], Name(OTHER_SHORT if weak else OTHER))
            suffix = {"province": _PROVINCE_SUFFIX, "city": _PREFECTURE_SUFFIX}.get(row["level"])
            short = suffix.sub("", row["name"]) if suffix else ""
            if len(short) > 1:
                self._add(short, Name(OTHER_SHORT))


def street_forms(name: str) -> Iterator[str]:
    """The ways a street's or town's name is written with a suffix, its own first."""
    stem = _TOWN.sub("", name)
    suffixes = _OFFICES if name.endswith("街道") else ("镇", "乡", "街道办事处", "街办") if stem != name else ()
    return iter((name, *(stem + suffix for suffix in suffixes)))


def community_forms(name: str) -> set[str]:
    """The ways a community's or village's name is written, with and without its committee."""
    if village := _VILLAGE.match(name):
        stem = village[1]
        return {name, f"{stem}村", f"{stem}村委会", f"{stem}村村委会", f"{stem}村民委员会", f"{stem}村村民委员会"}
    if community := _COMMUNITY.match(name):
        stem = community[1]
        return {name, *(stem + end for end in ("社区", "居委会", "社区居委会", "社区居民委员会", "居民委员会"))}
    return {name}


def said_form(name: str) -> str:
    """A community's or village's name as people say it, 桂花湾社区 or 章山村: the form of elsewhere.csv."""
    if village := _VILLAGE.match(name):
        return f"{village[1]}村"
    community = _COMMUNITY.match(name)
    return f"{community[1]}社区" if community else name
