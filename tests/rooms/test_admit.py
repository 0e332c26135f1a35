"""admit, case by case: the reasons in their order, and what an admitted row holds."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pytest

from gridhub.connectors.sources.departments import Departments
from gridhub.schemas.codec import Decoded
from gridhub.schemas.registry import local_codec
from gridhub.streams.admissions import AdmissionRule, Admissions
from gridhub.streams.categories import Categories
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.records import EVENT, RAW, REFUSAL, Split, table
from gridhub.streams.rooms.admit import InboundFacts, Limits, admit

NOW_MS = 1_795_200_000_000  # 2026-11-21T02:40:00+08:00
DAY_MS = 86_400_000
EXAMPLES = files("gridhub.schemas") / "examples"
CODEC = local_codec()


@pytest.fixture(scope="module")
def facts() -> InboundFacts:
    """The bundled departments and approved list, and a codec without a registry."""
    categories = Categories.load()
    departments = Departments.load(categories=categories)
    admissions = Admissions.load(departments=departments.by_code, categories=categories)
    return InboundFacts(departments, admissions, Catalogue.load(), CODEC.decode_many)


def example(record: str, name: str) -> dict:
    """An example record of schemas/examples."""
    return json.loads((EXAMPLES / record / f"{name}.json").read_text("utf-8"))


def raw(*messages: tuple[str, bytes | None]) -> pa.RecordBatch:
    """A RAW batch of (topic, value)."""
    rows = [
        {"topic": topic, "partition": 0, "offset": n, "timestamp_ms": NOW_MS - 5, "key": b"k", "value": value}
        for n, (topic, value) in enumerate(messages)
    ]
    return table(RAW, rows)


def power(**event: object) -> bytes:
    """A framed PowerEvent: the outage example with other values in its `event`."""
    record = example("PowerEvent", "outage")
    record["event"] |= event
    return CODEC.encode("gridhub.dept.PowerEvent", record)


def one(split: Split) -> dict:
    """The single row of a split, from either side."""
    assert split.kept.num_rows + split.refused.num_rows == 1
    return (split.kept if split.kept.num_rows else split.refused).to_pylist()[0]


def test_an_admitted_row_is_complete(facts: InboundFacts) -> None:
    """An outage becomes an EVENT row with its department's words, the city's category and the rule that let it in."""
    row = one(admit(raw(("dept.power.events", power())), facts, NOW_MS))
    assert row["row"] == 0
    assert (row["source"], row["event_id"], row["type"]) == ("power", "TD2026112000017", "1001")
    assert (row["category"], row["severity"], row["status"], row["planned"]) == ("power_outage", 3, "actual", False)
    assert (row["received_at"], row["admission"]) == (NOW_MS - 5, "HSZR-DL-01")
    assert row["schema_id"] == CODEC.ids["gridhub.dept.PowerEvent"]
    assert (row["key_table"], row["key_value"], row["crs"]) == ("transformer_area", "TQ00000001", "GCJ-02")
    assert row["subject_keys"] == ["transformer:TQ00000001", "feeder:KX00001"]


def test_both_sides_have_their_layout(facts: InboundFacts) -> None:
    """The two tables of a split have exactly the columns of EVENT and REFUSAL, also when they are empty."""
    for batch in (raw(), raw(("dept.power.events", power()), ("x", b""))):
        split = admit(batch, facts, NOW_MS)
        assert split.kept.schema == EVENT
        assert split.refused.schema == REFUSAL


OUTAGE = power()
REASONS = [
    ("dept.power.events", None, "bad_bytes"),
    ("dept.power.events", b"", "bad_bytes"),
    ("dept.power.events", b"\x01\x00\x00\x00\x01abc", "bad_bytes"),
    ("dept.power.events", OUTAGE[:-3], "bad_bytes"),
    ("dept.power.events", b"\x00\x00\x00\x00\x01abc", "unknown_schema"),
    ("dept.power.events", b"\x00" * 2_000_000, "too_large"),
    ("dept.water.events", OUTAGE, "unknown_department"),
    ("hub.located", OUTAGE, "unknown_department"),
    ("dept.food-drug.events", OUTAGE, "wrong_department"),
    ("dept.power.events", power(eventNo=""), "missing_field"),
    ("dept.power.events", power(eventNo="   "), "missing_field"),
    ("dept.power.events", power(eventNo="9" * 201), "missing_field"),
    ("dept.power.events", power(eventType=""), "missing_field"),
    ("dept.power.events", power(occurTime=NOW_MS + 301_000), "wrong_time"),
    ("dept.power.events", power(occurTime=NOW_MS - 31 * DAY_MS), "wrong_time"),
    ("dept.power.events", power(occurTime=2**62), "wrong_time"),
    ("dept.power.events", power(eventType="7777"), "unknown_type"),
    ("dept.power.events", power(eventType="9001"), "not_admitted"),
]


@pytest.mark.parametrize(("topic", "value", "reason"), REASONS)
def test_reasons(topic: str, value: bytes | None, reason: str, facts: InboundFacts) -> None:
    """Each kind of wrong message is refused with its own reason and a sentence."""
    row = one(admit(raw((topic, value)), facts, NOW_MS))
    assert (row.get("room"), row.get("reason")) == ("admit", reason)
    assert row["detail"].endswith(".")


def test_the_first_reason_holds(facts: InboundFacts) -> None:
    """With several faults, the reasons come in the order of the contract, one after the other as each is mended."""
    wrong = {"eventNo": "", "eventType": "7777", "occurTime": NOW_MS + DAY_MS}
    order = []
    for mended in ("", "eventNo", "occurTime", "eventType"):
        wrong.pop(mended, None)
        if mended == "eventType":
            wrong["eventType"] = "9001"
        row = one(admit(raw(("dept.power.events", power(**wrong))), facts, NOW_MS))
        order.append(row["reason"])
    assert order == ["missing_field", "wrong_time", "unknown_type", "not_admitted"]


def test_times_at_the_limits_are_admitted(facts: InboundFacts) -> None:
    """Exactly the tolerance ahead, and exactly the greatest age, are still right."""
    strict = replace(facts, limits=Limits(future_tolerance_s=10, max_age_s=60))
    for moment, kept in ((NOW_MS + 10_000, 1), (NOW_MS + 10_001, 0), (NOW_MS - 60_000, 1), (NOW_MS - 60_001, 0)):
        split = admit(raw(("dept.power.events", power(occurTime=moment))), strict, NOW_MS)
        assert split.kept.num_rows == kept, moment


def test_an_approval_is_valid_from_its_first_to_its_last_day(facts: InboundFacts) -> None:
    """A rule admits on its days in Beijing time and not a millisecond longer."""
    rule = AdmissionRule(
        id="t-1",
        department="power",
        types=("9001",),
        legal_basis="x",
        approver="y",
        valid_from="2026-11-21",
        valid_until="2026-11-21",
    )
    approved = replace(facts, admissions=facts.admissions.plus(rule))
    first_ms = 1_795_190_400_000  # 2026-11-21T00:00+08:00
    for now_ms, kept in ((first_ms - 1, 0), (first_ms, 1), (first_ms + DAY_MS - 1, 1), (first_ms + DAY_MS, 0)):
        value = power(eventType="9001", occurTime=now_ms - 1000)
        assert admit(raw(("dept.power.events", value)), approved, now_ms).kept.num_rows == kept


def test_a_refused_row_leads_back_to_its_message(facts: InboundFacts) -> None:
    """Rows keep the number of their message on both sides, in order."""
    batch = raw(
        ("dept.power.events", b"?"), ("dept.power.events", OUTAGE), ("nowhere", OUTAGE), ("dept.power.events", OUTAGE)
    )
    split = admit(batch, facts, NOW_MS)
    assert split.kept.column("row").to_pylist() == [1, 3]
    assert split.refused.column("row").to_pylist() == [0, 2]


def test_details_never_hold_personal_data(facts: InboundFacts) -> None:
    """A number or a name typed into the type field does not come back in the refusal's sentence."""
    for word in ("13912345678", "刘桂英 13912345678", "420202198001011234"):
        row = one(admit(raw(("dept.power.events", power(eventType=word))), facts, NOW_MS))
        assert row["reason"] == "unknown_type"
        assert word not in row["detail"]


def test_a_value_of_a_wrong_type_is_a_refusal(facts: InboundFacts) -> None:
    """A decodable record whose values have other types than the mapping expects is refused, and stops nobody else."""
    good = example("PowerEvent", "outage")
    broken = [
        {**good, "event": "text"},
        {**good, "position": {"x": "east", "y": 1.0, "coordType": "BD09"}},
        {**good, "event": {**good["event"], "occurTime": "yesterday"}},
        {**good, "event": {**good["event"], "eventNo": ["a"]}},
        {**good, "event": {**good["event"], "describe": "\ud800"}},
        [],
    ]
    records = [good, *broken, good]
    decoded = [Decoded(7, "gridhub.dept.PowerEvent", record) for record in records]
    given = replace(facts, decode=lambda _values: decoded)
    split = admit(raw(*[("dept.power.events", b"x")] * len(records)), given, NOW_MS)
    assert split.kept.column("row").to_pylist() == [0, len(records) - 1]
    assert set(split.refused.column("reason").to_pylist()) == {"missing_field"}


def test_json_times_are_read_like_avro_times(facts: InboundFacts) -> None:
    """ISO 8601 text where the schema has milliseconds gives the same event: that is the JSON form of a record."""
    record = example("PowerEvent", "outage")
    written = json.loads(json.dumps(record))
    written["event"]["occurTime"] = "2026-11-20T19:08:00+08:00"
    mapping = facts.departments.by_code["power"].event
    assert mapping(written)["occurred_at"] == mapping(record)["occurred_at"]


GENERIC_TOPIC = "dept.urban-management.events"
SOURCES = [
    ("urban-management", None),
    ("Urban_Management", None),
    ("数字城管", None),
    ("power", "wrong_department"),
    ("nobody", "unknown_department"),
    ("", "missing_field"),
]


@pytest.mark.parametrize(("source", "reason"), SOURCES)
def test_a_generic_event_must_name_its_own_department(
    source: str, reason: str | None, facts: InboundFacts, tmp_path: Path
) -> None:
    """GenericEvent says its source itself; it must be the department of the topic, by code or alias."""
    place = tmp_path / "urban-management"
    place.mkdir()
    docs = Path(__file__).parents[2] / "docs" / "departments.md"
    (place / "department.yaml").write_text(docs.read_text("utf-8").split("```yaml\n")[1].split("```")[0], "utf-8")
    rule = AdmissionRule(
        id="t-2",
        department="urban-management",
        categories=("exposed_garbage",),
        legal_basis="x",
        approver="y",
        valid_from="2020-01-01",
    )
    extended = replace(facts, departments=Departments.load(None, [tmp_path]), admissions=facts.admissions.plus(rule))
    value = CODEC.encode("gridhub.dept.GenericEvent", example("GenericEvent", "by-code") | {"source": source})
    row = one(admit(raw((GENERIC_TOPIC, value)), extended, NOW_MS))
    assert row.get("reason") == reason
    assert row["source"] == "urban-management"
