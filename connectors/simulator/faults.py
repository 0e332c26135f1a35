"""Messages that the hub must refuse, each with exactly one flaw and the reason to expect."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gridhub.connectors.simulator.kinds import FOOD, HEALTH, POLICE, POWER, SOCIAL, URBAN, WEATHER
from gridhub.connectors.simulator.land import converted

if TYPE_CHECKING:
    from random import Random

    from gridhub.connectors.simulator.land import Land
    from gridhub.connectors.simulator.message import Damage

Record = dict[str, Any]
_DAY_MS = 86_400_000
_CONTRADICTION_M = 1000.0
_WUHAN = (114.305, 30.593)
_UNGIVEN_IDS = (0x7F00_0000, 0x7FFF_FFFF)
_ID = {
    POLICE: ("jqbh",),
    POWER: ("event", "eventNo"),
    FOOD: ("caseNo",),
    SOCIAL: ("noticeNo",),
    HEALTH: ("serviceId",),
    WEATHER: ("identifier",),
    URBAN: ("id",),
}
_TYPE = {
    POLICE: ("jqlb", "lbdm"),
    POWER: ("event", "eventType"),
    FOOD: ("caseType",),
    SOCIAL: ("bizCode",),
    HEALTH: ("serviceKind",),
    WEATHER: ("signal", "typeCode"),
    URBAN: ("type",),
}
_SURVEY = {
    POLICE: "990101",
    POWER: "9001",
    FOOD: "SC01",
    SOCIAL: "SWDJ",
    HEALTH: "COMMERCIAL_SURVEY",
    WEATHER: "M1",
    URBAN: "X0901",
}
_UNHEARD = {
    POLICE: "770707",
    POWER: "7777",
    FOOD: "QQ99",
    SOCIAL: "QQQQ",
    HEALTH: "OTHER",
    WEATHER: "88",
    URBAN: "99999",
}
_DAMAGED = ("wrong_magic", "truncated", "trailing")


@dataclass(frozen=True, slots=True)
class Flawed:
    """A good record made wrong: the record with its flaw, or bytes in its place, and bytes to damage later."""

    record: Record | None
    raw: bytes | None = None
    damage: Damage = ""


def departments_for(fault: str) -> tuple[str, ...]:
    """The departments whose records can carry this flaw; all where it does not matter."""
    everybody = (POLICE, POWER, FOOD, SOCIAL, HEALTH, URBAN)
    special = {
        "no_place": (POLICE, POWER, FOOD, URBAN),
        "zero_point": (POLICE, POWER, FOOD, URBAN),
        "unknown_key": (POWER, FOOD, SOCIAL, HEALTH, URBAN),
        "contradiction": (POLICE, POWER),
        "other_city": (POLICE, HEALTH, URBAN),
        "future": (POLICE, POWER, FOOD, HEALTH, URBAN),
        "ancient": (POLICE, POWER, FOOD, HEALTH, URBAN),
        "foreign_source": (URBAN,),
    }
    return special.get(fault, everybody)


def spoil(fault: str, department: str, record: Record, land: Land, rng: Random) -> Flawed:
    """The flaw `fault` put into a good record of a department; the given record stays as it is."""
    if fault in _DAMAGED:
        return Flawed(record, damage=fault)  # type: ignore[arg-type]  # _DAMAGED are the words of Damage
    if fault in _BYTES:
        return Flawed(None, _BYTES[fault](rng))
    if fault == "foreign_record":
        return Flawed(record)
    changed = copy.deepcopy(record)
    _CHANGES[fault](department, changed, land, rng)
    return Flawed(changed)


def _garbage(rng: Random) -> bytes:
    return bytes([rng.randint(1, 255)]) + rng.randbytes(rng.randint(3, 120))


def _unknown_schema(rng: Random) -> bytes:
    return struct.pack(">bI", 0, rng.randint(*_UNGIVEN_IDS)) + rng.randbytes(40)


def _put(record: Record, path: tuple[str, ...], value: object) -> None:
    for step in path[:-1]:
        record = record[step]
    record[path[-1]] = value


def _survey(department: str, record: Record, _land: Land, _rng: Random) -> None:
    _put(record, _TYPE[department], _SURVEY[department])


def _unknown_type(department: str, record: Record, _land: Land, _rng: Random) -> None:
    _put(record, _TYPE[department], _UNHEARD[department])


def _no_id(department: str, record: Record, _land: Land, _rng: Random) -> None:
    _put(record, _ID[department], "")


def _placeless(department: str, record: Record) -> None:
    """Take every way to a place out of a record."""
    if department == POLICE:
        record.update(jwq=None, zb=None, dz={"xzqh": "", "xz": ""})
    elif department == POWER:
        record.update(equipment={"tgNo": "", "tgName": "", "feederNo": "", "feederName": ""}, position=None)
    elif department == FOOD:
        record["enterprise"]["licenceNo"] = ""
        record.update(position=None, address="")
    else:
        record["place"] = {}


def _no_place(department: str, record: Record, _land: Land, rng: Random) -> None:
    _placeless(department, record)
    if department == POLICE and rng.random() < 0.5:
        record["dz"]["xz"] = "菜市场门口"


def _zero_point(department: str, record: Record, _land: Land, _rng: Random) -> None:
    _point(department, record, 0.0, 0.0)


def _point(department: str, record: Record, x: float, y: float) -> None:
    """Leave a point as the only way; given in the system that the department uses."""
    _placeless(department, record)
    if department == POLICE:
        record["zb"] = {"jd": x, "wd": y, "zbx": "GCJ02"}
    elif department == POWER:
        record["position"] = {"x": x, "y": y, "coordType": "BD09"}
    elif department == FOOD:
        record["position"] = {"x": y, "y": x, "epsg": 4547}
    else:
        record["place"] = {"lon": x, "lat": y, "crs": "GCJ-02"}


def _unknown_key(department: str, record: Record, _land: Land, rng: Random) -> None:
    number = rng.randint(0, 99)
    if department == POWER:
        _placeless(department, record)
        record["equipment"]["tgNo"] = f"TQ999999{number:02d}"
    elif department == FOOD:
        _placeless(department, record)
        record["enterprise"]["licenceNo"] = f"JY999999999999{number:02d}"
    elif department == SOCIAL:
        record["communityNo"] = f"SB9999{number:02d}"
    elif department == HEALTH:
        record["residence"]["communityCode"] = f"4202029991{number:02d}"
    else:
        record["place"] = {"code": f"4202029991{number:02d}", "codeSystem": "nbs"}


def _contradiction(department: str, record: Record, land: Land, rng: Random) -> None:
    """A key of one district and a point of another, so far away that no border between them explains it."""
    here, there = rng.sample(land.districts, 2)
    grid = land.grid(rng, here)
    spot = land.spot(rng, land.grid(rng, there))
    while land.catalogue.is_near(grid[:12], spot.lon, spot.lat, _CONTRADICTION_M):
        spot = land.spot(rng, land.grid(rng, there))
    if department == POWER:
        x, y = converted(spot.lon, spot.lat, "BD-09")
        _point(department, record, x, y)
        record["equipment"]["tgNo"] = rng.choice(land.transformers[grid])
    else:
        x, y = converted(spot.lon, spot.lat, "GCJ-02")
        _point(department, record, x, y)
        record["jwq"] = {"jwqbh": rng.choice(land.beats[grid[:12]]), "jwqmc": ""}


def _other_city(department: str, record: Record, _land: Land, rng: Random) -> None:
    if department == HEALTH:
        record["residence"]["communityCode"] = f"4201020010{rng.randint(1, 40):02d}"
    else:
        lon, lat = (centre + rng.uniform(-0.05, 0.05) for centre in _WUHAN)
        _point(department, record, round(lon, 6), round(lat, 6))


def _future(department: str, record: Record, _land: Land, rng: Random) -> None:
    _shift(department, record, rng.randint(_DAY_MS // 12, 10 * _DAY_MS))


def _ancient(department: str, record: Record, _land: Land, rng: Random) -> None:
    _shift(department, record, -rng.randint(40 * _DAY_MS, 1000 * _DAY_MS))


def _shift(department: str, record: Record, by_ms: int) -> None:
    """Move the event's time, counted from `now`, which the caller put into the record."""
    from gridhub.connectors.simulator.report import beijing

    at_ms = record.pop("_now_ms") + by_ms
    if department == POLICE:
        record.update(jjsj=f"{beijing(at_ms):%Y-%m-%d %H:%M:%S}", fssj=None)
    elif department == POWER:
        record["event"]["occurTime"] = at_ms
    elif department == FOOD:
        record["acceptTime"] = at_ms // 1000
    else:
        record["registeredAt" if department == HEALTH else "time"] = at_ms


def _foreign_source(_department: str, record: Record, _land: Land, _rng: Random) -> None:
    record["source"] = POWER


_BYTES: dict[str, Callable[[Random], bytes]] = {
    "garbage": _garbage,
    "empty": lambda _rng: b"",
    "unknown_schema": _unknown_schema,
}
_CHANGES: dict[str, Callable[[str, Record, Land, Random], None]] = {
    "survey": _survey,
    "unknown_type": _unknown_type,
    "no_id": _no_id,
    "no_place": _no_place,
    "zero_point": _zero_point,
    "unknown_key": _unknown_key,
    "contradiction": _contradiction,
    "other_city": _other_city,
    "future": _future,
    "ancient": _ancient,
    "foreign_source": _foreign_source,
}
