"""`gridhub grids`: check a city's own grids, compare two versions, and put one in force."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from gridhub.streams.moments import CHINA, ms_of
from gridhub.streams.place.bundle import Manifest, pack, parts
from gridhub.streams.place.changes import compare
from gridhub.streams.place.drawing import MOST_BYTES
from gridhub.streams.place.findings import KINDS, Report
from gridhub.streams.place.folder_check import GRIDS, check_folder, ground
from gridhub.streams.place.import_check import check_grids
from gridhub.streams.place.rows import grid_folder
from gridhub.streams.place.source import read_source
from gridhub.streams.settings import load as load_settings

_PLACE = click.Path(exists=True, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_ACCEPT = click.option(
    "--accept", "accepted", multiple=True, metavar="KIND",
    help="Kind of finding that was looked at and is meant, as gap for a lake; may be given again.",
)  # fmt: skip


@click.group("grids")
def grids() -> None:
    """Check the city's own grids, compare versions, put one in force while the hub runs.

    Example: gridhub grids check config/grids
    """


@grids.command("check")
@click.argument("place", type=_PLACE, metavar="FILE|DIR")
@click.option(
    "--against", type=_FOLDER, help="Catalogue that a single FILE is judged by; unset: the one in force here."
)
@_ACCEPT
@click.option("--json", "as_json", is_flag=True, help="One JSON object a finding, and a summary last.")
def check(place: Path, against: Path | None, accepted: tuple[str, ...], *, as_json: bool) -> None:
    """Find what is wrong in a GeoJSON FILE of grids, or in a whole catalogue DIR; exit 1 when something is.

    Each finding says in Chinese and English which feature it is, what is wrong and what to do.

    Example: gridhub grids check config/grids
    """
    report = _report(accepted)
    count = _judge(place, against, report)
    _tell(report, as_json=as_json)
    if as_json:
        totals = {"grids": count, "errors": report.errors, "warnings": report.warnings}
        click.echo(orjson.dumps({"kind": "summary", "place": str(place), **totals, "counts": dict(report.counts)}))
    else:
        click.echo(
            f"{place}：{report.errors}个错误，{report.warnings}个提示 / {report.errors} errors, {report.warnings} warnings"
        )
    raise SystemExit(1 if report.errors else 0)


@grids.command("diff")
@click.argument("old", type=_PLACE)
@click.argument("new", type=_PLACE)
def diff(old: Path, new: Path) -> None:
    """Print what changes from OLD to NEW, one JSON object a change, the numbers last. Each is a catalogue or a GeoJSON file.

    Grids added, removed, moved and renamed; the land in m² that changes hands; how many departments' keys lead to changed
    places, by table. For a GeoJSON file the other tables are those in force here.

    Example: gridhub grids diff config/grids new-grids
    """
    try:
        with _as_folder(old) as before, _as_folder(new) as after:
            found = compare(before, after)
    except (ValueError, KeyError, TypeError, OSError) as error:
        click.echo(f"The versions cannot be compared: {error}. `gridhub grids check` tells what is wrong.", err=True)
        raise SystemExit(1) from error
    for line in found.lines():
        click.echo(orjson.dumps(line))


@grids.command("load")
@click.argument("place", type=_PLACE, metavar="FILE|DIR")
@click.option("--actor", required=True, help="Who puts this version in force; kept for the audit.")
@click.option("--reason", required=True, help="Why, with the decision it rests on; kept for the audit.")
@click.option("--valid-from", "since", help="Day (China's time) or moment from which it counts; unset: from now on.")
@_ACCEPT
def load(place: Path, actor: str, reason: str, since: str | None, accepted: tuple[str, ...]) -> None:
    """Check a catalogue and publish it to hub.grids: workers put it in force without a restart. Exit 1 when it is wrong.

    It is a catalogue folder, or a GeoJSON file of grids to take with the other tables in force here. Events that
    occurred before --valid-from stay where the version before puts them. Prints the manifest.

    Example: gridhub grids load new-grids --actor "民政局 张三" --reason "政发〔2026〕12号" --valid-from 2026-12-01
    """
    now_ms = time.time_ns() // 1_000_000
    since_ms = _moment(since) if since else now_ms
    said = {
        "valid_from_ms": since_ms, "accepted": sorted(set(accepted)),
        "actor": actor, "reason": reason, "published_at_ms": now_ms,
    }  # fmt: skip
    with _as_folder(place) as folder:
        report = _report(accepted)
        check_folder(folder, report)
        _tell(report, as_json=False, err=True)
        if report.errors:
            click.echo(f"Nothing was published: {report.errors} errors.", err=True)
            raise SystemExit(1)
        if since_ms < now_ms:
            click.echo("This version counts from a moment in the past: events that occurred since may move.", err=True)
        packed, source = pack(folder), read_source(folder)
    found = {"version": source.version, "size_bytes": len(packed), "grids": int(source.valid_at(None).sum())}
    click.echo(orjson.dumps(_publish(packed, said | found)))


@grids.command("versions")
def versions() -> None:
    """Print every version that was published, one JSON object a line, the oldest first; exit 1 when one is missing.

    Each manifest names the one before it by its SHA-256: a gap or a change in the list shows.

    Example: gridhub grids versions
    """
    from gridhub.streams.standing_store import read_manifests

    previous, whole = "", True
    for manifest in read_manifests(load_settings().bootstrap):
        follows = manifest.previous == previous
        whole &= follows
        previous = manifest.digest
        moment = datetime.fromtimestamp(manifest.valid_from_ms / 1000, UTC).astimezone(CHINA).isoformat()
        click.echo(orjson.dumps({**manifest.model_dump(), "valid_from": moment, "follows": follows}))
    raise SystemExit(0 if whole else 1)


def _publish(packed: bytes, said: dict[str, Any]) -> dict[str, Any]:
    from kafka.errors import KafkaError

    from gridhub.streams.standing_store import publish, read_manifests

    bootstrap = load_settings().bootstrap
    messages = list(parts(packed))
    try:
        known = read_manifests(bootstrap)
        sha256 = messages[0][0].decode().split("/")[1]
        chain = {"previous": known[-1].digest if known else "", "sha256": sha256, "parts": len(messages)}
        manifest = Manifest.model_validate({**said, **chain})
        publish(bootstrap, [*messages, (manifest.key, manifest.content())])
    except KafkaError as error:
        click.echo(
            f"No Kafka answers at {bootstrap} ({type(error).__name__}): start it, or set GRIDHUB_KAFKA.", err=True
        )
        raise SystemExit(1) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return manifest.model_dump()


def _report(accepted: tuple[str, ...]) -> Report:
    unknown = [kind for kind in accepted if kind not in KINDS]
    if unknown:
        raise click.UsageError(f"There is no kind of finding {unknown[0]}; there are {', '.join(KINDS)}.")
    return Report(accepted)


def _judge(place: Path, against: Path | None, report: Report) -> int:
    """Judge a file or folder; how many grids in it are sound by themselves."""
    if place.is_dir():
        return check_folder(place, report)
    try:
        where = ground(against or _in_force())
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with place.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    return len(check_grids(content, place.name, where, report))


def _in_force() -> Any:
    folder = load_settings().config_dir
    own = folder / "grids" if folder is not None else None
    return own if own is not None and own.exists() else grid_folder()


def _tell(report: Report, *, as_json: bool, err: bool = False) -> None:
    for finding in report.findings:
        click.echo(orjson.dumps(finding.line()) if as_json else finding.report(), err=err)
    for kind, more in report.untold():
        if not as_json:
            click.echo(f"{kind}：另有{more}处未列出 / {more} more of this kind are not listed", err=err)


@contextmanager
def _as_folder(place: Path) -> Iterator[Path]:
    """A catalogue folder, or the one in force with another file of grids."""
    if place.is_dir():
        yield place
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "grids"
        _copy(_in_force(), target)
        shutil.copyfile(place, target / GRIDS)
        yield target


def _copy(source: Any, target: Path) -> None:
    target.mkdir()
    for item in source.iterdir():
        if item.is_dir():
            _copy(item, target / item.name)
        else:
            (target / item.name).write_bytes(item.read_bytes())


def _moment(text: str) -> int:
    """Milliseconds since the epoch of a day or moment in China's time, unless it says another zone."""
    try:
        return ms_of(text)
    except ValueError as error:
        raise click.UsageError(
            f"--valid-from {text!r} is no day or moment, as 2026-12-01 or 2026-12-01T08:00."
        ) from error
