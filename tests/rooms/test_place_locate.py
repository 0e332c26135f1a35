"""One answer from several ways, and the contract of `gridhub locate`."""

import numpy as np
import orjson
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gridhub.streams.place.answer import Answer, Problem
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.place.cli import locate
from gridhub.streams.place.coordinates import from_wgs84
from gridhub.streams.place.locate import combine, locate_line

CATALOGUE = Catalogue.load()
GRID = CATALOGUE.place("420202005001001")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(["address", "lon", "lat", "crs", "code", "system", "key_table", "key_value", "other"])


@pytest.mark.parametrize("crs", ["WGS-84", "GCJ-02", "BD-09", "CGCS2000", "EPSG:4547"])
def test_a_point_in_any_system_is_in_its_grid(crs):
    """A grid's own point, given in any coordinate system, leads to that grid."""
    lon, lat = from_wgs84([GRID.lon], [GRID.lat], crs)
    assert locate_line(CATALOGUE, {"lon": float(lon[0]), "lat": float(lat[0]), "crs": crs}) == {
        "grid_id": GRID.code,
        "code": GRID.code,
        "name": "黄石市黄石港区沈家营街道桂花湾社区第001网格",
        "method": "coordinates",
        "confidence": 0.95,
        "candidates": [],
    }


def test_corners_and_edges_go_to_the_lowest_code():
    """Every corner and the middle of every edge of all grids lies in the lowest of the grids that touch it, as one by one."""
    polygons = [CATALOGUE.polygon(code) for code in CATALOGUE.grids_of("420202006")]
    corners = shapely.get_coordinates(polygons)
    points = np.vstack([corners, (corners[1:] + corners[:-1]) / 2])
    tree = shapely.STRtree([CATALOGUE.polygon(code) for code in CATALOGUE.grid_codes])
    which, grid = tree.query(shapely.points(points), predicate="intersects")
    lowest = [min(CATALOGUE.grid_codes[grid[which == n]], default=None) for n in range(len(points))]
    assert CATALOGUE.locate_points(*points.T).tolist() == lowest


def test_a_point_without_a_system_is_less_sure():
    """A point whose system is not named is read as WGS-84, with a lower confidence."""
    found = locate_line(CATALOGUE, {"lon": GRID.lon, "lat": GRID.lat})
    assert found["code"] == GRID.code
    assert found["confidence"] < 0.95


@pytest.mark.parametrize(
    ("request_", "code", "method"),
    [
        ({"code": "420202005000", "system": "nbs"}, "420202005", "code"),
        ({"code": 420202005001001}, "420202005001001", "code"),
        ({"key_table": "transformer_area", "key_value": "TQ00000001"}, "420202005001001", "key"),
        ({"address": "黄石市黄石港区"}, "420202", "address"),
        ({"address": "黄石市", "lon": GRID.lon, "lat": GRID.lat, "crs": "WGS-84"}, GRID.code, "coordinates"),
        ({"code": "420202", "lon": GRID.lon, "lat": GRID.lat, "crs": "WGS-84"}, GRID.code, "coordinates"),
        ({"code": "420202005", "lon": GRID.lon, "lat": GRID.lat, "crs": "WGS-84"}, GRID.code, "coordinates"),
        ({"code": GRID.code, "address": "黄石港区"}, GRID.code, "code"),
        ({"code": "420202", "address": "大道1号"}, "420202", "code"),
        ({"code": "420202", "lon": 0, "lat": 0}, "420202", "code"),
        ({"code": "420281", "address": "大冶市南山村"}, "420281", "code"),
        ({"code": "420202005", "system": "nbs"}, "420202005", "code"),
        ({"code": "420202005", "system": "mca"}, "420202070", "code"),
    ],
)
def test_ways_that_agree_give_the_narrowest_place(request_, code, method):
    """The narrowest place of all ways that agree is the answer; grid_id is there exactly for a grid."""
    found = locate_line(CATALOGUE, request_)
    assert (found["code"], found["method"]) == (code, method)
    assert found["name"] == CATALOGUE.name(code)
    assert found.get("grid_id") == (code if len(code) == 15 else None)


@pytest.mark.parametrize(
    ("request_", "problem", "candidates"),
    [
        (
            {"code": "420222", "lon": GRID.lon, "lat": GRID.lat, "crs": "WGS-84"},
            "places_contradict",
            ["420222", GRID.code],
        ),
        ({"code": "420203", "address": "黄石港区"}, "places_contradict", ["420203", "420202"]),
        ({"address": "武汉市", "lon": GRID.lon, "lat": GRID.lat}, "places_contradict", [GRID.code]),
        ({"code": "420202005"}, "ambiguous_code", ["420202005", "420202070"]),
        ({"address": "滨湖社区居委会"}, "ambiguous_name", ["420203010007", "420222456002"]),
        ({"lon": GRID.lat, "lat": GRID.lon, "crs": "WGS-84"}, "swapped_axes", []),
        ({"lon": 0, "lat": 0}, "zero", []),
        ({"lon": GRID.lon}, "not_a_number", []),
        ({"lon": "x", "lat": 30.2}, "malformed_request", []),
        ({"lon": GRID.lon, "lat": GRID.lat, "crs": "xian80"}, "unknown_crs", []),
        ({"lon": 116.4, "lat": 39.9, "crs": "WGS-84"}, "outside_city", []),
        ({"lon": 115.5, "lat": 30.3, "crs": "WGS-84"}, "outside_city", []),
        ({"address": ["a"]}, "malformed_request", []),
        ({"code": True}, "malformed_request", []),
        ({}, "not_given", []),
        ({"weather": "rain"}, "not_given", []),
    ],
)
def test_what_is_not_found_has_no_code(request_, problem, candidates):
    """What is unknown, ambiguous, contradictory or no request at all has a problem and candidates, and no code key."""
    found = locate_line(CATALOGUE, request_)
    assert "code" not in found
    assert "grid_id" not in found
    assert (found["problem"], found["candidates"], found["confidence"]) == (problem, candidates, 0.0)


def test_a_point_just_beyond_the_edge_does_not_contradict():
    """A point 30 m outside the named community keeps the community; one 300 m outside contradicts it."""
    polygon = CATALOGUE.polygon("420202005001")
    _, south, _, _ = polygon.bounds
    lon = polygon.representative_point().x
    request = {"code": "420202005001", "system": "nbs", "lon": lon, "crs": "WGS-84"}
    assert locate_line(CATALOGUE, request | {"lat": south - 0.00027})["code"] == "420202005001"
    assert "code" not in locate_line(CATALOGUE, request | {"lat": south - 0.0027})


def test_another_way_decides_an_ambiguous_code():
    """A code of two meanings is decided by a point that lies in one of them."""
    for street in ("420202005", "420202070"):
        place = CATALOGUE.place(street)
        found = locate_line(CATALOGUE, {"code": "420202005", "lon": place.lon, "lat": place.lat, "crs": "WGS-84"})
        assert found["code"].startswith(street)


def test_combine_prefers_the_earlier_way_among_equals():
    """Two ways that name the same place give the earlier one's method; problems of other ways do not count."""
    ways = [
        Answer("code", problem=Problem.UNKNOWN_CODE),
        Answer("key", "420202", 0.9),
        Answer("address", "420202", 0.8),
    ]
    assert combine(ways) == ways[1]
    assert combine(ways[:1]) == ways[0]
    with pytest.raises(IndexError):
        combine([])


@pytest.mark.parametrize("wrong", [{}, {"code": "420202", "problem": Problem.ZERO}])
def test_an_answer_has_a_code_or_a_problem(wrong):
    """An answer with both or neither cannot be made."""
    with pytest.raises(ValueError, match="code or a problem"):
        Answer("code", **wrong)


@given(st.dictionaries(FIELDS, JSON, max_size=6))
def test_any_request_gets_an_answer(request):
    """Whatever stands in the fields, the answer has the contract's keys and a code that the catalogue knows, or none."""
    found = locate_line(CATALOGUE, request)
    assert {"method", "confidence", "candidates"} <= set(found)
    assert ("code" in found) != ("problem" in found)
    assert "code" not in found or CATALOGUE.place(found["code"])


def test_the_command_answers_line_by_line():
    """Each line gets one answer in order, garbage a problem, blank lines nothing; the exit code is 0."""
    lines = [
        '{"address":"黄石市黄石港区桂花湾社区"}'.encode(),
        b"garbage",
        b"",
        b"[1]",
        b"\xff\xfe",
        b'{"address":"' + b"x" * 200_000 + b'"}',
        b'{"code":"420202"}',
    ]
    result = CliRunner().invoke(locate, input=b"\n".join(lines))
    answers = [orjson.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [answer.get("code") for answer in answers] == ["420202005001", None, None, None, None, "420202"]
    assert {answer["problem"] for answer in answers[1:5]} == {"not_a_json_object"}


def test_the_command_refuses_a_folder_that_is_not_there():
    """A missing catalogue folder is wrong use: exit code 2 and a sentence."""
    result = CliRunner().invoke(locate, ["--grids", "/no/such/folder"], input="")
    assert result.exit_code == 2
    assert "does not exist" in result.output
