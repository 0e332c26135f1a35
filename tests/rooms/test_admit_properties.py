"""Laws of the two inbound rooms, on random bytes, random valid records of every schema, and examples with random changes."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridhub.connectors.sources.departments import Departments
from gridhub.schemas.registry import local_codec
from gridhub.streams.admissions import AdmissionRule, Admissions
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.records import EVENT, LOCATED, RAW, REFUSAL, Reason, Split, table
from gridhub.streams.rooms.admit import InboundFacts, Limits, admit
from gridhub.streams.rooms.normalise import normalise

NOW_MS = 1_795_200_000_000
CODEC = local_codec()
ROOT = files("gridhub.schemas")
RECORDS = (
    "PoliceCall",
    "SocialSecurityNotice",
    "FamilyPlanningVisit",
    "PowerEvent",
    "WeatherWarning",
    "FoodDrugCase",
    "GenericEvent",
)
SCHEMAS = {name: json.loads((ROOT / "avsc" / "dept" / f"{name}.avsc").read_text("utf-8")) for name in RECORDS}
EXAMPLES = {
    name: [json.loads(path.read_text("utf-8")) for path in (ROOT / "examples" / name).iterdir()] for name in RECORDS
}
RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> InboundFacts:
    """The six departments and a seventh with GenericEvent; anything in time is admitted, so that much gets through."""
    place = tmp_path_factory.mktemp("more") / "urban-management"
    place.mkdir()
    docs = Path(__file__).parents[2] / "docs" / "departments.md"
    (place / "department.yaml").write_text(docs.read_text("utf-8").split("```yaml\n")[1].split("```")[0], "utf-8")
    rule = AdmissionRule(
        id="t-1",
        department="urban-management",
        categories=("exposed_garbage", "manhole_cover"),
        legal_basis="x",
        approver="y",
        valid_from="2020-01-01",
    )
    limits = Limits(future_tolerance_s=1e12, max_age_s=1e12)
    departments = Departments.load(None, [place])
    return InboundFacts(departments, Admissions.load().plus(rule), Catalogue.load(), CODEC.decode_many, limits)


TOPICS = {
    "PoliceCall": "public-security",
    "SocialSecurityNotice": "social-security",
    "FamilyPlanningVisit": "family-planning",
    "PowerEvent": "power",
    "WeatherWarning": "meteorology",
    "FoodDrugCase": "food-drug",
    "GenericEvent": "urban-management",
}
WORDS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "420202005001",
            "420202005",
            "420281107000",
            "TQ00000001",
            "JWQ4202020015",
            "JY14202020000495",
            "SB000015",
            "",
            "黄石市黄石港区",
            "湖北省黄石市阳新县兴国镇龙港路1号",
            "武汉市黄石路1号",
            "黄石大道242号",
            "2026-11-20 14:03:22",
            "20261120140322",
            "20269920",
            "30.2,115.0 10",
            "30.2,115 30.3,115 30.3,115.1 30.2,115",
            "nan,nan 1",
            "WGS84",
            "mca",
            "GCJ02",
            "BD09",
            "EPSG:4547",
            "02",
            "1001",
            "RZYQ",
            "CJ01",
            "040101",
            "暴露垃圾",
            "urban-management",
        ]
    ),
)
NUMBERS = st.one_of(
    st.floats(width=64), st.sampled_from([115.03, 30.22, 0.0, 599617.9, 3345576.4, 114.3, 30.6, float("nan"), 1e300])
)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an Avro type."""
    if isinstance(kind, list):
        return st.one_of([values(branch) for branch in kind])
    if isinstance(kind, dict):
        if kind["type"] == "record":
            return st.fixed_dictionaries({field["name"]: values(field["type"]) for field in kind["fields"]})
        if kind["type"] == "array":
            return st.lists(values(kind["items"]), max_size=3)
        if kind["type"] == "enum":
            return st.sampled_from(kind["symbols"])
        return values(kind["type"])
    return {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(NOW_MS - 10**9, NOW_MS)),
        "double": NUMBERS,
        "string": WORDS,
    }[kind]


@st.composite
def changed(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """An example record in which up to three values are others of their type."""
    record = copy.deepcopy(draw(st.sampled_from(EXAMPLES[name])))
    for _ in range(draw(st.integers(0, 3))):
        kind, place = SCHEMAS[name], record
        while True:
            field = draw(st.sampled_from(kind["fields"]))
            inner = field["type"]
            inside = place.get(field["name"])
            if isinstance(inner, list):
                inner = inner[1]
            if isinstance(inner, dict) and inner["type"] == "record" and isinstance(inside, dict):
                kind, place = inner, inside
                continue
            place[field["name"]] = draw(values(field["type"]))
            break
    return record


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, bytes | None]:
    """Bytes on a topic: random, framed but random, a random valid record, or an example with changes; also misplaced."""
    name = draw(st.sampled_from(RECORDS))
    topic = draw(st.sampled_from([f"dept.{TOPICS[name]}.events"] * 8 + ["dept.water.events", "dept.power.events", "x"]))
    sort = draw(st.integers(0, 9))
    if sort == 0:
        return topic, draw(st.none() | st.binary(max_size=60))
    if sort == 1:
        schema_id = draw(st.sampled_from([*CODEC.schemas, 5]))
        return topic, b"\0" + schema_id.to_bytes(4) + draw(st.binary(max_size=80))
    record = draw(values(SCHEMAS[name]) if sort < 5 else changed(name))
    return topic, CODEC.encode(f"gridhub.dept.{name}", record)


def raw(batch: list[tuple[str, bytes | None]]) -> pa.RecordBatch:
    """A RAW batch of (topic, value)."""
    return table(
        RAW,
        [
            {"topic": topic, "partition": 0, "offset": n, "timestamp_ms": NOW_MS, "key": None, "value": value}
            for n, (topic, value) in enumerate(batch)
        ],
    )


def rows_of(split: Split) -> list[int]:
    """The row numbers of both sides."""
    return sorted([*split.kept.column("row").to_pylist(), *split.refused.column("row").to_pylist()])


@RELAXED
@given(batch=st.lists(messages(), max_size=12))
def test_nothing_raises_and_nothing_disappears(batch: list[tuple[str, bytes | None]], facts: InboundFacts) -> None:
    """Whatever is sent: both rooms answer, each row is kept or refused exactly once, with a reason from the list."""
    admitted = admit(raw(batch), facts, NOW_MS)
    assert rows_of(admitted) == list(range(len(batch)))
    located = normalise(admitted.kept, facts, NOW_MS)
    assert rows_of(located) == admitted.kept.column("row").to_pylist()
    assert (admitted.kept.schema, located.kept.schema) == (EVENT, LOCATED)
    for refused in (admitted.refused, located.refused):
        assert refused.schema == REFUSAL
        assert {Reason(word) for word in refused.column("reason").to_pylist()} <= set(Reason)
        assert all(refused.column("detail").to_pylist())


@RELAXED
@given(batch=st.lists(messages(), min_size=2, max_size=10), data=st.data())
def test_splitting_a_batch_changes_nothing(
    batch: list[tuple[str, bytes | None]], data: st.DataObject, facts: InboundFacts
) -> None:
    """Two halves of a batch give together what the whole gives, apart from the numbers of the rows."""
    cut = data.draw(st.integers(1, len(batch) - 1))
    whole, halves = both_rooms(batch, facts), [both_rooms(part, facts) for part in (batch[:cut], batch[cut:])]
    for side in whole:
        assert repr(whole[side]) == repr([row for half in halves for row in half[side]])


def both_rooms(batch: list[tuple[str, bytes | None]], facts: InboundFacts) -> dict[str, list[dict]]:
    """Every side of both rooms as rows, without the row numbers."""
    admitted = admit(raw(batch), facts, NOW_MS)
    located = normalise(admitted.kept, facts, NOW_MS)
    sides = {"admit": admitted.refused, "normalise": located.refused, "located": located.kept}
    return {side: [{**row, "row": None} for row in rows.to_pylist()] for side, rows in sides.items()}


@RELAXED
@given(batch=st.lists(messages(), max_size=8))
def test_the_same_input_gives_the_same_output(batch: list[tuple[str, bytes | None]], facts: InboundFacts) -> None:
    """Both rooms are functions: asked twice, also by way of another moment, they say the same."""
    first = both_rooms(batch, facts)
    assert repr(both_rooms(batch, facts)) == repr(first)
    kept = admit(raw(batch), facts, NOW_MS).kept
    assert normalise(kept, facts, 0).kept.equals(normalise(kept, facts, NOW_MS).kept)


@RELAXED
@given(batch=st.lists(messages(), max_size=10))
def test_located_rows_are_in_the_catalogue(batch: list[tuple[str, bytes | None]], facts: InboundFacts) -> None:
    """Every located row names places that exist, its area leads or holds them, and its confidence is between 0 and 1."""
    located = normalise(admit(raw(batch), facts, NOW_MS).kept, facts, NOW_MS)
    for row in located.kept.to_pylist():
        assert row["grid_ids"]
        assert all(facts.catalogue.at(row["occurred_at"]).place(code) for code in row["grid_ids"])
        assert 0 < row["confidence"] <= 1
        assert row["area"] == "420200" or all(code.startswith(row["area"]) for code in row["grid_ids"])
        assert not row["exact_point"] or (row["lon"] is not None and row["lat"] is not None)


@RELAXED
@given(name=st.sampled_from(RECORDS[:-1]), data=st.data())
def test_personal_fields_never_pass(name: str, data: st.DataObject, facts: InboundFacts) -> None:
    """Whatever stands in a personal field is in no text of the event, also when the free text repeats it."""
    department = facts.departments.by_code[TOPICS[name]]
    record = data.draw(changed(name))
    secret = data.draw(st.text("赵钱孙李明华abc0123456789", min_size=4, max_size=12)) + "§"
    for group in ("bjr", "insured", "person", "complainant"):
        for field in ("xm", "name", "lxdh", "phone", "idCard", "idNumber"):
            if isinstance(record.get(group), dict) and field in record[group]:
                record[group][field] = secret
    for field in ("jyjq", "remark", "content", "description"):
        if field in record:
            record[field] = f"据{secret}称，{secret}。"
    holds = secret in json.dumps(
        [record.get(group) for group in ("bjr", "insured", "person", "complainant")], ensure_ascii=False
    )
    try:
        event = department.event(record)
    except ValueError:  # a random time or area that cannot be read
        return
    if holds:
        assert secret not in f"{event['title']}{event['text']}{event['subject_keys']}"


def test_a_broken_codec_answer_is_our_own_mistake(facts: InboundFacts) -> None:
    """A codec that answers for too few messages is a bug, and is not mistaken for bad data."""
    with pytest.raises(ValueError, match="zip"):
        admit(raw([("dept.power.events", b"x")]), replace(facts, decode=lambda _values: []), NOW_MS)
