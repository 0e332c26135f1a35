"""`gridhub try --explain`: the same sentences as `gridhub explain`, for events that went the road in memory."""

from __future__ import annotations

from typing import Any

from gridhub.streams.apart import add_distance
from gridhub.streams.road import Inbound, Outbound
from gridhub.streams.rooms.admit import InboundFacts
from gridhub.streams.telling import tell_step
from gridhub.streams.ways import told_ways

Step = dict[str, Any]


def explained(inbound: Inbound, outbound: Outbound | None, facts: InboundFacts, language: str) -> list[str]:
    """The sentences about one event; `outbound` is None for one that was refused on the way in."""
    ways = _ways(inbound, facts)
    if outbound is None:
        row = inbound.refused.to_pylist()[0]
        return [tell_step({"step": "refused", **row, "ways": ways if row["room"] == "normalise" else []}, language)]
    event = inbound.located.to_pylist()[0]
    incidents = {row["incident_id"]: row for row in outbound.sent.incident_rows}
    decided = [{"step": "decided", **row} for row in (*outbound.decided.decisions, *outbound.sent.decisions)]
    for step in decided:
        if step["incident_id"] in incidents:
            add_distance(step, event, incidents[step["incident_id"]])
    steps = [{"step": "located", **event, "ways": ways}, *decided]
    return [tell_step(step, language) for step in steps]


def _ways(inbound: Inbound, facts: InboundFacts) -> list[Step]:
    if not inbound.admitted.num_rows:
        return []
    at_ms = inbound.admitted.column("occurred_at")[0].as_py()
    return told_ways(inbound.admitted, facts.catalogue.at(at_ms))
