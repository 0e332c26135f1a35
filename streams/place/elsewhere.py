"""Whether an address text is about another city: then it is never placed in ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gridhub.streams.place.answer import CITY as CITY_CODE
from gridhub.streams.place.gazetteer import (
    CITY,
    COMMUNITY,
    DISTRICT,
    LANDMARK,
    OTHER,
    OTHER_SHORT,
    PROVINCE,
    STREET,
    Hit,
)
from gridhub.streams.place.reading import road_word

if TYPE_CHECKING:
    from gridhub.streams.place.reading import Reader, Reading

_OURS = PROVINCE | CITY | DISTRICT | STREET | COMMUNITY | LANDMARK
# An area that no list has (older, or misspelt). 超市 and 门市 are shops.
_UNLISTED = re.compile(
    r"[\u4e00-\u9fff]{2,6}?(?:省|自治区|自治州|(?<![超城门夜菜股都上花鱼米灯早黄冶])市(?![场民政区])|(?<!阳新|大冶)县(?!城))"
)
_ABROAD = re.compile(r"美国|怀俄明|加拿大|日本|英国")
_OUR_OFFICE = re.compile(r"驻(?!黄石|阳新|大冶|下陆|铁山|西塞山|地|点|军|村|社区).{1,4}?(?:办(?![公案理])|联络)")
_ENDS_AS_COMPANY = re.compile(
    r"(?:公司|集团|银行|支行|分行|商会|店|厂|学校|大学|局|部|中心|所|处|院|房|区委|政府)[(),.:;·\-]*(?:[\u4e00-\u9fff]{0,2}(?:地|住)址:?)?[(0-9]*[),]*(?:中国)?$"
)
_COMPANY = re.compile(r"[\u4e00-\u9fff()]{0,16}?(?:公司|集团|银行|酒店|店|厂|商会|医院|大学|学院|学校|中心|局|院)")
_LABEL = re.compile(r"(?:.{0,8}(?:地址|住址|地点|住所|位置|籍|现住|位于)(?:为|是|在)?)?[:,(\[]*")


def is_before(reader: Reader, reading: Reading, start: int) -> bool:
    """Whether the text is about another city by what stands before `start`, where the names of ours begin."""
    if reading.foreign or ("驻" in reader.text and _OUR_OFFICE.search(reader.text)):
        return True
    if not start:
        return False
    if _ABROAD.search(reader.text, 0, start):
        return True
    before = _first_other(reader, start)
    if before is None and not _unlisted(reader, start):
        return False
    return not _company_before(reader, reading, before, start)


def is_after(reader: Reader, reading: Reading, start: int) -> bool:
    """Whether another city is named from `start` on, behind the names of ours, and not as a company's name.

    After a district of ours it takes a whole address (city and county), or a city's name that no company's word follows.
    """
    for hit in reader.hits.all(OTHER, start):
        if reader.hits.covered(hit, _OURS) or not reader.is_area(hit):
            continue
        if reading.code in {"", CITY_CODE}:
            return True
        if not reader.text[: hit.end].endswith("区") and not _COMPANY.match(reader.text, hit.end):
            return True
        if reader.hits.at(reader.skip(hit.end), OTHER):
            return True
    return False


def _first_other(reader: Reader, end: int) -> Hit | None:
    """The first name of another city before `end`; without its suffix only where an address may begin."""
    label = _LABEL.match(reader.text)
    heads = {0, label.end() if label else 0}
    for hit in reader.hits.all(OTHER | OTHER_SHORT):
        if hit.start >= end:
            break
        whole = hit.name.kind == OTHER
        if (
            reader.hits.covered(hit, _OURS)
            or not reader.is_area(hit)
            or (not whole and road_word(reader.text, hit.end))
        ):
            continue
        if whole or hit.start in heads:
            return hit
    return None


def _unlisted(reader: Reader, end: int) -> bool:
    return any(
        not (reader.hits.at(found.start(), _OURS)) and "湖北" not in found[0]
        for found in _UNLISTED.finditer(reader.text, 0, end)
    )


def _company_before(reader: Reader, reading: Reading, other: Hit | None, start: int) -> bool:
    """武汉某某公司 before a whole address of ours is a company's name; before anything less it is where it is."""
    whole = reading.district and (len(reading.code) > 6 or reader.hits.at(start, PROVINCE | CITY))
    if not whole or other is None:
        return False
    second = next((hit for hit in reader.hits.all(OTHER, other.end) if hit.start < start), None)
    return second is None and ends_as_company(reader.text[:start])


def ends_as_company(text: str) -> bool:
    """Whether a text ends with a company's or an office's name, signs and a postcode behind it left out of account."""
    return bool(_ENDS_AS_COMPANY.search(text))
