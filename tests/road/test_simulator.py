"""The simulated city: exact counts, the same bytes for the same seed, known rates, true places, bounded memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner

from gridhub.connectors.simulator import City, truth_of
from gridhub.connectors.simulator.city import _Run
from gridhub.connectors.simulator.cli import simulate
from gridhub.connectors.simulator.faults import departments_for
from gridhub.connectors.simulator.kinds import BY_NAME, KINDS
from gridhub.connectors.simulator.neighbours import DRILLS, NEIGHBOURS
from gridhub.connectors.simulator.rates import FAULTS, RATES, as_rows
from gridhub.connectors.simulator.rhythm import HOURS, Clock, hour_of
from gridhub.connectors.simulator.storms import STORM, STORM_WARNING
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams.categories import Categories

NOW_MS = 1_795_410_000_000  # 2026-11-23T13:00:00+08:00
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def data():
    """The bundled city's data."""
    return city_data.load()


@pytest.fixture(scope="module")
def codec():
    """A codec without a registry."""
    return local_codec()


@pytest.fixture(scope="module")
def city(data):
    """A simulated city of the six departments."""
    return City(data.catalogue, data.departments, 1)


@pytest.fixture(scope="module")
def day(city):
    """A day of 20,000 messages."""
    return list(city.generate(20_000, 1, NOW_MS))


def _valid(messages):
    return [message for message in messages if message.truth.kind == "valid"]


@pytest.mark.parametrize("events", [1, 2, 7, 500, 1999])
def test_exactly_so_many(city, events):
    """As many messages come out as were asked for."""
    assert sum(1 for _ in city.generate(events, 3, NOW_MS)) == events


def test_same_seed_same_bytes(data, codec, city):
    """Two cities with one seed give the same topics, keys, bytes and truths in the same order; another seed does not."""
    runs = [
        [(m.topic, m.key, m.encoded(codec), m.truth) for m in one.generate(800, seed, NOW_MS)]
        for one, seed in ((city, 5), (City(data.catalogue, data.departments, 1), 5), (city, 6))
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_ids_of_other_runs_are_other_ids(city):
    """Runs of other seeds or moments share no event id, so that one run is never the redelivery of another."""
    starts = ((1, NOW_MS), (2, NOW_MS), (1, NOW_MS + 60_000))
    ids = [{m.truth.event_id for m in city.generate(500, seed, at)} - {""} for seed, at in starts]
    assert len(ids[0] | ids[1] | ids[2]) == sum(map(len, ids))


def test_an_unknown_scenario_is_refused(city):
    """A scenario that is not on the list is a ValueError that names those that are."""
    with pytest.raises(ValueError, match="ordinary, storm"):
        city.generate(10, 1, NOW_MS, "earthquake")


def test_every_record_fits_its_schema(day, codec):
    """Every message can be encoded; what is not meant to be broken can be read again as it was."""
    for message in day:
        data = message.encoded(codec)
        if message.record is not None and not message.damage:
            assert codec.decode(data).record.items() >= message.record.items()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_faults_have_their_rates(city, day, fault):
    """Each fault makes up its share of the messages (four standard deviations), with the reason of the table."""
    known = any(code in city.topics for code in departments_for(fault.name))
    found = [m.truth for m in day if m.truth.fault == fault.name]
    expected = fault.rate * len(day) if known else 0
    assert abs(len(found) - expected) <= 4 * max(expected, 1) ** 0.5
    assert {truth.expected_reason for truth in found} <= {fault.reason}
    assert {truth.kind for truth in found} <= {"refused"}


def test_redeliveries_and_late_events_have_their_rates(day):
    """Of the valid messages the known shares come again, and come late."""
    valid = len(_valid(day))
    copies = [m for m in day if m.truth.kind == "duplicate"]
    power = sum(m.truth.department == "power" for m in _valid(day))
    assert abs(len(copies) - valid * RATES.redelivered - power * RATES.restated) <= 4 * len(copies) ** 0.5
    late = sum(m.truth.late for m in _valid(day))
    assert abs(late - valid * RATES.late) <= 4 * late**0.5


def test_a_redelivery_follows_its_original(day, codec):
    """A redelivery comes after its original, on the same topic and key, with the same bytes unless it is restated."""
    first = {m.truth.seq: (position, m) for position, m in enumerate(day)}
    restated = 0
    for position, message in enumerate(day):
        if message.truth.kind != "duplicate":
            continue
        before, original = first[message.truth.duplicate_of]
        assert before < position
        assert (original.topic, original.key) == (message.topic, message.key)
        assert original.truth.event_id == message.truth.event_id
        restated += original.encoded(codec) != message.encoded(codec)
    assert 0 < restated < sum(m.topic == "dept.power.events" for m in day)


def test_event_ids_are_unique(day):
    """No two valid messages of a department share an id."""
    assert max(Counter((m.truth.source, m.truth.event_id) for m in _valid(day)).values()) == 1


def test_times_lie_in_the_day_before(day, data, codec):
    """What valid messages tell of happened in the 24 hours before the start, never after it."""
    times = [data.departments.by_code[m.truth.department].event(m.record)["occurred_at"] for m in _valid(day)]
    assert min(times) >= NOW_MS - DAY_MS
    assert max(times) <= NOW_MS


def test_publishing_follows_the_time_of_the_events(day, data):
    """Per department, messages that are not late are in the order of their events' times."""
    last = defaultdict(int)
    for message in _valid(day):
        if message.truth.late:
            continue
        code = message.truth.department
        at = data.departments.by_code[code].event(message.record)["occurred_at"]
        assert at >= last[code] - 1000  # 食药 and 社保 write whole seconds
        last[code] = at


def test_more_events_take_more_days(city):
    """100,000 messages lie within five days and not in one, so that the density of matters stays the same."""
    first = next(iter(city.generate(100_000, 1, NOW_MS)))
    assert "20261118" in first.truth.event_id or first.truth.kind == "refused"


def test_reports_of_one_matter_share_grid_window_and_radius(day, data):
    """All reports of a matter lie in its grid, within the window of its category."""
    categories = Categories.load()
    matters = defaultdict(list)
    for message in _valid(day):
        matters[message.truth.true_matter].append(message)
    for reports in matters.values():
        rows = [data.departments.by_code[m.truth.department].event(m.record) for m in reports]
        times = [row["occurred_at"] for row in rows]
        groups = {categories[row["category"]].matter_group for row in rows}
        assert len({m.truth.true_grid for m in reports}) == 1
        assert len(groups) == 1
        assert max(times) - min(times) <= max(categories[row["category"]].window_s for row in rows) * 1000
        assert len(reports) <= 4
    assert max(map(len, matters.values())) > 1


def test_points_lie_in_their_grids(day, data):
    """Every point of a valid message lies in its true grid, after conversion from the department's own system."""
    from gridhub.streams.place.coordinates import to_wgs84

    seen = Counter()
    for message in _valid(day)[:4000]:
        row = data.departments.by_code[message.truth.department].event(message.record)
        if "lon" in row and message.truth.true_grid:
            lon, lat = to_wgs84([row["lon"]], [row["lat"]], row["crs"])
            assert data.catalogue.locate_points(lon, lat)[0] == message.truth.true_grid
            seen[row["crs"]] += 1
    assert set(seen) == {"GCJ-02", "BD-09", "WGS-84", "EPSG:4547", "CGCS2000"}


def test_true_codes_contain_the_true_grid(day):
    """What a message says of its place contains the grid in which it happened."""
    for message in _valid(day):
        truth = message.truth
        assert truth.true_codes
        if truth.true_grid and truth.place_way != "area":
            assert all(truth.true_grid.startswith(code) for code in truth.true_codes)


def test_all_ways_to_a_place_occur(day):
    """Codes, keys, points, addresses and areas all occur, also the rare town and codes that differ between systems."""
    assert {m.truth.place_way for m in _valid(day)} == {"code", "key", "coordinates", "address", "area"}
    health = [m for m in _valid(day) if m.truth.department == "family-planning"]
    differing = [m for m in health if not m.record["residence"]["communityCode"].startswith(m.truth.true_codes[0][:9])]
    assert differing
    police = [m.record["dz"]["xz"] for m in _valid(day) if m.truth.department == "public-security"]
    assert any("𣲗源口镇" in text for text in police)
    assert any(any("０" <= sign <= "９" for sign in text) for text in police)


def test_a_storm_brings_more_of_its_kinds(city):
    """In a storm, floods and outages take a larger share than on an ordinary day."""
    shares = []
    for scenario in ("ordinary", "storm"):
        words = Counter(str(m.record).count("道路积水") for m in _valid(city.generate(4000, 2, NOW_MS, scenario)))
        shares.append(sum(count for number, count in words.items() if number))
    assert shares[1] > 2 * shares[0]


def test_truth_lines_can_be_read_again(day):
    """A truth written as a line of JSON is the same truth when read."""
    for message in day[:500]:
        placed = message.truth.placed(3, 17)
        assert truth_of(placed.line()) == placed


def test_an_endless_run_is_bounded_and_current(data):
    """Messages without end never tell of the future, and what waits stays under its limit."""
    moment = [NOW_MS]

    def clock():
        moment[0] += 2
        return moment[0]

    city = City(data.catalogue, data.departments, 1)
    run = _Run(city, "test", "ordinary", end_ms=None)
    for message in islice(run.messages(lambda _made: clock(), None), 5000):
        assert len(run.waiting) < 50_000
        if message.truth.kind == "valid":
            at = data.departments.by_code[message.truth.department].event(message.record)["occurred_at"]
            assert at <= moment[0]


def test_what_waits_is_cut_off_when_it_is_too_much(data, monkeypatch):
    """At a rate that would let reports pile up, later reports are left out and what is due still comes."""
    monkeypatch.setattr("gridhub.connectors.simulator.city._MOST_WAITING", 20)
    run = _Run(City(data.catalogue, data.departments, 1), "test", "ordinary", end_ms=None)
    assert len(list(islice(run.messages(lambda _made: NOW_MS, None), 300))) == 300
    assert len(run.waiting) < 100


def test_kinds_name_rows_of_the_categories_table():
    """Every kind has its category, rhythm and a share; every name used elsewhere is a kind."""
    categories = Categories.load()
    for kind in KINDS:
        assert kind.category in categories
        assert len(HOURS[kind.rhythm]) == 24
        assert kind.often > 0
    assert {*STORM, STORM_WARNING, *NEIGHBOURS, *DRILLS} <= BY_NAME.keys()


def test_voices_name_types_of_the_departments(data):
    """Every type that a bundled department uses leads to a category of the matter group of its kind."""
    categories = data.categories
    for kind in KINDS:
        for voice in (*kind.first, *kind.more):
            if voice.department in data.departments.by_code and voice.type != "99":
                tables = data.departments.by_code[voice.department].mapping.category
                tables = tables if isinstance(tables, tuple) else (tables,)
                found = next(table.table[voice.type] for table in tables if voice.type in table.table)
                assert categories[found].matter_group == categories[kind.category].matter_group


def test_the_clock_is_slower_in_busy_hours():
    """Progress maps to the whole period without going back, and a busy hour takes more of the progress."""
    weights = [10.0 if hour == 20 else 1.0 for hour in range(24)]
    clock = Clock(NOW_MS - DAY_MS, NOW_MS, weights)
    moments = [clock.at(step / 1000) for step in range(1001)]
    assert moments == sorted(moments)
    assert (moments[0], moments[-1]) == (NOW_MS - DAY_MS, NOW_MS)
    busy = sum(hour_of(moment) == 20 for moment in moments)
    assert 250 < busy < 350  # 10 of 33


def test_the_docs_list_every_rate():
    """docs/simulator.md has one line per rate of the table, with the same number."""
    text = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")
    for name, rate, reason in as_rows():
        assert f"| `{name}` | {rate:.2%} | {reason or '-'} |" in text


def test_an_endless_run_needs_a_rate():
    """`--forever` without `--rate` is wrong use: exit 2 and a sentence."""
    result = CliRunner().invoke(simulate, ["--forever"])
    assert result.exit_code == 2
    assert "--forever needs --rate" in result.output
