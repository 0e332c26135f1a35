"""normalise: what is refused as what, what the refusal says, and laws of a whole batch."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from gridhub.connectors.sources.departments import Departments
from gridhub.schemas.registry import local_codec
from gridhub.streams.admissions import Admissions
from gridhub.streams.place import coordinates
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.records import EVENT, LOCATED, REFUSAL, table
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


# refusals


@pytest.mark.parametrize(
    ("columns", "reason", "words"),
    [
        ({}, "not_located", "says nothing about its place"),
        ({"code": "420202005"}, "not_located", "different places in the two official code systems"),
        ({"code": "4202xx", "code_system": "nbs"}, "not_located", "is no division or grid code"),
        ({"code": "420202999", "code_system": "nbs"}, "not_located", "not in the catalogue"),
        ({"code": "110101", "code_system": "nbs"}, "outside_city", "outside the city"),
        ({"key_table": "licence", "key_value": "JY0"}, "not_located", "not in its key table"),
        ({"key_table": "moon", "key_value": "1"}, "not_located", "key table that the hub does not have"),
        ({"lon": 0.0, "lat": 0.0, "crs": "WGS-84"}, "not_located", "is zero"),
        ({"lon": 0.0, "lat": 0.0, "crs": "EPSG:4547"}, "not_located", "is zero"),
        ({"lon": 30.25, "lat": 115.02, "crs": "GCJ-02"}, "not_located", "axes exchanged"),
        ({"lon": 3348722.6, "lat": 598259.1, "crs": "EPSG:4547"}, "not_located", "axes exchanged"),
        ({"lon": float("nan"), "lat": 30.2, "crs": "WGS-84"}, "not_located", "not a number"),
        ({"lon": 500.0, "lat": 30.2, "crs": "WGS-84"}, "not_located", "out of range"),
        ({"lon": 115.02, "lat": 30.25, "crs": "Mars"}, "not_located", "unknown coordinate system"),
        ({"lon": 114.3, "lat": 30.6, "crs": "WGS-84"}, "outside_city", "outside the city"),
        ({"address": "武汉市江岸区黄石路1号"}, "outside_city", "outside the city"),
        ({"address": "黄石市黄石大道142号"}, "not_located", "names no place"),
        ({"area_shape": "{"}, "not_located", "no shape"),
        ({"area_shape": "[]"}, "not_located", "no shape"),
        ({"area_shape": '{"circle": "x"}'}, "not_located", "no shape"),
        ({"area_shape": '{"codes": "420202"}'}, "not_located", "no shape"),
        ({"area_shape": '{"circle": [2.3, 48.8, 5]}'}, "outside_city", "outside the city"),
    ],
)
def test_refusals(columns: dict, reason: str, words: str, facts: InboundFacts) -> None:
    """What cannot be placed is refused with its reason, and the sentence says which way failed and why."""
    row = one(facts, **columns)
    assert (row.get("room"), row.get("reason")) == ("normalise", reason)
    assert words in row["detail"]


def test_candidates_help_a_person(facts: InboundFacts) -> None:
    """The places that an ambiguous code or name may mean are the candidates."""
    assert one(facts, code="420202005")["candidates"] == ["420202005", "420202070"]
    named = one(facts, address="黄石市太平村委会")
    assert len(named["candidates"]) == 2
    assert all(code.startswith("4202") for code in named["candidates"])


@pytest.mark.parametrize(
    ("code", "nbs", "mca"),
    [
        ("420202005", "420202005", "420202070"),
        ("420281107", "420281107", "420281105"),
        ("420281109", "420281109", "420281107"),
        ("420202005000", "420202005", "420202070"),
    ],
)
def test_a_code_of_two_systems_needs_its_system(code: str, nbs: str, mca: str, facts: InboundFacts) -> None:
    """Without a system such a code is refused as ambiguous; with it, each system gives its own street."""
    refused = one(facts, code=code)
    assert refused["reason"] == "not_located"
    assert "different places in the two official code systems" in refused["detail"]
    assert refused["candidates"] == sorted([nbs, mca])
    for system, street in (("nbs", nbs), ("mca", mca)):
        located = one(facts, code=code, code_system=system)
        assert (located["grid_ids"], located["area"], located["method"]) == ([street], street, "code")


def test_details_do_not_repeat_the_address(facts: InboundFacts) -> None:
    """An address may be somebody's home: the refusal's sentence does not repeat it."""
    assert "142" not in one(facts, address="黄石市黄石大道142号")["detail"]


# the whole batch


def test_rows_stay_in_order_with_their_columns(facts: InboundFacts) -> None:
    """Kept and refused rows keep their order, and the event's own columns go through unchanged."""
    batch = events(
        {"code": GRID, "code_system": "nbs"},
        {},
        {**point_in(GRID)},
        {"address": "?"},
        {"code": COMMUNITY, "code_system": "nbs"},
    )
    split = normalise(batch, facts, NOW_MS)
    assert split.kept.schema == LOCATED
    assert split.refused.schema == REFUSAL
    assert split.kept.column("row").to_pylist() == [0, 2, 4]
    assert split.refused.column("row").to_pylist() == [1, 3]
    for name in ("event_id", "title", "subject_keys", "admission", "schema_id", "occurred_at"):
        assert split.kept.column(name).to_pylist() == batch.column(name).take(pa.array([0, 2, 4])).to_pylist()


def test_an_empty_batch(facts: InboundFacts) -> None:
    """No rows in, no rows out, in the right layouts."""
    split = normalise(events(), facts, NOW_MS)
    assert (split.kept.num_rows, split.kept.schema, split.refused.schema) == (0, LOCATED, REFUSAL)


class Editions:
    """A catalogue whose grids changed at one moment; before it, nothing was where it is now."""

    def __init__(self, change_ms: int) -> None:
        self.change_ms = change_ms
        self.asked = 0

    def at(self, at_ms: int) -> Any:
        """The edition of a moment."""
        self.asked += 1
        return CATALOGUE if at_ms >= self.change_ms else EMPTY


class Empty(Catalogue):
    """The edition before: the same catalogue under another version."""

    def __init__(self) -> None:
        self.__dict__ = {**CATALOGUE.__dict__, "version": "before"}


EMPTY = Empty()


def test_each_event_is_located_in_the_catalogue_of_its_own_time(facts: InboundFacts) -> None:
    """Events of both sides of a change in one batch get each its edition, without asking for every single event."""
    editions = Editions(NOW_MS)
    mixed = InboundFacts(facts.departments, facts.admissions, editions, facts.decode)  # type: ignore[arg-type]
    times = [NOW_MS + (n % 2 * 2 - 1) * n * 1000 for n in range(1, 400)]
    split = normalise(events(*({"code": GRID, "code_system": "nbs", "occurred_at": ms} for ms in times)), mixed, NOW_MS)
    expected = [CATALOGUE.version if ms >= NOW_MS else "before" for ms in times]
    assert split.kept.column("catalogue").to_pylist() == expected
    assert editions.asked < 40
