"""Grids of a city's own: every mistake is found, named in both languages, and what is right passes."""

import copy
from pathlib import Path

import numpy as np
import orjson
import pytest
import shapely

from gridhub.streams.place import drawing
from gridhub.streams.place.coordinates import from_wgs84
from gridhub.streams.place.drawing import MOST_VERTICES
from gridhub.streams.place.findings import KINDS, MOST_OF_A_KIND, Report
from gridhub.streams.place.folder_check import ground
from gridhub.streams.place.import_check import Ground, check_grids
from gridhub.streams.place.rows import grid_folder

FOLDER = Path(__file__).parents[2] / "config" / "grids"
CITY = ground(grid_folder())
TIESHAN = "420205"
ALL = orjson.loads((FOLDER / "grids.geojson").read_bytes())["features"]
FEATURES = [feature for feature in ALL if feature["properties"]["code"].startswith(TIESHAN)]
GROUND = Ground(
    {code: name for code, name in CITY.names.items() if code.startswith(TIESHAN)},
    CITY.mca,
    {TIESHAN: CITY.districts[TIESHAN]},
    {},
)


def checked(features, where=GROUND, accepted=(), **more):
    """The report on these features."""
    report = Report(accepted)
    content = orjson.dumps({"type": "FeatureCollection", "features": features, **more})
    check_grids(content, "own.geojson", where, report)
    return report


def changed(index=0, **properties):
    """The features with other properties of one of them."""
    features = copy.deepcopy(FEATURES)
    features[index]["properties"] |= properties
    return features


def reshaped(geometry, index=0):
    """The features with another geometry of one of them."""
    features = copy.deepcopy(FEATURES)
    features[index]["geometry"] = geometry
    return features


def polygon(*rings):
    """A GeoJSON polygon."""
    return {"type": "Polygon", "coordinates": list(rings)}


def moved(function):
    """All features with their coordinates moved by a function of longitudes and latitudes."""
    features = copy.deepcopy(FEATURES)
    for feature in features:
        shape = shapely.from_geojson(orjson.dumps(feature["geometry"]))
        other = shapely.transform(shape, lambda points: np.column_stack(function(points[:, 0], points[:, 1])))
        feature["geometry"] = orjson.loads(shapely.to_geojson(other))
    return features


def shape_of(index):
    """The geometry of a feature."""
    return shapely.from_geojson(orjson.dumps(FEATURES[index]["geometry"]))


def geojson(shape):
    """A geometry as GeoJSON."""
    return orjson.loads(shapely.to_geojson(shape))


def beside():
    """A square kilometre just west of the district."""
    west, south, _, _ = GROUND.districts[TIESHAN].bounds
    return shapely.box(west - 0.02, south, west - 0.01, south + 0.01)


def inner_grid():
    """The number of a grid that does not touch the district's border."""
    border = GROUND.districts[TIESHAN].boundary
    return next(i for i in range(len(FEATURES)) if shape_of(i).distance(border) > 1e-5)


def border_grid():
    """The number of a large grid at the district's border."""
    border = GROUND.districts[TIESHAN].boundary
    touching = [i for i in range(len(FEATURES)) if shape_of(i).distance(border) < 1e-6]
    return max(touching, key=lambda i: shape_of(i).area)


def elsewhere():
    """Two grids of different communities that do not touch, with their codes exchanged."""
    first = inner_grid()
    lead = FEATURES[first]["properties"]["code"][:12]
    other = max(
        (i for i, feature in enumerate(FEATURES) if feature["properties"]["code"][:12] != lead),
        key=lambda i: shape_of(i).distance(shape_of(first)),
    )
    features = copy.deepcopy(FEATURES)
    codes = [features[i]["properties"]["code"] for i in (other, first)]
    for index, code in zip((first, other), codes, strict=True):
        features[index]["properties"]["code"] = code
    return features


CODE = FEATURES[0]["properties"]["code"]
SQUARE = [[115.0, 30.0], [115.01, 30.0], [115.01, 30.01], [115.0, 30.01], [115.0, 30.0]]
BOW = [[114.9, 30.2], [114.91, 30.21], [114.91, 30.2], [114.9, 30.21], [114.9, 30.2]]
MANY = [[114.9 + i * 1e-7, 30.2 + (i % 2) * 1e-6] for i in range(MOST_VERTICES)]
WRONG = {
    "no_code": lambda: changed(code=""),
    "bad_code": lambda: changed(code="4202050011"),
    "unknown_community": lambda: changed(code="420205999001001"),
    "duplicate_code": lambda: changed(1, code=CODE),
    "wrong_parent": lambda: changed(community="420205001099"),
    "unknown_kind": lambda: changed(kind="zone"),
    "empty_name": lambda: changed(name="  "),
    "long_name": lambda: changed(name="网" * 101),
    "bad_validity": lambda: changed(valid_from="2026-02-30"),
    "no_geometry": lambda: reshaped(None),
    "wrong_geometry": lambda: reshaped({"type": "LineString", "coordinates": SQUARE}),
    "bad_geometry": lambda: reshaped(polygon([["a", 1]] * 5)),
    "open_ring": lambda: reshaped(polygon([*SQUARE[:-1], [115.0, 30.005]])),
    "few_points": lambda: reshaped(polygon(SQUARE[:3])),
    "self_crossing": lambda: reshaped(polygon(BOW)),
    "too_many_vertices": lambda: reshaped(polygon([*MANY, [114.9, 30.3], MANY[0]])),
    "swapped_axes": lambda: moved(lambda x, y: (y, x)),
    "projected": lambda: moved(lambda x, y: from_wgs84(x, y, "EPSG:4547")),
    "wrong_datum": lambda: moved(lambda x, y: from_wgs84(x, y, "GCJ-02")),
    "outside_city": lambda: reshaped(polygon([[x - 5, y] for x, y in SQUARE])),
    "outside_district": lambda: reshaped(geojson(beside())),
    "over_border": lambda: reshaped(geojson(shape_of(border_grid()).buffer(0.0015)), border_grid()),
    "apart": elsewhere,
    "tiny": lambda: reshaped(geojson(shapely.box(114.9, 30.2, 114.90005, 30.20005))),
    "overlap": lambda: reshaped(geojson(shape_of(inner_grid()).buffer(0.0005)), inner_grid()),
    "narrow_overlap": lambda: reshaped(geojson(shape_of(inner_grid()).buffer(1e-6)), inner_grid()),
    "gap": lambda: [feature for i, feature in enumerate(FEATURES) if i != inner_grid()],
    "narrow_gap": lambda: reshaped(geojson(shape_of(inner_grid()).buffer(-1e-6)), inner_grid()),
    "gap_at_border": lambda: [feature for i, feature in enumerate(FEATURES) if i != border_grid()],
    "partly_drawn": lambda: FEATURES[:5],
    "no_features": list,
    "not_a_collection": lambda: None,
}


def test_the_city_s_own_grids_pass():
    """The committed grids of one district have no fault."""
    report = checked(FEATURES)
    assert report.counts == {}


@pytest.mark.parametrize("kind", WRONG)
def test_each_mistake_is_found(kind):
    """A mistake is found as what it is, and told in both languages with what to do."""
    report = checked(WRONG[kind]())
    told = [finding for finding in report.findings if finding.kind == kind]
    assert told, dict(report.counts)
    line = told[0].line()
    assert line["severity"] == KINDS[kind].severity
    assert all(line[name].strip() and "{" not in line[name] for name in ("zh", "en", "do_zh", "do_en"))
    assert orjson.loads(orjson.dumps(line)) == line


def test_an_overlap_names_both_grids_and_its_area():
    """An overlap tells the other grid, the square metres, and a point to look at."""
    index = inner_grid()
    report = checked(WRONG["overlap"]())
    code = FEATURES[index]["properties"]["code"]
    told = [finding for finding in report.findings if finding.kind == "overlap"]
    assert all(code in {finding.code, finding.values["other"]} for finding in told)
    wider, land = shape_of(index).buffer(0.0005), shape_of(index)
    for finding in told:
        assert finding.values["area_m2"] > 0
        assert wider.contains(shapely.Point(finding.at)) or land.touches(shapely.Point(finding.at))


def test_a_gap_tells_its_size_and_its_neighbours():
    """A missing grid is a gap of its area, told with the grids around it."""
    index = inner_grid()
    report = checked(WRONG["gap"]())
    (told,) = [finding for finding in report.findings if finding.kind == "gap"]
    assert shape_of(index).contains(shapely.Point(told.at))
    expected = shape_of(index).area * 111_195**2 * np.cos(np.radians(told.at[1]))
    assert told.values["area_m2"] == pytest.approx(expected, rel=0.001)
    assert all(len(code) == 15 for code in told.values["neighbours"].removesuffix(" …").split(", "))


@pytest.mark.parametrize("datum", ["GCJ-02", "BD-09"])
def test_a_shifted_datum_is_named(datum):
    """The whole city in a shifted datum is recognised by the districts' borders, and by the grids in force."""
    shifted = moved(lambda x, y: from_wgs84(x, y, datum))
    report = checked(shifted)
    assert [f.values["datum"] for f in report.findings if f.kind == "wrong_datum"] == [datum]
    known = Ground(
        GROUND.names, GROUND.mca, GROUND.districts, {k: v for k, v in CITY.present.items() if k[:6] == TIESHAN}
    )
    few = checked(shifted[10:25], known)
    assert [f.values["datum"] for f in few.findings if f.kind == "shifted_grids"] == [datum]


def test_exchanged_axes_are_told_once():
    """A whole file with its axes exchanged has this one mistake, and no other that follows from it."""
    assert checked(moved(lambda x, y: (y, x))).counts == {"swapped_axes": len(FEATURES)}


def test_one_shifted_district_of_several_is_named():
    """Where only one district came from another source, that one is named."""
    far = [feature for feature in ALL if feature["properties"]["code"].startswith("420204")]
    two = Ground(CITY.names, CITY.mca, {code: CITY.districts[code] for code in (TIESHAN, "420204")}, {})
    report = checked([*far, *moved(lambda x, y: from_wgs84(x, y, "GCJ-02"))], two)
    assert [f.code for f in report.findings if f.kind == "wrong_datum"] == [TIESHAN]


def test_a_layer_exported_many_times_is_told_soon():
    """Thousands of grids on each other are told as that; nobody waits for all their pairs."""
    features = [changed(0, code=f"{CODE[:12]}{number % 1000:03d}")[0] for number in range(3000)]
    report = checked(features)
    assert report.counts["too_many_overlaps"] == 1
    assert report.counts["duplicate_code"] > 1000


def test_a_file_beyond_the_limit_is_not_read(monkeypatch):
    """A file that is too large, or has too many features, is refused as a whole."""
    monkeypatch.setattr(drawing, "MOST_BYTES", 1000)
    assert checked(FEATURES).counts == {"too_large": 1}
    monkeypatch.setattr(drawing, "MOST_BYTES", 10**9)
    monkeypatch.setattr(drawing, "MOST_FEATURES", 3)
    assert checked(FEATURES).counts == {"too_many_features": 1}


def test_borders_drawn_otherwise_are_no_datum():
    """Grids that differ from the coarse border by some hundred metres here and there are not taken for shifted ones."""
    rng = np.random.default_rng(5)
    corners = {}

    def jitter(x, y):
        pairs = list(zip(x.round(6).tolist(), y.round(6).tolist(), strict=True))
        offsets = np.array([corners.setdefault(pair, rng.normal(0, 0.0003, 2)) for pair in pairs])
        return x + offsets[:, 0], y + offsets[:, 1]

    report = checked(moved(jitter))
    assert not report.has("wrong_datum", "shifted_grids")


def test_codes_of_the_ministry_are_recognised():
    """A street code that only the Ministry of Civil Affairs uses is named with the hub's own."""
    ministry = next(code for code in CITY.mca if code not in CITY.names)
    report = checked(changed(code=f"{ministry}001001"), CITY)
    told = [finding for finding in report.findings if finding.kind == "other_code_system"]
    assert [finding.values["wanted"] for finding in told] == [CITY.mca[ministry]]


def test_a_boundary_change_in_one_file_is_no_duplicate_and_no_overlap():
    """A grid that ends when its successor begins may stand beside it."""
    features = changed(0, valid_until="2026-07-01")
    features.append(copy.deepcopy(FEATURES[0]))
    features[-1]["properties"] |= {"valid_from": "2026-07-01"}
    assert checked(features).counts == {}


def test_what_is_accepted_is_a_warning():
    """An accepted kind of finding is still told, and is no error any more; an unknown kind cannot be accepted."""
    report = checked(WRONG["gap"](), accepted=["gap"])
    assert (report.errors, report.warnings) == (0, 1)
    with pytest.raises(ValueError, match="gaps"):
        Report(["gaps"])


def test_many_faults_are_counted_not_told_one_by_one():
    """Of one kind only the first are told; all are counted."""
    features = [{"type": "Feature", "properties": {}, "geometry": None} for _ in range(MOST_OF_A_KIND + 5)]
    report = checked(features)
    assert report.counts == {"no_code": MOST_OF_A_KIND + 5, "no_geometry": MOST_OF_A_KIND + 5}
    assert len(report.findings) == 2 * MOST_OF_A_KIND
    assert dict(report.untold()) == {"no_code": 5, "no_geometry": 5}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"type":"FeatureCollection","features":[{"properties":{"name":"\xcd\xf8"}}]}', "not_utf8"),
        (b'{"features":{}}', "not_a_collection"),
        (b'{"features":[1,null,{"properties":[]},{"geometry":[]}]}', "no_code"),
        (b'{"features":[{"geometry":{"type":"Polygon","coordinates":' + b"[" * 900 + b"]" * 900 + b"}}]}", "no_code"),
        (b'{"crs":{"properties":{"name":"EPSG:4547"}},"features":[]}', "wrong_crs"),
    ],
)
def test_hostile_files_end_in_a_finding(content, kind):
    """Whatever the bytes are, the answer is a finding."""
    report = Report()
    assert len(check_grids(content, "own.geojson", GROUND, report)) == 0
    assert report.has(kind)
