"""`gridhub silence`: keep tasks of a known nuisance back for a time, with everybody seeing who did it and what it hides."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any, TypeVar
from uuid import uuid4

import click
import orjson
from pydantic import BaseModel, ValidationError

from gridhub.schemas.codec import UnknownSchema
from gridhub.schemas.registry import RegistryLater
from gridhub.streams import topics
from gridhub.streams.city import City
from gridhub.streams.config_store import InForce, in_force, send, spoken
from gridhub.streams.kept import KeptTopics
from gridhub.streams.moments import Moment, shown
from gridhub.streams.reading import codec_of
from gridhub.streams.routing_file import duration_s
from gridhub.streams.routing_matchers import Matcher, MatcherError, parse
from gridhub.streams.settings import Settings, load
from gridhub.streams.shelf import first_line
from gridhub.streams.silences import (
    Approval,
    Expiry,
    Hidden,
    Silence,
    SilenceError,
    check,
    same_person,
)
from gridhub.streams.silences_preview import Preview, preview
from gridhub.streams.standing_silences import APPROVED, EXPIRED, reach, silence_key

Command = TypeVar("Command", bound=Callable[..., Any])
MOMENT = Moment()
_DAY_S = 86_400
_ACTOR = click.option("--actor", required=True, help="Who does it: an opaque id, kept for the audit.")
_COMMENT = click.option("--comment", required=True, help="Why, kept for the audit; no personal data.")
_HOURS = click.option(
    "--hours", type=click.IntRange(1, 168), help="How far back the preview looks; unset: as routing.yaml."
)
_MATCHERS = click.argument("matchers", nargs=-1, required=True)


@click.group("silence")
def silence() -> None:
    """Silences (静默): for a time, tasks of what matches are not made; incidents stay visible. Never danger to life.

    MATCHERS are those of routing.yaml: category="noise", area=~"420202005.*", severity>=4. All of them must fit.

    Example: gridhub silence preview 'category="noise"' 'street="420202005"'
    """


@silence.command("preview")
@_MATCHERS
@_HOURS
def show_preview(matchers: tuple[str, ...], hours: int | None) -> None:
    """Print what such a silence would have hidden: incidents and tasks of the last hours, and how broad it is.

    Example: gridhub silence preview 'category="illegal_parking"' 'district="420202"' --hours 48
    """
    settings, now_ms = load(), _now()
    with spoken(settings):
        city = in_force(settings, now_ms).city
        asked = _draft(matchers, city, now_ms)
        found = _previewed(asked.parsed, city, hours, settings, now_ms)
    click.echo(orjson.dumps(_told(asked, found, city)))


@silence.command("add")
@_MATCHERS
@click.option("--for", "lasts", help="How long, as 2h, 3d or 1d12h; give it or --until.")
@click.option("--until", "until_ms", type=MOMENT, help="When it ends, in China's time; give it or --for.")
@click.option("--from", "from_ms", type=MOMENT, help="When it begins; unset: now.")
@click.option("--id", "name", help="Its id; unset: a new one.")
@_HOURS
@_ACTOR
@_COMMENT
def add(
    matchers: tuple[str, ...], name: str | None, hours: int | None, actor: str, comment: str, **time_span: Any
) -> None:
    """Publish a silence. An end is compulsory; a broad one is pending until another person approves it.

    Prints the preview and what became of it: in force, or pending and why. Exit 1 when it is refused.

    Example: gridhub silence add 'category="noise"' 'street="420202005"' --for 2h --actor zhang --comment 施工已核实
    """
    settings, now_ms = load(), _now()
    starts_at, ends_at = _span(now_ms, **time_span)
    name = name or f"s-{uuid4().hex[:8]}"
    said = {"id": name, "starts_at": starts_at, "ends_at": ends_at, "author": actor}
    with spoken(settings):
        before = in_force(settings, now_ms)
        if _known(name, before) is not None:
            raise click.UsageError(f"There is a silence {name} already; its history stays: take another id.")
        draft = _draft(matchers, before.city, now_ms, comment=comment, **said)
        found = _previewed(draft.parsed, before.city, hours, settings, now_ms)
        hides = Hidden(hours=found.hours, incidents=found.incidents, tasks=found.tasks)
        made = draft.model_copy(update={"would_hide": hides})
        _publish(settings, silence_key(made.id), made)
        after = in_force(settings, now_ms)
    click.echo(orjson.dumps(_told(made, found, after.city) | _state(made.id, after, now_ms)))


@silence.command("approve")
@click.argument("name", metavar="ID")
@_ACTOR
@_COMMENT
def approve(name: str, actor: str, comment: str) -> None:
    """Agree to a pending silence, as it is; whoever wrote it cannot. Exit 1 when it is not in force then.

    Example: gridhub silence approve s-1a2b3c4d --actor li --comment 同意
    """
    settings, now_ms = load(), _now()
    with spoken(settings):
        before = in_force(settings, now_ms)
        found = _must_be_known(name, before)
        if same_person(found.author, actor):
            click.echo(f"{actor} wrote the silence {name}; another person approves it.", err=True)
            sys.exit(1)
        word = Approval(silence=name, digest=found.digest, approved_by=actor, comment=comment, at=now_ms)
        _publish(settings, silence_key(name, APPROVED), word)
        state = _state(name, in_force(settings, now_ms), now_ms)
    click.echo(orjson.dumps({"id": name, **state}))
    if state["state"] == "pending":
        sys.exit(1)


@silence.command("expire")
@click.argument("name", metavar="ID")
@_ACTOR
@_COMMENT
def expire(name: str, actor: str, comment: str) -> None:
    """End a silence before its time. What it has hidden gets tasks when it is told again.

    Example: gridhub silence expire s-1a2b3c4d --actor li --comment 已恢复
    """
    settings, now_ms = load(), _now()
    with spoken(settings):
        _must_be_known(name, in_force(settings, now_ms))
        word = Expiry(silence=name, expired_by=actor, comment=comment, at=now_ms)
        _publish(settings, silence_key(name, EXPIRED), word)
        state = _state(name, in_force(settings, now_ms), now_ms)
    click.echo(orjson.dumps({"id": name, **state}))


@silence.command("list")
@click.option("--all", "every", is_flag=True, help="Those that are over too.")
def show_list(*, every: bool) -> None:
    """Print the silences, one JSON object a line: active, scheduled, pending; with --all expired and refused ones.

    Example: gridhub silence list --all
    """
    settings, now_ms = load(), _now()
    with spoken(settings):
        found = in_force(settings, now_ms)
    for one in _silences(found):
        state = _state(one.id, found, now_ms)
        if every or state["state"] in {"active", "scheduled", "pending"}:
            click.echo(orjson.dumps(_shown(one) | state))


def _now() -> int:
    return time.time_ns() // 1_000_000


def _span(now_ms: int, lasts: str | None, until_ms: int | None, from_ms: int | None) -> tuple[int, int]:
    if (lasts is None) == (until_ms is None):
        raise click.UsageError("A silence has an end: give either --for or --until.")
    starts_at = now_ms if from_ms is None else from_ms
    try:
        ends_at = until_ms if lasts is None else starts_at + duration_s(lasts, 31 * _DAY_S) * 1000
    except ValueError as error:
        raise click.UsageError(f"--for: {error}") from error
    assert ends_at is not None
    if ends_at <= max(starts_at, now_ms):
        raise click.UsageError("The end lies before the begin, or in the past.")
    return starts_at, ends_at


def _draft(matchers: Iterable[str], city: City, now_ms: int, **said: Any) -> Silence:
    """A silence of these matchers, judged; wrong use ends with exit 2."""
    bare = {"id": "preview", "starts_at": now_ms, "ends_at": now_ms + 1, "author": "preview", "comment": "preview"}
    try:
        texts = [str(parse(text)) for text in matchers]
        hides = Hidden(hours=1, incidents=0, tasks=0)
        made = Silence(matchers=texts, created_at=now_ms, would_hide=hides, **{**bare, **said})
        check(made, city.categories, city.routing.silence_limits)
    except (MatcherError, SilenceError) as error:
        raise click.UsageError(f"{error}.") from error
    except ValidationError as error:
        raise click.UsageError(first_line(error)) from error
    return made


def _previewed(asked: tuple[Matcher, ...], city: City, hours: int | None, settings: Settings, now_ms: int) -> Preview:
    try:
        codec = codec_of(settings)
    except (RegistryLater, UnknownSchema) as error:
        click.echo(f"The kept incidents cannot be read: {error}. Registry: {settings.registry}.", err=True)
        sys.exit(1)
    with closing(KeptTopics(settings.bootstrap)) as kept:
        return preview(asked, city, hours or city.routing.silence_limits.hours, kept, codec, now_ms)


def _publish(settings: Settings, key: bytes, record: BaseModel) -> None:
    send(settings, topics.CONFIG.name, [(key, record.model_dump_json().encode())])


def _silences(found: InForce) -> list[Silence]:
    """The readable ones, whatever became of them."""
    made = []
    for item in found.items:
        if item.topic == topics.CONFIG.name and item.key.startswith(b"silence/") and item.key.count(b"/") == 1:
            try:
                made.append(Silence.model_validate_json(item.value))
            except ValidationError:
                continue  # what workers refuse too
    return made


def _known(name: str, found: InForce) -> Silence | None:
    return next((one for one in _silences(found) if one.id == name), None)


def _must_be_known(name: str, found: InForce) -> Silence:
    known = _known(name, found)
    if known is None:
        raise click.UsageError(f"There is no silence {name}; `gridhub silence list --all` has them.")
    return known


def _state(name: str, found: InForce, now_ms: int) -> dict[str, Any]:
    """active, scheduled, pending, expired or refused, and the word on it."""
    silences, detail = found.city.silences, found.told[topics.CONFIG.name, silence_key(name).decode()].detail
    one = next((one for one in silences.silences if one.id == name), None)
    if name in silences.waiting:
        return {"state": "pending", "needs_approval": silences.waiting[name], "detail": detail}
    if one is None:
        return {"state": "expired" if detail.startswith("expired") else "refused", "detail": detail}
    if now_ms >= one.ends_at:
        return {"state": "expired", "detail": "its time is over"}
    return {"state": "active" if one.starts_at <= now_ms else "scheduled", "detail": detail}


def _shown(one: Silence) -> dict[str, Any]:
    said = one.model_dump(include={"id", "matchers", "author", "comment", "would_hide"})
    return {**said, "starts": shown(one.starts_at), "ends": shown(one.ends_at)}


def _told(one: Silence, found: Preview, city: City) -> dict[str, Any]:
    """The silence, the preview and its breadth, as one line."""
    hides = Hidden(hours=found.hours, incidents=found.incidents, tasks=found.tasks)
    counted = one.model_copy(update={"would_hide": hides})
    broad = reach(counted, city)
    line = {key: value for key, value in _shown(counted).items() if one.id != "preview" or key == "matchers"}
    return {
        **line,
        "preview": found._asdict(),
        "breadth": broad.model_dump(),
        "needs_approval": broad.needs_second(counted, city.routing.silence_limits),
    }
