"""社保 as it tells of a matter: its own numbers for communities, and persons by a salted digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridhub.connectors.simulator.report import Report, Told, beijing
from gridhub.connectors.simulator.texts import person_name, telephone

if TYPE_CHECKING:
    from random import Random

    from gridhub.connectors.simulator.land import Land

_URGENCY = {"YSML": "B"}


def tell(report: Report, land: Land, rng: Random) -> Told:
    """A SocialSecurityNotice; its only place is the community's number."""
    community, at = report.grid[:12], beijing(report.at_ms)
    event_id = f"SB{at:%Y%m%d}{report.serial:09d}"
    record = {
        "noticeNo": event_id,
        "bizCode": report.voice.type,
        "createTime": f"{at:%Y%m%d%H%M%S}",
        "communityNo": rng.choice(land.insured[community]),
        "communityName": "",
        "insured": {
            "personKey": report.subject,
            "name": person_name(rng),
            "idCard": "",
            "phone": telephone(rng),
            "ageBand": rng.choice(("60-69", "70-79", "80-89")),
            "livesAlone": rng.random() < 0.2,
        },
        "pension": _pension(report, rng) if report.voice.type == "RZYQ" else None,
        "anomaly": _anomaly(rng) if report.voice.type in {"DYYC", "YSML"} else None,
        "urgency": _URGENCY.get(report.voice.type, "C"),
        "agency": f"{community[:6]}SB",
    }
    return Told(record, report.subject, event_id, "key", (community,))


def _pension(report: Report, rng: Random) -> dict[str, Any]:
    days = rng.randint(1, 90)
    return {
        "dueDate": f"{beijing(report.at_ms - days * 86_400_000):%Y%m%d}",
        "overdueDays": days,
        "suspended": days > 60,
    }


def _anomaly(rng: Random) -> dict[str, Any]:
    months = rng.randint(1, 8)
    return {
        "ruleCode": f"JH{rng.randint(1, 20):02d}",
        "ruleName": "重复领取",
        "months": months,
        "amountFen": months * 180_000,
    }
