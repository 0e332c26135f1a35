"""食药 as it tells of a matter: licence number, survey coordinates, or an address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridhub.connectors.simulator.land import converted
from gridhub.connectors.simulator.report import Report, Told, beijing
from gridhub.connectors.simulator.texts import address, person_name, telephone

if TYPE_CHECKING:
    from random import Random

    from gridhub.connectors.simulator.land import Land

_FAILED = ("菌落总数", "农药残留", "铝的残留量", "标签不符")
_WITH_PRODUCT = ("CJ01", "CJ02", "ZH01", "ZH02")
_NO_LICENCE = ("TS02", "SC01")


def tell(report: Report, land: Land, rng: Random) -> Told:
    """A FoodDrugCase: a shop with a licence is found by it; one without by point or address."""
    licence = report.subject if report.voice.type not in _NO_LICENCE else ""
    way, point = _way(report, rng, licence)
    at = beijing(report.at_ms)
    event_id = f"SY{at:%Y%m%d}{report.serial:09d}"
    community = report.grid[:12]
    record = {
        "caseNo": event_id,
        "caseType": report.voice.type,
        "acceptTime": report.at_ms // 1000,
        "riskLevel": rng.choice(("较高", "中", "中", "低")),
        "enterprise": {
            "licenceNo": licence,
            "name": "便民食品店" if licence else "",
            "kind": "餐饮服务",
            "principal": person_name(rng),
        },
        "product": _product(report, rng) if report.voice.type in _WITH_PRODUCT else None,
        "complainant": {"name": person_name(rng), "phone": telephone(rng)} if rng.random() < 0.4 else None,
        "address": address(rng, land.catalogue, community) if way == "address" or rng.random() < 0.4 else "",
        "position": _position(report) if point else None,
        "affected": rng.randint(2, 12) if report.voice.type == "SJ01" else 0,
        "content": report.voice.word,
        "drill": report.drill,
    }
    codes = (community if way == "address" else report.grid,)
    return Told(record, licence or event_id, event_id, way, codes)


def _way(report: Report, rng: Random, licence: str) -> tuple[str, bool]:
    draw = rng.random()
    if licence:
        return "key", draw < 0.25
    return ("coordinates", True) if draw < 0.6 or report.precision == "point" else ("address", False)


def _position(report: Report) -> dict[str, Any]:
    east, north = converted(report.lon, report.lat, "EPSG:4547")
    return {"x": north, "y": east, "epsg": 4547}


def _product(report: Report, rng: Random) -> dict[str, Any]:
    failed = rng.choice(_FAILED) if report.voice.type.startswith("CJ") else ""
    return {"name": "散装食品", "batch": f"B{report.serial}", "failedItem": failed}
