"""Standing data in memory: what operators publish is judged, put in force, and never half."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from gridhub.streams import city as city_data
from gridhub.streams.place.bundle import BundleError, Manifest, pack, parts, read_manifest, unpack
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.place.source import read_source
from gridhub.streams.standing import Standing, settled

WHOLE = city_data.load()
DAY_MS = 86_400_000
NOW_MS = 1_795_420_800_000  # 2026-11-23
GRIDS = "hub.grids"
FIRST, SECOND = "420205003001001", "420205003001002"


@pytest.fixture(scope="module")
def city(small_grids):
    """The city with the grids of one district."""
    return replace(WHOLE, catalogue=Catalogue.load(small_grids))


@pytest.fixture(scope="module")
def other(small_grids, tmp_path_factory):
    """A catalogue in which two neighbouring grids have exchanged their codes."""
    folder = Path(shutil.copytree(small_grids, tmp_path_factory.mktemp("other") / "grids"))
    path = folder / "grids.geojson"
    text = path.read_text().replace(FIRST, "#").replace(SECOND, FIRST).replace("#", SECOND)
    path.write_text(text)
    return folder


def published(folder, valid_from_ms=NOW_MS - DAY_MS, published_at_ms=NOW_MS, **changes):
    """The messages of a version on hub.grids, its manifest last."""
    packed = pack(folder)
    messages = list(parts(packed))
    said = {
        "version": read_source(folder).version,
        "valid_from_ms": valid_from_ms,
        "sha256": messages[0][0].decode().split("/")[1],
        "size_bytes": len(packed),
        "parts": len(messages),
        "grids": 20,
        "actor": "测绘科 王",
        "reason": "边界调整",
        "published_at_ms": published_at_ms,
    }
    manifest = Manifest(**said | changes)
    return [(GRIDS, *message) for message in (*messages, (manifest.key, manifest.content()))]


def where(standing, at_ms):
    """The code at the place of the first grid, at a moment."""
    place = WHOLE.catalogue.place(FIRST)
    return standing.city.catalogue.at(at_ms).locate_points([place.lon], [place.lat])[0]


def test_an_event_is_located_in_the_catalogue_of_its_own_time(other, city):
    """From its first day on the new version counts; the day before is as it was."""
    standing = Standing(city)
    (told,) = settled(standing, published(other), NOW_MS)
    assert told.applied
    assert "测绘科 王" in told.detail
    begin_ms = NOW_MS - DAY_MS
    assert [where(standing, at) for at in (begin_ms - 1, begin_ms, NOW_MS)] == [FIRST, SECOND, SECOND]
    assert standing.city.catalogue.at(begin_ms - 1).version == city.catalogue.version
    assert standing.city.rules["grids"] == read_source(other).version != city.catalogue.version


def test_a_version_of_the_future_waits_for_its_day(other, city):
    """Until its first day the city's own catalogue stays; then the new one is put in force without a message."""
    standing = Standing(city)
    settled(standing, published(other, NOW_MS + DAY_MS), NOW_MS)
    assert standing.city.rules["grids"] == city.catalogue.version
    assert where(standing, NOW_MS + DAY_MS) == SECOND
    standing.settle(NOW_MS + DAY_MS)
    assert standing.city.rules["grids"] == read_source(other).version


@pytest.mark.parametrize("order", [1, -1])
def test_parts_and_manifest_come_in_any_order(other, city, order):
    """A version is put in force when the last of its messages is there, and not before; then its parts are let go."""
    standing = Standing(city)
    messages = published(other)[::order]
    assert len(messages) > 1
    for message in messages[:-1]:
        assert settled(standing, [message], NOW_MS) == []
    assert settled(standing, messages[-1:], NOW_MS)[0].applied
    assert standing.shelves[GRIDS].parts == {}


def test_going_back_is_one_more_version(other, city, small_grids):
    """The later published of two versions of one day counts, so a mistake is taken back by publishing what was."""
    standing = Standing(city)
    settled(standing, published(other), NOW_MS)
    settled(standing, published(small_grids, published_at_ms=NOW_MS + 1), NOW_MS)
    assert where(standing, NOW_MS) == FIRST
    assert standing.city.rules["grids"] == city.catalogue.version


def test_a_withdrawn_version_is_gone(other, city):
    """A manifest's tombstone takes its version out of force."""
    standing = Standing(city)
    messages = published(other)
    settled(standing, messages, NOW_MS)
    settled(standing, [(GRIDS, messages[-1][1], None)], NOW_MS)
    assert where(standing, NOW_MS) == FIRST


def test_editions_between_changes_are_one_object(other, city, small_grids):
    """Between two changes every moment has the same edition; equal ends mean equal all between."""
    standing = Standing(city)
    settled(standing, published(other, NOW_MS - 2 * DAY_MS), NOW_MS)
    settled(standing, published(small_grids, NOW_MS - DAY_MS, NOW_MS + 1), NOW_MS)
    catalogue = standing.city.catalogue
    moments = [NOW_MS - 3 * DAY_MS, NOW_MS - 2 * DAY_MS, NOW_MS - DAY_MS]
    editions = [catalogue.at(at) for at in moments]
    assert len({id(edition) for edition in editions}) == 3
    assert [catalogue.at(at + DAY_MS - 1) is edition for at, edition in zip(moments, editions, strict=True)] == [
        True
    ] * 3


def test_what_was_made_is_kept(other, city, small_grids):
    """A further version leaves the editions of the others as they were made: no batch waits for them again."""
    standing = Standing(city)
    settled(standing, published(other, NOW_MS - 2 * DAY_MS), NOW_MS)
    before = standing.city.catalogue.at(NOW_MS - 3 * DAY_MS)
    settled(standing, published(small_grids, NOW_MS + DAY_MS, NOW_MS + 1), NOW_MS)
    after = standing.city.catalogue.at(NOW_MS - 3 * DAY_MS)
    assert after.grid_codes is before.grid_codes is city.catalogue.grid_codes
    assert after.at(NOW_MS + DAY_MS) is standing.city.catalogue.at(NOW_MS + DAY_MS)


def test_versions_that_no_event_can_need_are_let_go(other, city, small_grids):
    """Once a later version is older than any admitted event, the ones before it are not kept."""
    standing = Standing(city, max_age_ms=30 * DAY_MS)
    settled(standing, published(other, NOW_MS - 90 * DAY_MS), NOW_MS)
    settled(standing, published(small_grids, NOW_MS - 60 * DAY_MS, NOW_MS + 1), NOW_MS)
    assert [version.begin_ms for version in standing.city.catalogue.versions[1:]] == [NOW_MS - 60 * DAY_MS]


def broken_grids(folder, tmp_path):
    """A folder whose polygons leave a gap."""
    target = Path(shutil.copytree(folder, tmp_path / "broken"))
    path = target / "grids.geojson"
    collection = orjson.loads(path.read_bytes())
    collection["features"] = [one for one in collection["features"] if one["properties"]["code"] != FIRST]
    path.write_bytes(orjson.dumps(collection))
    return target


def test_a_version_with_faults_is_refused(other, tmp_path, city, small_grids):
    """A version that the checks would not pass is told and never applied; what was in force stays."""
    standing = Standing(city)
    settled(standing, published(other), NOW_MS)
    before = standing.city
    (told,) = settled(standing, published(broken_grids(small_grids, tmp_path), published_at_ms=NOW_MS + 1), NOW_MS)
    assert not told.applied
    assert "belong to no grid" in told.detail
    assert standing.city is before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": "0" * 12}, "its files are version"),
        ({"size_bytes": 7}, "sha-256"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(other, changes, said, city):
    """A manifest must name the very archive and version."""
    (told,) = settled(Standing(city), published(other, **changes), NOW_MS)
    assert (told.applied, said in told.detail) == (False, True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"manifest/1-000000000000", b"{}"),
        (b"manifest/1-000000000000", b"\x00\xff"),
        (b"something", b"else"),
        (b"manifest/1-000000000000", None),
        (b"part/x/1", b""),
        (b"part/", None),
        (b"part/", b"x"),
    ],
)
def test_strange_messages_change_nothing(key, value, city):
    """Whatever lies on the topic, the city stays as it is."""
    standing = Standing(city)
    told = settled(standing, [(GRIDS, key, value)], NOW_MS)
    assert not any(one.applied for one in told)
    assert standing.city is city


def test_an_archive_of_other_files_is_refused(tmp_path):
    """An archive may hold nothing but the tables and polygons of a catalogue."""
    (tmp_path / "divisions.csv").write_text("x")
    packed = pack(tmp_path).replace(b"divisions.csv", b"../../../.csv")
    manifest = read_manifest(
        Manifest(
            version="0" * 12, valid_from_ms=0, sha256=hashlib.sha256(packed).hexdigest(),
            size_bytes=len(packed), parts=1, grids=1, actor="a", reason="b", published_at_ms=1,
        ).content()
    )  # fmt: skip
    with pytest.raises(BundleError, match="no part of a catalogue"):
        unpack(packed, manifest)


def test_packing_twice_gives_the_same_bytes(small_grids):
    """The same files are the same archive, so its sha-256 names them."""
    assert pack(small_grids) == pack(small_grids)


RULE = {
    "id": "power-test", "department": "power", "categories": ["power_outage"], "legal_basis": "纪要〔2026〕9号",
    "approver": "政数局", "valid_from": "2026-01-01",
}  # fmt: skip


def test_an_approval_counts_from_the_next_batch_on(city):
    """A published rule is on the approved list; withdrawn, it is not; the file's own rules stay."""
    standing = Standing(city)
    rule = RULE | {"categories": [next(iter(city.categories))]}
    (told,) = settled(standing, [("hub.admissions", b"power-test", orjson.dumps(rule))], NOW_MS)
    assert told.applied
    assert set(standing.city.admissions.rules) == {*city.admissions.rules, "power-test"}
    settled(standing, [("hub.admissions", b"power-test", None)], NOW_MS)
    assert set(standing.city.admissions.rules) == set(city.admissions.rules)


@pytest.mark.parametrize(
    "change",
    [{"department": "nobody"}, {"categories": ["nothing"]}, {"id": "other"}, {"approver": ""}, {"more": 1}],
)
def test_a_wrong_approval_is_refused(change, city):
    """A rule with a fault is told, and admits nothing."""
    standing = Standing(city)
    rule = RULE | {"categories": [next(iter(city.categories))]} | change
    (told,) = settled(standing, [("hub.admissions", b"power-test", orjson.dumps(rule))], NOW_MS)
    assert not told.applied
    assert standing.city.admissions is city.admissions


def routing_text():
    """The bundled routing file."""
    return (Path(__file__).parents[2] / "config" / "routing.yaml").read_bytes()


def test_a_new_routing_file_counts_until_it_is_withdrawn(city):
    """A rule file on hub.config takes the place of the city's own, under a version of its own."""
    standing = Standing(city)
    changed = routing_text() + b"\n# another version\n"
    (told,) = settled(standing, [("hub.config", b"routing.yaml/1", changed)], NOW_MS)
    assert told.applied
    assert standing.city.rules["routing"] != city.rules["routing"]
    settled(standing, [("hub.config", b"routing.yaml/1", None)], NOW_MS)
    assert standing.city.rules == city.rules


def test_a_wrong_rule_file_leaves_the_last_right_one(city):
    """Of the files under one name the newest right one counts, live and after a restart alike."""
    messages = [
        ("hub.config", b"routing.yaml/1", routing_text() + b"\n# right\n"),
        ("hub.config", b"routing.yaml/2", b"route: [wrong"),
        ("hub.config", b"notes.txt/1", b"?"),
    ]
    live, again = Standing(city), Standing(city)
    told = [one for message in messages for one in settled(live, [message], NOW_MS)]
    assert [one.applied for one in told] == [True, False, False]
    assert [one.applied for one in settled(again, messages, NOW_MS)] == [True, False, False]
    assert live.city.rules == again.city.rules
    assert live.city.rules["routing"] != city.rules["routing"]
