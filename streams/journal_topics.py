"""The journal as it lies in Kafka: its partitions checked, and the chains' ends that the hub's own state remembers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from confluent_kafka import Message
from kafka.admin import KafkaAdminClient

from gridhub.schemas.codec import Codec, Decoded
from gridhub.streams import topics
from gridhub.streams.journal import HEAD_KEY
from gridhub.streams.journal_check import Finding, PartitionCheck, Placed
from gridhub.streams.kept import KeptTopics, Span, offset_of
from gridhub.streams.transport.memo import Memo

RECORD = "gridhub.hub.Decision"
Heads = dict[str, tuple[int, str]]
"""By chain, the number and the hash of its last record."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be checked: from and to are moments in ms, None for all of it."""

    topic: str = topics.JOURNAL.name
    from_ms: int | None = None
    to_ms: int | None = None
    known: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked:
    """The result for one partition."""

    partition: int
    records: int
    span: Span
    chains: list[dict[str, Any]]
    findings: list[Finding]

    def to_json(self) -> dict[str, Any]:
        """As the command prints it."""
        return {
            "partition": self.partition,
            "records": self.records,
            "chains": self.chains,
            "deleted_before_offset": self.span.first,
            "findings": [finding.to_json() for finding in self.findings],
        }


def check_partition(kept: KeptTopics, codec: Codec, partition: int, wanted: Wanted) -> Checked:
    """Recompute one partition's chains from what is committed there."""
    span = kept.span(wanted.topic, partition)
    part = Span(
        span.first if wanted.from_ms is None else kept.since(wanted.topic, partition, wanted.from_ms),
        span.end if wanted.to_ms is None else kept.since(wanted.topic, partition, wanted.to_ms),
    )
    names = {chain for chain in wanted.known if chain.rpartition("-")[2] == str(partition)}
    known = {name: wanted.known[name] for name in names}
    found = PartitionCheck(partition, from_begin=part.first == 0, known=known)
    count = 0
    for messages in kept.records(wanted.topic, partition, part):
        count += len(messages)
        for placed in _placed(messages, codec):
            found.take(placed)
    findings = found.end(complete=wanted.to_ms is None)
    chains = [
        {"chain": name, "records": chain.records, "from": chain.begin, "to": chain.seq, "head": chain.prev}
        for name, chain in sorted(found.chains.items())
    ]
    return Checked(partition, count, span, chains, findings)


def _placed(messages: Sequence[Message], codec: Codec) -> Iterator[Placed]:
    decoded = codec.decode_many(message.value() or b"" for message in messages)
    for message, found in zip(messages, decoded, strict=True):
        offset = offset_of(message)
        if not isinstance(found, Decoded):
            yield Placed(offset, None, str(found))
        elif found.name != RECORD:
            yield Placed(offset, None, f"a record {found.name}")
        else:
            key = (message.key() or b"").decode(errors="replace")
            yield Placed(offset, found.record, "" if key == found.record["area"] else key or "none")


def outbound_heads(kept: KeptTopics, partitions: Sequence[int]) -> Heads:
    """The ends of the outbound chains, from the changelog of the lanes' state: the last value of one key."""
    heads: Heads = {}
    for partition in partitions:
        for messages in kept.records(topics.STATE.name, partition):
            for message in messages:
                if message.key() == HEAD_KEY and message.value() is not None:
                    heads[f"outbound-{partition}"] = _head(message.value())
    return heads


def inbound_heads(bootstrap: str, group: str, inbound_topics: Sequence[str], partitions: Sequence[int]) -> Heads:
    """The ends of the inbound chains, from what the workers wrote beside their committed offsets. Raises KafkaError.

    kafka-python asks: confluent-kafka 2.16 reads the text beside an offset past its end.
    """
    admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    try:
        committed = admin.list_group_offsets(group)[group]
    finally:
        admin.close()
    heads: Heads = {}
    for number in partitions:
        ours = [
            found.metadata for at, found in committed.items() if at.topic in inbound_topics and at.partition == number
        ]
        if (value := Memo.newest(filter(None, ours)).get_many([HEAD_KEY])[0]) is not None:
            heads[f"inbound-{number}"] = _head(value)
    return heads


def _head(value: bytes | None) -> tuple[int, str]:
    seq, hash_ = orjson.loads(value or b'[0,""]')
    return int(seq), str(hash_)
