"""电力 as it tells of a matter: transformer area, feeder, or the point of a customer's call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridhub.connectors.simulator.land import converted
from gridhub.connectors.simulator.report import Report, Told, beijing

if TYPE_CHECKING:
    from random import Random

    from gridhub.connectors.simulator.land import Land

_LEVELS = ("Ⅳ", "Ⅳ", "Ⅳ", "Ⅲ", "Ⅱ")
_PLANNED = ("2001", "2002")
_CRS = {"BD09": "BD-09", "GCJ02": "GCJ-02"}
_FEEDER_TRIP = "1002"


def tell(report: Report, land: Land, rng: Random) -> Told:
    """A PowerEvent: 70 % name the transformer, a customer's call only its point, a feeder trip only the feeder."""
    way, point = _way(report, rng)
    tg = report.subject if way == "key" and report.subject.startswith("TQ") else ""
    if way == "key" and not tg and not report.wide:
        tg = rng.choice(land.transformers[report.grid])
    feeder = report.subject if report.wide else ""
    at = beijing(report.at_ms)
    event_id = f"GD{at:%Y%m%d}{report.serial:09d}"
    planned = report.voice.type in _PLANNED
    record = {
        "header": _header(report, rng, point=point and not tg),
        "event": {
            "eventNo": event_id,
            "eventType": report.voice.type,
            "level": rng.choice(_LEVELS),
            "occurTime": None if planned else report.at_ms,
            "isPlan": planned,
            "cause": "",
            "describe": report.voice.word,
        },
        "equipment": {"tgNo": tg, "tgName": f"{tg[-4:]}台区" if tg else "", "feederNo": feeder, "feederName": ""},
        "position": _position(report, rng, tg) if point else None,
        "plan": _plan(report) if planned else None,
        "expectedRestore": report.at_ms + rng.randint(1, 6) * 3_600_000 if rng.random() < 0.5 else None,
        "customers": rng.randint(1, 600),
        "keyCustomers": rng.choice((0, 0, 0, 1, 2)),
        "drill": report.drill,
    }
    codes = report.wide or (report.grid,)
    return Told(record, tg or feeder or event_id, event_id, way, codes)


def _way(report: Report, rng: Random) -> tuple[str, bool]:
    """The way that names the place, and whether there is a point (beside the transformer it adds the exact place)."""
    if report.wide:
        return "key", False
    draw = rng.random()
    if report.precision == "key" or (report.precision == "any" and draw < 0.7):
        return "key", draw < 0.25
    return "coordinates", True


def _header(report: Report, rng: Random, *, point: bool) -> dict[str, Any]:
    system = "95598" if point else rng.choice(("PMS", "DAS"))
    return {"msgId": f"{system}-{report.serial}", "sendTime": report.at_ms, "system": system}


def _position(report: Report, rng: Random, tg: str) -> dict[str, Any]:
    system = "GCJ02" if tg and rng.random() < 0.7 else "BD09"
    x, y = converted(report.lon, report.lat, _CRS[system])
    return {"x": x, "y": y, "coordType": system}


def _plan(report: Report) -> dict[str, Any]:
    start = report.at_ms + 86_400_000
    return {"planStart": start, "planEnd": start + 4 * 3_600_000, "workContent": "线路检修"}
