"""The check: the road in memory stands it, and each thing that can go wrong is seen."""

from __future__ import annotations

import io
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from gridhub.connectors.demo.check import check_memory, read_truth, show_departments
from gridhub.connectors.demo.check_compare import compare, pairs
from gridhub.connectors.demo.check_findings import Decided, Findings, Located, Position, Refused
from gridhub.connectors.demo.check_report import Department, Report
from gridhub.connectors.simulator import City, Truth
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams.records import Outcome, Reason
from gridhub.streams.settings import Settings

NOW_MS = 1_795_410_000_000  # 2026-11-23T13:00:00+08:00
CONTRACT = [
    "produced", "received", "admitted", "refused", "duplicates", "merged", "incidents", "tasks", "lost", "doubled",
    "seconds", "events_per_second",
]  # fmt: skip


def _run(data, codec, seed, events, scenario="ordinary", batch_events=500):
    settings = Settings()
    simulated = City(data.catalogue, data.departments, seed, categories=data.categories)
    return check_memory(
        simulated.generate(events, seed, NOW_MS, scenario),
        codec,
        city_data.inbound_facts(data, settings, codec.decode_many),
        city_data.outbound_facts(data, settings),
        NOW_MS,
        batch_events=batch_events,
    )


@pytest.fixture(scope="module")
def data():
    """The bundled city's data."""
    return city_data.load()


def _assert_good(report, events):
    assert report.problems() == []
    assert (report.lost, report.doubled, report.out_of_order) == (0, 0, 0)
    assert report.produced == report.received == events
    assert report.wrong_reason == []
    assert report.wrong_duplicates == 0
    assert report.grids("code", "key", "coordinates", "area") == 1.0
    assert report.grids("address") >= 0.98
    assert report.wide.precision >= 0.95
    assert report.wide.recall >= 0.95
    assert report.strict.precision >= 0.95


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_rooms_stand_the_truth(data, seed):
    """On an ordinary day nothing is lost or doubled, every reason and exact grid is right, and matters are told apart."""
    _assert_good(_run(data, local_codec(), seed, 3000), 3000)


def test_the_rooms_stand_a_storm(data):
    """In a storm the same holds."""
    _assert_good(_run(data, local_codec(), 4, 3000, "storm"), 3000)


def test_batches_of_other_sizes_change_nothing(data):
    """The same messages in batches of 37 give the same totals as in batches of 500."""
    totals = [_run(data, local_codec(), 2, 800, batch_events=size).to_json() for size in (37, 500)]
    # a notice to another area comes after the batch: which incidents knew of their parent from the start is its matter
    attached = [total.pop("attached") for total in totals]
    assert totals[0] == totals[1]
    assert attached[0] >= attached[1]


def test_a_further_department_joins_with_files_alone(tmp_path):
    """With the simulated 城管 in the city's folder, its codes of every form and its faults are right as well."""
    source = Path(str(files("gridhub.connectors.simulator") / "departments"))
    shutil.copytree(source, tmp_path / "departments")
    rules = (files("gridhub.config") / "admissions.yaml").read_text("utf-8")
    (tmp_path / "admissions.yaml").write_text(rules + _URBAN_RULE, "utf-8")
    data = city_data.load(tmp_path)
    report = _run(data, local_codec([tmp_path / "departments" / "urban-management"]), 3, 3000)
    _assert_good(report, 3000)
    urban = next(row for row in report.by_department() if row.department == "urban-management")
    assert urban.admitted > 100
    assert report.refused_by["urban-management", Reason.WRONG_DEPARTMENT] > 0


_URBAN_RULE = """
  - id: HSZR-CG-01
    department: urban-management
    categories: [exposed_garbage, manhole_cover, street_vending, shop_outside, illegal_building, illegal_parking,
                 water_main_burst, flooding, road_collapse, tree_down]
    legal_basis: 《城市市容和环境卫生管理条例》
    approver: 黄石市社区建设领导小组
    valid_from: 2015-01-01
"""


# what the check sees: a run of four messages that is right, and made wrong in one thing each

GRID = "420202005001001"
TOPIC = "dept.power.events"


def _truth(number, **changes):
    fields = {
        "seq": number, "topic": TOPIC, "department": "power", "source": "power", "event_id": f"E{number}",
        "kind": "valid", "true_grid": GRID, "true_codes": (GRID,), "place_way": "key", "true_matter": "m1",
        "partition": 0, "offset": number,
    }  # fmt: skip
    return Truth(**{**fields, **changes})


def _truths():
    """Two reports of one matter, a redelivery of the first, and one message to be refused."""
    return [
        _truth(0),
        _truth(1),
        _truth(2, event_id="E0", kind="duplicate", duplicate_of=0),
        _truth(3, kind="refused", expected_reason=Reason.NOT_ADMITTED, true_codes=(), true_matter=None),
    ]


def _at(offset):
    return Position("hub.located", 2, offset)


def _located(number):
    return Located(_at(number), Position(TOPIC, 0, number), GRID[:9], (GRID,), "key")


def _findings():
    """What a hub without a fault makes of `_truths`."""
    found = Findings()
    found.located = [_located(number) for number in range(3)]
    found.refused = [Refused(Position(TOPIC, 0, 3), "admit", "not_admitted")]
    outcomes = (Outcome.OPENED, Outcome.MERGED, Outcome.DUPLICATE)
    found.decided = [Decided(_at(number), outcome.value, "i1") for number, outcome in enumerate(outcomes)]
    found.incidents["i1"] = 1
    found.tasks["t1"] = 1
    found.incident_of["t1"] = "i1"
    return found


def test_a_run_without_fault_has_no_problems():
    """The totals of the small run are right, in the order of the contract, and nothing is complained of."""
    report = compare(_truths(), _findings())
    report.seconds = 2.0
    assert report.problems() == []
    line = report.to_json()
    assert list(line)[: len(CONTRACT)] == CONTRACT
    assert [line[key] for key in CONTRACT] == [4, 4, 3, 1, 1, 1, 1, 1, 0, 0, 2.0, 2.0]
    assert (line["precision"], line["recall"], line["grid_right"]) == (1.0, 1.0, 1.0)
    assert report.by_department() == [Department("power", 4, 3, 1, 1, 0)]


def _lose_message(found):
    found.located.pop(0)


def _lose_refusal(found):
    found.refused.clear()


def _lose_decision(found):
    found.decided.pop(1)


def _lose_task(found):
    found.incident_of.clear()


def _lose_incident(found):
    found.incidents.clear()


@pytest.mark.parametrize("lose", [_lose_message, _lose_refusal, _lose_decision, _lose_task, _lose_incident])
def test_what_is_missing_is_lost(lose):
    """A message, refusal, decision, task or incident that is not there counts as one lost, and is said."""
    found = _findings()
    lose(found)
    report = compare(_truths(), found)
    assert report.lost == 1
    assert report.problems()


def _double_located(found):
    found.located.append(Located(_at(9), Position(TOPIC, 0, 1), GRID[:9], (GRID,), "key"))
    found.decided.append(Decided(_at(9), Outcome.DUPLICATE.value, "i1"))


def _double_refusal(found):
    found.refused.append(found.refused[0])


def _located_and_refused(found):
    found.refused.append(Refused(Position(TOPIC, 0, 1), "admit", "bad_bytes"))


def _double_decision(found):
    found.decided.append(found.decided[1])


def _double_incident(found):
    found.incidents["i1"] += 1


def _double_task(found):
    found.tasks["t1"] += 1


_DOUBLES = [_double_located, _double_refusal, _located_and_refused, _double_decision, _double_incident, _double_task]


@pytest.mark.parametrize("double", _DOUBLES)
def test_what_is_there_twice_is_doubled(double):
    """A message, refusal, decision, incident or task that is there twice counts as one doubled, and is said."""
    found = _findings()
    double(found)
    report = compare(_truths(), found)
    assert report.doubled == 1
    assert report.problems()


def test_another_reason_is_seen():
    """A refusal with another reason than expected is counted with what was expected and found."""
    found = _findings()
    found.refused = [Refused(Position(TOPIC, 0, 3), "admit", "wrong_time")]
    (wrong,) = compare(_truths(), found).wrong_reason
    assert (wrong.truth.seq, wrong.expected, wrong.found) == (3, "not_admitted", "wrong_time")


def test_a_message_that_should_have_been_refused_is_seen():
    """A refused message that was located instead is a wrong reason, and no loss."""
    found = _findings()
    found.refused = []
    found.located.append(_located(3))
    found.decided.append(Decided(_at(3), Outcome.MERGED.value, "i1"))
    report = compare(_truths(), found)
    assert report.lost == 0
    assert [wrong.found for wrong in report.wrong_reason] == ["located"]


def test_another_grid_is_seen():
    """A located event at another code than the message says is counted by its way, and said."""
    found = _findings()
    found.located[1] = found.located[1]._replace(codes=("420202005001002",))
    report = compare(_truths(), found)
    assert report.grid_right == {"key": (2, 3)}
    assert any("420202005001002" in sentence for sentence in report.problems())


def test_another_order_is_seen():
    """Two events of one area and source partition that changed places are out of order."""
    found = _findings()
    first, second, third = found.located
    found.located = [first._replace(at=_at(1)), second._replace(at=_at(0)), third]
    found.decided = [
        Decided(_at(1), Outcome.OPENED, "i1"), Decided(_at(0), Outcome.MERGED, "i1"),
        Decided(_at(2), Outcome.DUPLICATE, "i1"),
    ]  # fmt: skip
    report = compare(_truths(), found)
    assert report.out_of_order == 1
    assert report.problems()


def test_a_redelivery_taken_for_new_is_seen():
    """A redelivery that merged, and a new event taken for a redelivery, are both said."""
    found = _findings()
    found.decided[2] = Decided(_at(2), Outcome.MERGED, "i1")
    found.decided[1] = Decided(_at(1), Outcome.DUPLICATE, "i1")
    report = compare(_truths(), found)
    assert report.wrong_duplicates == 2
    assert report.problems()


def test_messages_of_other_runs_are_left_out():
    """What another run left in the topics changes nothing."""
    found = _findings()
    found.located.append(Located(_at(50), Position(TOPIC, 4, 7), GRID[:9], (GRID,), "key"))
    found.decided.append(Decided(_at(50), Outcome.OPENED, "i9"))
    found.refused.append(Refused(Position(TOPIC, 4, 8), "admit", "bad_bytes"))
    found.incidents["i9"] = 2
    assert compare(_truths(), found).to_json() == compare(_truths(), _findings()).to_json()


def test_possible_events_count_as_joined_only_in_the_wide_figure():
    """An event that is only possible joins its incident in the wide figure, and stands alone in the strict one."""
    found = _findings()
    found.decided[1] = Decided(_at(1), Outcome.POSSIBLE, "i1")
    report = compare(_truths(), found)
    assert (report.strict.recall, report.wide.recall, report.possible) == (0.0, 1.0, 1)


@pytest.mark.parametrize(
    ("assigned", "expected"),
    [
        ([("a", "1"), ("a", "1"), ("b", "2")], (1, 1, 1)),
        ([("a", "1"), ("a", "2")], (0, 0, 1)),
        ([("a", "1"), ("b", "1")], (0, 1, 0)),
        ([("a", "1"), ("a", "1"), ("a", "1"), ("b", "1")], (3, 6, 3)),
        ([], (0, 0, 0)),
    ],
)
def test_pairs_are_counted(assigned, expected):
    """Pairs of one matter and incident, of one incident, and of one matter, counted by hand."""
    assert pairs(assigned) == expected


def test_conservation_is_said():
    """A report whose outcomes do not add up to the located events says so."""
    report = Report(produced=3, admitted=3, incidents=1, merged=1)
    assert any("Of 3 located events 2 ended" in sentence for sentence in report.problems())


def test_the_table_is_plain_text_where_there_is_no_terminal():
    """One aligned line per department after the header, without control characters."""
    out = io.StringIO()
    show_departments([Department("power", 10, 8, 2, 1, 0), Department("food-drug", 5, 5, 0, 0, 0)], out)
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["department", "produced", "admitted", "refused", "duplicates", "wrong"]
    assert [line.split() for line in lines[1:]] == [
        ["power", "10", "8", "2", "1", "0"],
        ["food-drug", "5", "5", "0", "0", "0"],
    ]
    assert len(set(map(len, lines))) == 1
    assert "\x1b" not in out.getvalue()


def test_a_broken_truth_file_is_named_by_line(tmp_path):
    """A line that is no truth is a ValueError with file and line."""
    path = tmp_path / "truth.jsonl"
    path.write_bytes(_truth(1).line() + b"{}\n")
    with pytest.raises(ValueError, match=r"truth.jsonl line 2"):
        list(read_truth(path))
