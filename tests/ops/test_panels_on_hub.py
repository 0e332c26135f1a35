"""Every panel's query on a real Prometheus that scrapes the running hub."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from check_panels import panel_problems, running_prometheus

from gridhub.connectors.broker import free_port

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.prometheus, pytest.mark.broker]
SCRAPE_S = 40


@pytest.fixture
def hub(tmp_path: Path):
    """A demo without end on ports of its own; gives the address of its worker's metrics."""
    names = ("BROKER_PORT", "BROKER_CONTROLLER_PORT", "REGISTRY_PORT", "METRICS_PORT")
    ports = {f"GRIDHUB_{name}": str(free_port()) for name in names}
    environment = {**os.environ, **ports, "GRIDHUB_DATA_DIR": str(tmp_path / "data")}
    log = tmp_path / "demo.log"
    with log.open("wb") as out:
        demo = subprocess.Popen(
            [sys.executable, "-m", "gridhub.streams.cli", "demo", "--workers", "1", "--rate", "40"],
            env=environment, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        while "Stop with Ctrl-C" not in log.read_text("utf-8"):
            assert demo.poll() is None, log.read_text("utf-8")
            time.sleep(0.2)
        yield f"127.0.0.1:{ports['GRIDHUB_METRICS_PORT']}"
    finally:
        demo.terminate()
        demo.wait(30)


def test_no_panel_is_empty_on_the_running_hub(hub: str) -> None:
    """After a time of simulated events every query of every dashboard is answered with values, and no alert fires."""
    with running_prometheus([hub], rules=ROOT / "grafana/rules/gridhub.yml") as url:
        time.sleep(SCRAPE_S)  # the rates of the dashboards look back over half a minute
        assert panel_problems(url, window_s=120) == []
