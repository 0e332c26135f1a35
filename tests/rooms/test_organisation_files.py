"""config/organisation: every slip of the pen stops the load with file, line and what to change; and the bundled example."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gridhub.streams import city as city_data
from gridhub.streams.categories import Categories
from gridhub.streams.city import CityError
from gridhub.streams.organisation.example import tables
from gridhub.streams.organisation.load import Around, load_charter, parse_charter
from gridhub.streams.organisation.notes import known_until_ms, masked, notes
from gridhub.streams.organisation.tables import FILES, OrganisationError, read_moment
from gridhub.streams.organisation_cli import organisation
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.rooms.organisation import Organisation
from gridhub.streams.routing import Routing
from gridhub.streams.standing import Standing, settled

FOLDER = Path(__file__).parents[2] / "config" / "organisation"
CATEGORIES = Categories.load()
DEPARTMENTS = Routing.load(None, CATEGORIES).departments
BUNDLED = {name: (FOLDER / name).read_bytes() for name in FILES}
NOON_2026_11_23 = 1_795_406_400_000
STREET = "street:420202005"
HEADERS = {name: content.splitlines()[0].decode() for name, content in BUNDLED.items()}


@pytest.fixture(scope="module")
def around():
    """What the bundled organisation refers to."""
    return Around(CATEGORIES, Catalogue.load(), DEPARTMENTS)


@pytest.fixture(scope="module")
def bundled(around):
    """The bundled organisation."""
    return parse_charter(BUNDLED, around)


@pytest.fixture
def run():
    """Call `gridhub organisation` with these words."""
    return lambda *words: CliRunner().invoke(organisation, list(words))


def wrong(around, name, content):
    """What is said about the bundled organisation with another file in the place of one."""
    with pytest.raises(OrganisationError) as caught:
        parse_charter({**BUNDLED, name: content}, around)
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("speed_kmh: 4.5", "speed_kmh: 45", "less than or equal to 10"),
        ("detour: 1.3", "detuor: 1.3", "detuor"),
        ('workday: ["08:30-12:00", "14:30-17:30"]}\n  grid:', 'workday: ["8:30-12:00"]}\n  grid:', "no span of hours"),
        ('["00:00-24:00"], day_off: ["00:00-24:00"]}\n\n# Shifts', '["20:00-08:00"]}\n\n# Shifts', "write two spans"),
        ("  repair:", "  natural:", "call this clock otherwise"),
        ('"08:30-12:00", "14:30-17:30"]}\n  grid-day', '"14:30-17:30", "08:30-12:00"]}\n  grid-day', "in order"),
        ("name: 灭火救援", "nmae: 灭火救援", "nmae"),
        ("fire, gas_leak, lift_alarm, drowning", "fire, gas_leek, lift_alarm", "no category gas_leek"),
        ("matter_groups: [power_supply, power_facility]", "matter_groups: [power]", "no matter group power"),
        ("  fight-fire:", "  fire:", "is a category"),
        ("clock: grid, shifts: [grid-day], capabilities: [patrol, visit", "clock: grit, shifts: [grid-day], capabilities: [patrol, visit", "no clock grit"),
        ("street: {clock: work, shifts: [street-day,", "street: {clock: work, shifts: [street-dya,", "no shift street-dya"),
        ("capabilities: [visit], checked_by: community}\n  social", "capabilities: [fly], checked_by: community}\n  social", "no capability fly"),
        ("checked_by: street", "checked_by: mayor", "no role mayor"),
        ("  water: {clock", "  whater: {clock", "whater"),
        ("invited: [当事居民代表", "invited: [], also: [当事居民代表", "at least 1 item"),
        ("version:", "version: x\nversion:", "twice"),
    ],
)  # fmt: skip
def test_a_wrong_organisation_yaml_is_told_with_its_line(around, old, new, said):
    """The sentence names the file, the line where the mistake stands and what to change."""
    text = BUNDLED["organisation.yaml"].decode()
    assert text.count(old) == 1
    changed = text.replace(old, new)
    first = next(place for place, signs in enumerate(zip(text, changed, strict=False)) if len(set(signs)) > 1)
    line = text[:first].count("\n") + 1
    told = wrong(around, "organisation.yaml", changed.encode())
    assert said in told
    assert f"organisation/organisation.yaml line {line}" in told


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        ("units.csv", "mayor:420200,,,,,,,,", "no role 'mayor'"),
        ("units.csv", "street:420202,,,,,,,,", "9 digits"),
        ("units.csv", "street:420202999,,,,,,,,", "no place 420202999"),
        ("units.csv", f"{STREET},,street:1,,,,,,", "the parent"),
        ("units.csv", f"{STREET},,,420202005 7,,,,,", "no place 7"),
        ("units.csv", f"{STREET},,,,fly,,,,", "no capability fly"),
        ("units.csv", f"{STREET},,,,,30.25,115.03,,", "swapped"),
        ("units.csv", f"{STREET},,,,,115.03,,,", "two numbers"),
        ("units.csv", f"{STREET},,,,,,,clock,", "no clock"),
        ("units.csv", f"{STREET},,,,,,,", "8 cells where the header has 9"),
        ("persons.csv", ",street:420202005,,,", "no number of its own"),
        ("persons.csv", "A,street:1,,,", "the unit"),
        ("persons.csv", f"A,{STREET},,,B", "the substitute B has no line"),
        ("persons.csv", f"A,{STREET},,,A", "stands in for itself"),
        ("duty.csv", f"{STREET},dusk,ZB420202005-1,day,2026-01-01,", "no shift 'dusk'"),
        ("duty.csv", f"{STREET},office,,day,2026-01-01,", "nobody takes the turns"),
        ("duty.csv", f"{STREET},office,NOBODY,day,2026-01-01,", "no person NOBODY"),
        ("duty.csv", f"{STREET},office,ZB420202005-1,month,2026-01-01,", "'month' is none of"),
        ("duty.csv", f"{STREET},office,ZB420202005-1,day,1.1.2026,", "since wants a day"),
        ("duty.csv", f"{STREET},office,ZB420202005-1,day,2026-01-02,2026-01-01", "before since"),
        ("absences.csv", "NOBODY,2026-01-01,2026-01-02,,", "no person"),
        ("absences.csv", "ZB420202005-1,2026-01-01,2026-01-02,NOBODY,", "no person"),
        ("absences.csv", "ZB420202005-1,soon,2026-01-02,,", "begin and end"),
        ("absences.csv", "ZB420202005-1,2026-01-02T08:00,2026-01-02T08:00,,", "ends before"),
        ("workdays.csv", "2027-02-30,holiday,,", "no day"),
        ("workdays.csv", "2027-02-06,feast,,", "neither holiday nor work"),
    ],
)
def test_a_wrong_row_is_told_with_its_line(around, name, row, said):
    """The sentence names the table, the row's line and what is wrong with it."""
    lines = BUNDLED[name].decode().rstrip("\n").split("\n")
    kept = lines if name == "persons.csv" else lines[:1]
    told = wrong(around, name, "\n".join([*kept, row, ""]).encode())
    assert said in told
    assert f"organisation/{name} line {len(kept) + 1}: " in told


@pytest.mark.parametrize(
    ("persons", "absences", "said"),
    [
        ("A,{s},,,B\nB,{s},,,C\nC,{s},,,A\n", "", "persons.csv line 2: the substitutes go in a circle, A → B → C → A"),
        (
            "A,{s},,,B\nB,{s},,,A\n",
            "A,2026-02-16,2026-02-18,,\nB,2026-02-18,2026-02-20,,\n",
            "absences.csv line 2: A → B → A are away at the same time",
        ),
        (
            "A,{s},,,\nB,{s},,,\nC,{s},,,\n",
            "A,2026-02-16,2026-02-20,B,\nB,2026-02-17,2026-02-20,C,\nC,2026-02-18,2026-02-20,A,\n",
            "absences.csv line 2: A → B → C → A are away at the same time",
        ),
    ],
)
def test_substitutes_in_a_circle_are_refused(around, persons, absences, said):
    """A ring of substitutes, standing or while all of them are away at once, stops the load and is named person by person."""
    files = {
        **BUNDLED,
        "persons.csv": f"{HEADERS['persons.csv']}\n{persons.format(s=STREET)}".encode(),
        "duty.csv": HEADERS["duty.csv"].encode(),
        "absences.csv": f"{HEADERS['absences.csv']}\n{absences}".encode(),
    }
    with pytest.raises(OrganisationError, match="organisation") as caught:
        parse_charter(files, around)
    assert said in str(caught.value)


def test_two_may_stand_in_for_each_other_when_not_away_together(around):
    """A pair (AB角) is a usual form: it is a mistake only while both are away."""
    files = {
        **BUNDLED,
        "persons.csv": f"{HEADERS['persons.csv']}\nA,{STREET},,,B\nB,{STREET},,,A\n".encode(),
        "duty.csv": HEADERS["duty.csv"].encode(),
        "absences.csv": f"{HEADERS['absences.csv']}\nA,2026-02-16,2026-02-17,,\nB,2026-02-18,2026-02-20,,\n".encode(),
    }
    assert len(parse_charter(files, around).absences) == 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("units.csv", b"id,name\n", "write exactly this first line"),
        ("persons.csv", "person,unit,name,contact,substitute\nA,街".encode("gb18030"), "line 2: it is not UTF-8"),
        ("organisation.yaml", b"", "organisation.yaml line 1"),
        ("organisation.yaml", b"version: [", "organisation.yaml line 1"),
    ],
)
def test_a_file_of_another_form_is_refused(around, name, content, said):
    """Other columns, another encoding, no file: one sentence that says what to do."""
    assert said in wrong(around, name, content)


@pytest.mark.parametrize(
    "rows",
    [
        "street:420202005,,street:420202006,,,,,,\nstreet:420202006,,street:420202005,,,,,,\n",
        "street:420202005,,grid_member:420202005001001,,,,,,\n",  # whose own way up leads through the street
    ],
)
def test_parents_in_a_circle_are_refused(around, rows):
    """Units that stand above each other, also by way of units that no line names, would raise a matter for ever."""
    told = wrong(around, "units.csv", f"{HEADERS['units.csv']}\n{rows}".encode())
    assert "units.csv line 2: the units above street:420202005 go in a circle" in told


def test_all_mistakes_are_told_at_once(around):
    """Two wrong lines are two sentences, and many are cut short with their number."""
    rows = "street:1,,,,,,,,\n" * 60
    told = wrong(around, "units.csv", f"{HEADERS['units.csv']}\n{rows}".encode()).splitlines()
    assert len(told) == 51
    assert "more problems" in told[-1]


def test_the_example_tables_are_made_again(around):
    """The bundled tables are what the generator makes, byte by byte."""
    assert tables(around.places) == {name: content for name, content in BUNDLED.items() if name != "organisation.yaml"}


def test_the_bundled_organisation_is_whole(bundled, around):
    """Every unit of the file has a name and a way up to the city, and the version follows the bytes."""
    chart = Organisation(around.places, DEPARTMENTS, bundled)
    for unit in bundled.units:
        assert chart.unit(unit).name
        assert chart.on_duty(unit, NOON_2026_11_23).unit
    assert parse_charter({**BUNDLED, "workdays.csv": b"date,kind,name,source\n\n"}, around).version != bundled.version


def test_an_unknown_year_is_told_from_november_on(bundled):
    """From November on the next year is missed, before only the running one."""
    unknown = next(year for year in range(2027, 2099) if not bundled.calendar.workdays.is_known(year))
    eve = NOON_2026_11_23 + (unknown - 2027) * 365 * 86_400_000
    assert any(f"of {unknown}:" in note for note in notes(bundled, eve))
    assert not any(f"of {unknown}:" in note for note in notes(bundled, eve - 60 * 86_400_000))


def test_until_when_the_calendar_is_known(around, bundled):
    """The end of the last known year; a year added in workdays.csv moves it; a gap leaves it in the past."""
    assert known_until_ms(bundled, NOON_2026_11_23) >= read_moment("2027-01-01", end=False)
    days = "".join(f"2031-10-{day:02},holiday,国庆节,\n" for day in range(1, 13))
    longer = parse_charter({**BUNDLED, "workdays.csv": f"{HEADERS['workdays.csv']}\n{days}".encode()}, around)
    year_2031, year_2032 = (read_moment(f"{year}-01-01", end=False) for year in (2031, 2032))
    assert known_until_ms(longer, year_2031) == year_2032
    assert known_until_ms(bundled, read_moment("2098-05-01", end=False)) == read_moment("2098-05-01", end=False)


def test_an_absence_without_anybody_is_told(around):
    """Who is away with nobody to stand in is named, masked."""
    away = f"{HEADERS['absences.csv']}\nZB420202005-3,2026-11-20,2026-11-30,,\n".encode()
    found = list(notes(parse_charter({**BUNDLED, "absences.csv": away}, around), NOON_2026_11_23))
    assert any("Nobody stands in for Z***" in note for note in found)
    assert masked(None) is None


def test_moments_as_people_write_them():
    """Days and moments are China's; a day at the end is whole; what says a zone or nothing is none."""
    assert read_moment("2026-11-23T12:00", end=False) == NOON_2026_11_23
    assert read_moment("2026-11-23", end=True) == NOON_2026_11_23 + 12 * 3_600_000
    assert read_moment("2026-11-23T12:00+08:00", end=False) is None
    assert read_moment("noon", end=False) is None


def test_a_city_with_a_wrong_organisation_does_not_start(tmp_path):
    """The city's load stops with the organisation's file and line."""
    shutil.copytree(FOLDER, tmp_path / "organisation")
    (tmp_path / "organisation" / "duty.csv").write_text(f"{HEADERS['duty.csv']}\n{STREET},dusk,X,day,2026-01-01,\n")
    with pytest.raises(CityError, match=r"organisation/duty.csv line 2"):
        city_data.load(tmp_path)


def test_a_city_of_other_grids_has_none_of_the_bundled_units(small_grids):
    """A folder with grids of its own and no organisation takes the rules of the bundled one and no unit."""
    found = city_data.load(small_grids.parent)
    assert found.charter.units == {}
    assert found.charter.roles["grid_member"].clock == "grid"


def test_the_organisation_follows_hub_config():
    """A table published to hub.config counts from then on, a wrong one never, and a withdrawn one is as at the start."""
    standing = Standing(city_data.load())
    version, charter = standing.city.rules["organisation"], standing.city.charter
    right = f"{HEADERS['absences.csv']}\nZB420202005-1,2026-11-20,2026-11-30,,\n".encode()
    (told,) = settled(standing, [("hub.config", b"absences.csv/1", right)], NOON_2026_11_23)
    assert told.applied
    assert list(standing.city.charter.absences) == ["ZB420202005-1"]
    assert standing.city.rules["organisation"] != version
    (told,) = settled(standing, [("hub.config", b"absences.csv/2", right + b"nobody,,,,\n")], NOON_2026_11_23)
    assert not told.applied
    assert "organisation/absences.csv line 3" in told.detail
    assert list(standing.city.charter.absences) == ["ZB420202005-1"]
    settled(standing, [("hub.config", b"absences.csv/1", None)], NOON_2026_11_23)
    assert standing.city.charter is charter


def test_routes_by_calendar_follow_the_citys_workdays():
    """A day that workdays.csv makes a holiday is one for routing's calendar label too."""
    start = city_data.load()
    standing = Standing(start)
    assert standing.city.routing.workday(NOON_2026_11_23)
    holiday = f"{HEADERS['workdays.csv']}\n2026-11-23,holiday,市民日,\n".encode()
    settled(standing, [("hub.config", b"workdays.csv/1", holiday)], NOON_2026_11_23)
    assert not standing.city.routing.workday(NOON_2026_11_23)
    assert start.routing.workday(NOON_2026_11_23)  # beside it the city as it was, as for a what-if


def test_check_says_what_is_wrong_and_what_should_be_known(run, tmp_path):
    """Exit 0 with the version and notes, exit 1 with the sentences of a wrong folder."""
    good = run("check", str(FOLDER))
    assert good.exit_code == 0
    assert json.loads(good.stdout)["units"] > 400
    shutil.copytree(FOLDER, tmp_path / "o")
    (tmp_path / "o" / "units.csv").write_text("id\n")
    bad = run("check", str(tmp_path / "o"))
    assert bad.exit_code == 1
    assert "organisation/units.csv line 1" in bad.stderr


@pytest.mark.parametrize("flag", [(), ("--show-personal",)])
def test_duty_is_masked_unless_asked_otherwise(run, flag):
    """Numbers and contacts of people on duty show their first sign only, without --show-personal."""
    done = run("duty", STREET, "--at", "2026-10-01T22:00", *flag)
    line = json.loads(done.stdout)
    assert done.exit_code == 0
    assert line["shift"] == "街道值班"
    assert (line["person"] == "Z***") == (not flag)
    assert line["person"].startswith("ZB420202005-" if flag else "Z***")


def test_show_tells_a_unit_or_all_that_serve_a_place(run):
    """One line for a unit; for a place one for each that serves it, with its council's X by matter."""
    one = json.loads(run("show", "grid_member:420202005001001").stdout)
    assert (one["upper"], one["kind"]) == ("grid_station:420202005001", "grid")
    lines = [json.loads(line) for line in run("show", "420202005001", "--category", "noise").stdout.splitlines()]
    council = next(line for line in lines if line["kind"] == "deliberation_council")
    assert council["council"]["fixed"] == ["社区党组织", "居委会", "居务监督委员会"]
    assert "业主委员会" in council["council"]["invited"]
    assert {"fire", "power"} <= {line["id"].partition(":")[2].partition("-")[0] for line in lines}


@pytest.mark.parametrize("words", [("show", "mayor:1"), ("show", "1"), ("duty", STREET, "--at", "noon")])
def test_wrong_words_are_wrong_use(run, words):
    """Exit 2 and a sentence."""
    done = run(*words)
    assert done.exit_code == 2
    assert "Error" in done.stderr


def test_coverage_counts_grids_with_somebody_in_reach(run):
    """Per capability and place; the grid members' own are all reached by day and none by night."""
    lines = [json.loads(line) for line in run("coverage", "--by", "district", "--grids").stdout.splitlines()]
    patrol = [line for line in lines if line["capability"] == "patrol"]
    assert len(patrol) == 6
    assert all(line["covered"] == line["grids"] and not line["without"] for line in patrol)
    assert all(line["covered"] + len(line["without"]) == line["grids"] for line in lines)
    night = [json.loads(line) for line in run("coverage", "--at", "2026-10-01T23:00").stdout.splitlines()]
    by_name = {line["capability"]: line for line in night}
    assert by_name["patrol"]["covered"] == 0
    assert by_name["fight-fire"]["covered"] > 0


def test_load_reads_a_folder(around, bundled):
    """The bundled folder read by its path is the same organisation."""
    assert load_charter(FOLDER, around).version == load_charter(None, around).version == bundled.version
