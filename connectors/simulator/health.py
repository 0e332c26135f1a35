"""计生 as it tells of a matter: codes of the Ministry of Civil Affairs, of a community or of a street."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.connectors.simulator.report import Report, Told, beijing
from gridhub.connectors.simulator.texts import person_name, telephone

if TYPE_CHECKING:
    from random import Random

    from gridhub.connectors.simulator.land import Land

_STREET_ONLY = 0.08


def tell(report: Report, land: Land, rng: Random) -> Told:
    """A FamilyPlanningVisit. Its grid must lie in a street that both official systems have."""
    code = report.grid[:9] if rng.random() < _STREET_ONLY else report.grid[:12]
    written = land.mca(code)
    assert written, "the planner gives this department only streets that it has a code for"
    at = beijing(report.at_ms)
    event_id = f"FY{at:%Y%m%d}{report.serial:09d}"
    record = {
        "serviceId": event_id,
        "serviceKind": report.voice.type,
        "registeredAt": report.at_ms,
        "dueOn": f"{beijing(report.at_ms + 7 * 86_400_000):%Y-%m-%d}",
        "residence": {
            "communityCode": written,
            "communityName": "",
            "building": f"{rng.randint(1, 40)}号楼",
            "room": f"{rng.randint(101, 999)}室",
        },
        "person": {
            "personCode": report.subject,
            "name": person_name(rng),
            "idNumber": "",
            "phone": telephone(rng),
            "pregnancyWeeks": rng.randint(8, 40) if report.voice.type == "PRENATAL_VISIT" else None,
            "highRisk": rng.random() < 0.05,
        },
        "unit": {"orgCode": f"{report.grid[:6]}WS", "orgName": "社区卫生服务中心"},
        "remark": "",
    }
    return Told(record, report.subject, event_id, "code", (code,))
