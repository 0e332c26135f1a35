"""From a Chinese warning text to the meteorology department's record (WeatherWarning)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from gridhub.connectors.warnings import text
from gridhub.connectors.warnings.records import MOST_TITLE, MOST_WORDS, Converted, iso, signal_record
from gridhub.connectors.warnings.text_areas import areas_in, jurisdiction
from gridhub.connectors.warnings.text_times import BEIJING

if TYPE_CHECKING:
    from datetime import datetime

    from gridhub.connectors.warnings.text import WarningText
    from gridhub.streams.place.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Told:
    """A text as a feed gives it: `at` is when it came; title, identifier and sender are empty where the feed has none."""

    words: str
    at: datetime
    title: str = ""
    identifier: str = ""
    sender: str = ""


def from_text(told: Told, catalogue: Catalogue) -> list[Converted]:
    """The records of the warnings that a text announces; WarningTextError when it announces none for certain.

    Without an identifier of the feed, a record's is a digest of the text: the same text again is a duplicate.
    """
    found = text.read_warning(told.words, told.at, told.title)
    digest = blake2b(f"{told.title}{told.words}".encode(), digest_size=8).hexdigest()
    base = told.identifier or f"text-{digest}"
    return [
        _of_text(one, told, catalogue, base if number == 1 else f"{base}#{number}")
        for number, one in enumerate(found, 1)
    ]


def _of_text(one: WarningText, told: Told, catalogue: Catalogue, identifier: str) -> Converted:
    named = areas_in(told.words or told.title, one.issuer, catalogue)
    notes = [f"Not understood: {phrase}." for phrase in one.unknown]
    if not named.codes:
        notes.append(f"No area: {named.unread}.")
    elif named.by_issuer:
        notes.append("The text names no area: taken as that of the issuing body.")
    kind = "Cancel" if one.action == "cancel" else "Update" if one.action in text.UPDATES else "Alert"
    issued = one.issued or told.at
    home = jurisdiction(one.issuer, catalogue) or ""
    codes = [{"areaDesc": "", "codes": list(named.codes), "polygon": None, "circle": None}] if named.codes else []
    record = {
        "identifier": identifier,
        "sender": told.sender or home,
        "senderName": one.issuer,
        "sent": issued.astimezone(BEIJING).isoformat(),
        "status": one.status,
        "msgType": kind,
        "firstIdentifier": None,
        "signal": signal_record(one.signal, one.level),
        "headline": (told.title or _heading(one))[:MOST_TITLE],
        "description": told.words[:MOST_WORDS] if told.title or kind != "Cancel" else "",
        "defence": "",
        "expires": iso(one.valid.end),
        "station": None,
        "areas": codes,
        "references": [],
        "onset": iso(one.valid.begin),
        "language": "zh-CN",
        "signature": None,
        "series": f"{home}/{one.signal.name}" if home else None,
    }
    said = {
        "hazard": one.signal.name, "level": one.level.name, "action": one.action, "issuer": one.issuer,
        "before": one.before.name if one.before else None, "issued": iso(one.issued), "elsewhere": list(named.elsewhere),
    }  # fmt: skip
    return Converted(record, said, notes, by_issuer=named.by_issuer)


def _heading(one: WarningText) -> str:
    verbs = {"issue": "发布", "continue": "继续发布", "upgrade": "升级发布", "downgrade": "降级发布", "change": "变更发布",
             "update": "更新发布", "confirm": "确认发布", "cancel": "解除"}  # fmt: skip
    return f"{one.issuer}{verbs[one.action]}{one.signal.name}{one.level.name}预警信号"
