"""A citizen's report: from the client's form to an ordinary event, and from the event to what is handed out.

Of the person who reports, nothing is kept: name, phone and mail address are read only to tell a repetition from a
second report, as part of a keyed digest; words in the text that look like them are masked before they are sent.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gridhub.connectors.open311.errors import bad, missing
from gridhub.connectors.open311.services import answers
from gridhub.connectors.sources.masking import masked
from gridhub.streams.moments import CHINA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridhub.connectors.open311.services import Service

Row = dict[str, Any]
MOST_TEXT = 4000  # the specification's limit of a description
MOST_ADDRESS = 300
PERSONAL = ("email", "device_id", "account_id", "first_name", "last_name", "phone")
_CONTENT = ("service_code", "lat", "long", "address_string", "address_id", "description", "media_url", *PERSONAL)
_ATTRIBUTE = re.compile(r"attribute\[([a-z0-9_]{1,40})\](?:\[\])?")
_MEDIA = re.compile(r"(?:^|\s)图片：(https?://\S+)$")
_URL = re.compile(r"https?://[^\s\"'<>]{1,490}")
_GRID = re.compile(r"\d{6,20}")
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


def report(form: Mapping[str, str], service: Service, now_ms: int, request_id: str) -> tuple[Row, Row]:
    """What the store keeps and what Kafka gets (a GenericEvent); Open311Error 400 names the field that is wrong."""
    subjects, lines = answers(service, _attributes(form))
    lat, lon = _point(form)
    address = masked(_line(form, "address_string", MOST_ADDRESS)) or None
    address_id = _line(form, "address_id", 20) or None
    if address_id and not _GRID.fullmatch(address_id):
        raise bad("address_id", "it is a grid's or a division's code")
    if lat is None and not address and not address_id:
        raise missing("lat and long, address_string or address_id")
    text = "\n".join(filter(None, [masked(_text(form, "description")), *map(masked, lines)]))
    row = {
        "id": request_id,
        "code": service.code,
        "text": text or None,
        "media": _media(form),
        "lat": lat,
        "lon": lon,
        "address": address,
        "address_id": address_id,
        "requested": now_ms,
    }
    return row, {**_event(row, service), "subjectKeys": subjects}


def _event(row: Row, service: Service) -> Row:
    media = f"图片：{row['media']}" if row["media"] else ""
    return {
        "id": row["id"],
        "source": "",
        "type": row["code"],
        "time": row["requested"],
        "title": service.name,
        "text": "\n".join(filter(None, [row["text"], media])),
        "severity": None,
        "status": "actual",
        "planned": False,
        "place": {
            "code": row["address_id"],
            "codeSystem": "nbs",
            "keyTable": None,
            "keyValue": None,
            "lon": row["lon"],
            "lat": row["lat"],
            "crs": "WGS-84",
            "address": row["address"],
            "areaCodes": [],
            "areaPolygon": None,
            "areaCircle": None,
        },
    }


def row_of(event: Row) -> Row:
    """What the store keeps of a report that Kafka has; of one that another system published just the same."""
    found = _MEDIA.search(event["text"])
    place = event["place"]
    wgs84 = place["crs"] == "WGS-84"  # Open311 knows no other
    return {
        "id": event["id"],
        "code": event["type"],
        "text": masked(event["text"][: found.start()] if found else event["text"]) or None,
        "media": found[1] if found else None,
        "lat": place["lat"] if wgs84 else None,
        "lon": place["lon"] if wgs84 else None,
        "address": masked(place["address"] or "") or None,
        "address_id": place["code"],
        "requested": event["time"],
    }


def request_id(key: str, form: Mapping[str, str], idempotency_key: str | None, now_ms: int) -> str:
    """The same for the same report of the same client: by its Idempotency-Key, else by its content on one Beijing day.

    A digest with the client's key: from an id nobody can find out a phone number by trying.
    """
    if idempotency_key is not None:
        if not _KEY.fullmatch(idempotency_key):
            raise bad("Idempotency-Key", "1 to 200 visible characters")
        told = ["key", idempotency_key]
    else:
        day = datetime.fromtimestamp(now_ms / 1000, CHINA).date().isoformat()
        fields = [*_CONTENT, *sorted(name for name in form if _ATTRIBUTE.fullmatch(name))]
        told = [day, *(part for name in fields if name in form for part in (name, form[name].strip()))]
    text = "".join(f"{len(part)}:{part}" for part in told)
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:20]


def _attributes(form: Mapping[str, str]) -> dict[str, str]:
    return {found[1]: value for name, value in form.items() if (found := _ATTRIBUTE.fullmatch(name))}


def _point(form: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Latitude and longitude, WGS-84; both or none."""
    lat, lon = _degrees(form, "lat", 90.0), _degrees(form, "long", 180.0)
    if (lat is None) != (lon is None):
        raise missing("long" if lon is None else "lat")
    return lat, lon


def _degrees(form: Mapping[str, str], name: str, most: float) -> float | None:
    text = form.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text[:40])
    except ValueError:
        raise bad(name, "it is no number") from None
    if not math.isfinite(value) or abs(value) > most:
        raise bad(name, f"it lies between -{most:.0f} and {most:.0f}")
    return value


def _media(form: Mapping[str, str]) -> str | None:
    text = form.get("media_url", "").strip()
    if text and not _URL.fullmatch(text):
        raise bad("media_url", "it is an address that begins with https:// and has no spaces")
    return text or None


def _text(form: Mapping[str, str], name: str, most: int = MOST_TEXT) -> str:
    text = form.get(name, "").strip()
    if len(text) > most:
        raise bad(name, f"it is longer than {most} characters")
    return text


def _line(form: Mapping[str, str], name: str, most: int) -> str:
    return " ".join(_text(form, name, most).split())


def update(form: Mapping[str, str], now_ms: int) -> Row:
    """What a step of a task says: TaskStatus without its task, its stage and its sender."""
    return {
        "at": _time(form, "updated_datetime") or now_ms,
        "actor": _line(form, "account_id", 100),
        "note": masked(_text(form, "description", 2000)),
        "cause": _line(form, "cause", 60),
        "until": _time(form, "until"),
    }


def _time(form: Mapping[str, str], name: str) -> int | None:
    text = form.get(name, "").strip()
    return w3_ms(text, name) if text else None


def w3_ms(text: str, name: str) -> int:
    """Milliseconds since 1970 of a time with zone, as the specification writes it; Open311Error 400 for another."""
    try:
        found = datetime.fromisoformat(text[:40])
    except ValueError:
        raise bad(name, "it is no time such as 2026-11-23T08:00:00+08:00") from None
    if found.tzinfo is None:
        raise bad(name, "it has no zone: write Z or +08:00")
    try:
        return int(found.astimezone(UTC).timestamp() * 1000)
    except OverflowError:
        raise bad(name, "it lies out of range") from None
