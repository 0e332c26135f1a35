"""One spelling for address texts: half-width, simplified, without blanks."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from gridhub.streams.place.rows import gazetteer_folder, read_rows

_MOST_CHARACTERS = 300
# U+23C97 is outside the BMP, so systems write it in many ways, or as a sign for "no such character".
_WEI = re.compile("[𣲗湋潍沣?□■\ufffd*]+(?=源口)")
_NOTHING = re.compile(r"[\s\u200b-\u200f\u2028-\u202e\ufeff]+")


@cache
def _variants() -> dict[int, str]:
    """Traditional and other forms of the characters that places are written with: gazetteer/variants.csv."""
    return {ord(row["written"]): row["read"] for row in read_rows(gazetteer_folder(), "variants.csv")}


def clean(text: str) -> str:
    """A text in one spelling; empty when longer than 300 characters, which no address is."""
    if len(text) > _MOST_CHARACTERS:
        return ""
    flat = _NOTHING.sub("", unicodedata.normalize("NFKC", text)).translate(_variants())
    return _WEI.sub("韦", flat) if "源口" in flat else flat
