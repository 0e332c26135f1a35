"""公安 as it tells of a matter: 110 calls with a beat, a telephone's point, an address, or several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridhub.connectors.simulator.land import converted
from gridhub.connectors.simulator.report import Report, Told, beijing
from gridhub.connectors.simulator.texts import address, person_name, remark, telephone

if TYPE_CHECKING:
    from random import Random

    from gridhub.connectors.simulator.land import Land

_GRAVE = {"030101": "1", "030102": "2", "040101": "2", "040102": "2", "060102": "2", "050106": "1"}
_SYSTEMS = {"GCJ02": "GCJ-02", "WGS84": "WGS-84"}


def tell(report: Report, land: Land, rng: Random) -> Told:
    """A PoliceCall. Without a point the beat or the address names the community."""
    community, at = report.grid[:12], beijing(report.at_ms)
    point, beat, written = _ways(report, rng)
    event_id = f"{community[:9]}000{at:%Y%m%d}{report.serial:09d}"
    record = {
        "jqbh": event_id,
        "jjsj": f"{at:%Y-%m-%d %H:%M:%S}",
        "fssj": f"{at:%Y-%m-%d %H:%M:%S}" if rng.random() < 0.3 else None,
        "jqlb": {"lbdm": report.voice.type, "lbmc": report.voice.word},
        "jqdj": _GRAVE.get(report.voice.type, rng.choice("334")),
        "jjdw": {"dwdm": f"{community[:9]}000", "dwmc": "派出所"},
        "jwq": {"jwqbh": rng.choice(land.beats[community]), "jwqmc": ""} if beat else None,
        "dz": {"xzqh": community[:6], "xz": address(rng, land.catalogue, community) if written else ""},
        "zb": _position(report, rng) if point else None,
        "bjr": {"xm": person_name(rng), "lxdh": telephone(rng), "nm": False} if rng.random() < 0.5 else None,
        "sary": [{"ryzw": report.subject, "js": "当事人", "sfzh": ""}] if report.subject.startswith("P") else [],
        "jyjq": remark(rng, report.voice.word),
        "sfyl": report.drill,
    }
    way = "coordinates" if point else "key" if beat else "address"
    return Told(record, f"{community[:9]}000", event_id, way, (report.grid if point else community,))


def _ways(report: Report, rng: Random) -> tuple[bool, bool, bool]:
    """Which of point, beat and address this call has: at least one."""
    draw = rng.random()
    if report.precision == "point" or draw < 0.7:
        return True, draw < 0.3, draw < 0.55
    return False, draw < 0.82, draw >= 0.76


def _position(report: Report, rng: Random) -> dict[str, Any]:
    system = "WGS84" if rng.random() < 0.15 else "GCJ02"
    lon, lat = converted(report.lon, report.lat, _SYSTEMS[system])
    return {"jd": lon, "wd": lat, "zbx": system}
