"""Addresses and words as people write them, with the traps of the real data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from gridhub.streams.place.catalogue import Catalogue

_WIDE_DIGITS = str.maketrans("0123456789", "０１２３４５６７８９")
_PREFIXES = ("", "", "黄石市", "黄石市", "湖北省黄石市", "湖北黄石市")
_TAILS = ("", "", "", "（好又多超市旁）", "(菜市场对面)", "，兴旺副食店", " 二单元")
_RARE_TOWN, _COMMON_TOWN = "𣲗源口镇", "韦源口镇"  # one town: the first name is outside the BMP, and the official one
_RESULTS = ("请尽快派人", "现场有多人围观", "已通知就近巡逻", "报警人在现场等候", "情况不明", "影响出行")
_NAMES = ("王建国", "李秀英", "张伟", "刘芳", "陈桂兰", "杨志强")


def address(rng: Random, catalogue: Catalogue, community: str) -> str:
    """An address down to the community: district, street and community by name, with or without province and city."""
    district, street, own = (_name(catalogue, community[:size]) for size in (6, 9, 12))
    town = _RARE_TOWN if street == _COMMON_TOWN and rng.random() < 0.5 else street
    number = f"{rng.randint(1, 400)}号"
    if rng.random() < 0.2:
        number = number.translate(_WIDE_DIGITS)
    return f"{rng.choice(_PREFIXES)}{district}{town}{own}{number}{rng.choice(_TAILS)}"


def _name(catalogue: Catalogue, code: str) -> str:
    place = catalogue.place(code)
    if place is None:
        raise KeyError(code)
    return place.name


def remark(rng: Random, word: str) -> str:
    """What the person at the telephone wrote down."""
    return f"报称发生{word}，{rng.choice(_RESULTS)}。"


def person_name(rng: Random) -> str:
    """A made-up name: personal data that must never leave the department's record."""
    return rng.choice(_NAMES)


def telephone(rng: Random) -> str:
    """A made-up mobile number."""
    return f"13{rng.randint(0, 999_999_999):09d}"
