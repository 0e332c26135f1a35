"""How a report stands, in the specification's words: open or closed, a note, who is at it, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridhub.connectors.open311.answers import w3_time
from gridhub.connectors.sources.masking import masked
from gridhub.streams.rooms.stages import STAGES_ZH, is_open

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridhub.connectors.open311.services import Services

Row = dict[str, Any]
REFUSED_ZH = {
    "not_located": "地点无法确定",
    "places_contradict": "所报地点相互矛盾",
    "outside_city": "地点不在本市",
    "not_admitted": "该事项不在社区协助事项准入清单内",
    "unknown_type": "事项类别不明",
}
_ENDED_ZH = {"closed": "已结案", "cancelled": "已作废"}


def request(row: Row, tasks: Sequence[Row], services: Services) -> Row:
    """One report of GET requests. No field is about whoever reported it."""
    task = main_task(tasks)
    ended = row["refused"] is not None or row["state"] in _ENDED_ZH
    return {
        "service_request_id": row["id"],
        "status": "closed" if ended else "open",
        "status_notes": _notes(row, task),
        "service_name": services.name(row["code"]),
        "service_code": row["code"],
        "description": row["text"],
        "agency_responsible": task["recipient_name"] if task else None,
        "service_notice": services.notice,
        "requested_datetime": w3_time(row["requested"]),
        "updated_datetime": w3_time(_updated(row, task)),
        "expected_datetime": w3_time(task["finish_by"]) if task else None,
        "address": row["address"] or row["place"],
        "address_id": row["address_id"],
        "zipcode": None,
        "lat": row["lat"],
        "long": row["lon"],
        "media_url": row["media"],
    }


def step(row: Row) -> Row:
    """One step of GET servicerequestupdates."""
    stage = str(STAGES_ZH.get(row["stage"], row["stage"]))
    return {
        "update_id": f"{row['task']}.{row['version']}",
        "service_request_id": row["request"],
        "status": "closed" if row["stage"] in _ENDED_ZH else "open",
        "updated_datetime": w3_time(row["since"]),
        "description": "：".join(filter(None, [stage, masked(row["note"])])),
        "media_url": None,
    }


def main_task(tasks: Sequence[Row]) -> Row | None:
    """The task that tells how the matter stands: one to be handled, of these an open one, of these the newest."""
    return max(
        tasks, key=lambda task: (task["action"] == "handle", is_open(task["stage"]), task["since"]), default=None
    )


def _notes(row: Row, task: Row | None) -> str:
    if row["refused"] is not None:
        return f"未受理：{REFUSED_ZH.get(row['refused'], '无法受理')}"
    if row["state"] is None:
        return "已登记，等待派遣"
    stage = _ENDED_ZH.get(row["state"]) or (str(STAGES_ZH.get(task["stage"], task["stage"])) if task else "已立案")
    note = masked(task["note"]) if task else ""
    return f"{stage}：{note}" if note else stage


def _updated(row: Row, task: Row | None) -> int:
    return int(max(row["requested"], row["incident_at"] or 0, task["since"] if task else 0))
