"""Names, levels, areas, versions and validity of the catalogue."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from gridhub.streams.place.catalogue import Catalogue

FOLDER = Path(__file__).parents[2] / "config" / "grids"
CATALOGUE = Catalogue.load()


@pytest.fixture
def folder(tmp_path):
    """A copy of the catalogue that a test may change."""
    return Path(shutil.copytree(FOLDER, tmp_path / "grids"))


def test_levels_of_the_real_divisions():
    """The real divisions are there: 1 city, 6 districts, 57 streets, 1,040 communities."""
    counts = [len(CATALOGUE.places(level)) for level in ("city", "district", "street", "community")]
    assert counts == [1, 6, 57, 1040]


def test_a_grid_and_its_line_of_parents():
    """A grid knows its name, kind and parents up to the city."""
    grid = CATALOGUE.place("420202005001001")
    assert (grid.name, grid.level, grid.kind) == ("第001网格", "grid", "basic")
    line = [grid.code]
    while parent := CATALOGUE.place(line[-1]).parent:
        line.append(parent)
    assert line == ["420202005001001", "420202005001", "420202005", "420202", "420200"]


def test_full_names():
    """A full name starts at the city and ends at the place itself."""
    assert CATALOGUE.name("420202005001001") == "黄石市黄石港区沈家营街道桂花湾社区第001网格"
    assert CATALOGUE.name("420202005") == "黄石市黄石港区沈家营街道"
    assert CATALOGUE.name("420200") == "黄石市"
    with pytest.raises(KeyError):
        CATALOGUE.name("420206")


def test_special_grids_say_so():
    """A special grid has its kind, and its name says that it is one."""
    special = [place for place in CATALOGUE.places("grid") if place.kind == "campus"]
    assert special
    assert all(place.name.endswith("专属网格") for place in special)


def test_unknown_place():
    """A code that is not in the catalogue is no place; asking for its children or grids is an error."""
    assert CATALOGUE.place("420202099") is None
    with pytest.raises(KeyError):
        CATALOGUE.children("420202099")
    with pytest.raises(KeyError):
        CATALOGUE.grids_of("420202099")


def test_children_and_grids_agree():
    """The grids of a place are those of its children together, level by level."""
    for code in ("420200", "420205", "420202005", "420202005001"):
        below = [grid for child in CATALOGUE.children(code) for grid in (CATALOGUE.grids_of(child))]
        assert tuple(below) == CATALOGUE.grids_of(code)
    assert CATALOGUE.children("420202005001001") == ()
    assert CATALOGUE.grids_of("420202005001001") == ("420202005001001",)


@pytest.mark.parametrize(
    ("code", "area"),
    [
        ("420202005001001", "420202005"),
        ("420202005001", "420202005"),
        ("420202005", "420202005"),
        ("420202", "420202"),
        ("420200", "420200"),
    ],
)
def test_area_of(code, area):
    """The area is the street's nine digits, or the county or city code itself."""
    assert CATALOGUE.area_of(code) == area


@pytest.mark.parametrize(
    ("codes", "area"),
    [
        (["420202005001001"], "420202005"),
        (["420202005001001", "420202005002"], "420202005"),
        (["420202005", "420202006001001"], "420202"),
        (["420202", "420202006001001"], "420202"),
        (["420202005", "420203007"], "420200"),
        (["420200", "420203007"], "420200"),
    ],
)
def test_common_area(codes, area):
    """Places of one street have the street in common, of one county the county, else the city."""
    assert CATALOGUE.common_area(codes) == area


def test_common_area_of_nothing():
    """No codes have no area: that is the caller's mistake."""
    with pytest.raises(ValueError, match="no codes"):
        CATALOGUE.common_area([])


def test_version_follows_the_files(folder):
    """The same files have the same version, and any changed byte another."""
    assert Catalogue.load(folder).version == CATALOGUE.version
    keys = folder / "keys" / "feeder.csv"
    keys.write_text(keys.read_text() + "KX99999,420202005\n")
    assert Catalogue.load(folder).version != CATALOGUE.version


def test_before_the_first_day_there_is_no_grid():
    """Grids are valid from their first day in China's time, not a millisecond earlier."""
    first_ms = int(datetime(2013, 12, 31, 16, tzinfo=UTC).timestamp() * 1000)
    assert len(CATALOGUE.at(first_ms - 1).grid_codes) == 0
    assert CATALOGUE.at(first_ms) is CATALOGUE
    early = CATALOGUE.at(first_ms - 1)
    assert early.resolve_codes(["420202005001001"], [None])[0].candidates == ("420202005001",)
    assert early.locate_points([115.03], [30.2]).tolist() == [None]


def test_a_split_grid_is_found_in_the_catalogue_of_its_time(folder):
    """When a grid ends and another takes its land, a point belongs to the old one before and to the new one after."""
    change(folder, valid_until="2026-07-01", new_serial="091")
    edition = Catalogue.load(folder)
    point = CATALOGUE.place("420202005001001")
    day_ms = int(datetime(2026, 6, 30, 16, tzinfo=UTC).timestamp() * 1000)
    old, new = edition.at(day_ms - 1), edition.at(day_ms)
    assert old.locate_points([point.lon], [point.lat]).tolist() == ["420202005001001"]
    assert new.locate_points([point.lon], [point.lat]).tolist() == ["420202005001091"]
    assert new is edition
    assert edition.at(day_ms - 1) is old
    assert old.version == new.version


def test_one_code_twice_at_one_moment_is_refused(folder):
    """Two polygons of one code that are valid together are an error that names the grid."""
    change(folder, valid_until="", new_serial="001")
    with pytest.raises(ValueError, match="420202005001001"):
        Catalogue.load(folder)


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [("keys/feeder.csv", "KX00001,420202005", "one key"), ("divisions.csv", "420299", "divisions.csv line")],
)
def test_broken_files_are_named(folder, name, line, message):
    """A file that contradicts itself is refused with its name."""
    path = folder / name
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        Catalogue.load(folder)


def test_a_grid_without_a_community_is_refused(folder):
    """A grid code whose community is not in the divisions is an error that names it."""
    path = folder / "grids.geojson"
    path.write_bytes(path.read_bytes().replace(b"420202005001001", b"420202999001001"))
    with pytest.raises(ValueError, match="420202999001001"):
        Catalogue.load(folder)


def test_a_missing_file_is_an_error(folder):
    """Without its polygons there is no catalogue."""
    (folder / "grids.geojson").unlink()
    with pytest.raises(FileNotFoundError):
        Catalogue.load(folder)


def change(folder, valid_until, new_serial):
    """End the first grid on a day, and add its polygon again as another serial from that day on."""
    path = folder / "grids.geojson"
    collection = orjson.loads(path.read_bytes())
    first = collection["features"][0]
    successor = orjson.loads(orjson.dumps(first))
    first["properties"]["valid_until"] = valid_until
    successor["properties"] |= {"code": f"420202005001{new_serial}", "valid_from": valid_until}
    collection["features"].append(successor)
    path.write_bytes(orjson.dumps(collection))
