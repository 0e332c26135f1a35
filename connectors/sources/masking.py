"""Take personal data out of free text before it leaves the department's record.

Fields that hold personal data are marked `"personal": true` in the Avro schema and can never be named in a mapping.
This module is the second line: what people type into free text. Mobile and fixed numbers, identity numbers (GB 11643,
18 digits, and the older 15), bank cards, mail addresses, and names that follow a cue word or precede a number.
A name without any of these signs is not recognised; a department's text stays the department's duty.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "＊＊＊"
_FULL_WIDTH = str.maketrans("０１２３４５６７８９＠－", "0123456789@-")

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔"
    "谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常柯饶阮"
)
_NAME = rf"(?:欧阳|司马|上官|诸葛|[{_SURNAMES}])[一-龥]{{1,2}}"
_YEAR = r"(?:19|20)\d\d"
_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_NUMBERS = (
    rf"[1-9]\d{{5}}{_YEAR}{_DAY}\d{{3}}[\dXxＸｘ]",
    rf"[1-9]\d{{7}}{_DAY}\d{{3}}",
    r"62\d{14,17}",
    r"(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}",
    r"0\d{2,3}[- ]?\d{7,8}",
)
_NUMBER = rf"(?<!\d)(?:{'|'.join(_NUMBERS)})(?!\d)"
_PHONE_CUE = r"(?:电话|手机|座机|联系方式|号码)[号码为是:： ]{0,3}\d[\d -]{5,12}"
_MAIL = r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}"
_BEFORE_NUMBER = (
    rf"{_NAME}(?=[,，:：（( ]{{0,2}}(?:男|女)?[,， ]?(?:身份证|电话|手机|联系)|[,，:：（( ]{{0,2}}{_NUMBER})"
)
_CUES = "报警人|举报人|投诉人|联系人|当事人|参保人|负责人|经办人|走失人|受害人|伤者|患者|户主|业主|家属|姓名|名叫"

_WITH_DIGITS = re.compile(rf"{_BEFORE_NUMBER}|{_NUMBER}|{_PHONE_CUE}")
_CUED = re.compile(rf"({_CUES})[为是叫:：]?\s?{_NAME}")
_MAILS = re.compile(_MAIL)
_DIGITS = re.compile(r"\d[\d -]{5}")
# One quick look decides whether the slower expressions are needed at all: most texts hold nothing personal.
_SUSPECT = re.compile(rf"\d[\d －-]{{5}}|[@＠]|(?:{_CUES})")


def masked(text: str, personal: Iterable[str] = ()) -> str:
    """The text with personal data replaced by ＊＊＊; `personal` are values known to be personal, of two or more letters."""
    for value in personal:
        if len(value) > 1 and value in text:
            text = text.replace(value, MASK)
    if not _SUSPECT.search(text):
        return text
    text = text.translate(_FULL_WIDTH)
    if _DIGITS.search(text):
        text = _WITH_DIGITS.sub(MASK, text)
    if "@" in text:
        text = _MAILS.sub(MASK, text)
    return _CUED.sub(rf"\1{MASK}", text).replace(MASK + MASK, MASK)
