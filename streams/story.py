"""An event's story, put together from the hub's topics: bytes, place, decision, tasks, each step to the close."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from gridhub.schemas.codec import Codec, Decoded
from gridhub.streams import topics
from gridhub.streams.aftermath import aftermath, step_of
from gridhub.streams.apart import add_distance
from gridhub.streams.intake import taken

Step = dict[str, Any]
Ways = Callable[[Any], list[Step]]
"""What each way to a place said about an original Kafka record (streams/ways.py)."""
POLL_MS = 300


class Reader:
    """Reads topics from their begin to where they end now, committed records only."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False, group_id=None,
            client_id="gridhub-explain",
        )  # fmt: skip
        self._codec = codec

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def records(self, topic: str, needles: Iterable[str] = ()) -> Iterator[tuple[Any, Step]]:
        """(Kafka record, decoded record) of those that hold one of the needles in their bytes; all without needles."""
        wanted = [needle.encode() for needle in needles]
        tps = [TopicPartition(topic, number) for number in sorted(self._consumer.partitions_for_topic(topic) or ())]
        if not tps:
            return
        self._consumer.assign(tps)
        self._consumer.seek_to_beginning()
        ends = self._consumer.end_offsets(tps)
        while any(self._consumer.position(tp) < end for tp, end in ends.items()):
            for records in self._consumer.poll(timeout_ms=POLL_MS, max_records=5000).values():
                yield from self._decoded(records, wanted)

    def original(self, topic: str, partition: int, offset: int) -> Any:
        """The Kafka record at one place, or None when it is no longer kept."""
        tp = TopicPartition(topic, partition)
        self._consumer.assign([tp])
        self._consumer.seek(tp, offset)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            for records in self._consumer.poll(timeout_ms=POLL_MS, max_records=1).values():
                return records[0] if records[0].offset == offset else None
        return None

    def _decoded(self, records: list[Any], wanted: list[bytes]) -> Iterator[tuple[Any, Step]]:
        kept = [r for r in records if r.value and (not wanted or any(needle in r.value for needle in wanted))]
        for record, found in zip(kept, self._codec.decode_many(r.value for r in kept), strict=True):
            if isinstance(found, Decoded):
                yield record, found.record


LOCATED = (
    "source", "area", "grid_ids", "place_name", "method", "confidence", "category", "severity", "admission", "catalogue",
)  # fmt: skip
REFUSED = (
    "source", "room", "reason", "detail", "candidates", "source_topic", "source_partition", "source_offset",
)  # fmt: skip
DECIDED = (
    "source", "event_id", "room", "outcome", "reason", "incident_id", "task_ids", "score", "rules", "decided_at",
    "chain", "seq", "parent_id", "actor", "note",
)  # fmt: skip
"""What steps of each kind tell."""


def story(event_id: str, reader: Reader, source: str | None = None, ways: Ways | None = None) -> list[Step]:
    """Every step of the event(s) of this id, in the order of the road; empty when the hub never saw it.

    With `ways` the steps `located` and `refused` tell what each way to a place said, where the original is still kept.
    """

    def ours(record: Step) -> bool:
        return record["event_id"] == event_id and source in {None, record["source"]}

    located = [record for _, record in reader.records(topics.LOCATED.name, [event_id]) if ours(record)]
    refused = [record for _, record in reader.records(topics.QUARANTINE.name, [event_id]) if ours(record)]
    decided = [record for _, record in reader.records(topics.JOURNAL.name, [event_id]) if ours(record)]
    incidents = sorted({record["incident_id"] for record in decided if record["incident_id"]})
    steps = [_received(record, reader) for record in located]
    if not located and not refused:
        steps += list(_taken(event_id, source, reader))
    steps += [step_of("located", record, *LOCATED) for record in located]
    steps += [step_of("refused", record, *REFUSED) for record in refused]
    steps += [step_of("decided", record, *DECIDED) for record in decided]
    if ways is not None:
        _add_ways(steps, [*located, *refused], reader, ways)
    after = aftermath(incidents, reader, {(record["chain"], record["seq"]) for record in decided}) if incidents else []
    _add_distances(steps, located, {step["incident_id"]: step for step in after if step["step"] == "incident"})
    return steps + after


def _add_ways(steps: list[Step], records: list[Step], reader: Reader, ways: Ways) -> None:
    """Tell in the steps of place, which stand in the order of these records, what each way said."""
    of_place = [step for step in steps if step["step"] in {"located", "refused"}]
    for step, record in zip(of_place, records, strict=True):
        lead = "origin" if step["step"] == "located" else "source"
        lay = {name: record[f"{lead}_{name}"] for name in ("topic", "partition", "offset")}
        if step["step"] == "refused" and record["room"] != "normalise":
            continue
        original = reader.original(**lay)
        step["ways"] = ways(original) if original is not None else []


def _add_distances(steps: list[Step], located: list[Step], incidents: dict[str, Step]) -> None:
    """How far in metres and minutes an event that joined lies from the first event of its incident."""
    events = {(record["source"], record["event_id"]): record for record in located}
    for step in steps:
        incident = incidents.get(step.get("incident_id", ""))
        event = events.get((step.get("source", ""), step.get("event_id", "")))
        if incident and event:
            add_distance(step, event, incident)


def _taken(event_id: str, source: str | None, reader: Reader) -> Iterator[Step]:
    """What the journal still says of an event whose located form, or refusal, is kept no longer."""
    for _, record in reader.records(topics.JOURNAL.name, [event_id]):
        for line in taken(record):
            if line.event_id == event_id and source in {None, line.source}:
                about = {name: record[name] for name in ("decided_at", "rules", "chain", "seq")}
                yield {"step": "taken", **line._asdict(), **about}


def _received(record: Step, reader: Reader) -> Step:
    place = {name: record[f"origin_{name}"] for name in ("topic", "partition", "offset")}
    original = reader.original(**place)
    kept = {"bytes": len(original.value), "schema_id": record["schema_id"]} if original is not None else {"kept": False}
    return {"step": "received", **place, "received_at": record["received_at"], **kept}
