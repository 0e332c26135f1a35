"""The committed grids: made again with the same bytes, without gaps or overlaps, every point in exactly one."""

from pathlib import Path

import numpy as np
import orjson
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.place.rows import read_rows
from gridhub.streams.place.synthetic import SPECIAL_GRIDS, all_files, grids_bytes, shared_out
from gridhub.streams.place.synthetic_keys import check_digit

FOLDER = Path(__file__).parents[2] / "config" / "grids"
CATALOGUE = Catalogue.load()
DISTRICTS = {
    feature["properties"]["adcode"]: shapely.from_geojson(orjson.dumps(feature["geometry"]))
    for feature in orjson.loads((FOLDER / "districts.geojson").read_bytes())["features"]
}
POLYGONS = {code: CATALOGUE.polygon(code) for code in CATALOGUE.grid_codes}
# The lattice of the grids is 1e-6 degrees; a district's border and that of its grids may differ by half of its diagonal.
BORDER_DEG = 1e-6


@pytest.fixture(scope="module")
def made():
    """All derived files, made once for this module."""
    return all_files()


def test_derived_files_are_made_again_with_the_same_bytes(made):
    """The generator gives exactly the committed files: nothing was edited by hand, nothing depends on the machine."""
    assert [name for name, content in made.items() if (FOLDER / name).read_bytes() != content] == []


def test_every_derived_file_is_committed_and_nothing_else(made):
    """The folder holds the derived files, the four sources, and what describes them."""
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    given_files = {"divisions.csv", "districts.geojson", "townships-mca.csv", "private-codes.csv", "README.md"}
    assert found == set(made) | given_files


def test_grids_leave_no_gap_and_do_not_overlap():
    """The grids are a valid coverage, corner on corner, and together they are the districts to a tenth of a metre."""
    polygons = np.array(list(POLYGONS.values()))
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    for code, district in DISTRICTS.items():
        assert shapely.hausdorff_distance(CATALOGUE.polygon(code), district) < BORDER_DEG


def test_grid_numbers():
    """Three to five basic grids in each community, 3,000 to 4,000 in all, and the special ones of the list."""
    places = CATALOGUE.places("grid")
    assert 3000 <= len(places) <= 4000
    basic = [
        sum(CATALOGUE.place(grid).kind == "basic" for grid in place)
        for place in map(CATALOGUE.children, [community.code for community in CATALOGUE.places("community")])
    ]
    assert set(basic) == {3, 4, 5}
    special = {place.parent: place.kind for place in places if place.kind != "basic"}
    assert special == SPECIAL_GRIDS


def test_the_grid_file_is_small():
    """The committed polygons stay below three megabytes."""
    assert (FOLDER / "grids.geojson").stat().st_size < 3_000_000


@given(
    district=st.sampled_from(sorted(DISTRICTS)),
    east=st.floats(0, 1),
    north=st.floats(0, 1),
)
def test_a_point_of_a_district_is_in_exactly_one_of_its_grids(district, east, north):
    """Every point inside a real district polygon lies in one grid, and that grid is of the district."""
    west, south, far_east, far_north = DISTRICTS[district].bounds
    point = shapely.Point(west + east * (far_east - west), south + north * (far_north - south))
    inside = [
        code for code, land in DISTRICTS.items() if land.contains(point) and land.boundary.distance(point) > BORDER_DEG
    ]
    found = CATALOGUE.locate_points([point.x], [point.y])[0]
    holding = [code for code, polygon in POLYGONS.items() if shapely.intersects(polygon, point)]
    if inside:
        assert found == min(holding)
        assert found.startswith(inside[0])
    if not holding:
        assert found is None


def test_corners_and_edges_go_to_one_grid_always():
    """A shared corner goes to the lowest of its grids, in a batch of any order."""
    corners = np.unique(shapely.get_coordinates(list(POLYGONS.values())[:60]), axis=0)
    first = CATALOGUE.locate_points(corners[:, 0], corners[:, 1])
    again = CATALOGUE.locate_points(corners[::-1, 0], corners[::-1, 1])[::-1]
    assert first.tolist() == again.tolist()
    for corner, code in zip(corners, first, strict=True):
        point = shapely.Point(corner)
        assert code == min(name for name, polygon in POLYGONS.items() if polygon.intersects(point))


def test_points_that_are_no_points_have_no_grid():
    """NaN, infinity and far places give None, and do not disturb their neighbours in the batch."""
    place = CATALOGUE.place("420202005001001")
    lon = [float("nan"), place.lon, float("inf"), 0.0]
    lat = [30.0, place.lat, 30.0, 0.0]
    assert CATALOGUE.locate_points(lon, lat).tolist() == [None, "420202005001001", None, None]
    assert CATALOGUE.locate_indices(lon, lat).tolist() == [-1, 0, -1, -1]


def test_representative_points_lie_in_their_places():
    """The point of every place, of every level, is located in that place."""
    for level in ("city", "district", "street", "community", "grid"):
        places = CATALOGUE.places(level)
        found = CATALOGUE.locate_points([place.lon for place in places], [place.lat for place in places])
        lead = 4 if level == "city" else 15
        assert all(code.startswith(place.code[:lead]) for code, place in zip(found, places, strict=True)), level


@pytest.mark.parametrize(("digits", "check"), [("0794", 5), ("1", 9), ("9", 4)])
def test_check_digit_of_licences(digits, check):
    """The check digit is that of ISO 7064 MOD 11,10, whose own example is 0794 with 5; the others are by hand."""
    assert check_digit(digits) == check


def test_licences_have_their_form_and_a_right_check_digit():
    """Every synthetic licence is JY1, its own grid's county, six digits, and the check digit."""
    rows = [line.split(",") for line in (FOLDER / "keys" / "licence.csv").read_text().split()[1:]]
    assert len(rows) == len(CATALOGUE.grid_codes)
    for key, grid in rows:
        assert key.startswith(f"JY1{grid[:6]}")
        assert len(key) == 16
        assert int(key[-1]) == check_digit(key[2:-1])


def test_a_city_of_any_number_of_grids(small_grids):
    """For measuring, a district is divided into as many grids as wanted, still without gap and overlap."""
    divisions = read_rows(small_grids, "divisions.csv")
    counts = shared_out(divisions, 300)
    content = grids_bytes(divisions, (small_grids / "districts.geojson").read_bytes(), counts)
    polygons = shapely.get_parts(shapely.from_geojson(content))
    special = sum(code in SPECIAL_GRIDS for code in counts)
    assert sum(counts.values()) == 300
    assert len(polygons) == 300 + special
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
