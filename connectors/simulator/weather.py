"""气象 as it tells of a matter: warnings for districts, streets, polygons and circles, and what stations measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridhub.connectors.simulator.report import Report, Told, beijing

if TYPE_CHECKING:
    from random import Random

    from gridhub.connectors.simulator.land import Land

_NAMES = {
    "02": "暴雨",
    "05": "大风",
    "07": "高温",
    "09": "雷电",
    "12": "大雾",
    "99": "地质灾害气象风险",
    "S2": "风速超限",
    "M1": "商业调查",
}
_LEVELS = {"01": "蓝色", "02": "黄色", "03": "橙色", "04": "红色"}
_CIRCLE_SHARE = 0.5


def tell(report: Report, land: Land, rng: Random) -> Told:
    """A WeatherWarning: first the alert, then its updates, last its cancellation, all naming the first one's number."""
    at = beijing(report.at_ms)
    event_id = f"42020041600000_{at:%Y%m%d%H%M%S}_{report.serial:09d}"
    station = report.voice.type == "S2"
    level = rng.choice(tuple(_LEVELS))
    verb = "解除" if report.last else "继续发布" if report.turn else "发布"
    title = f"黄石市气象台{verb}{_NAMES[report.voice.type]}{_LEVELS[level]}预警"
    record = {
        "identifier": event_id,
        "sender": "42020041600000",
        "senderName": "黄石市气象台",
        "sent": at.isoformat(timespec="seconds"),
        "status": "Exercise" if report.drill else "Actual",
        "msgType": "Cancel" if report.last else "Update" if report.turn else "Alert",
        "firstIdentifier": report.first_id or None,
        "signal": {
            "typeCode": report.voice.type,
            "typeName": _NAMES[report.voice.type],
            "levelCode": level,
            "levelName": _LEVELS[level],
        },
        "headline": "站点风速超限" if station else title,
        "description": "" if station else f"预计未来6小时有{_NAMES[report.voice.type]}，请注意防范。",
        "defence": "",
        "expires": beijing(report.at_ms + 6 * 3_600_000).isoformat(timespec="seconds"),
        "station": _station(report) if station else None,
        "areas": [] if station else [_area(report, land)],
    }
    if station:
        return Told(record, f"ST{report.grid[:6]}", event_id, "coordinates", (report.grid,))
    return Told(record, report.first_id or event_id, event_id, "area", tuple(sorted(report.wide)))


def _station(report: Report) -> dict[str, Any]:
    return {
        "stationNo": f"S{report.grid[:6]}",
        "stationName": "自动站",
        "lon": round(report.lon, 7),
        "lat": round(report.lat, 7),
    }


def _area(report: Report, land: Land) -> dict[str, Any]:
    area: dict[str, Any] = {"areaDesc": "影响范围", "codes": [], "polygon": None, "circle": None}
    if report.form == "polygon":
        return area | {"polygon": land.outline(report.wide[0])}
    if report.form == "circle":
        radius_km = land.spot_room_m(report.wide[0]) * _CIRCLE_SHARE / 1000
        return area | {"circle": f"{report.lat:.6f},{report.lon:.6f} {radius_km:.3f}"}
    return area | {"codes": list(report.wide)}
