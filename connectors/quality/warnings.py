"""Warnings: real CAP messages and Chinese texts read, attacks refused cheaply, areas covered exactly and fast."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import product
from pathlib import Path

import numpy as np
import shapely

from gridhub.connectors.quality.measure import Measure, confusion, examples, share
from gridhub.connectors.sources.departments import Departments
from gridhub.connectors.warnings.cap import CapError, read_cap
from gridhub.connectors.warnings.events import DEPARTMENT, canonical
from gridhub.connectors.warnings.records import from_alerts
from gridhub.connectors.warnings.signals import by_name
from gridhub.connectors.warnings.text import WarningText, WarningTextError, read_warning
from gridhub.connectors.warnings.text_times import BEIJING
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.place.shapes import area_of_shape, grid_map

_AT = datetime(2026, 11, 23, 16, 0, tzinfo=BEIJING)
_SEED = 20261123
_AREAS = 60
_FILE_BYTES = 100_000_000
_ACTIONS = {"发布": "issue", "继续发布": "continue", "更新发布": "update", "变更发布": "change", "确认发布": "confirm",
            "升级发布": "upgrade", "降级发布": "downgrade", "解除": "cancel"}  # fmt: skip
_FORMS = (
    "黄石市气象台{verb}{hazard}{colour}预警信号",
    "大冶市气象台2026年11月23日15时10分{verb}{hazard}{colour}预警信号：请注意防范。",
    "【{hazard}{colour}预警】黄石市气象局于11月23日15时{verb}{hazard}{colour}预警，请各单位做好防范。",
    "阳新县气象台２３日１５时１０分{verb}{hazard}{colour}预警信号",
)
_NOT_ANNOUNCED = (
    "可能发布{hazard}{colour}预警", "请注意收听后续{hazard}{colour}预警信号", "今年以来共发布{hazard}{colour}预警12次",
    "关于发布{hazard}{colour}预警信号的通知", "网传发布{hazard}{colour}预警为谣言", "{hazard}{colour}预警期间请勿外出",
)  # fmt: skip


def measures(data: Path | None) -> Iterator[Measure]:
    """CAP samples and real texts with `data`; attacks, composed texts and areas always."""
    catalogue = Catalogue.load()
    yield _cap_samples(data, catalogue)
    yield _attacks()
    yield _real_texts(data)
    yield _composed_texts()
    yield _areas(catalogue)


def _cap_samples(data: Path | None, catalogue: Catalogue) -> Measure:
    folder = data / "cap-samples" if data else None
    if folder is None or not folder.exists():
        return Measure("cap_messages", 0, skipped="cap-samples is not given (--data)")
    department = Departments.load().by_code[DEPARTMENT]
    with (folder / "index.csv").open(encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    said: list[tuple[str, str]] = []
    why: list[str] = []
    for row in rows:
        valid = row["well_formed"] == "yes" and not row["cap12_xsd_valid"].startswith("no")
        try:
            alerts, refused = read_cap((folder / row["file"]).read_bytes())
        except CapError as error:
            alerts, refused = [], [str(error)]
        events = [canonical(one, department, catalogue) for one in from_alerts(alerts, catalogue)]
        said.append(("valid" if valid else "invalid", "events" if events and not refused else "refused"))
        why += [f"{row['file']}: {sentence}" for sentence in refused]
    right = sum(pair in {("valid", "events"), ("invalid", "refused")} for pair in said)
    table = "\n".join([confusion("CAP messages", said), examples("refused", why)])
    return Measure("cap_messages", len(rows), {"right": share(right, len(rows))}, floors={"right": 1.0}, table=table)


def _attacks() -> Measure:
    """Each through the command itself, as a file on standard input: refused, how long, and in how much memory."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, content in _attack_files():
            path = Path(folder) / name
            path.write_bytes(content)
            if name == "large":
                os.truncate(path, _FILE_BYTES)
            rows.append((name, *_refusal(path)))
    refused = sum(code == 1 and bool(sentence) for _, code, _, _, sentence in rows)
    values = {
        "refused": share(refused, len(rows)),
        "most_seconds": round(max(seconds for _, _, seconds, _, _ in rows), 3),
        "most_mb": round(max(megabytes for _, _, _, megabytes, _ in rows), 1),
    }
    lines = [f"  {name:12} {seconds:5.2f} s {mb:5.0f} MB  {sentence}" for name, _, seconds, mb, sentence in rows]
    table = "\n".join(["hostile messages (seconds of the processor)", *lines])
    limits = {"most_seconds": 1.0, "most_mb": 100.0}
    return Measure("cap_attacks", len(rows), values, floors={"refused": 1.0}, ceilings=limits, table=table)


def _attack_files() -> Iterator[tuple[str, bytes]]:
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    yield "billion", f'<!DOCTYPE a [<!ENTITY e0 "ha">{lines}]><alert>&e9;</alert>'.encode()
    yield "external", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><alert>&x;</alert>'
    yield "deep", b"<a>" * 2_000_000
    yield "wide", b"<a>" + b"<b/>" * 1_900_000 + b"</a>"
    yield "attributes", b"<a " + b" ".join(b'a%d=""' % n for n in range(500_000)) + b"/>"
    yield "names", b"<a>" + b"".join(b"<b%d/>" % n for n in range(600_000)) + b"</a>"
    yield "encoding", b'<?xml version="1.0" encoding="UTF-8"?><alert>\xb1\xa9\xd3\xea</alert>'
    yield "large", b"<alert>"


def _refusal(path: Path) -> tuple[int, float, float, str]:
    """Exit code, seconds of the processor, peak MB and first words of `gridhub convert cap` with this file."""
    program = (
        "import json, resource, subprocess, sys;"
        "run = subprocess.run([sys.executable, '-m', 'gridhub.streams.cli', 'convert', 'cap'],"
        " stdin=open(sys.argv[1], 'rb'), capture_output=True, text=True);"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(json.dumps([run.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, run.stderr[:100]]))"
    )
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # our own command
    code, seconds, megabytes, sentence = json.loads(done.stdout)
    return code, seconds, megabytes, sentence.strip()


def _real_texts(data: Path | None) -> Measure:
    """Texts with hazard, colour and time as labelled, titles with hazard and colour as their words."""
    texts = data / "weather-warning-texts.jsonl" if data else None
    titles = data / "nmc-alert-titles-2026-09-20.csv" if data else None
    if texts is None or titles is None or not (texts.exists() and titles.exists()):
        return Measure("warning_texts", 0, skipped="weather-warning-texts.jsonl and the titles are not given (--data)")
    rows = [json.loads(line) for line in texts.read_text("utf-8").splitlines()]
    with titles.open(encoding="utf-8") as source:
        heads = [row["title"] for row in csv.DictReader(source)]
    wrong = [row["text"] for row in rows if not _as_labelled(row)]
    wrong += [
        head for head in heads if (one := _read(head)) is None or f"{one.signal.name}{one.level.name}预警" not in head
    ]
    n = len(rows) + len(heads)
    right = share(n - len(wrong), n)
    return Measure("warning_texts", n, {"right": right}, floors={"right": 0.98}, table=examples("texts misread", wrong))


def _as_labelled(row: dict[str, str]) -> bool:
    at = datetime.fromisoformat(row["issued_local"]).replace(tzinfo=BEIJING) if row["issued_local"] else _AT
    one = _read(row["text"], at)
    if one is None or (one.signal.name, (one.before or one.level).name) != (row["hazard"], row["colour"]):
        return False
    return one.action == row["action"] and (not row["issued_local"] or one.issued == at)


def _read(text: str, at: datetime = _AT) -> WarningText | None:
    try:
        found = read_warning(text, at)
    except WarningTextError:
        return None
    return found[0] if len(found) == 1 else None


def _composed_texts() -> Measure:
    """Every hazard, colour and verb in every form, and sentences that only mention a warning."""
    wrong, answered, right = [], 0, 0
    hazards = [name for name, signal in by_name().items() if name == signal.name and signal.code != "98"]
    cases = list(product(hazards, ("蓝色", "黄色", "橙色", "红色"), _ACTIONS.items(), _FORMS))
    for hazard, colour, (verb, action), form in cases:
        text = form.format(verb=verb, hazard=hazard, colour=colour)
        one = _read(text)
        answered += one is not None
        good = one is not None and (one.signal.name, one.level.name, one.action) == (hazard, colour, action)
        right += good
        wrong += [] if good else [text]
    mentions = [form.format(hazard=hazard, colour="橙色") for form, hazard in product(_NOT_ANNOUNCED, hazards)]
    taken = [text for text in mentions if _read(text) is not None]
    values = {
        "precision": share(right, answered + len(taken)),
        "recall": share(right, len(cases)),
        "mentions_taken": len(taken),
    }
    floors = {"precision": 0.995, "recall": 0.98}
    table = examples("composed texts misread", [*taken, *wrong])
    return Measure("warning_texts_composed", len(cases) + len(mentions), values, floors=floors, table=table)


def _areas(catalogue: Catalogue) -> Measure:
    """Areas of the size of a district to that of the province: as many grids as testing each one, and how long."""
    grids = grid_map(np.array([catalogue.polygon(code) for code in catalogue.grid_codes], dtype=object))
    rng = np.random.default_rng(_SEED)
    shapes = [area_of_shape(_blob(rng)) for _ in range(_AREAS)]
    catalogue.cover(shapes[0])
    times, wrong = [], []
    for shape in shapes:
        begun = time.process_time()
        covered = catalogue.cover(shape, most=1_000_000)
        times.append((time.process_time() - begun) * 1000)
        inside = {grid for code in covered.codes for grid in catalogue.grids_of(code)}
        wrong += [] if inside == set(catalogue.grid_codes[grids.touched(shape)]) else [shape.wkt[:80]]
    values = {
        "exact": share(_AREAS - len(wrong), _AREAS),
        "median_ms": round(float(np.median(times)), 2),
        "most_ms": round(max(times), 2),
    }
    return Measure("area_cover", _AREAS, values, floors={"exact": 1.0}, ceilings={"median_ms": 10.0})


def _blob(rng: np.random.Generator) -> shapely.Geometry:
    """A closed line around a point of the city, of 5 to 900 corners and 3 to 60 km, as storms are drawn."""
    corners, reach = int(rng.integers(5, 900)), float(rng.uniform(0.03, 0.6))
    steps = rng.standard_normal(corners).cumsum() / math.sqrt(corners)
    angles, radii = np.linspace(0, 2 * math.pi, corners, endpoint=False), reach * np.maximum(0.2, 1 + 0.3 * steps)
    lon, lat = rng.uniform(114.7, 115.4), rng.uniform(29.7, 30.3)
    return shapely.Polygon(np.column_stack([lon + radii * np.cos(angles), lat + radii * np.sin(angles)]))
