"""GeoReport v2 as a client sees it that nobody here wrote: `georeport` from the package registry, JSON and XML."""

from __future__ import annotations

import pytest
from georeport import GeoReport
from georeport.georeport import requests  # what the client itself raises with


@pytest.fixture(params=["json", "xml"])
def client(request, url):
    """The foreign client, in both forms."""
    return GeoReport(url, jurisdiction="420200", output_format=request.param)


def test_services_and_their_definitions(client):
    """The list holds what is admitted, and the definition the questions, each with order, kind and values."""
    found = {service["service_code"]: service for service in client.get_service_list()}
    assert found["manhole_cover"]["service_name"] == "污水井盖异常"
    assert str(found["noise"]["metadata"]).lower() == "true"
    assert str(found["flooding"]["metadata"]).lower() == "false"
    assert "commercial_survey" not in found
    attributes = client.get_service_definition("noise")["attributes"]
    (one,) = attributes if isinstance(attributes, list) else [attributes["attribute"]]
    values = one["values"] if isinstance(one["values"], list) else one["values"]["value"]
    assert one["datatype"] == "singlevaluelist"
    assert [value["key"] for value in values] == ["building", "square", "shop", "neighbour"]


def test_a_report_from_its_registration_to_its_close(client, hub, report):
    """Open without a task, open with the recipient and the stage, closed with the incident."""
    name = report().json()[0]["service_request_id"]
    first = client.get_service_request(name)
    assert (first["status"], first["status_notes"]) == ("open", "已登记，等待派遣")
    task = hub.dispatched(name, finish_by=1_795_480_000_000)
    second = client.get_service_request(name)
    assert (second["status"], second["status_notes"]) == ("open", "派遣")
    assert second["agency_responsible"] == "大泉社区第12网格"
    assert second["expected_datetime"].endswith("+08:00")
    hub.tell("hub.tasks", "Task", "dispatched", **task | {"version": 9, "stage": "closed", "note": "已换新井盖"})
    hub.tell("hub.incidents", "Incident", "open", incident_id=task["incident_id"], version=2, state="closed",
             sources=["citizen-hotline"], closed_at=1_795_410_000_000)  # fmt: skip
    (third,) = [one for one in _listed(client.get_service_requests()) if one["service_request_id"] == name]
    assert (third["status"], third["status_notes"]) == ("closed", "已结案：已换新井盖")
    assert third["updated_datetime"] > second["updated_datetime"]


def test_filters(client, hub, report):
    """By id (several), service, time and status; of what fits nothing else is given."""
    lamp = report(service_code="dark_street").json()[0]["service_request_id"]
    hub.now[0] += 3_600_000
    cover = report(description="另一处").json()[0]["service_request_id"]
    hub.dispatched(lamp)
    hub.tell("hub.incidents", "Incident", "open", incident_id="420202001-0000000000000001", version=2,
             state="cancelled", sources=["citizen-hotline"])  # fmt: skip

    def ids(**question):
        return [one["service_request_id"] for one in _listed(client.get_service_requests(**question))]

    assert ids() == [cover, lamp]
    assert sorted(ids(service_request_id=f"{lamp},{cover}", status="closed")) == sorted([cover, lamp])
    assert ids(service_code="dark_street,noise") == [lamp]
    assert ids(status="open") == [cover]
    assert ids(status="closed") == [lamp]
    assert ids(status="open,closed") == [cover, lamp]
    between = first_hour(hub)
    assert ids(**between) == [lamp]
    assert ids(start_date=between["end_date"], end_date="2026-12-30T00:00:00Z") == [cover]


def first_hour(hub):
    """From half an hour before the first of two reports to half an hour after it."""
    times = [(hub.now[0] - minutes * 60_000) // 1000 for minutes in (90, 30)]
    return dict(zip(("start_date", "end_date"), map(_w3, times), strict=True))


def _w3(seconds):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _listed(found):
    return found if isinstance(found, list) else [found]


def test_what_the_client_raises_on(client):
    """An unknown report, service and jurisdiction are errors of HTTP to it."""
    for ask in (lambda: client.get_service_request("none"), lambda: client.get_service_definition("none")):
        with pytest.raises(requests.HTTPError, match="404"):
            ask()
    client.jurisdiction = "elsewhere"
    with pytest.raises(requests.HTTPError, match="404"):
        client.get_service_list()
