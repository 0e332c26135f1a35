"""POST servicerequestupdates: ticketing systems report steps of tasks; each key may move only what it is for."""

from __future__ import annotations

from datetime import date

import pytest

from gridhub.connectors.open311 import keys


@pytest.fixture
def step(http):
    """Sends a step; the answer."""

    def send(key, name, status, **more):
        fields = {"api_key": key, "service_request_id": name, "status": status, "update_id": "u1", **more}
        return http.post("/servicerequestupdates.json", data=fields)

    return send


@pytest.fixture
def name(hub, report):
    """A report with one task."""
    found = report().json()[0]["service_request_id"]
    hub.dispatched(found)
    return found


@pytest.mark.parametrize(
    ("word", "stage"),
    [
        ("OPEN", "accepted"),
        ("IN_PROGRESS", "handling"),
        ("FIXED", "reported"),
        ("CLOSED", "reported"),
        ("returned", "returned"),
    ],
)
def test_a_handlers_words(hub, step, name, word, stage):
    """Words of clients in use, and the hub's own, become TaskStatus; a handler's closing is a report of work done."""
    answer = step(hub.key("handle"), name, word, updated_datetime="2026-11-23T10:00:00+08:00", account_id="p-7",
                  description="已处理，联系13971112222")  # fmt: skip
    assert answer.json() == [{"update_id": "u1"}]
    status, area = hub.sent.statuses[-1]
    assert (status["stage"], status["status_id"], status["actor"]) == (stage, "u1", "p-7")
    assert (status["at"], status["note"], area) == (1_795_399_200_000, "已处理，联系＊＊＊", "420202001")
    assert status["task_id"] == f"420202001-{1:016x}-handle-1"
    assert status["sender"].startswith("open311/k")


def test_a_checkers_words(hub, step, name):
    """A key that checks closes, and sends back; it does no handler's step."""
    key = hub.key("check")
    assert [step(key, name, word).status_code for word in ("FIXED", "CLOSED", "OPEN", "handling")] == [
        200,
        200,
        200,
        403,
    ]
    assert [status["stage"] for status, _ in hub.sent.statuses] == ["checked", "closed", "reworked"]


@pytest.mark.parametrize(
    ("may", "now", "word", "stages"),
    [
        ("handle", "dispatched", "CLOSED", ["accepted", "handling", "reported"]),
        ("handle", "accepted", "FIXED", ["handling", "reported"]),
        ("handle", "reworked", "CLOSED", ["handling", "reported"]),
        ("handle", "dispatched", "reported", ["reported"]),
        ("handle", "closed", "CLOSED", ["reported"]),
        ("check", "reported", "CLOSED", ["checked", "closed"]),
        ("check", "reported", "OPEN", ["reworked"]),
    ],
)
def test_open_and_closed_bring_what_lies_between(hub, step, may, now, word, stages):
    """Who knows open and closed only leaves steps out: they are reported too, in order, each with an id of its own."""
    task = hub.tell("hub.tasks", "Task", "dispatched", stage=now)
    assert step(hub.key(may), task["task_id"], word).json() == [{"update_id": "u1"}]
    sent = [(status["stage"], status["status_id"]) for status, _ in hub.sent.statuses]
    assert sent == [*((stage, f"u1/{stage}") for stage in stages[:-1]), (stages[-1], "u1")]


def test_least_privilege(hub, step, name):
    """Reading, reporting, and a handler's judgement move nothing; nor does a key for others' tasks."""
    for may in (("read",), ("report",), ("read", "report")):
        assert step(hub.key(*may), name, "OPEN").status_code == 403
    assert step(hub.key("handle"), name, "checked").status_code == 403
    for tasks in ({"area": ("420281",)}, {"role": ("street",)}, {"recipient": ("grid_member:1",)}):
        assert step(hub.key("handle", **tasks), name, "OPEN").status_code == 403
    assert hub.sent.statuses == []
    own = hub.key("handle", area=("420202",), role=("grid_member",), recipient=("grid_member:420202001003012",))
    assert step(own, name, "OPEN").status_code == 200


def test_a_task_by_its_own_id(hub, step):
    """Tasks that no citizen's report led to can be moved by their id, in either field."""
    task = hub.tell("hub.tasks", "Task", "dispatched", task_id="420202001-9-handle-a")
    key = hub.key("handle")
    assert step(key, task["task_id"], "OPEN").status_code == 200
    assert step(key, "", "OPEN", task_id=task["task_id"]).status_code == 200
    assert step(key, "", "OPEN", task_id="none").status_code == 404
    assert step(key, "none", "OPEN").status_code == 404
    assert step(key, "", "OPEN").status_code == 400


def test_of_several_tasks_one_is_named(hub, step, name):
    """Two open tasks: the answer names both; one that has ended does not count."""
    second = hub.tell(
        "hub.tasks", "Task", "dispatched", task_id="420202001-2-handle-b", incident_id=f"420202001-{1:016x}"
    )
    answer = step(hub.key("handle"), name, "OPEN")
    assert answer.status_code == 400
    assert second["task_id"] in answer.json()[0]["description"]
    hub.tell("hub.tasks", "Task", "dispatched", **second | {"version": 2, "stage": "returned"})
    assert step(hub.key("handle"), name, "OPEN").status_code == 200


def test_before_there_is_a_task(hub, step, report):
    """409: nobody has one yet."""
    found = report().json()[0]["service_request_id"]
    assert step(hub.key("handle"), found, "OPEN").status_code == 409


def test_a_repetition_has_the_same_id(hub, step, name):
    """Without an id of its own a step's content is its id: the hub takes it once."""
    key = hub.key("handle")
    answers = [step(key, name, "OPEN", update_id="", description="x").json()[0]["update_id"] for _ in range(2)]
    other = step(key, name, "OPEN", update_id="", description="y").json()[0]["update_id"]
    assert answers[0] == answers[1] != other


def test_while_kafka_is_away_a_step_is_put_off(hub, step, name):
    """503: the client sends it once more."""
    hub.sent.up = False
    assert step(hub.key("handle"), name, "OPEN").status_code == 503


@pytest.mark.parametrize(("status", "code"), [("", 400), ("lost", 400), ("cancelled", 403)])
def test_steps_that_are_refused(hub, step, name, status, code):
    """No status, an unknown one, and one that only an order brings."""
    assert step(hub.key("handle"), name, status).status_code == code


# keys


def test_the_file_of_keys_holds_no_key(tmp_path):
    """Only digests, readable by the owner alone; the key itself is found by them."""
    path = tmp_path / "keys.json"
    text = keys.add(path, "street-app", ("report",))
    assert text not in path.read_text()
    assert text.partition(".")[2] not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    found = keys.Keys(path).find(text)
    assert found is not None
    assert (found.name, found.may) == ("street-app", ("report",))
    assert keys.Keys(path).find(f"{text}x") is None
    assert keys.Keys(path).find("") is None


def test_a_key_ends(tmp_path):
    """On the day after its last, and as soon as it is taken away."""
    path = tmp_path / "keys.json"
    text = keys.add(path, "a", ("read",), date(2026, 11, 23))
    found = keys.Keys(path)
    assert found.find(text, date(2026, 11, 23)) is not None
    assert found.find(text, date(2026, 11, 24)) is None
    assert keys.drop(path, "a")
    assert found.find(text, date(2026, 11, 23)) is None
    assert not keys.drop(path, "a")


def test_keys_that_are_not_made(tmp_path):
    """One that handles and checks, a second one of a name, a file that others may write."""
    path = tmp_path / "keys.json"
    with pytest.raises(keys.KeysError, match="another one checks"):
        keys.add(path, "a", ("handle", "check"))
    keys.add(path, "a", ("read",))
    with pytest.raises(keys.KeysError, match="two keys are called a"):
        keys.add(path, "a", ("read",))
    path.chmod(0o666)
    with pytest.raises(keys.KeysError, match="chmod 600"):
        keys.Keys(path)
