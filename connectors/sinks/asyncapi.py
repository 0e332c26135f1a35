"""AsyncAPI 3.0: what one consumer of the hub sends and receives, written from the closed tables of topics and schemas."""

from __future__ import annotations

import json
import re
from importlib import metadata
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from gridhub.connectors.sources.departments import Departments
from gridhub.schemas.catalogue import Entry, catalogue
from gridhub.streams.topics import HUB_TOPICS, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gridhub.streams.settings import Settings

VERSION = "3.0.0"
BINDING = "0.5.0"
AVRO = "application/vnd.apache.avro;version=1.9.0"
SENDS = {"ticketing": ("TaskStatus",), "console": ("TaskStatus", "Command")}
"""Of a topic with several records, those that this consumer writes."""
TOLD = {
    "ticketing": "A ticketing system: it receives tasks and incidents, and reports the steps of tasks.",
    "console": "An operator's console: it receives what the hub decided and refused, and sends steps and commands.",
}
_HEADERS = {
    "type": "object",
    "description": "CloudEvents attributes and W3C trace context, where the sender has them",
    "properties": {name: {"type": "string"} for name in ("ce_id", "ce_source", "ce_type", "ce_time", "traceparent")},
}
Document = dict[str, Any]


class NoConsumerError(ValueError):
    """Nobody is called so; the message names those who are."""


def consumers(departments: Departments) -> list[str]:
    """Everybody there is a document for."""
    return [*TOLD, *(f"department/{department.code}" for department in departments)]


def document(consumer: str, departments: Departments, settings: Settings, folders: Sequence[Path] = ()) -> Document:
    """The document of one consumer; NoConsumerError for an unknown one. The same tables give the same document."""
    if consumer not in consumers(departments):
        raise NoConsumerError(f"{consumer} is none of {', '.join(consumers(departments))}.")
    parts = list(_parts(consumer, departments, {(e.topic, e.record): e for e in catalogue(folders)}))
    return {
        "asyncapi": VERSION,
        "info": {
            "title": f"gridhub: {consumer}",
            "version": metadata.version("gridhub"),
            "description": _told(consumer, departments),
            "license": {"name": "Apache-2.0"},
        },
        "servers": {"hub": _server(settings)},
        "defaultContentType": "avro/binary",
        "channels": {_name(topic): _channel(topic, entries, settings) for topic, _, entries in parts},
        "operations": {
            f"{action}{_short(entry)}": _operation(action, topic, entry)
            for topic, action, entries in parts
            for entry in entries
        },
        "components": {"messages": {_short(entry): _message(topic, entry) for topic, _, es in parts for entry in es}},
    }


def _parts(
    consumer: str, departments: Departments, entries: dict[tuple[str, str], Entry]
) -> Iterator[tuple[Topic, str, list[Entry]]]:
    """The topics of this consumer, what it does there, and with which records."""
    kind, _, code = consumer.partition("/")
    if kind == "department":
        topic = departments.by_code[code].topic
        yield topic, "send", [entries[topic.name, value] for value in topic.values]
        return
    for topic in HUB_TOPICS:
        named = {value: entries[topic.name, f"gridhub.hub.{value}"] for value in topic.values}
        if consumer in _words(topic.read_by) and named:
            yield topic, "receive", list(named.values())
        if consumer in _words(topic.written_by):
            yield topic, "send", [named[value] for value in SENDS[consumer]]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", re.sub(r"\(.*?\)", "", text)))


def _told(consumer: str, departments: Departments) -> str:
    kind, _, code = consumer.partition("/")
    if kind != "department":
        return TOLD[kind]
    department = departments.by_code[code]
    return (
        f"{department.name_zh} {department.name_en}: it sends its own records to its own topic, and nobody else does."
    )


def _server(settings: Settings) -> Document:
    return {
        "host": settings.bootstrap.split(",")[0],
        "protocol": "kafka",
        "description": "Read with isolation.level=read_committed: what the hub writes, it writes in transactions.",
        "bindings": {
            "kafka": {
                "schemaRegistryUrl": settings.registry,
                "schemaRegistryVendor": "confluent",
                "bindingVersion": BINDING,
            }
        },
    }


def _channel(topic: Topic, entries: Sequence[Entry], settings: Settings) -> Document:
    config = {
        "cleanup.policy": topic.cleanup.split(","),
        "retention.ms": topic.retention_ms,
        **({"max.message.bytes": topic.largest_bytes} if topic.largest_bytes else {}),
    }
    return {
        "address": topic.name,
        "description": f"Key: {topic.key}. Written by {topic.written_by}; read by {topic.read_by}.",
        "messages": {_short(entry): {"$ref": f"#/components/messages/{_short(entry)}"} for entry in entries},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions or settings.partitions,
                "replicas": settings.replication,
                "topicConfiguration": config,
                "bindingVersion": BINDING,
            }
        },
    }


def _operation(action: str, topic: Topic, entry: Entry) -> Document:
    channel = f"#/channels/{_name(topic)}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": json.loads(entry.text)["doc"],
        "messages": [{"$ref": f"{channel}/messages/{_short(entry)}"}],
    }


def _message(topic: Topic, entry: Entry) -> Document:
    schema = json.loads(entry.text)
    example = _example(_short(entry))
    return {
        "name": entry.record,
        "title": _short(entry),
        "summary": schema["doc"],
        "contentType": "avro/binary",
        "headers": _HEADERS,
        "payload": {"schemaFormat": AVRO, "schema": schema},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": topic.key},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "TopicIdStrategy"
                if entry.subject.endswith("-value")
                else "TopicRecordIdStrategy",
                "bindingVersion": BINDING,
            }
        },
        **({"examples": [{"name": _short(entry), "payload": example}]} if example else {}),
    }


def _example(record: str) -> Document | None:
    folder = files("gridhub.schemas") / "examples" / record
    found = sorted(folder.iterdir(), key=lambda path: path.name) if folder.is_dir() else []
    return next((json.loads(path.read_text("utf-8")) for path in found if path.name.endswith(".json")), None)


def _name(topic: Topic) -> str:
    """A channel's name: letters and digits of the topic's."""
    first, *others = re.split(r"[.-]", topic.name)
    return first + "".join(other.capitalize() for other in others)


def _short(entry: Entry) -> str:
    return entry.record.rpartition(".")[2]
