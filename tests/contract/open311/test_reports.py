"""POST requests: an ordinary event, once, without anything about who reports; and what is refused, in the specification's shape."""

from __future__ import annotations

import pytest
from defusedxml.ElementTree import fromstring

from gridhub.connectors.open311.reports import row_of
from gridhub.connectors.open311.store import KEPT_DAYS, MOST_WAITING
from gridhub.connectors.sources.departments import Departments
from gridhub.schemas.registry import local_codec

CODEC = local_codec()
PERSON = {"first_name": "建国", "last_name": "欧阳", "phone": "13971112222", "email": "ouyang@example.org",
          "device_id": "device-77", "account_id": "account-77"}  # fmt: skip


def test_a_report_is_an_event_of_the_department(hub, report):
    """The event's own id is the service request's; the department's mapping makes of it what the hub works with."""
    answer = report(**{"attribute[cover]": "WS-0451", "media_url": "https://example.org/a.jpg"})
    assert answer.status_code == 200
    (told,) = answer.json()
    (event,) = hub.sent.events
    row = Departments.load().by_code["citizen-hotline"].event({**event, "source": "citizen-hotline"})
    assert (row["event_id"], row["category"]) == (told["service_request_id"], "manhole_cover")
    assert (row["lon"], row["lat"], row["crs"]) == (115.0661, 30.2134, "WGS-84")
    assert row["subject_keys"] == ["manhole:WS-0451"]
    assert told["service_notice"]


def test_nobody_learns_who_reported(hub, http, report):
    """Neither the event nor any answer holds a word of the reporter's data, also where it stands in the text."""
    text = "我是报警人欧阳建国，电话13971112222，邮箱ouyang@example.org"
    name = report(description=text, address_string="磁湖路12号 13971112222", **PERSON).json()[0]["service_request_id"]
    said = [str(hub.sent.events), *(http.get(f"/{path}.{form}").text for form in ("json", "xml")
                                    for path in ("requests", f"requests/{name}", f"tokens/{name}"))]  # fmt: skip
    for text in said:
        assert name in text
        assert [word for word in PERSON.values() if word in text] == []
    assert all(b"13971112222" not in path.read_bytes() for path in hub.folder.glob("store.sqlite*"))


def test_the_same_report_is_taken_once(hub, report):
    """The same content of one client on one day is one report; another word, person, day or client makes another."""
    names = [report().json()[0]["service_request_id"] for _ in range(3)]
    names += [
        report(description="又一处").json()[0]["service_request_id"],
        report(phone="1").json()[0]["service_request_id"],
    ]
    names += [report(api_key=hub.key("report")).json()[0]["service_request_id"]]
    hub.now[0] += 86_400_000
    names += [report().json()[0]["service_request_id"]]
    assert len(set(names[:3])) == 1
    assert len(set(names)) == 5
    assert [event["id"] for event in hub.sent.events] == list(dict.fromkeys(names))


def test_an_idempotency_key_tells_a_repetition(hub, report):
    """The same key is the same report, whenever it comes; another key another one, with the same content."""
    first = report(headers={"Idempotency-Key": "a-1"}).json()
    hub.now[0] += 3 * 86_400_000
    assert report(headers={"Idempotency-Key": "a-1"}, description="又").json() == first
    assert report(headers={"Idempotency-Key": "a-2"}).json() != first
    assert len(hub.sent.events) == 2
    assert report(headers={"Idempotency-Key": "a b"}).status_code == 400


def test_while_kafka_is_away_there_is_a_token(hub, http, report):
    """The report is written down and waits; its token leads to the id once Kafka has it."""
    hub.sent.up = False
    (told,) = report().json()
    assert "service_request_id" not in told
    assert http.get(f"/tokens/{told['token']}.json").json() == [{"service_request_id": None, "token": told["token"]}]
    assert http.get("/requests.json").json() == []
    hub.sent.up = True
    (again,) = report().json()
    assert again["service_request_id"] == told["token"]
    assert http.get(f"/tokens/{told['token']}.json").json()[0]["service_request_id"] == told["token"]


def test_waiting_reports_have_a_limit(hub, report):
    """What Kafka does not have yet never fills the disk: beyond the limit a report is refused for now."""
    hub.sent.up = False
    with hub.store.together():
        for number in range(MOST_WAITING):
            row = dict.fromkeys(("text", "media", "lat", "lon", "address", "address_id"))
            hub.store.report({**row, "id": str(number), "code": "noise", "requested": number}, b"{}")
    answer = report()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"api_key": None}, 400, "api_key"),
        ({"api_key": "street-app.nothing"}, 403, "api_key"),
        ({"service_code": None}, 400, "service_code"),
        ({"service_code": "commercial_survey"}, 404, "service_code"),
        ({"jurisdiction_id": "elsewhere"}, 404, "jurisdiction_id"),
        ({"lat": None}, 400, "lat"),
        ({"lat": "x"}, 400, "lat"),
        ({"lat": "nan"}, 400, "lat"),
        ({"lat": "91"}, 400, "lat"),
        ({"lat": None, "long": None}, 400, "address_string"),
        ({"lat": None, "long": None, "address_id": "12号"}, 400, "address_id"),
        ({"description": "字" * 4001}, 400, "description"),
        ({"media_url": "javascript:alert(1)"}, 400, "media_url"),
        ({"attribute[pole]": "1"}, 400, "attribute[pole]"),
        ({"service_code": "noise"}, 400, "attribute[kind]"),
        ({"service_code": "noise", "attribute[kind]": "engine"}, 400, "attribute[kind]"),
        ({"description": "x" * 70_000}, 413, "65536"),
    ],
)
def test_what_is_refused(hub, report, changes, code, word):
    """The HTTP status, and the same code with a sentence in the body, as JSON and as XML; nothing is sent."""
    answer = report(**changes)
    assert (answer.status_code, answer.json()[0]["code"]) == (code, code)
    assert word in answer.json()[0]["description"]
    tree = fromstring(report("/requests.xml", **changes).content)
    assert (tree.tag, tree.findtext("error/code")) == ("errors", str(code))
    assert hub.sent.events == []


def test_other_bodies_are_refused(http):
    """Only forms are read: JSON, broken escapes, doubled fields and too many fields are not."""
    assert http.post("/requests.json", json={"a": 1}).status_code == 415
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"lat=%ff", b"lat=1&lat=2", b"\xff=1", b"&".join(b"f%d=1" % n for n in range(101))):
        answer = http.post("/requests.json", content=body, headers=kind)
        assert (answer.status_code, answer.json()[0]["code"]) == (400, 400)


def test_xml_holds_no_forbidden_characters(report, http):
    """Control characters in a text are left out, markup is escaped: the answer is XML."""
    name = report(description="a\x0bb<c>&]]>\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")).json()[0]
    tree = fromstring(http.get(f"/requests/{name['service_request_id']}.xml").content)
    assert tree.findtext("request/description") == "ab<c>&]]>😀"


def test_a_refused_report_is_closed_with_the_reason(hub, http, report):
    """What the hub puts into quarantine is closed for its reporter, in words."""
    name = report().json()[0]["service_request_id"]
    hub.tell(
        "hub.quarantine",
        "Refusal",
        "not-located",
        source="citizen-hotline",
        event_id=name,
        key=b"k",
        value=b"v",
        reason="not_located",
    )
    (told,) = http.get(f"/requests/{name}.json").json()
    assert (told["status"], told["status_notes"]) == ("closed", "未受理：地点无法确定")
    assert [one["service_request_id"] for one in http.get("/requests.json?status=closed").json()] == [name]


def test_reports_follow_their_incident(hub, http, report):
    """Merged incidents answer as the one that took them; beyond the events an incident names, the journal knows."""
    one, two = (report(description=text).json()[0]["service_request_id"] for text in "甲乙")
    hub.dispatched(one, 1)
    hub.dispatched(two, 2, recipient_name="沈家营街道")
    hub.tell("hub.incidents", "Incident", "open", incident_id=f"420202001-{1:016x}", version=2, state="merged",
             merged_into=f"420202001-{2:016x}", event_ids=[f"citizen-hotline/{one}"], sources=["citizen-hotline"])  # fmt: skip
    assert http.get(f"/requests/{one}.json").json()[0]["agency_responsible"] == "沈家营街道"
    third = report(description="丙").json()[0]["service_request_id"]
    hub.tell(
        "hub.journal", "Decision", "merged", source="citizen-hotline", event_id=third, incident_id=f"420202001-{2:016x}"
    )
    assert http.get(f"/requests/{third}.json").json()[0]["agency_responsible"] == "沈家营街道"


def test_an_older_version_changes_nothing(hub, http, report):
    """A follower that reads again from the beginning ends where it was."""
    name = report().json()[0]["service_request_id"]
    task = hub.dispatched(name)
    hub.tell("hub.tasks", "Task", "dispatched", **task | {"version": 2, "stage": "accepted"})
    hub.tell("hub.tasks", "Task", "dispatched", **task)
    assert http.get(f"/requests/{name}.json").json()[0]["status_notes"] == "接单"


def test_what_kafka_has_makes_the_store_anew(hub, http, report):
    """From the department's event alone comes the same answer; from the incident alone one without words."""
    name = report(media_url="https://example.org/a.jpg").json()[0]["service_request_id"]
    told = http.get("/requests.json").json()
    hub.store._run("DELETE FROM requests")
    hub.store.told(row_of(hub.sent.events[0]))
    assert http.get("/requests.json").json() == told
    hub.store._run("DELETE FROM requests")
    hub.dispatched(name)
    (short,) = http.get(f"/requests/{name}.json").json()
    assert (short["service_code"], short["description"]) == ("power_outage", None)


def test_what_lies_on_a_topic_by_mistake_is_passed_over(hub, http, report):
    """Another department's record, bytes that are none, and what comes after them: the follower goes on."""
    name = report().json()[0]["service_request_id"]
    foreign = CODEC.encode(
        "gridhub.hub.TaskStatus", {"status_id": "1", "task_id": "t", "stage": "x", "actor": "a", "at": 1}
    )
    hub.store._run("DELETE FROM requests")
    good = CODEC.encode("gridhub.dept.GenericEvent", {**hub.sent.events[0], "source": "citizen-hotline"})
    hub.follower._take("dept.citizen-hotline.events", [foreign, b"", b"\x00garbage", good])
    assert [one["service_request_id"] for one in http.get("/requests.json").json()] == [name]


def test_the_store_forgets(hub, http, report):
    """What is older than KEPT_DAYS goes; a report that Kafka does not have yet stays."""
    gone = report().json()[0]["service_request_id"]
    hub.sent.up = False
    waits = report(description="等").json()[0]["token"]
    assert hub.store.prune(hub.now[0] + (KEPT_DAYS + 1) * 86_400_000) == 1
    assert (hub.store.known(gone), hub.store.known(waits)) == (None, False)


def test_another_kafka_empties_the_store(hub, report):
    """Reports of another cluster are gone with it; the same cluster keeps them, and what waits stays."""
    hub.store.belongs_to("one")
    name = report().json()[0]["service_request_id"]
    hub.sent.up = False
    waits = report(description="等").json()[0]["token"]
    hub.store.belongs_to("one")
    assert hub.store.known(name) is True
    hub.store.belongs_to("two")
    assert (hub.store.known(name), hub.store.known(waits)) == (None, False)
