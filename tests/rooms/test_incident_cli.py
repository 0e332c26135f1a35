"""`gridhub incident`: each command becomes one record for the area's lane."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from kafka.errors import KafkaTimeoutError

from gridhub.streams import sending
from gridhub.streams.cli import gridhub

NAME, OTHER = "420202005-1f2e3d4c5b6a7988", "420202005-8899aabbccddeeff"
WHO = ["--actor", "zhang", "--reason", "现场核实", "--id", "k1"]


def run(*words):
    """The command's result."""
    return CliRunner().invoke(gridhub, ["incident", *words])


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (["confirm", NAME, "power/TD1"], {"kind": "confirm", "event": "power/TD1", "other_incident_id": ""}),
        (["reject", NAME, "power/TD1"], {"kind": "reject", "event": "power/TD1", "other_incident_id": ""}),
        (["split", NAME, "--event", "power/TD1"], {"kind": "split", "event": "power/TD1", "other_incident_id": ""}),
        (["split", NAME, "--incident", OTHER], {"kind": "split", "event": "", "other_incident_id": OTHER}),
        (["merge", NAME, OTHER], {"kind": "merge", "event": "", "other_incident_id": OTHER}),
        (["cancel", NAME], {"kind": "cancel", "event": "", "other_incident_id": ""}),
    ],
)
def test_a_command_is_published_for_its_area(sent, words, fields):
    """One record, keyed by the area in the incident's id, and printed."""
    done = run(*words, *WHO)
    assert done.exit_code == 0, done.output
    ((area, record),) = sent
    assert area == "420202005"
    assert record == json.loads(done.stdout)
    assert record | fields == record
    assert (record["incident_id"], record["actor"], record["reason"], record["command_id"]) == (
        NAME, "zhang", "现场核实", "k1",
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ["confirm", NAME, "TD1"],
        ["confirm", "nonsense", "power/TD1"],
        ["split", NAME],
        ["split", NAME, "--event", "power/TD1", "--incident", OTHER],
    ],
)
def test_wrong_use_publishes_nothing(sent, words):
    """Exit 2 with a sentence."""
    assert run(*words, *WHO).exit_code == 2
    assert sent == []


def test_who_and_why_must_be_said(sent):
    """No decision without an actor and a reason."""
    assert run("cancel", NAME, "--actor", "zhang").exit_code == 2
    assert sent == []


def test_without_kafka_it_says_so(sent, monkeypatch):
    """Exit 1, and what to look at."""

    def away(*_):
        raise KafkaTimeoutError

    monkeypatch.setattr(sending, "publish", away)
    done = run("cancel", NAME, *WHO)
    assert (done.exit_code, "GRIDHUB_KAFKA" in done.output, sent) == (1, True, [])
