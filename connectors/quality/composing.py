"""Addresses composed from the city's divisions with the noise that real ones have, and addresses of other cities.

What is composed: heads with and without province and city, districts with and without their suffix, streets and
communities in every usual form, house numbers, building and room tails, companies that bear other places' names,
full-width signs, traditional characters, blanks, labels. The truth is what the text says, and no more.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from gridhub.streams.place.rows import gazetteer_folder, read_rows

if TYPE_CHECKING:
    from gridhub.streams.place.answer import Place
    from gridhub.streams.place.catalogue import Catalogue

_HEADS = (
    "湖北省黄石市", "黄石市", "湖北黄石", "湖北省", "", "", "湖北黄石市", "湖北省-黄石市-", "湖北省/黄石市/",
    "中国湖北省黄石市", "(435000)黄石市", "湖北省 黄石市 ",
)  # fmt: skip
_ROAD_NAMES = (
    "黄石大道 磁湖路 杭州东路 杭州西路 桂林南路 颐阳路 沿湖路 湖滨大道 武汉路 南京路 上海路 广州路 苏州路 大冶大道 新冶大道 "
    "兴国大道 下陆大道 鹿獐山大道 金山大道 发展大道 建设路 胜利路 人民路 团城山路 阳新大道 铁山大道 西塞山路 老下陆街 和平街"
)
_TAIL_WORDS = (
    "大冶有色金属集团控股有限公司 黄石港务集团有限公司 武汉市商业银行黄石分行 北京同仁堂大药房 湖北新冶钢有限公司 阳新县商会 "
    "大冶特殊钢股份有限公司 中国工商银行黄石分行 3栋2单元501室 二楼206 5号楼1单元 (原铁山区委) 铁山宾馆 下陆火车站旁 阳新饭店 "
    "上海大厦A座 西塞山公园对面 万达广场2楼 农贸市场北侧50米 黄石市第二中学 团城山公园南门 武汉大学附属医院 深圳华强电子公司"
)
_ROADS, _TAILS = tuple(_ROAD_NAMES.split()), tuple(_TAIL_WORDS.split())
_LABELS = ("报警人在", "住址:", "位于", "我在", "张某 138 ", "现场地址:", "地址：")
_TRADITIONAL = str.maketrans("黄阳县铁区开发团镇乡湖陆", "黃陽縣鐵區開發團鎮鄉湖陸")
_FULL_WIDTH = str.maketrans({sign: sign + 0xFEE0 for sign in range(0x21, 0x7F)})
_OUTSIDE_ROADS = (
    "黄石路",
    "黄石大道",
    "黄石街道",
    "黄石镇",
    "黄石东路",
    "大冶镇",
    "阳新路",
    "铁山路",
    "西塞山路",
    "铁山镇",
)


class Address(NamedTuple):
    """A text, and what it says: the district, whether by its whole name, and the narrowest place."""

    text: str
    district: str
    named: bool
    deepest: str


def inside(catalogue: Catalogue, count: int, seed: int) -> list[Address]:
    """So many addresses of the city, the same for the same seed."""
    rng = random.Random(seed)
    places = {level: catalogue.places(level) for level in ("district", "street", "community")}
    bearers: dict[str, list[str]] = {}
    for place in places["community"]:
        bearers.setdefault(_short(place.name), []).append(place.code)
    return [_one(catalogue, places, bearers, rng) for _ in range(count)]


def _one(
    catalogue: Catalogue, places: dict[str, tuple[Place, ...]], bearers: dict[str, list[str]], rng: random.Random
) -> Address:
    level = rng.choices(("district", "street", "community"), (35, 30, 35))[0]
    place = rng.choice(places[level])
    district = catalogue.place(place.code[:6])
    assert district is not None
    below, deepest = _below(catalogue, place, bearers, rng)
    head, name = rng.choice(_HEADS), district.name
    short = rng.random()
    if short < 0.08 and "黄石" in head:
        name = name[:-1]
    elif short < 0.13:
        name += rng.choice((" ", ",", "-", "·"))
    body = rng.choice((_road(rng) + rng.choice(_TAILS), _road(rng), "" if below else _road(rng), rng.choice(_TAILS)))
    text = _noisy(head + name + below + body, rng)
    return Address(text, district.code, district.name in head + name, deepest)


def _below(catalogue: Catalogue, place: Place, bearers: dict[str, list[str]], rng: random.Random) -> tuple[str, str]:
    """The part below the district, and the narrowest place that it says."""
    if place.level == "district":
        return "", place.code
    street = catalogue.place(place.code[:9])
    assert street is not None
    office = rng.choice(("街道", "街道", "街道", "街办", "街道办事处", "街道办"))
    town = street.name.replace("街道", office) if street.name.endswith("街道") else street.name
    if place.level == "street":
        return town, place.code
    name = rng.choice((_short(place.name), place.name))
    if rng.random() < 0.5:
        return town + name + rng.choice(("", "7组")), place.code
    alone = len([code for code in bearers[_short(place.name)] if code.startswith(place.code[:6])]) == 1
    return name, place.code if alone else place.code[:6]


def _short(name: str) -> str:
    """桂花湾社区居委会 as people say it: 桂花湾社区."""
    for ending, said in (("村村民委员会", "村"), ("村村委会", "村"), ("村委会", "村"), ("村民委员会", "村")):
        if name.endswith(ending):
            return name[: -len(ending)] + said
    return name.replace("社区居委会", "社区").replace("社区居民委员会", "社区")


def _road(rng: random.Random) -> str:
    road = rng.choice(_ROADS)
    number = rng.randint(1, 900)
    return road + rng.choice((f"{number}号", f"{number}-{rng.randint(1, 9)}号", "", f"与{rng.choice(_ROADS)}交叉口"))


def _noisy(text: str, rng: random.Random) -> str:
    """The text as one of many systems and people would write it."""
    changes: tuple[Callable[[str], str], ...] = (
        lambda one: one.translate(_FULL_WIDTH),
        lambda one: one.translate(_TRADITIONAL),
        " ".join,
        lambda one: rng.choice(_LABELS) + one,
        lambda one: rng.choice(_TAILS) + rng.choice((",", "(", " ")) + one,
    )
    return rng.choice(changes)(text) if rng.random() < 0.35 else text


def outside(catalogue: Catalogue, count: int, seed: int) -> list[str]:
    """Addresses of other cities that bear the names of our streets, communities and city."""
    rng = random.Random(seed)
    areas = read_rows(gazetteer_folder(), "elsewhere.csv")
    names = {level: [row["name"] for row in areas if row["level"] == level] for level in ("province", "city", "county")}
    own = [place.name for level in ("street", "community") for place in catalogue.places(level)]
    texts = []
    for _ in range(count):
        county, city = rng.choice(names["county"]), rng.choice(names["city"])
        head = rng.choice((rng.choice(names["province"]) + city + county, city + county, county, city))
        tail = rng.choice(
            (rng.choice(own), rng.choice(_OUTSIDE_ROADS) + "12号", rng.choice(_OUTSIDE_ROADS) + rng.choice(own))
        )
        texts.append(rng.choice(("", "", "地址:")) + head + tail)
    return texts
