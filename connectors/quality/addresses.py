"""Addresses: the district and community they are put in, how many get no answer, and what is never placed."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from gridhub.connectors.quality import composing
from gridhub.connectors.quality.composing import Address
from gridhub.connectors.quality.measure import Measure, confusion, examples, share
from gridhub.streams.place.answer import CITY, Answer
from gridhub.streams.place.catalogue import Catalogue

_COMPOSED, _OUTSIDE, _SEED = 20_000, 10_000, 20261123
_ALONE = 4_000
_TIMES = 3
SAMPLE = "huangshi-addresses-sample.csv"


def measures(data: Path | None) -> Iterator[Measure]:
    """All measures of addresses; the sample of hospitals and hotels only with `data`."""
    catalogue = Catalogue.load()
    rows = composing.inside(catalogue, _COMPOSED, _SEED)
    answers = catalogue.locate_addresses([row.text for row in rows])
    yield districts("address_district_composed", [(r.text, r.district, r.named) for r in rows], answers, catalogue)
    yield communities(rows, answers)
    yield never_placed("address_outside_composed", composing.outside(catalogue, _OUTSIDE, _SEED), catalogue)
    yield from _real(catalogue)
    yield _sample(catalogue, data)
    yield speed(catalogue, [row.text for row in rows])


def districts(
    name: str, rows: Sequence[tuple[str, str, bool]], answers: Sequence[Answer], catalogue: Catalogue
) -> Measure:
    """Precision: districts right of those answered. Recall: answered of those that name a district."""
    found = [_district(answer) for answer in answers]
    right = sum(code == truth for (_, truth, _), code in zip(rows, found, strict=True))
    answered = sum(bool(code) for code in found)
    named = [bool(code) for (_, _, is_named), code in zip(rows, found, strict=True) if is_named]
    wrong = [
        f"{text} → {_name(catalogue, code)}, not {_name(catalogue, truth)}"
        for (text, truth, _), code in zip(rows, found, strict=True)
        if code and code != truth
    ]
    pairs = [(_name(catalogue, t), _name(catalogue, code)) for (_, t, _), code in zip(rows, found, strict=True)]
    values = {
        "precision": share(right, answered),
        "recall": share(sum(named), len(named)),
        "named": len(named),
        "abstained": len(rows) - answered,
    }
    table = "\n".join(filter(None, [confusion(name, pairs), examples("wrong", wrong)]))
    return Measure(name, len(rows), values, floors={"precision": 0.99, "recall": 0.95}, table=table)


def communities(rows: Sequence[Address], answers: Sequence[Answer]) -> Measure:
    """How deep the answers go: the narrowest place that the text says, a wider one around it, or a wrong one."""
    pairs = [(_level(row.deepest), _depth(row.deepest, answer)) for row, answer in zip(rows, answers, strict=True)]
    deep = [answer for level, answer in pairs if level == "community"]
    answered = [answer for answer in deep if answer in {"right", "beside"}]
    values = {
        "precision": share(answered.count("right"), len(answered)),
        "recall": share(answered.count("right"), len(deep)),
        "abstained": len(deep) - len(answered),
    }
    return Measure(
        "address_community_composed", len(deep), values, floors={"precision": 0.99, "recall": 0.9},
        table=confusion("narrowest place", pairs),
    )  # fmt: skip


def never_placed(name: str, texts: Sequence[str], catalogue: Catalogue) -> Measure:
    """Addresses of other cities: none may get a place of ours."""
    answers = catalogue.locate_addresses(texts)
    placed = [f"{text} → {answer.code}" for text, answer in zip(texts, answers, strict=True) if answer.code]
    values = {"placed_inside": len(placed)}
    return Measure(name, len(texts), values, ceilings={"placed_inside": 0}, table=examples("placed inside", placed))


def speed(catalogue: Catalogue, texts: Sequence[str]) -> Measure:
    """Addresses a second of processor time on one core: in one batch, and one by one; the best of three."""
    batch = _best(lambda: catalogue.locate_addresses(texts)) / len(texts)
    alone = _best(lambda: [catalogue.locate_addresses([text]) for text in texts[:_ALONE]]) / _ALONE
    values = {"addresses_per_second": round(1 / batch), "ratio_to_one_by_one": round(alone / batch, 2)}
    return Measure("address_speed", len(texts), values, floors={"addresses_per_second": 20_000})


def _real(catalogue: Catalogue) -> Iterator[Measure]:
    content = (files("gridhub.connectors") / "quality" / "real-addresses.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(content.splitlines()))
    ours = [(row["address"], row["district"], True) for row in rows if row["district"].isdigit()]
    answers = catalogue.locate_addresses([text for text, _, _ in ours])
    yield districts("address_district_real", ours, answers, catalogue)
    outside = [row["address"] for row in rows if row["district"] == "outside"]
    yield never_placed("address_outside_real", outside, catalogue)


def _sample(catalogue: Catalogue, data: Path | None) -> Measure:
    path = data / SAMPLE if data else None
    if path is None or not path.exists():
        return Measure("address_district_sample", 0, skipped=f"{SAMPLE} is not given (--data)")
    with path.open(encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    by_name = {place.name: place.code for place in catalogue.places("district")}
    known = []
    for row in rows:
        said = [code for name, code in by_name.items() if name in row["address"]]
        given = said or [code for name, code in by_name.items() if name in row["district_as_given"]]
        if given:
            known.append((row["address"], given[0], bool(said)))
    return districts("address_district_sample", known, catalogue.locate_addresses([k[0] for k in known]), catalogue)


def _district(answer: Answer) -> str:
    return answer.code[:6] if answer.code and answer.code != CITY else ""


def _name(catalogue: Catalogue, code: str) -> str:
    place = catalogue.place(code) if code else None
    return place.name if place else "none"


def _level(code: str) -> str:
    return {6: "district", 9: "street", 12: "community"}[len(code)]


def _depth(deepest: str, answer: Answer) -> str:
    code = answer.code or ""
    if code.startswith(deepest):
        return "right" if code == deepest else "too narrow"
    if not code or code == CITY:
        return "none"
    if not deepest.startswith(code):
        return "beside"
    return f"only {_level(code)}"


def _best(work: Callable[[], object]) -> float:
    """The least processor time in seconds that the work took."""
    times = []
    for _ in range(_TIMES):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)
