"""Every panel's query on a real Prometheus."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest
from check_panels import PrometheusError, panel_problems, running_prometheus

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.prometheus


def scraped(url: str) -> bool:
    """Whether the target was scraped often enough for a rate."""
    query = {"query": "count_over_time(gridhub_taken_total[1m]) >= 5"}
    answer = httpx.get(f"{url}/api/v1/query", params=query, trust_env=False).json()
    return bool(answer["data"]["result"])


def wait_scraped(url: str) -> None:
    """Returns once rates exist; the test's own time limit ends it otherwise."""
    while not scraped(url):
        time.sleep(0.2)


def test_every_panel_shows_something_and_no_alert_fires(fed_page: str) -> None:
    """No query is refused, none is empty, no variable is without values; a hub that adds up raises no alert."""
    with running_prometheus([fed_page], rules=ROOT / "grafana/rules/gridhub.yml") as url:
        wait_scraped(url)
        assert panel_problems(url, window_s=120) == []
        rules = httpx.get(f"{url}/api/v1/rules", trust_env=False).json()["data"]["groups"]
        found = [(rule["name"], rule["health"], rule["state"]) for group in rules for rule in group["rules"]]
        assert found
        assert [one for one in found if one[1:] != ("ok", "inactive")] == []


def test_bad_panels_are_reported(fed_page: str, tmp_path: Path) -> None:
    """A query that is no PromQL, an empty panel and a variable without values each give one sentence."""
    target = {"refId": "A", "expr": "sum("}
    nothing = {"refId": "B", "expr": "gridhub_no_such_series"}
    not_a_number = {"refId": "C", "expr": "gridhub_taken_total * NaN"}
    fine = {"refId": "D", "expr": "gridhub_taken_total"}
    variable = {"type": "query", "name": "worker", "query": "label_values(gridhub_no_such_series, instance)"}
    inner = {"title": "inner", "targets": [target, nothing, not_a_number, fine]}
    dashboard = {"templating": {"list": [variable]}, "panels": [{"title": "row", "panels": [inner]}]}
    (tmp_path / "bad.json").write_text(json.dumps(dashboard), encoding="utf-8")
    with running_prometheus([fed_page]) as url:
        wait_scraped(url)
        problems = panel_problems(url, window_s=60, folder=tmp_path)
    assert [problem.split(": ")[1] for problem in problems] == [
        "variable $worker", "inner [A]", "inner [B]", "inner [C]",
    ]  # fmt: skip


def test_no_dashboard_and_no_prometheus_are_said(tmp_path: Path) -> None:
    """An empty folder is a problem; an address where nothing answers is an error that names it."""
    assert panel_problems("http://127.0.0.1:1", folder=tmp_path) == [f"no dashboard in {tmp_path.name}"]
    with pytest.raises(PrometheusError, match=r"127\.0\.0\.1:1"):
        panel_problems("http://127.0.0.1:1")
