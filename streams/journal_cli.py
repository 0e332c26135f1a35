"""`gridhub journal`: check the chains of the journal, and write down where they end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import click
from confluent_kafka import KafkaException
from kafka.errors import KafkaError

from gridhub.schemas.codec import Codec, UnknownSchema
from gridhub.schemas.registry import RegistryLater
from gridhub.streams import city as city_data
from gridhub.streams import journal_topics, topics
from gridhub.streams.anchors import Anchor, AnchorError, known, read_anchors, read_key
from gridhub.streams.journal_topics import Checked, Wanted, check_partition
from gridhub.streams.kept import KeptTopics
from gridhub.streams.moments import Moment
from gridhub.streams.reading import codec_of
from gridhub.streams.settings import Settings, load

MOMENT = Moment()
_KEY = click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the key of the anchors' signatures, 32 bytes or more.",
)


class _Hub(NamedTuple):
    settings: Settings
    kept: KeptTopics
    codec: Codec


@contextmanager
def _hub() -> Iterator[_Hub]:
    """The hub's topics; a sentence and exit code 1 when they cannot be read, or an anchor cannot be used."""
    settings = load()
    try:
        codec = codec_of(settings)
        with closing(KeptTopics(settings.bootstrap)) as kept:
            yield _Hub(settings, kept, codec)
    except AnchorError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except (RegistryLater, UnknownSchema, KafkaError, KafkaException, city_data.CityError) as error:
        click.echo(
            f"The journal cannot be read: {error}. Kafka: {settings.bootstrap} (GRIDHUB_KAFKA), "
            f"registry: {settings.registry} (GRIDHUB_REGISTRY_URL).",
            err=True,
        )
        sys.exit(1)


@click.group()
def journal() -> None:
    """The journal of decisions and its hash chains.

    Example: gridhub journal verify
    """


@journal.command()
@click.option("--partition", type=click.IntRange(0), help="This partition only.")
@click.option("--from", "from_ms", type=MOMENT, help="Records that Kafka took since this moment, in China's time.")
@click.option("--to", "to_ms", type=MOMENT, help="Records that Kafka took before this moment.")
@click.option(
    "--anchors",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of anchors, as `gridhub journal anchor` writes it: the chains must hold each of them.",
)
@_KEY
@click.option("--topic", default=topics.JOURNAL.name, show_default=True, help="Another topic, such as a copy.")
@click.option("--state/--no-state", default=True, help="Compare with the ends that the hub's own state remembers.")
def verify(  # noqa: PLR0913  # each is one option of the command
    partition: int | None,
    from_ms: int | None,
    to_ms: int | None,
    anchors: Path | None,
    key: Path | None,
    topic: str,
    *,
    state: bool,
) -> None:
    """Recompute the chains from the topic; one line per partition, then the totals.

    What does not fit is told by partition, offset and kind, first of all the first record of each chain. Exit 1 when
    anything was changed, removed, put in, reordered or cut off. What retention deleted at the begin is told and is right.

    Example: gridhub journal verify --partition 3 --from 2026-11-23
    """
    with _hub() as hub:
        remembered = read_anchors(anchors, read_key(key) if key else None) if anchors else []
        numbers = _numbers(hub.kept, topic, partition)
        heads = _heads(hub, numbers) if state and to_ms is None else {}
        wanted = Wanted(topic, from_ms, to_ms, known(remembered, heads))
        started, count, wrong = time.monotonic(), 0, 0
        for number in numbers:
            checked = check_partition(hub.kept, hub.codec, number, wanted)
            count, wrong = count + checked.records, wrong + len(checked.findings)
            click.echo(json.dumps(checked.to_json(), ensure_ascii=False))
        seconds = time.monotonic() - started
    totals = {
        "records": count,
        "findings": wrong,
        "seconds": round(seconds, 3),
        "records_per_second": round(count / seconds),
    }
    click.echo(json.dumps(totals))
    sys.exit(1 if wrong else 0)


@journal.command()
@_KEY
@click.option(
    "--file",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also put the lines behind what stands in this file. Keep it on another machine.",
)
def anchor(key: Path | None, target: Path | None) -> None:
    """Check the chains, and print where each of them ends: one anchor a line, signed when there is a key.

    Somebody who may write to Kafka can write a whole chain anew, or cut its end off; an anchor kept elsewhere shows it.

    Example: gridhub journal anchor --key anchor.key --file anchors.jsonl
    """
    secret = _secret(key)
    with _hub() as hub:
        now_ms, lines = time.time_ns() // 1_000_000, []
        for number in _numbers(hub.kept, topics.JOURNAL.name, None):
            checked = check_partition(hub.kept, hub.codec, number, Wanted())
            _refuse_broken(checked)
            for chain in checked.chains:
                found = Anchor(chain=chain["chain"], partition=number, seq=chain["to"], hash=chain["head"], at=now_ms)
                lines.append((found.signed(secret) if secret else found).to_line().decode())
    if target is not None:
        with target.open("a", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in lines)
    for line in lines:
        click.echo(line)


def _secret(key: Path | None) -> bytes | None:
    if key is None:
        click.echo("Without --key the anchors are not signed: whoever can write their file can change them.", err=True)
        return None
    try:
        return read_key(key)
    except AnchorError as error:
        raise click.UsageError(str(error)) from error


def _refuse_broken(checked: Checked) -> None:
    if checked.findings:
        first = checked.findings[0]
        click.echo(
            f"Partition {first.partition} offset {first.offset} ({first.kind}): a broken chain gets no anchor. "
            "Run `gridhub journal verify`.",
            err=True,
        )
        sys.exit(1)


def _numbers(kept: KeptTopics, topic: str, partition: int | None) -> Sequence[int]:
    numbers = kept.partitions(topic)
    if not numbers:
        raise click.UsageError(f"There is no topic {topic}.")
    if partition is not None and partition not in numbers:
        raise click.UsageError(f"{topic} has the partitions {numbers[0]} to {numbers[-1]}.")
    return numbers if partition is None else [partition]


def _heads(hub: _Hub, numbers: Sequence[int]) -> journal_topics.Heads:
    """What the hub's own state remembers; read before the journal, which may go on meanwhile."""
    inbound = sorted(d.topic.name for d in city_data.load(hub.settings.config_dir).departments)
    heads = journal_topics.outbound_heads(hub.kept, numbers)
    return heads | journal_topics.inbound_heads(hub.settings.bootstrap, hub.settings.group, inbound, numbers)
