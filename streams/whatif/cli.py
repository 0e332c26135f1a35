"""`gridhub whatif`: kept topics against proposed rules, beside the live ones. Nothing is sent."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import click
from confluent_kafka import KafkaException

from gridhub.schemas.codec import Codec, UnknownSchema
from gridhub.schemas.registry import RegistryLater
from gridhub.streams import city as city_data
from gridhub.streams import topics
from gridhub.streams.city import City, CityError
from gridhub.streams.kept import KeptTopics
from gridhub.streams.moments import Moment, shown
from gridhub.streams.reading import codec_of
from gridhub.streams.settings import Settings, load
from gridhub.streams.whatif.disk import disk_states
from gridhub.streams.whatif.history import History
from gridhub.streams.whatif.proposal import Message, Proposal, ProposalError, propose
from gridhub.streams.whatif.reality import Reality
from gridhub.streams.whatif.replay import Replay, Result
from gridhub.streams.whatif.side import Facts, Side
from gridhub.streams.whatif.steps import Step, steps
from gridhub.streams.whatif.told import lines, to_json

MOMENT = Moment()
HOUR_MS = 3_600_000
STANDING = (topics.GRIDS.name, topics.ADMISSIONS.name, topics.CONFIG.name)


@click.command()
@click.option(
    "--config",
    "new",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="A folder laid out like config/ with the files that are to change, or one such file.",
)
@click.option("--from", "from_ms", type=MOMENT, help="Compare from this moment, China's time; unset: all that is kept.")
@click.option("--to", "to_ms", type=MOMENT, help="Compare up to this moment; unset: now.")
@click.option(
    "--warm-up",
    "warm_up_h",
    type=click.FloatRange(0, 24 * 30),
    default=72.0,
    show_default=True,
    help="Hours before --from that are replayed without being compared: what was open then must be known.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object in place of the lines.")
def whatif(new: Path, from_ms: int | None, to_ms: int | None, warm_up_h: float, *, as_json: bool) -> None:
    """Replay what Kafka keeps with the rules in force and with proposed ones, and print what differs.

    Proposed may be routing, admissions, matching, clocks, categories, departments, grids or the organisation. Tasks by
    recipient, merges, refusals and breaches are compared, and the live side with what really happened. Nothing is sent.

    Example: gridhub whatif --config new/routing.yaml --from 2026-11-16 --to 2026-11-23
    """
    settings, now_ms = load(), time.time_ns() // 1_000_000
    try:
        proposal = propose(settings.config_dir, new, _published(settings), now_ms)
        told = _run(settings, proposal, (from_ms, to_ms or now_ms, int(warm_up_h * HOUR_MS)))
    except (CityError, ProposalError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except (KafkaException, RegistryLater, UnknownSchema, TimeoutError) as error:
        click.echo(
            f"The hub's topics cannot be read: {error}. Kafka: {settings.bootstrap} (GRIDHUB_KAFKA), "
            f"registry: {settings.registry} (GRIDHUB_REGISTRY_URL).",
            err=True,
        )
        sys.exit(1)
    for line in [json.dumps(told, ensure_ascii=False)] if as_json else lines(told):
        click.echo(line)


def _run(settings: Settings, proposal: Proposal, asked: tuple[int | None, int, int]) -> dict[str, object]:
    """Replay and compare; `asked` is from, to and the length of the warm-up, ms."""
    codec = codec_of(settings, proposal.live.further)
    with (
        closing(History(settings.bootstrap, _names(proposal))) as history,
        disk_states(settings.state_memory_mb) as states,
    ):
        kept_ms = history.begin_ms()
        from_ms, to_ms, warm_up_ms = asked[0] if asked[0] is not None else kept_ms or asked[1], asked[1], asked[2]
        begin_ms = max(kept_ms or from_ms, from_ms - warm_up_ms)
        result = Result(from_ms, to_ms, reality=_reality(history, proposal, codec, from_ms, to_ms))
        live, proposed = (
            Side(_facts(city, settings, codec, proposal), state)
            for city, state in zip(_cities(proposal), states, strict=True)
        )
        Replay(live, proposed, codec, result).run(_steps(history, begin_ms, from_ms, to_ms), _tell)
        assert result.reality is not None
        return to_json(result, proposal, result.reality.report(live.state))


def _names(proposal: Proposal) -> list[str]:
    """The topics of the replay: events first, then reports, then the journal, as they follow each other."""
    own = sorted({d.topic.name for city in _cities(proposal) for d in city.departments})
    return [*(own if proposal.inbound else [topics.LOCATED.name]), topics.STATUS.name, topics.JOURNAL.name]


def _cities(proposal: Proposal) -> tuple[City, City]:
    return proposal.live, proposal.proposed


def _facts(city: City, settings: Settings, codec: Codec, proposal: Proposal) -> Facts:
    inbound = city_data.inbound_facts(city, settings, codec.decode_many) if proposal.inbound else None
    return Facts(city_data.outbound_facts(city, settings), inbound)


def _steps(history: History, begin_ms: int, from_ms: int, to_ms: int) -> Iterator[Step]:
    """What warms up, then what is compared: no step lies in both."""
    return chain(
        steps(history.windows(begin_ms, min(from_ms, to_ms))), steps(history.windows(max(begin_ms, from_ms), to_ms))
    )


def _reality(history: History, proposal: Proposal, codec: Codec, from_ms: int, to_ms: int) -> Reality:
    first, end = history.offsets(from_ms), history.offsets(to_ms)
    spans = {place: (first[place], end[place]) for place in first if place[0] == topics.LOCATED.name}
    return Reality(codec, proposal.live.rules, spans)


def _published(settings: Settings) -> list[Message]:
    """Every message of standing data, in order."""
    with closing(KeptTopics(settings.bootstrap)) as kept:
        return [
            (topic, message.key() or b"", message.value())
            for topic in STANDING
            for number in kept.partitions(topic)
            for batch in kept.records(topic, number)
            for message in batch
        ]


def _tell(count: int, at_ms: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{count} records, {shown(at_ms)}", err=True, nl=False)
