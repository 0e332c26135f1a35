"""The smallest set of codes for an area."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gridhub.streams.place.answer import Problem
from gridhub.streams.place.catalogue import Catalogue

CATALOGUE = Catalogue.load()
CODES = [
    place.code for level in ("city", "district", "street", "community", "grid") for place in CATALOGUE.places(level)
]
WIDE = [place.code for level in ("city", "district", "street") for place in CATALOGUE.places(level)]
CENTRE = {"circle": [115.05, 30.2, 2.0]}


@pytest.mark.parametrize("code", WIDE)
def test_a_wide_places_own_polygon_is_its_code(code):
    """The city, each district and each street, given as their polygon, are one code; 铁山区 has one street only."""
    expected = "420205" if code == "420205003" else code
    assert CATALOGUE.cover(CATALOGUE.polygon(code)).codes == (expected,)


@given(st.sampled_from(CODES))
def test_a_places_own_polygon_is_its_smallest_name(code):
    """A place's polygon is its code, or its parent's where the place is the parent's only child."""
    only = code
    while (parent := CATALOGUE.place(only).parent) and CATALOGUE.children(parent) == (only,):
        only = parent
    assert CATALOGUE.cover(CATALOGUE.polygon(code)).codes == (only,)


@given(st.lists(st.sampled_from(CODES), min_size=1, max_size=12))
def test_given_codes_are_covered_and_none_lies_in_another(codes):
    """For a list of canonical codes: the same grids, in no more codes than given, none inside another, no full set of children."""
    covered = CATALOGUE.cover(codes).codes
    wanted = {grid for code in codes for grid in CATALOGUE.grids_of(code)}
    grids = [grid for code in covered for grid in CATALOGUE.grids_of(code)]
    assert len(grids) == len(set(grids))
    assert set(grids) == wanted
    assert len(covered) <= len(set(codes))


@given(lon=st.floats(114.6, 115.4), lat=st.floats(29.6, 30.3), radius_km=st.floats(0.05, 8))
def test_a_circle_is_covered_and_every_code_is_touched(lon, lat, radius_km):
    """Points well inside a circle lie in its codes; each grid of its codes touches the circle."""
    cover = CATALOGUE.cover({"circle": [lon, lat, radius_km]}, most=10_000)
    grids = [grid for code in cover.codes for grid in CATALOGUE.grids_of(code)]
    angle = np.linspace(0, 2 * np.pi, 12)
    reach = radius_km / 111.195 * 0.5
    inside = CATALOGUE.locate_points(lon + reach * np.cos(angle), lat + reach * np.sin(angle))
    found = {code for code in inside if code}
    sliver = [code for code in found - set(grids) if not is_sliver(code, lon, lat, radius_km)]
    assert sliver == []
    reach_deg = radius_km / 111.195 * 1.2
    assert all(CATALOGUE.polygon(grid).distance(shapely.Point(lon, lat)) <= reach_deg for grid in grids)


def is_sliver(code, lon, lat, radius_km):
    """Whether a circle takes less than a hundredth of itself and a thousandth of the grid from a grid."""
    disc = shapely.Point(lon, lat).buffer(radius_km / 111.195 * 1.2)
    overlap = CATALOGUE.polygon(code).intersection(disc).area
    return overlap < 2e-3 * CATALOGUE.polygon(code).area or overlap < 2e-2 * disc.area


def test_too_many_codes_become_wider_ones():
    """With more codes than allowed, wider codes cover at least the same grids, and the result says so."""
    fine = CATALOGUE.cover(CENTRE, most=1000)
    coarse = CATALOGUE.cover(CENTRE, most=5)
    assert not fine.coarsened
    assert coarse.coarsened
    assert len(coarse.codes) <= 5 < len(fine.codes)
    grids = {grid for code in coarse.codes for grid in CATALOGUE.grids_of(code)}
    assert grids > {grid for code in fine.codes for grid in CATALOGUE.grids_of(code)}


def test_the_bound_is_two_hundred():
    """Without another bound no area has more than 200 codes."""
    circles = [CATALOGUE.cover({"circle": [115.05, 30.0, radius]}) for radius in range(1, 60, 3)]
    assert all(0 < len(cover.codes) <= 200 for cover in circles)
    assert circles[-1].codes == ("420200",)


@pytest.mark.parametrize(
    ("codes", "system", "covered", "unresolved"),
    [
        (["42"], None, ("420200",), ()),
        (["420000", "420202"], None, ("420200",), ()),
        (["420106", "420202"], None, ("420202",), ("420106",)),
        (["420240"], None, ("420205", "420222104", "420222105", "420281070", "420281170"), ()),
        (["420202005"], "mca", ("420202070",), ()),
        (["420202", "420202005001001"], "nbs", ("420202",), ()),
        (["420205003"], "nbs", ("420205003",), ()),
        (["420200", "420205003"], "nbs", ("420200",), ()),
        ([420203], None, ("420203",), ()),
    ],
)
def test_lists_of_codes(codes, system, covered, unresolved):
    """Codes of warnings and departments become canonical ones; those without a place in the city are named."""
    cover = CATALOGUE.cover(codes, system)
    assert (cover.codes, cover.unresolved, cover.problem) == (covered, unresolved, None)
    assert CATALOGUE.cover({"codes": codes, "system": system}) == cover


def test_a_clashing_code_without_a_system_is_left_out_and_named():
    """A code that means two places covers neither; with its system, or as a canonical code, it covers its own."""
    assert CATALOGUE.cover({"codes": ["420202005", "420203"]}).unresolved == ("420202005",)
    assert CATALOGUE.cover({"codes": ["420202005"], "system": "mca"}).codes == ("420202070",)
    assert CATALOGUE.cover(["420202005"]).codes == ("420202005",)


def test_a_geojson_polygon_and_a_point():
    """A GeoJSON polygon is an area, and a point is the grid it lies in."""
    place = CATALOGUE.place("420205003001001")
    point = {"type": "Point", "coordinates": [place.lon, place.lat]}
    assert CATALOGUE.cover(point).codes == (place.code,)
    assert CATALOGUE.cover({"circle": [place.lon, place.lat, 0]}).codes == (place.code,)
    around = {"type": "Polygon", "coordinates": [[[114, 29], [116, 29], [116, 31], [114, 31], [114, 29]]]}
    assert CATALOGUE.cover(around).codes == ("420200",)


def test_a_crossed_polygon_is_read_as_its_area():
    """A bow tie, as drawn by hand, is mended to the area it encloses and not refused."""
    tie = {"type": "Polygon", "coordinates": [[[114, 29], [116, 31], [116, 29], [114, 31], [114, 29]]]}
    assert CATALOGUE.cover(tie).problem is None


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        ({"circle": [116.4, 39.9, 10]}, Problem.OUTSIDE_CITY),
        (["420106"], Problem.UNKNOWN_CODE),
        ([], Problem.OUTSIDE_CITY),
        ({}, Problem.BAD_SHAPE),
        ({"circle": [115, 30]}, Problem.BAD_SHAPE),
        ({"circle": [115, 30, -1]}, Problem.BAD_SHAPE),
        ({"circle": [115, 30, float("nan")]}, Problem.BAD_SHAPE),
        ({"circle": "abc"}, Problem.BAD_SHAPE),
        ({"circle": None}, Problem.BAD_SHAPE),
        ({"type": "Polygon", "coordinates": []}, Problem.BAD_SHAPE),
        ({"type": "Polygon", "coordinates": [[[114, 29], [116, 31]]]}, Problem.BAD_SHAPE),
        ({"type": "Sphere"}, Problem.BAD_SHAPE),
        ("420202", Problem.BAD_SHAPE),
        (None, Problem.BAD_SHAPE),
        ({"codes": "420202"}, Problem.BAD_SHAPE),
        ({"codes": None}, Problem.BAD_SHAPE),
        ({"type": "Point", "coordinates": ["a", "b"]}, Problem.BAD_SHAPE),
        ({"type": "LineString", "coordinates": [[0, i] for i in range(100_001)]}, Problem.BAD_SHAPE),
    ],
)
def test_areas_without_a_code(shape, problem):
    """What is outside the city, unknown or no area at all gives no codes and the problem."""
    cover = CATALOGUE.cover(shape)
    assert (cover.codes, cover.problem) == ((), problem)
