"""Every department's folder, by one contract: mapping, schema, examples, README; and a further one with files alone."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from gridhub.connectors.sources.checks import category_words, check
from gridhub.connectors.sources.cli import group
from gridhub.connectors.sources.departments import Department, DepartmentError, Departments
from gridhub.schemas.registry import local_codec
from gridhub.streams.admissions import Admissions
from gridhub.streams.categories import Categories
from gridhub.streams.records import EVENT
from gridhub.streams.topics import department_of

CODES = (
    "citizen-hotline",
    "family-planning",
    "food-drug",
    "meteorology",
    "power",
    "public-security",
    "social-security",
)
DOCS = Path(__file__).parents[2] / "docs" / "departments.md"
SOURCES = Path(str(files("gridhub.connectors.sources")))


@pytest.fixture(scope="module")
def departments() -> Departments:
    """The bundled departments."""
    return Departments.load()


@pytest.fixture(params=CODES)
def department(request: pytest.FixtureRequest, departments: Departments) -> Department:
    """Each bundled department in turn."""
    return departments.by_code[request.param]


def test_the_six_departments_and_the_hotline_are_there(departments: Departments) -> None:
    """The city's report names six departments; these are bundled, with the hotline that Open311 reports come through."""
    assert tuple(sorted(departments.by_code)) == CODES


def test_a_department_passes_its_own_check(department: Department, departments: Departments) -> None:
    """What a new department's engineers must pass, the bundled ones pass too: mapping, at least three pairs, README."""
    report = check(department.folder, departments, Categories.load(), Admissions.load())
    assert report.problems == ()
    assert report.examples >= 3


def test_every_type_but_the_survey_is_approved(department: Department) -> None:
    """All types of the mapping are on the approved list, except the declared commercial survey."""
    admissions = Admissions.load()
    open_categories = {
        category
        for word, category in category_words(department.mapping)
        if not admissions.allows(department.code, word, 1_795_200_000_000, category)
    }
    assert open_categories == {"commercial_survey"}


def test_an_event_fills_only_columns_of_the_layout(department: Department) -> None:
    """The mapping never makes a column that EVENT does not have."""
    for path in sorted((department.folder / "examples").iterdir(), key=lambda item: item.name):
        event = department.event(json.loads(path.read_text("utf-8"))["record"])
        assert set(event) <= set(EVENT.names)


def test_the_topic_leads_back_to_the_department(department: Department) -> None:
    """The department's topic names it."""
    assert department_of(department.topic.name) == department.code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("public_security", "public-security"),
        ("police", "public-security"),
        ("公安", "public-security"),
        ("电力", "power"),
        ("Power Supply", "power"),
        ("METEOROLOGY", "meteorology"),
        ("food-drug", "food-drug"),
        ("社保", "social-security"),
        ("计生", "family-planning"),
    ],
)
def test_aliases(name: str, code: str, departments: Departments) -> None:
    """A department is found by code, Chinese or English name and alias, however they are written."""
    found = departments.by_alias(name)
    assert found is not None
    assert found.code == code


def test_an_unknown_alias_is_nobody(departments: Departments) -> None:
    """A name that nobody bears is None, not a guess."""
    assert departments.by_alias("water") is None


def test_departments_by_record(departments: Departments) -> None:
    """A record leads to the departments that send it; GenericEvent to whoever uses it."""
    assert [found.code for found in departments.by_record("gridhub.dept.PowerEvent")] == ["power"]
    assert [found.code for found in departments.by_record("gridhub.dept.GenericEvent")] == ["citizen-hotline"]


# a further department


def documented() -> str:
    """The whole department.yaml that docs/departments.md shows."""
    return DOCS.read_text("utf-8").split("```yaml\n")[1].split("```")[0]


@pytest.fixture
def urban(tmp_path: Path) -> Path:
    """The folder of an eighth department that uses GenericEvent, as the documentation shows it."""
    place = tmp_path / "urban-management"
    (place / "examples").mkdir(parents=True)
    (place / "department.yaml").write_text(documented(), "utf-8")
    (place / "README.md").write_text("# 城管\n", "utf-8")
    record = json.loads((files("gridhub.schemas") / "examples" / "GenericEvent" / "by-point.json").read_text("utf-8"))
    (one,) = Departments.load(place)
    pair = {"record": record, "event": one.event(record)}
    (place / "examples" / "by-point.json").write_text(json.dumps(pair, ensure_ascii=False), "utf-8")
    return place


def test_an_eighth_department_needs_files_alone(urban: Path) -> None:
    """With GenericEvent: the folder is enough, and the mapping gives the event that one expects."""
    departments = Departments.load(None, [urban.parent])
    assert len(departments) == len(CODES) + 1
    record = json.loads((files("gridhub.schemas") / "examples" / "GenericEvent" / "by-point.json").read_text("utf-8"))
    event = departments.by_code["urban-management"].event(record)
    assert (event["category"], event["severity"], event["crs"]) == ("manhole_cover", 2, "BD-09")
    assert event["subject_keys"] == ["manhole:WS-0451"]


OWN_SCHEMA = {
    "type": "record",
    "name": "WaterNotice",
    "namespace": "city.water",
    "doc": "供水通知",
    "fields": [
        {"name": "no", "type": "string", "doc": "编号"},
        {"name": "kind", "type": "string", "doc": "类别"},
        {"name": "when", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "时间"},
        {"name": "where", "type": "string", "doc": "地址"},
        {"name": "caller", "type": "string", "doc": "报修人", "personal": True, "default": ""},
    ],
}
OWN_MAPPING = """
code: water
names: {zh: 供水, en: Water supply}
record: city.water.WaterNotice
fields: {event_id: no, type: kind, occurred_at: {path: when}}
category: {table: {爆管: water_main_burst, 停水: water_outage}}
title: "{:category}"
text: "{where}"
places:
  - address: where
"""


@pytest.fixture
def water(tmp_path: Path) -> Path:
    """The folder of a department with a record of its own."""
    place = tmp_path / "water"
    (place / "examples").mkdir(parents=True)
    (place / "department.yaml").write_text(OWN_MAPPING, "utf-8")
    (place / "WaterNotice.avsc").write_text(json.dumps(OWN_SCHEMA, ensure_ascii=False), "utf-8")
    (place / "README.md").write_text("# 供水\n", "utf-8")
    record = {
        "no": "W1",
        "kind": "爆管",
        "when": 1_795_172_880_000,
        "where": "黄石市黄石港区桂花湾社区",
        "caller": "王小二",
    }
    event = {
        "source": "water",
        "event_id": "W1",
        "type": "爆管",
        "category": "water_main_burst",
        "severity": 3,
        "status": "actual",
        "planned": False,
        "occurred_at": 1_795_172_880_000,
        "title": "自来水管爆裂",
        "text": "黄石市黄石港区桂花湾社区",
        "subject_keys": [],
        "address": "黄石市黄石港区桂花湾社区",
    }
    (place / "examples" / "burst.json").write_text(json.dumps({"record": record, "event": event}), "utf-8")
    return place


def test_a_department_may_bring_its_own_record(water: Path) -> None:
    """With a schema of its own beside the mapping, encoded and decoded by a codec that was given the folder."""
    (department,) = Departments.load(water)
    codec = local_codec([water])
    pair = json.loads((water / "examples" / "burst.json").read_text("utf-8"))
    decoded = codec.decode(codec.encode("dept.water.events-value", pair["record"]))
    assert decoded.name == department.record
    assert department.event(decoded.record) == pair["event"]


# gridhub department


def run(*arguments: str) -> tuple[int, list[dict], str]:
    """Exit code, the JSON lines of stdout, and stderr of `gridhub department …`."""
    result = CliRunner().invoke(group, arguments)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def test_list_prints_every_department() -> None:
    """One JSON object a line, with the topic."""
    code, lines, _ = run("list")
    assert code == 0
    assert [line["topic"] for line in lines] == [f"dept.{name}.events" for name in CODES]


def test_check_says_yes(urban: Path, water: Path) -> None:
    """A right folder is exit 0; that nothing of it is approved yet is a note and no error."""
    for place in (urban, water):
        code, lines, said = run("check", str(place))
        assert (code, lines[0]["ok"], lines[0]["examples"]) == (0, True, 1), said
        assert "is not on the approved list" in said


def test_check_takes_a_folder_of_departments() -> None:
    """A folder of departments is checked whole, a line each."""
    code, lines, _ = run("check", str(SOURCES))
    assert code == 0
    assert [line["code"] for line in lines] == list(CODES)


def test_check_says_what_is_wrong(urban: Path) -> None:
    """Each fault is a sentence that names file and key, and the exit code is 1."""
    shutil.rmtree(urban / "examples")
    (urban / "README.md").unlink()
    code, lines, said = run("check", str(urban))
    assert (code, lines[0]["problems"]) == (1, 2)
    assert "README.md is missing" in said
    assert "no example pair" in said


def test_check_compares_the_example_pairs(urban: Path) -> None:
    """An expected column that the mapping does not give is named with both values."""
    path = urban / "examples" / "by-point.json"
    pair = json.loads(path.read_text("utf-8"))
    pair["event"]["severity"] = 1
    del pair["record"]["time"]
    path.write_text(json.dumps(pair), "utf-8")
    code, _, said = run("check", str(urban))
    assert code == 1
    assert "severity: 1 is expected, the mapping gives 2" in said
    assert "does not fit the schema" in said


def test_check_sees_a_name_that_is_taken(urban: Path) -> None:
    """A department cannot bear another one's name."""
    text = (urban / "department.yaml").read_text("utf-8").replace("数字城管", "公安")
    (urban / "department.yaml").write_text(text, "utf-8")
    code, _, said = run("check", str(urban))
    assert code == 1
    assert "公安 belongs to both" in said


def test_check_of_an_empty_folder(tmp_path: Path) -> None:
    """A folder without a department is exit 1 with a sentence."""
    code, _, said = run("check", str(tmp_path))
    assert code == 1
    assert "there is no department.yaml" in said


def test_two_folders_of_one_department_are_an_error(urban: Path) -> None:
    """The same code twice stops the load."""
    with pytest.raises(DepartmentError, match="same department code"):
        Departments.load(None, [urban, urban])
