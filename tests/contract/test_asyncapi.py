"""AsyncAPI documents: valid for a library that nobody here wrote, closed in themselves, and the same as the tables in code."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import fastavro
import pytest
from click.testing import CliRunner

from gridhub.connectors.sinks.asyncapi import NoConsumerError, consumers, document
from gridhub.connectors.sinks.asyncapi_cli import asyncapi
from gridhub.connectors.sources.departments import Departments
from gridhub.schemas.registry import local_codec
from gridhub.streams.settings import Settings
from gridhub.streams.topics import HUB_TOPICS

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))  # a script, not a package: nobody installs it

from make_tables import asyncapi_examples  # noqa: E402 - importable only from here on

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # its models have fields that pydantic warns about
    from asyncapi3.models import AsyncAPI3

DEPARTMENTS = Departments.load()
EXAMPLES = DOCS / "examples" / "asyncapi"


@pytest.fixture(params=consumers(DEPARTMENTS))
def found(request):
    """The document of each consumer in turn."""
    return document(request.param, DEPARTMENTS, Settings.model_construct())


def references(tree):
    """Every $ref of a document."""
    if isinstance(tree, dict):
        own = [tree["$ref"]] if isinstance(tree.get("$ref"), str) else []
        return own + [one for value in tree.values() for one in references(value)]
    return [one for value in tree for one in references(value)] if isinstance(tree, list) else []


def test_a_foreign_library_takes_it(found):
    """The object model of AsyncAPI 3.0 reads it strictly and gives the same operations back."""
    model = AsyncAPI3.model_validate(found)
    again = json.loads(model.model_dump_json(by_alias=True, exclude_none=True))
    assert again["operations"].keys() == found["operations"].keys()
    assert again["channels"].keys() == found["channels"].keys()


def test_a_wrong_document_is_not_taken(found):
    """The library refuses an action that AsyncAPI does not know: the test above can fail."""
    name = next(iter(found["operations"]))
    found["operations"][name]["action"] = "listen"
    with pytest.raises(ValueError, match="action"):
        AsyncAPI3.model_validate(found)


def test_every_reference_leads_somewhere(found):
    """Inside the document; each operation's messages are messages of its channel."""
    for path in references(found):
        tree = found
        for part in path.removeprefix("#/").split("/"):
            tree = tree[part]
        assert tree
    for operation in found["operations"].values():
        for message in operation["messages"]:
            assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")


def test_channels_are_topics_and_payloads_are_schemas(found):
    """Each address is a topic with its settings, each payload Avro, each example a record of it."""
    known = {topic.name: topic for topic in (*HUB_TOPICS, *(department.topic for department in DEPARTMENTS))}
    codec = local_codec()
    for channel in found["channels"].values():
        config = channel["bindings"]["kafka"]["topicConfiguration"]
        assert config["retention.ms"] == known[channel["address"]].retention_ms
        assert ",".join(config["cleanup.policy"]) == known[channel["address"]].cleanup
    for message in found["components"]["messages"].values():
        fastavro.parse_schema(message["payload"]["schema"])
        assert message["name"] in codec.ids


def test_who_sends_and_receives_what():
    """Ticketing: tasks and incidents in, steps out. A department: its own records out, nothing in."""
    settings = Settings.model_construct()
    ticketing = document("ticketing", DEPARTMENTS, settings)["operations"]
    assert {name: one["action"] for name, one in ticketing.items()} == {
        "receiveIncident": "receive", "receiveTask": "receive", "sendTaskStatus": "send",
    }  # fmt: skip
    console = document("console", DEPARTMENTS, settings)["operations"]
    assert {name for name, one in console.items() if one["action"] == "send"} == {"sendTaskStatus", "sendCommand"}
    power = document("department/power", DEPARTMENTS, settings)
    assert [one["address"] for one in power["channels"].values()] == ["dept.power.events"]
    assert [one["action"] for one in power["operations"].values()] == ["send"]
    with pytest.raises(NoConsumerError, match="department/power"):
        document("nobody", DEPARTMENTS, settings)


@pytest.mark.parametrize("name", asyncapi_examples())
def test_the_files_are_as_the_code_writes_them(name):
    """`make docs` was run."""
    assert (EXAMPLES / name).read_text("utf-8") == asyncapi_examples()[name]


def test_on_the_command_line(monkeypatch):
    """The document with this hub's own addresses; an unknown consumer is wrong use."""
    monkeypatch.setenv("GRIDHUB_KAFKA", "kafka.example.org:9092")
    result = CliRunner().invoke(asyncapi, ["--consumer", "department/power"])
    assert json.loads(result.stdout)["servers"]["hub"]["host"] == "kafka.example.org:9092"
    assert CliRunner().invoke(asyncapi, ["--consumer", "nobody"]).exit_code == 2
