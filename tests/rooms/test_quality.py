"""What `gridhub quality` measures, and when it fails."""

from __future__ import annotations

import csv
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from gridhub.connectors.quality import addresses, cli, composing, datum, points, reports
from gridhub.connectors.quality.measure import Measure, confusion
from gridhub.connectors.quality.pairs import of_file
from gridhub.streams.place.catalogue import Catalogue

DATA = Path(__file__).parents[3] / "shared" / "data"
CATALOGUE = Catalogue.load()


def test_composed_addresses_reach_the_floors():
    """Of 3,000 composed addresses with noise the districts are right, and most of those that name one are answered."""
    rows = composing.inside(CATALOGUE, 3_000, seed=7)
    answers = CATALOGUE.locate_addresses([row.text for row in rows])
    district = addresses.districts("d", [(r.text, r.district, r.named) for r in rows], answers, CATALOGUE)
    assert not district.failed, district.table
    assert not addresses.communities(rows, answers).failed


def test_addresses_of_other_cities_are_never_placed():
    """Of 3,000 addresses of other cities that bear our names none gets a place."""
    found = addresses.never_placed("o", composing.outside(CATALOGUE, 3_000, seed=7), CATALOGUE)
    assert found.values["placed_inside"] == 0, found.table


def test_the_same_seed_composes_the_same_addresses():
    """A measure that changes shows that the hub changed, not the questions."""
    assert composing.inside(CATALOGUE, 50, seed=3) == composing.inside(CATALOGUE, 50, seed=3)
    assert composing.inside(CATALOGUE, 50, seed=3) != composing.inside(CATALOGUE, 50, seed=4)


def test_a_wrong_district_lowers_the_precision_and_fails():
    """One address put into another district than the truth is shown, and the measure misses its floor."""
    texts = ["黄石市下陆区杭州西路", "黄石市铁山区广友路8号"]
    rows = [(texts[0], "420204", True), (texts[1], "420202", True)]
    found = addresses.districts("d", rows, CATALOGUE.locate_addresses(texts), CATALOGUE)
    assert (found.values["precision"], found.values["recall"]) == (0.5, 1.0)
    assert found.failed == ["precision"]
    assert texts[1] in found.table


def test_points_agree_with_the_loop():
    """On cells with many corners the batch finds what a loop over all polygons finds."""
    found = points.speed("few", points.cells(200, 40), points=2_000)
    assert found.values["agreement"] == 1.0
    assert found.values["grids"] == 200


def test_measures_without_their_file_are_skipped_and_say_so():
    """Without the folder of real files a measure is neither good nor bad; its line says what is missing."""
    first = next(datum.measures(None))
    assert first.skipped
    assert not first.failed
    assert "coordinate-vectors.csv" in first.as_line()["skipped"]


def test_limits_decide():
    """A value below its floor or above its ceiling fails, and so does one that is no number."""
    assert Measure("m", 1, {"a": 0.5}, floors={"a": 0.6}).failed == ["a"]
    assert Measure("m", 1, {"a": float("nan")}, floors={"a": 0.6}).failed == ["a"]
    assert Measure("m", 1, {"a": 1}, ceilings={"a": 0}).failed == ["a"]
    assert Measure("m", 1, {"a": 0.6}, floors={"a": 0.6}, ceilings={"a": 0.6}).as_line()["good"] is True


def test_the_command_ends_with_1_below_a_floor(monkeypatch):
    """Every measure is one JSON line on standard output; a missed floor is named on standard error."""
    measures = [Measure("good", 1, {"a": 1.0}), Measure("bad", 2, {"a": 0.0}, floors={"a": 0.5}, table="t")]
    monkeypatch.setattr(cli, "measured", lambda _names, _data: iter(measures))
    result = CliRunner().invoke(cli.quality, [])
    lines = [orjson.loads(line) for line in result.stdout.splitlines()]
    assert [(line["measure"], line["n"], line["good"]) for line in lines] == [("good", 1, True), ("bad", 2, False)]
    assert result.exit_code == 1
    assert "Below the floor: bad: a" in result.stderr


def test_a_confusion_table_counts_pairs():
    """Rows are the truth, columns the answers, a dot is nothing."""
    table = confusion("t", [("x", "x"), ("x", "y"), ("x", "x")])
    assert table.splitlines()[-1].split() == ["x", "2", "1"]


def rows_of_311(path):
    """Five reports: two of one heating failure, one next door, and planned collections in neighbouring houses."""
    usual = {"created_date": "2019-12-31T20:00:00", "incident_zip": "11211", "descriptor": "ENTIRE BUILDING"}
    said = "This complaint is a duplicate of a condition already reported."
    lines = [
        ("1", "HEAT/HOT WATER", "1 A STREET", "40.7000", ""),
        ("2", "HEAT/HOT WATER", "1 A STREET", "40.7000", said),
        ("3", "HEAT/HOT WATER", "2 A STREET", "40.7001", ""),
        ("4", "Request Large Bulky Item Collection", "1 A STREET", "40.7000", ""),
        ("5", "Request Large Bulky Item Collection", "1 A STREET", "40.7000", ""),
        ("6", "Lost Property", "1 A STREET", "40.7000", ""),
    ]
    names = ("unique_key", "complaint_type", "incident_address", "latitude", "resolution_description")
    rows = [usual | {"longitude": "-73.9"} | dict(zip(names, line, strict=True)) for line in lines]
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_pairs_are_judged_by_the_files_own_words(tmp_path):
    """One building's reports join, the neighbour's does not, planned work never does; unmapped types are left out."""
    nyc = reports.mappings()[0]
    rows_of_311(tmp_path / nyc.file)
    found = of_file(tmp_path / nyc.file, nyc)
    wanted = {"left_out": 1, "joined_pairs": 1, "same_pairs": 1, "precision": 1.0, "recall": 1.0, "planned_joined": 0}
    assert {name: found.values[name] for name in wanted} == wanted
    assert (found.values["told_duplicates"], found.values["told_found"]) == (1, 1.0)


@pytest.mark.skipif(not DATA.exists(), reason="../shared/data with the real reports lies beside the checkout only")
def test_real_reports_reach_the_floors():
    """New York's own duplicates are found, and no planned collection joins another."""
    for mapping in reports.mappings():
        assert not of_file(DATA / mapping.file, mapping).failed
