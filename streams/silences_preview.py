"""What a silence would have hidden: the kept incidents and tasks of the last hours, asked with its matchers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gridhub.schemas.codec import Codec, Decoded
from gridhub.streams import topics
from gridhub.streams.city import City
from gridhub.streams.kept import KeptTopics, Span
from gridhub.streams.rooms.outbound import Row
from gridhub.streams.routing_labels import Labels, labels_of
from gridhub.streams.routing_matchers import Matcher, fitting

HOUR_MS = 3_600_000
_MOST_NAMED = 5


class Preview(NamedTuple):
    """Numbers of incidents that opened in the last hours and of their tasks."""

    hours: int
    seen: int  # incidents that opened at all
    incidents: int  # those that would have been hidden
    tasks: int  # their tasks, which would not have been made
    life_safety: int  # those that fit and would have had tasks all the same
    examples: tuple[str, ...]  # ids of hidden ones, the newest


def preview(  # noqa: PLR0913  # where to look, and for what
    matchers: Iterable[Matcher], city: City, hours: int, kept: KeptTopics, codec: Codec, now_ms: int
) -> Preview:
    """Ask the kept topics. Raises KafkaException."""
    since_ms = now_ms - hours * HOUR_MS
    incidents, tasks = (_since(topic.name, since_ms, kept, codec) for topic in (topics.INCIDENTS, topics.TASKS))
    return counted(matchers, city, hours, incidents, tasks, since_ms)


def counted(  # noqa: PLR0913  # as above
    matchers: Iterable[Matcher], city: City, hours: int, incidents: Iterable[Row], tasks: Iterable[Row], since_ms: int
) -> Preview:
    """The numbers from versions of incidents and tasks, oldest first; an incident counts as it opened."""
    asked, opened = tuple(matchers), dict[str, Row]()
    for row in incidents:
        if row["opened_at"] >= since_ms:
            opened.setdefault(row["incident_id"], row)
    hit = {name: row for name, row in opened.items() if fitting(asked, _labels(row, city))}
    hidden = {name for name, row in hit.items() if not _endangers(row, city)}
    made = {row["task_id"] for row in tasks if row["incident_id"] in hidden}
    newest = sorted(hidden, key=lambda name: (opened[name]["opened_at"], name), reverse=True)
    return Preview(hours, len(opened), len(hidden), len(made), len(hit) - len(hidden), tuple(newest[:_MOST_NAMED]))


def _labels(row: Row, city: City) -> Labels:
    # the topic names the parent and not the rule: any text but the empty one stands for it
    return labels_of({**row, "parent_rule": row["parent_id"]}, row["category"], city.categories)


def _endangers(row: Row, city: City) -> bool:
    known = city.categories.get(row["category"])
    return known is not None and known.life_safety


def _since(topic: str, since_ms: int, kept: KeptTopics, codec: Codec) -> Iterator[Row]:
    """The readable records of a topic from a moment on."""
    for partition in kept.partitions(topic):
        span = Span(kept.since(topic, partition, since_ms), kept.span(topic, partition).end)
        for batch in kept.records(topic, partition, span):
            values = [value for message in batch if isinstance(value := message.value(), bytes)]
            for found in codec.decode_many(values):
                if isinstance(found, Decoded):
                    yield found.record
