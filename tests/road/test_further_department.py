"""A seventh department by files alone: in the city's folder it takes part everywhere, without a line of code."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner

from gridhub.connectors.demo.check import check_memory
from gridhub.connectors.simulator.city import City
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams.provision import all_topics
from gridhub.streams.settings import Settings
from gridhub.streams.try_cli import try_road

NOW_MS = 1_795_400_000_000
RULE = """
  - id: HSZR-CG-01
    department: urban-management
    categories: [exposed_garbage, manhole_cover, street_vending, shop_outside, illegal_building, illegal_parking,
                 water_main_burst, flooding, road_collapse, tree_down]
    legal_basis: 《城市管理执法办法》
    approver: 黄石市社区建设领导小组
    valid_from: 2017-05-01
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A city folder with the department's files and one more rule on the approved list."""
    root = tmp_path_factory.mktemp("city")
    source = Path(str(resources.files("gridhub.connectors.simulator") / "departments" / "urban-management"))
    shutil.copytree(source, root / "departments" / "urban-management")
    bundled = (resources.files("gridhub.config") / "admissions.yaml").read_text("utf-8")
    (root / "admissions.yaml").write_text(bundled + RULE, encoding="utf-8")
    return root


def test_its_topic_and_its_schema_are_provisioned(folder):
    """Topic, registry subject and codec know it as soon as its folder is there."""
    city = city_data.load(folder)
    assert "dept.urban-management.events" in {topic.name for topic in all_topics(city.departments)}
    assert "dept.urban-management.events-value" in {entry.subject for entry in catalogue(city.further)}
    assert "dept.urban-management.events" not in {t.name for t in all_topics(city_data.load().departments)}


def test_its_simulated_events_go_the_whole_road(folder):
    """Nothing lost or doubled, every reason and every grid right, with all code forms and coordinate systems."""
    city, settings = city_data.load(folder), Settings()
    codec = local_codec(city.further)
    messages = City(city.catalogue, city.departments, 3).generate(1500, 3, NOW_MS)
    report = check_memory(
        messages, codec, city_data.inbound_facts(city, settings, codec.decode_many),
        city_data.outbound_facts(city, settings), NOW_MS,
    )  # fmt: skip
    assert report.problems() == []
    assert report.departments["urban-management"]["admitted"] > 50


def test_gridhub_try_knows_it_by_its_chinese_name(folder, monkeypatch):
    """With GRIDHUB_CONFIG_DIR set, its records are taken like anybody's."""
    monkeypatch.setenv("GRIDHUB_CONFIG_DIR", str(folder))
    example = resources.files("gridhub.schemas") / "examples" / "GenericEvent"
    record = json.loads(min(example.iterdir(), key=lambda path: path.name).read_text("utf-8"))
    record |= {"source": "urban-management", "type": "01002"}
    done = CliRunner().invoke(try_road, ["--department", "城管"], input=json.dumps(record))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["outcome"] in {"opened", "refused"}
    assert json.loads(done.stdout)["reason"] not in {"unknown_department", "not_admitted", "unknown_type", "bad_bytes"}
