"""The dashboards: generated, well formed, and only about series that exist."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_panels import filled_in, queries
from make_dashboards import DASHBOARDS, text_of
from panels import DEPARTMENT_NAMES, DISTRICTS

from gridhub.streams.series import TABLE

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "grafana" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
ROWS = ["全市 / City", "部门 / Departments", "派遣 / Dispatch", "引擎 / Engine", "出口 / Ways out"]
CHINESE = re.compile(r"[一-鿿]")
LATIN = re.compile(r"[A-Za-z]{3}")
NAME = re.compile(r"\b(?:gridhub|process)_[a-z_]+")
UNITS = {"eps", "ops", "s", "bytes", "short", "percentunit"}


@pytest.fixture(params=FILES, ids=lambda file: file.name)
def dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One dashboard as it lies in git."""
    loaded: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    return loaded


def shown(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels but for the rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def series_of(expr: str) -> set[str]:
    """The series that an expression reads, without the suffixes of a histogram."""
    names = set()
    for name in NAME.findall(expr):
        stem = re.sub(r"_(bucket|sum|count)$", "", name)
        names.add(stem if TABLE.get(stem) and TABLE[stem].kind == "histogram" else name)
    return names


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_file_is_what_the_script_writes(name: str) -> None:
    """Regenerating changes nothing: nobody edits the JSON, nobody forgets to run the script."""
    assert (FOLDER / name).read_text(encoding="utf-8") == text_of(DASHBOARDS[name]())


def test_every_file_has_its_script() -> None:
    """No dashboard lies in git that the script does not write."""
    assert [file.name for file in FILES] == sorted(DASHBOARDS)


def test_ids_are_unique(dashboard: dict[str, Any]) -> None:
    """No two panels share a number; within a panel no two queries share a letter."""
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(numbers) == len(set(numbers))
    for panel in shown(dashboard):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(letters) == len(set(letters))


def test_nothing_overlaps(dashboard: dict[str, Any]) -> None:
    """Each panel has a place of its own within the 24 columns."""
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    for one in places:
        assert one["x"] >= 0
        assert one["x"] + one["w"] <= 24
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_titles_and_texts_are_in_both_languages(dashboard: dict[str, Any]) -> None:
    """中文 and English, in the title and in the description of every panel."""
    for panel in shown(dashboard):
        for text in (panel["title"], panel["description"]):
            assert CHINESE.search(text), text
            assert LATIN.search(text), text


def test_titles_are_unique(dashboard: dict[str, Any]) -> None:
    """An operator can name a panel on the telephone."""
    titles = [panel["title"] for panel in dashboard["panels"]]
    assert len(titles) == len(set(titles))


def test_units_limits_and_source_are_set(dashboard: dict[str, Any]) -> None:
    """Every panel has a unit that Grafana knows, rising limits, and the chosen data source."""
    for panel in shown(dashboard):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS
        steps = [step["value"] for step in defaults["thresholds"]["steps"]]
        assert steps[0] is None
        assert steps[1:] == sorted(set(steps[1:]))
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "$datasource"}


def test_rates_and_the_chosen_workers(dashboard: dict[str, Any]) -> None:
    """Rates use Grafana's own interval; every query obeys the worker chosen above."""
    for title, expr in queries(dashboard):
        assert "$worker" in expr, title
        assert not re.search(r"rate\([^)]*\[\d", expr), title
        assert "$" not in filled_in(expr), title


def test_rows_and_variables() -> None:
    """The overview has its four rows and its three variables, all workers and departments chosen at first."""
    overview = json.loads((FOLDER / "overview.json").read_text(encoding="utf-8"))
    assert [panel["title"] for panel in overview["panels"] if panel["type"] == "row"] == ROWS
    variables = {one["name"]: one for one in overview["templating"]["list"]}
    assert list(variables) == ["datasource", "department", "worker"]
    for name in ("department", "worker"):
        assert variables[name]["multi"]
        assert (variables[name]["includeAll"], variables[name]["allValue"]) == (True, ".*")


def test_only_series_of_the_closed_table(dashboard: dict[str, Any]) -> None:
    """Every gridhub series that a panel reads is in the table, and so is every label that it sums by."""
    for title, expr in queries(dashboard):
        names = series_of(expr)
        assert names, title
        own = {name for name in names if name.startswith("gridhub_")}
        assert own <= set(TABLE), title
        known = {label for name in own for label in TABLE[name].labels} | {"instance", "le"}
        for labels in re.findall(r"\bby \(([^)]*)\)", expr):
            assert set(re.split(r",\s*", labels)) <= known, title


def test_districts_and_departments_have_names() -> None:
    """The codes that panels show carry names in both languages, in the overrides of those panels."""
    overview = json.loads((FOLDER / "overview.json").read_text(encoding="utf-8"))
    for legend, names in (("{{district}}", DISTRICTS), ("{{department}}", DEPARTMENT_NAMES)):
        panels = [one for one in shown(overview) if one["targets"][0]["legendFormat"] == legend]
        assert panels
        for panel in panels:
            found = {
                one["matcher"]["options"]: one["properties"][0]["value"] for one in panel["fieldConfig"]["overrides"]
            }
            assert found == names


def test_provisioning_points_at_what_compose_mounts() -> None:
    """Grafana finds the data source, and the dashboards where compose.yaml puts them."""
    provisioning = ROOT / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/gridhub.yaml").read_text())["providers"]
    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert "prometheus" in services
    mounts = services["grafana"]["volumes"]
    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in mounts
    assert "../grafana/provisioning:/etc/grafana/provisioning:ro" in mounts
