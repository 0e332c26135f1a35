"""normalise, case by case: each way, how two ways are weighed against each other."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gridhub.connectors.sources.departments import Departments
from gridhub.schemas.registry import local_codec
from gridhub.streams.admissions import Admissions
from gridhub.streams.place import coordinates
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.place.rows import grid_folder
from gridhub.streams.records import EVENT, table
from gridhub.streams.rooms.admit import InboundFacts
from gridhub.streams.rooms.normalise import normalise

NOW_MS = 1_795_200_000_000
CATALOGUE = Catalogue.load()
COMMUNITY = "420202005001"  # 桂花湾社区, 沈家营街道, 黄石港区
GRID = "420202005001001"
OTHER_COMMUNITY = "420202006005"  # 青山湖社区, 黄石港街道, the same district
FAR_GRID = "420281001004001"  # 大冶市


@pytest.fixture(scope="module")
def facts() -> InboundFacts:
    """The bundled data; the codec is not used by this room."""
    return InboundFacts(Departments.load(), Admissions.load(), CATALOGUE, local_codec().decode_many)


def events(*rows: dict[str, Any]) -> pa.RecordBatch:
    """An EVENT batch; the columns that a case does not name are the same for all."""
    usual = {
        "source": "power",
        "type": "1001",
        "category": "power_outage",
        "severity": 3,
        "status": "actual",
        "planned": False,
        "occurred_at": NOW_MS,
        "received_at": NOW_MS,
        "title": "t",
        "text": "x",
        "subject_keys": ["a:1"],
        "schema_id": 7,
        "admission": "r",
    }
    return table(EVENT, [{**usual, "row": n, "event_id": f"e{n}", **row} for n, row in enumerate(rows)])


def point_in(code: str, crs: str = "WGS-84") -> dict[str, Any]:
    """The columns of a point inside a place, in a coordinate system."""
    place = CATALOGUE.place(code)
    assert place is not None
    lon, lat = coordinates.from_wgs84([place.lon], [place.lat], crs)
    return {"lon": float(lon[0]), "lat": float(lat[0]), "crs": crs}


def one(facts: InboundFacts, **row: Any) -> dict[str, Any]:
    """The single row of normalise for one event, from either side."""
    split = normalise(events(row), facts, NOW_MS)
    assert split.kept.num_rows + split.refused.num_rows == 1
    return (split.kept if split.kept.num_rows else split.refused).to_pylist()[0]


def key(table_name: str, grid: str) -> dict[str, str]:
    """The key columns of the first key of a table that belongs to a code."""
    lines = (grid_folder() / "keys" / f"{table_name}.csv").read_text("utf-8").splitlines()[1:]
    value = next(line.split(",")[0] for line in lines if line.split(",")[1] == grid)
    return {"key_table": table_name, "key_value": value}


# each way alone


def test_by_grid_code(facts: InboundFacts) -> None:
    """A 15-digit grid code is that grid; the point is the grid's own and not exact."""
    row = one(facts, code=GRID, code_system="nbs")
    assert (row["method"], row["grid_ids"], row["area"], row["confidence"]) == ("code", [GRID], "420202005", 1.0)
    assert row["exact_point"] is False
    assert CATALOGUE.locate_points([row["lon"]], [row["lat"]])[0] == GRID
    assert row["place_name"].startswith("黄石市黄石港区沈家营街道桂花湾社区")
    assert row["catalogue"] == CATALOGUE.version


def test_by_the_other_ministrys_code(facts: InboundFacts) -> None:
    """A code of the Ministry of Civil Affairs leads to the place of the same name, not to that of the same digits."""
    assert one(facts, code="420202002000", code_system="mca")["grid_ids"] == ["420202006"]
    assert one(facts, code="420202005", code_system="mca")["grid_ids"] == ["420202070"]
    assert one(facts, code="420202005", code_system="nbs")["grid_ids"] == ["420202005"]


def test_by_key(facts: InboundFacts) -> None:
    """A department's own key leads through its table."""
    row = one(facts, **key("transformer_area", GRID))
    assert (row["method"], row["grid_ids"], row["confidence"]) == ("key", [GRID], 0.95)


@pytest.mark.parametrize("crs", coordinates.CRS_NAMES)
def test_by_coordinates_of_every_system(crs: str, facts: InboundFacts) -> None:
    """The same spot in each coordinate system is the same grid and the same WGS-84 point, within a metre."""
    row = one(facts, **point_in(GRID, crs))
    place = CATALOGUE.place(GRID)
    assert place is not None
    assert (row["method"], row["grid_ids"], row["exact_point"]) == ("coordinates", [GRID], True)
    assert np.allclose([row["lon"], row["lat"]], [place.lon, place.lat], atol=1e-5)


def test_by_address(facts: InboundFacts) -> None:
    """An address is the deepest place that it names."""
    row = one(facts, address="湖北省黄石市黄石港区桂花湾社区3号楼")
    assert (row["method"], row["grid_ids"]) == ("address", [COMMUNITY])


@pytest.mark.parametrize(
    ("shape", "codes", "area"),
    [
        ({"codes": ["420202", "420203"], "system": "nbs"}, ["420202", "420203"], "420200"),
        ({"codes": ["420202005000", "420202005001"], "system": "nbs"}, ["420202005"], "420202005"),
        ({"codes": ["420200"], "system": "nbs"}, ["420200"], "420200"),
        (
            {"areas": [{"codes": [COMMUNITY], "system": "nbs"}, {"codes": [OTHER_COMMUNITY]}]},
            [COMMUNITY, OTHER_COMMUNITY],
            "420202",
        ),
        (
            {"areas": [{"codes": [GRID], "system": "nbs"}, {"circle": [114.71463, 30.323801, 0]}]},
            [GRID, FAR_GRID],
            "420200",
        ),
    ],
)
def test_by_area(shape: dict, codes: list[str], area: str, facts: InboundFacts) -> None:
    """An area is the smallest set of codes that covers it, and its area the street, district or city around them."""
    row = one(facts, area_shape=json.dumps(shape))
    assert (row["method"], row["grid_ids"], row["area"], row["confidence"]) == ("area", codes, area, 0.9)
    assert row["exact_point"] is False


def test_a_polygon_around_the_city_is_the_city(facts: InboundFacts) -> None:
    """A polygon that holds the whole city is one code."""
    ring = [[114, 29], [116, 29], [116, 31], [114, 31], [114, 29]]
    row = one(facts, area_shape=json.dumps({"type": "Polygon", "coordinates": [ring]}))
    assert row["grid_ids"] == ["420200"]


def test_an_area_with_unknown_codes_is_less_sure(facts: InboundFacts) -> None:
    """One of two codes unknown: the known one is placed, with half the confidence."""
    row = one(facts, area_shape=json.dumps({"codes": ["420202", "420299123"], "system": "nbs"}))
    assert (row["grid_ids"], row["confidence"]) == (["420202"], 0.45)


# two ways


def test_a_point_refines_the_code_around_it(facts: InboundFacts) -> None:
    """A point in the community of the code gives the grid, by coordinates, surer than either alone."""
    row = one(facts, code=COMMUNITY, code_system="nbs", **point_in(GRID))
    assert (row["method"], row["grid_ids"], row["exact_point"]) == ("coordinates", [GRID], True)
    assert row["confidence"] == 1.0
    beat = one(facts, **key("police_beat", COMMUNITY), **point_in(GRID))
    assert (beat["method"], beat["grid_ids"], beat["confidence"]) == ("coordinates", [GRID], 0.9975)


def test_a_point_confirms_the_same_grid(facts: InboundFacts) -> None:
    """A point in the grid of the key leaves the key's method and makes it surer; the exact point is the event's own."""
    row = one(facts, **key("transformer_area", GRID), **point_in(GRID, "BD-09"))
    assert (row["method"], row["confidence"], row["exact_point"]) == ("key", 0.9975, True)


def test_in_one_district_the_first_way_stays(facts: InboundFacts) -> None:
    """A point in another community of the same district does not move the event, but makes it less sure."""
    row = one(facts, code=COMMUNITY, code_system="nbs", **point_in(f"{OTHER_COMMUNITY}001"))
    assert (row["method"], row["grid_ids"], row["confidence"]) == ("code", [COMMUNITY], 0.8)


@pytest.mark.parametrize(
    "named",
    [{"code": COMMUNITY, "code_system": "nbs"}, key("police_beat", COMMUNITY), {"address": "黄石市黄石港区桂花湾社区"}],
)
def test_another_district_contradicts(named: dict, facts: InboundFacts) -> None:
    """A code, key or address and a point in another district are for a person to decide, with both as candidates."""
    row = one(facts, **named, **point_in(FAR_GRID))
    assert row["reason"] == "places_contradict"
    assert set(row["candidates"]) == {COMMUNITY, FAR_GRID}


def test_a_key_and_an_address_in_another_district_contradict(facts: InboundFacts) -> None:
    """Where there is no point, the address is the witness."""
    row = one(facts, **key("licence", GRID), address="黄石市大冶市东岳路街道")
    assert row["reason"] == "places_contradict"
    assert row["candidates"] == [GRID, "420281001"]


def test_a_point_elsewhere_in_the_country_contradicts_the_code(facts: InboundFacts) -> None:
    """A sound point in Wuhan beside a code of the city is a contradiction, not a place outside."""
    row = one(facts, code=COMMUNITY, code_system="nbs", lon=114.3, lat=30.6, crs="WGS-84")
    assert (row["reason"], row["candidates"]) == ("places_contradict", [COMMUNITY])


def test_a_point_just_over_the_border_is_near_enough(facts: InboundFacts) -> None:
    """A point up to 200 m from the code's place never contradicts it, even across a district border."""
    border = _across_a_border()
    row = one(facts, code=border["code"], code_system="nbs", lon=border["lon"], lat=border["lat"], crs="WGS-84")
    assert (row["method"], row["grid_ids"]) == ("code", [border["code"]])
    assert CATALOGUE.locate_points([border["lon"]], [border["lat"]])[0][:6] != border["code"][:6]


def _across_a_border() -> dict[str, Any]:
    """A grid of one district and a point less than 200 m from it in another district."""
    for grid in CATALOGUE.grid_codes:
        lons, lats = (
            np.array(CATALOGUE.polygon(grid).exterior.coords).T
            if CATALOGUE.polygon(grid).geom_type == "Polygon"
            else ((), ())
        )
        for lon, lat in zip(lons, lats, strict=True):
            for step in ((0.0005, 0), (-0.0005, 0), (0, 0.0005), (0, -0.0005)):
                x, y = float(lon + step[0]), float(lat + step[1])
                found = CATALOGUE.locate_points([x], [y])[0]
                if found and found[:6] != grid[:6]:
                    return {"code": str(grid), "lon": x, "lat": y}
    raise AssertionError("no two districts touch")


@pytest.mark.parametrize(
    "point",
    [
        {"lon": 0.0, "lat": 0.0, "crs": "BD-09"},
        {"lon": 30.25, "lat": 115.02, "crs": "WGS-84"},
        {"lon": float("nan"), "lat": 30.2, "crs": "WGS-84"},
        {"lon": 115.0, "lat": None, "crs": "WGS-84"},
        {"lon": 115.02, "lat": 30.25, "crs": "Mars"},
        {"lon": 115.02, "lat": 30.25, "crs": None},
        {"lon": 1e300, "lat": float("inf"), "crs": "GCJ-02"},
    ],
)
def test_an_unusable_point_beside_a_code_is_left_out(point: dict, facts: InboundFacts) -> None:
    """Zero, exchanged, half or absurd points do not harm an event whose code is right, and are not its point."""
    row = one(facts, code=GRID, code_system="nbs", **point)
    assert (row["method"], row["grid_ids"], row["exact_point"], row["confidence"]) == ("code", [GRID], False, 1.0)


def test_a_wrong_code_gives_way_to_the_next_way(facts: InboundFacts) -> None:
    """An unknown code or key is passed over for a point, and an ambiguous code is decided by one."""
    for wrong in (
        {"code": "420202999", "code_system": "nbs"},
        {"key_table": "licence", "key_value": "?"},
        {"code": "420202005"},
    ):
        row = one(facts, **wrong, **point_in(GRID))
        assert (row["method"], row["grid_ids"]) == ("coordinates", [GRID])
