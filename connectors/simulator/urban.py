"""A further department with the common record (GenericEvent): every way to a place that the hub knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridhub.connectors.simulator.kinds import URBAN
from gridhub.connectors.simulator.land import converted
from gridhub.connectors.simulator.report import Report, Told, beijing
from gridhub.connectors.simulator.texts import address, remark

if TYPE_CHECKING:
    from random import Random

    from gridhub.connectors.simulator.land import Land

_SYSTEMS = ("WGS-84", "GCJ-02", "BD-09", "CGCS2000", "EPSG:4547")
_WAYS = ("code", "code", "coordinates", "coordinates", "coordinates", "key", "address", "area")
_KEY_TABLE = "licence"


def tell(report: Report, land: Land, rng: Random) -> Told:
    """A GenericEvent; codes come in the 12-, 14-, 15- and 17-digit forms."""
    way = "coordinates" if report.precision == "point" else rng.choice(_WAYS)
    at = beijing(report.at_ms)
    event_id = f"CG{at:%Y%m%d}{report.serial:09d}"
    columns, code = placed(report, land, rng, way)
    record = {
        "id": event_id,
        "source": URBAN,
        "type": report.voice.type,
        "time": report.at_ms,
        "title": report.voice.word,
        "text": remark(rng, report.voice.word),
        "status": "exercise" if report.drill else "actual",
        "place": columns,
    }
    return Told(record, report.grid[:12], event_id, way, (code,))


def placed(report: Report, land: Land, rng: Random, way: str) -> tuple[dict[str, Any], str]:
    """The columns of GenericPlace that tell the report's place in this way, and the code that a perfect hub finds."""
    grid, community = report.grid, report.grid[:12]
    if way == "code":
        return _code(grid, rng)
    if way == "coordinates":
        crs = rng.choice(_SYSTEMS)
        lon, lat = converted(report.lon, report.lat, crs)
        return {"lon": lon, "lat": lat, "crs": crs}, grid
    if way == "key":
        return {"keyTable": _KEY_TABLE, "keyValue": rng.choice(land.licences[grid])}, grid
    if way == "address":
        return {"address": address(rng, land.catalogue, community)}, community
    return {"areaCodes": [community]}, community


def _code(grid: str, rng: Random) -> tuple[dict[str, Any], str]:
    """One of the forms in which a code is met; the 14-digit form has a two-digit serial."""
    form = rng.choice((12, 14, 15, 15, 17))
    written = {12: grid[:12], 14: grid[:12] + grid[13:], 15: grid, 17: f"{grid}01"}[form]
    return {"code": written, "codeSystem": "nbs"}, grid[:12] if form == 12 else grid
