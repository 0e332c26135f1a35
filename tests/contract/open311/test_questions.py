"""GET: limits of 90 days and 1,000, pages, forms, discovery, keys and rates."""

from __future__ import annotations

import pytest
from defusedxml.ElementTree import fromstring

DAY_MS = 86_400_000


def fill(hub, count, step_ms=1000):
    """So many reports, one a step, the newest now."""
    row = dict.fromkeys(("text", "media", "lat", "lon", "address", "address_id"))
    with hub.store.together():
        for number in range(count):
            at = hub.now[0] - number * step_ms
            hub.store.report({**row, "id": f"r{number}", "code": "noise", "requested": at}, None)


def test_at_most_a_thousand_reports_of_ninety_days(hub, http):
    """The newest thousand; without dates those of the last ninety days."""
    fill(hub, 1_100)
    found = [one["service_request_id"] for one in http.get("/requests.json").json()]
    assert found == [f"r{number}" for number in range(1_000)]
    hub.now[0] += 89 * DAY_MS
    assert len(http.get("/requests.json").json()) == 1_000
    hub.now[0] += 2 * DAY_MS
    assert http.get("/requests.json").json() == []
    assert len(http.get("/requests.json?start_date=2026-09-01T00:00:00Z").json()) == 1_000


def test_pages(hub, http):
    """`page` and `page_size`, as most servers have them."""
    fill(hub, 25)
    found = [[one["service_request_id"] for one in http.get(f"/requests.json?page_size=10&page={page}").json()]
             for page in (1, 2, 3, 4)]  # fmt: skip
    assert [len(page) for page in found] == [10, 10, 5, 0]
    assert [one for page in found for one in page] == [f"r{number}" for number in range(25)]


@pytest.mark.parametrize(
    "query",
    [
        "start_date=2026-01-01T00:00:00Z&end_date=2026-04-02T00:00:00Z",
        "start_date=2026-02-01T00:00:00Z&end_date=2026-01-01T00:00:00Z",
        "start_date=2026-02-01",
        "start_date=yesterday",
        "end_date=0001-01-01T00:00:00%2B23:59",
        "status=lost",
        "page=0",
        "page_size=1001",
        "page=x",
        "status=open&status=closed",
        "service_request_id=" + ",".join(f"a{n}" for n in range(201)),
    ],
)
def test_questions_that_are_refused(http, query):
    """Each is a 400 with a sentence."""
    answer = http.get(f"/requests.json?{query}")
    assert (answer.status_code, answer.json()[0]["code"]) == (400, 400)
    assert answer.json()[0]["description"]


def test_what_happened_to_a_report(hub, http, report):
    """Each step of its task to be handled, oldest first, by report and time; notes are masked, others' tasks are not told."""
    name, other = (report(description=text).json()[0]["service_request_id"] for text in "甲乙")
    task = hub.dispatched(name, 1)
    hub.dispatched(other, 2)
    for version, stage in ((2, "accepted"), (3, "closed")):
        more = {"version": version, "stage": stage, "stage_since": task["stage_since"] + version * 3_600_000}
        hub.tell("hub.tasks", "Task", "dispatched", **task | more | {"note": "电话13971112222"})
    hub.tell("hub.tasks", "Task", "dispatched", task_id="420202001-7-handle-z", incident_id="420202001-77")
    asked = {"service_request_id": name, "start_date": "2026-10-01T00:00:00Z"}
    found = http.get("/servicerequestupdates.json", params=asked).json()
    assert [(one["status"], one["description"]) for one in found] == [
        ("open", "派遣"), ("open", "接单：＊＊＊"), ("closed", "结案：＊＊＊"),
    ]  # fmt: skip
    every = http.get("/servicerequestupdates.json", params={"start_date": asked["start_date"]}).json()
    assert {one["service_request_id"] for one in every} == {name, other}
    tree = fromstring(http.get("/servicerequestupdates.xml", params={**asked, "page_size": 1}).content)
    assert [one.findtext("service_request_id") for one in tree.findall("request_update")] == [name]


def test_forms(http):
    """The path's ending decides, then Accept; without either it is XML, which the specification requires."""
    kinds = {"/services.json": "application/json", "/services.xml": "text/xml", "/services": "text/xml"}
    for path, kind in kinds.items():
        assert http.get(path).headers["content-type"] == f"{kind}; charset=utf-8"
    assert http.get("/services", headers={"accept": "application/json"}).json()
    assert http.get("/services.xml").content.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")


def test_discovery_leads_to_the_endpoint(http):
    """The endpoint it names answers."""
    path = "http://127.0.0.1/open311/discovery"
    (one,) = http.get(f"{path}.json").json()["endpoints"]
    assert one["formats"] == ["text/xml", "application/json"]
    assert http.get(f"{one['url']}/services.json").status_code == 200
    tree = fromstring(http.get(f"{path}.xml").content)
    assert tree.findtext("endpoints/endpoint/url") == one["url"]


def test_nothing_is_told_before_the_topics_were_read(hub, http):
    """503 with a time to come back; the list of services is there at once."""
    hub.caught_up[0] = False
    for path in ("/requests.json", "/requests/x.json", "/tokens/x.json"):
        answer = http.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert http.get("/services.json").status_code == 200


def test_unknown_paths_and_names_are_errors_too(http):
    """404 and 405 in the specification's shape; a foreign Host is turned away."""
    assert http.get("/nothing.json").json()[0]["code"] == 404
    assert http.delete("/requests.json").json()[0]["code"] == 405
    assert http.get("/services.json", headers={"host": "evil.example"}).status_code == 400


def test_reading_may_need_a_key(narrow):
    """Where it does, a key that may read is asked for; one that may report only does not do."""
    hub, http = narrow(reads=1000, writes=1000, key_to_read=True)
    for key, code in ((None, 403), (hub.key("report"), 403), (hub.key("read"), 200)):
        assert http.get("/requests.json", params={"api_key": key} if key else {}).status_code == code


def test_too_many_questions_are_put_off(narrow):
    """Beyond the rate 429 with a time to come back; wrong keys have a rate of their own, which stops trying."""
    hub, http = narrow(reads=5, writes=3)
    assert [http.get("/services.json").status_code for _ in range(7)] == [200] * 5 + [429] * 2
    assert int(http.get("/services.json").headers["retry-after"]) >= 1
    tries = [http.post("/requests.json", data={"api_key": f"a.{n}"}).status_code for n in range(5)]
    assert tries == [403] * 3 + [429] * 2
    assert http.post("/requests.json", data={"api_key": hub.key("report")}).status_code == 429
