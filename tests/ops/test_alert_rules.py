"""The alert rules: sound, tested both ways, and each with a page of advice."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridhub.streams.series import TABLE
from gridhub.streams.settings import Settings

ROOT = Path(__file__).parents[2]
RULES = ROOT / "grafana" / "rules" / "gridhub.yml"
TESTS = ROOT / "grafana" / "rules" / "gridhub_test.yml"
OPERATIONS = ROOT / "docs" / "operations.md"
CHINESE = re.compile(r"[一-鿿]")
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Promtool's answer."""
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.prometheus
def test_promtool_accepts_the_rules() -> None:
    """`promtool check rules` finds every rule and no fault."""
    answer = promtool("check", "rules", RULES)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"{len(ALERTS)} rules found" in answer.stdout


@pytest.mark.prometheus
def test_the_rules_fire_when_they_should() -> None:
    """`promtool test rules`: each alert on bad values, silence on good ones."""
    answer = promtool("test", "rules", TESTS)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.prometheus
def test_a_changed_threshold_is_noticed(tmp_path: Path) -> None:
    """The promtool tests can fail: with every limit out of reach they do."""
    text = re.sub(r"(> 60)\b", "> 6000000", RULES.read_text(encoding="utf-8"))
    (tmp_path / RULES.name).write_text(text, encoding="utf-8")
    (tmp_path / TESTS.name).write_text(TESTS.read_text(encoding="utf-8"), encoding="utf-8")
    assert promtool("test", "rules", tmp_path / TESTS.name).returncode == 1


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_is_tested_both_ways(alert: dict[str, Any]) -> None:
    """There is a moment at which it fires and one at which it does not."""
    cases = [
        case
        for test in yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == alert["alert"]
    ]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_tells_people_what_to_do(alert: dict[str, Any]) -> None:
    """Severity, both languages, and a runbook whose section exists and has the three parts."""
    assert alert["labels"]["severity"] in {"critical", "warning"}
    for part in ("summary", "description"):
        chinese, _, english = alert["annotations"][part].partition(" / ")
        assert CHINESE.search(chinese)
        assert english
        assert not CHINESE.search(english)
    assert alert["annotations"]["runbook"] == f"docs/operations.md#{alert['alert'].lower()}"
    sections = re.split(r"^### ", OPERATIONS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = [text for text in sections if text.splitlines()[0] == alert["alert"]]
    for part in ("**Means.**", "**Look at.**", "**Do.**"):
        assert part in section


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_reads_known_series(alert: dict[str, Any]) -> None:
    """Every gridhub series of the expression is in the closed table; anything else is `up`."""
    names = set(re.findall(r"\bgridhub_[a-z_]+", alert["expr"]))
    stems = {name.removesuffix("_bucket") if name not in TABLE else name for name in names}
    assert stems <= set(TABLE)
    assert stems or re.search(r"\bup\{", alert["expr"])


def test_no_section_without_an_alert() -> None:
    """operations.md explains no alert that is gone."""
    titles = re.findall(r"^### (Gridhub\w+)$", OPERATIONS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(titles) == sorted(alert["alert"] for alert in ALERTS)


def test_the_advice_names_settings_that_exist() -> None:
    """A GRIDHUB_ variable in operations.md or metrics.md is a setting of the hub."""
    fields = {f"GRIDHUB_{field.upper()}" for field in Settings.model_fields}
    for page in (OPERATIONS, ROOT / "docs" / "metrics.md"):
        named = set(re.findall(r"GRIDHUB_[A-Z_]+", page.read_text(encoding="utf-8")))
        assert named
        assert named <= fields


def test_links_lead_somewhere() -> None:
    """Every link from operations.md to a section or a page finds it."""
    text = OPERATIONS.read_text(encoding="utf-8")
    anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)}
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    for link in links:
        assert link[1:] in anchors if link.startswith("#") else (OPERATIONS.parent / link).exists(), link
