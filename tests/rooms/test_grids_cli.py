"""`gridhub grids`: what a clerk sees, what a program reads, and what changes between two versions."""

import shutil
from pathlib import Path

import numpy as np
import orjson
import pytest
import shapely
from click.testing import CliRunner

from gridhub.streams import standing_store
from gridhub.streams.grids_cli import grids
from gridhub.streams.place.bundle import Manifest, join, read_manifest, unpack
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.place.changes import compare
from gridhub.streams.place.findings import Report
from gridhub.streams.place.folder_check import check_folder
from gridhub.streams.place.source import read_source

FIRST, SECOND, THIRD = "420205003001001", "420205003001002", "420205003001003"


def run(*words):
    """What `gridhub grids` answers."""
    return CliRunner().invoke(grids, [str(word) for word in words])


def lines(answer):
    """The JSON objects on standard output."""
    return [orjson.loads(line) for line in answer.stdout.splitlines()]


@pytest.fixture
def folder(small_grids, tmp_path):
    """A copy of the small catalogue that a test may change."""
    return Path(shutil.copytree(small_grids, tmp_path / "grids"))


def edit(folder, function):
    """Change the features of a folder's grids by a function of (code, feature) that gives a feature or None."""
    path = folder / "grids.geojson"
    collection = orjson.loads(path.read_bytes())
    found = [function(feature["properties"]["code"], feature) for feature in collection["features"]]
    path.write_bytes(orjson.dumps(collection | {"features": [feature for feature in found if feature]}))


def test_a_sound_folder_passes(folder):
    """No finding, exit 0, and the totals last."""
    answer = run("check", folder, "--json")
    assert answer.exit_code == 0
    (summary,) = lines(answer)
    assert summary["errors"] == summary["warnings"] == 0
    assert summary["grids"] == len(Catalogue.load(folder).grid_codes)


def test_a_wrong_folder_is_told_in_two_languages(folder):
    """Exit 1; every finding stands there with feature, code, what is wrong and what to do."""
    edit(folder, lambda code, feature: None if code == FIRST else feature)
    answer = run("check", folder)
    assert answer.exit_code == 1
    assert "不属于任何网格" in answer.stdout
    assert "belong to no grid" in answer.stdout
    found = lines(run("check", folder, "--json"))
    assert all({"severity", "kind", "file", "zh", "en", "do_zh", "do_en"} <= line.keys() for line in found[:-1])
    assert found[-1]["errors"] == sum(line["severity"] == "error" for line in found[:-1]) > 0


def test_a_file_is_judged_by_another_catalogue(folder, small_grids):
    """A single GeoJSON file is judged by the divisions and districts of a catalogue."""
    edit(folder, lambda code, feature: feature | {"geometry": None} if code == FIRST else feature)
    answer = run("check", folder / "grids.geojson", "--against", small_grids, "--json")
    assert answer.exit_code == 1
    assert lines(answer)[0] | {"feature": 1} == lines(answer)[0]
    assert lines(answer)[0]["kind"] == "no_geometry"


def test_what_was_looked_at_can_be_accepted(folder):
    """An accepted kind is a warning: the exit is 0. A kind that does not exist is wrong use."""
    edit(folder, lambda code, feature: None if code == FIRST else feature)
    kinds = [line["kind"] for line in lines(run("check", folder, "--json"))[:-1]]
    accepted = [word for kind in kinds for word in ("--accept", kind)]
    assert run("check", folder, *accepted).exit_code == 0
    assert run("check", folder, "--accept", "nothing").exit_code == 2


@pytest.mark.parametrize(
    ("name", "change", "kind"),
    [
        ("divisions.csv", lambda text: text.replace("铁山街道,street", ",street", 1), "bad_division"),
        ("divisions.csv", lambda text: text.replace(",420205003001,", ",42020500300,", 1), "bad_division"),
        ("divisions.csv", lambda text: text + text.splitlines()[-1] + "\n", "bad_division"),
        ("divisions.csv", lambda text: text.replace("short_code", "code", 1), "missing_column"),
        ("divisions.csv", lambda text: text + "1,2\n", "bad_row"),
        ("keys/feeder.csv", lambda text: text + "KX9,420205999\n", "unknown_code"),
        ("keys/feeder.csv", lambda text: text + text.splitlines()[-1] + "\n", "duplicate_key"),
        ("stations.csv", lambda text: text.splitlines()[0] + "\n", "no_station"),
        ("staff.csv", lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "no_staff"),
        ("staff.csv", lambda text: text.replace("WGZ420205003001", "WGZ1", 1), "unknown_station"),
        ("districts.geojson", lambda text: "{}", "not_json"),
    ],
)
def test_wrong_tables_are_found(folder, name, change, kind):
    """A mistake in a table is named with its file."""
    path = folder / name
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    report = Report()
    check_folder(folder, report)
    assert name in {finding.file for finding in report.findings if finding.kind == kind}, report.counts


def test_missing_and_foreign_files_are_found(folder):
    """A missing file and one in another encoding are named."""
    (folder / "staff.csv").unlink()
    path = folder / "stations.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode("gb18030"))
    report = Report()
    check_folder(folder, report)
    assert {(finding.kind, finding.file) for finding in report.findings} >= {
        ("missing_file", "staff.csv"),
        ("not_utf8", "stations.csv"),
    }


def polygon(feature):
    """A feature's geometry."""
    return shapely.from_geojson(orjson.dumps(feature["geometry"]))


def test_diff_tells_all_that_changes(folder, small_grids):
    """A grid merged into its neighbour, one renamed, one new: codes, land and keys are told."""
    features = {f["properties"]["code"]: f for f in orjson.loads((folder / "grids.geojson").read_bytes())["features"]}
    merged = orjson.loads(shapely.to_geojson(shapely.union_all([polygon(features[c]) for c in (FIRST, SECOND)])))
    new = FIRST[:12] + "099"

    def change(code, feature):
        if code == FIRST:
            return None
        if code == SECOND:
            return feature | {"geometry": merged}
        if code == THIRD:
            return feature | {"properties": feature["properties"] | {"code": new}}
        return feature

    edit(folder, change)
    found = compare(small_grids, folder)
    assert (found.added, found.removed) == ([new], [FIRST, THIRD])
    assert list(found.moved) == [SECOND]
    areas = {(one, two): area for one, two, area in found.hands}
    assert set(areas) == {(FIRST, SECOND), (THIRD, new)}
    size = polygon(features[FIRST]).area * 111_195**2 * np.cos(np.radians(30.2))
    assert areas[FIRST, SECOND] == pytest.approx(size, rel=0.001) == found.moved[SECOND]
    assert found.keys == {"licence": 3, "transformer_area": 6}
    printed = lines(run("diff", small_grids, folder))
    assert printed[-1] == {"change": "summary", **found.summary}
    assert {line["change"] for line in printed} == {"added", "removed", "moved", "hands", "summary"}


def test_diff_of_names_and_of_keys(folder, small_grids):
    """A name of its own is a renaming; a key that leads elsewhere is counted."""
    edit(folder, lambda code, f: f | {"properties": f["properties"] | {"name": "矿冶网格"}} if code == FIRST else f)
    keys = folder / "keys" / "feeder.csv"
    keys.write_text(keys.read_text() + "KX99999,420205003\n")
    found = compare(small_grids, folder)
    assert found.renamed == {FIRST: ("(basic)", "矿冶网格 (basic)")}
    assert found.keys == {"feeder": 1, "licence": 1, "transformer_area": 2}
    assert Catalogue.load(folder).name(FIRST).endswith("矿冶网格")


def test_diff_of_the_same_is_empty(small_grids):
    """Nothing differs from itself; a folder that is none is an error on standard error."""
    assert lines(run("diff", small_grids, small_grids / "grids.geojson"))[-1]["change"] == "summary"
    (line,) = lines(run("diff", small_grids, small_grids))
    assert (line["area_m2"], line["keys_total"]) == (0, 0)
    answer = run("diff", small_grids, small_grids.parent)
    assert answer.exit_code == 1
    assert "cannot be compared" in answer.stderr


def test_what_is_wrong_is_never_published(folder):
    """`load` checks first: with an error nothing is sent, and the exit is 1; a day that is none is wrong use."""
    edit(folder, lambda code, feature: None if code == FIRST else feature)
    answer = run("load", folder, "--actor", "a", "--reason", "b")
    assert answer.exit_code == 1
    assert "Nothing was published" in answer.stderr
    assert answer.stdout == ""
    assert run("load", folder, "--actor", "a", "--reason", "b", "--valid-from", "soon").exit_code == 2


def test_stations_and_members(small_grids):
    """A grid has a station, that of its community, and its members by number."""
    catalogue = Catalogue.load(small_grids)
    assert catalogue.station(FIRST) == catalogue.station(FIRST[:12]) == f"WGZ{FIRST[:12]}"
    assert len(catalogue.staff(FIRST)) == 1
    assert catalogue.station("420205999001") is None
    assert catalogue.staff("420205999001001") == ()


def test_members_come_and_go(folder):
    """A member serves a grid for a time; a time that ends before it begins is found."""
    path = folder / "staff.csv"
    head, first, *rest = path.read_text(encoding="utf-8").splitlines()
    number, grid, station = first.split(",")
    table = [f"{head},valid_from,valid_until", f"{first},,2026-07-01", f"WGY9,{grid},{station},2026-07-01,"]
    path.write_text("\n".join([*table, *(f"{row},," for row in rest), ""]), encoding="utf-8")
    assert run("check", folder).exit_code == 0
    catalogue, day_ms = Catalogue.load(folder), 1_782_835_200_000  # 2026-07-01, China's time
    assert (catalogue.staff(grid, day_ms - 1), catalogue.staff(grid, day_ms)) == ((number,), ("WGY9",))
    assert catalogue.staff(grid) == ("WGY9",)
    path.write_text(
        path.read_text(encoding="utf-8").replace(",,2026-07-01", ",2026-08-01,2026-07-01"), encoding="utf-8"
    )
    assert lines(run("check", folder, "--json"))[0]["kind"] == "bad_validity"


def manifest(number, previous=""):
    """One published version."""
    return Manifest(
        version="0" * 12, valid_from_ms=0, sha256="0" * 64, size_bytes=1, parts=1, grids=1, actor="张三",
        reason=f"no. {number}", published_at_ms=number, previous=previous,
    )  # fmt: skip


def test_versions_show_a_gap_in_the_trail(monkeypatch):
    """Each version names the one before: a whole trail ends with 0, one with a version taken out with 1."""
    first = manifest(1)
    second = manifest(2, first.digest)
    third = manifest(3, second.digest)
    monkeypatch.setattr(standing_store, "read_manifests", lambda _bootstrap: [first, second, third])
    whole = run("versions")
    assert (whole.exit_code, [line["follows"] for line in lines(whole)]) == (0, [True] * 3)
    assert [line["reason"] for line in lines(whole)] == ["no. 1", "no. 2", "no. 3"]
    monkeypatch.setattr(standing_store, "read_manifests", lambda _bootstrap: [first, third])
    cut = run("versions")
    assert (cut.exit_code, [line["follows"] for line in lines(cut)]) == (1, [True, False])


def test_load_publishes_parts_then_the_manifest(folder, monkeypatch):
    """A sound folder is published with its manifest last, chained to the one before, with actor, reason and day."""
    sent = []
    monkeypatch.setattr(standing_store, "read_manifests", lambda _bootstrap: [manifest(1)])
    monkeypatch.setattr(standing_store, "publish", lambda _bootstrap, messages: sent.extend(messages))
    answer = run("load", folder, "--actor", "张三", "--reason", "政发12号", "--valid-from", "2027-01-01")
    assert answer.exit_code == 0, answer.stderr
    said = read_manifest(sent[-1][1])
    assert said.model_dump(mode="json") == lines(answer)[0]
    assert (said.actor, said.reason, said.previous) == ("张三", "政发12号", manifest(1).digest)
    assert said.valid_from_ms == 1_798_732_800_000  # midnight in China
    unpacked = unpack(join(said, dict(sent)), said)
    assert read_source(unpacked).version == said.version == Catalogue.load(folder).version
