"""Runs the query of every panel on a real Prometheus that scrapes a hub: `python grafana/check_panels.py URL`.

Grafana itself is not needed: what it would send is the panel's PromQL with its variables filled in.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDER = Path(__file__).parent / "dashboards"
START_LIMIT_S = 20.0


class PrometheusError(Exception):
    """Prometheus cannot be used; the message says why and what to do."""


def panel_problems(prometheus_url: str, *, window_s: int = 900, folder: Path = FOLDER) -> list[str]:
    """What is wrong with the panels: one sentence per query that is refused or shows nothing in the last `window_s`.

    A panel may be empty only where nothing was scraped: run it while, or within `window_s` after, events flow.
    Variables that offer no value are problems too. Raises PrometheusError when Prometheus does not answer.
    """
    files = sorted(folder.glob("*.json"))
    problems = [] if files else [f"no dashboard in {folder.name}"]
    with httpx.Client(base_url=prometheus_url, timeout=30, trust_env=False) as client:
        for file in files:
            dashboard = json.loads(file.read_text(encoding="utf-8"))
            found = [*_variable_problems(client, dashboard), *_query_problems(client, dashboard, window_s)]
            problems += [f"{file.name}: {problem}" for problem in found]
    return problems


def filled_in(expr: str, window_s: int = 900) -> str:
    """The PromQL that Grafana would send: its own variables and the dashboard's, all values chosen."""
    for name, value in (
        ("$__rate_interval", "15s"),
        ("$__interval", "5s"),
        ("$__range", f"{window_s}s"),
        ("$department", ".*"),
        ("$worker", ".*"),
    ):
        expr = expr.replace(name, value)
    return expr


def queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Title and expression of every target of every panel, those inside collapsed rows too."""
    panels = [panel for outer in dashboard["panels"] for panel in (outer, *(outer.get("panels") or ()))]
    for panel in panels:
        for target in panel.get("targets") or ():
            yield f"{panel['title']} [{target['refId']}]", target["expr"]


def _query_problems(client: httpx.Client, dashboard: dict[str, Any], window_s: int) -> Iterator[str]:
    now = time.time()
    for title, expr in queries(dashboard):
        promql = filled_in(expr, window_s)
        answer = _get(client, "query_range", query=promql, start=now - window_s, end=now, step=max(1, window_s // 900))
        if answer["status"] != "success":
            yield f"{title}: {answer.get('error', 'refused')}: {promql}"
        elif not any(math.isfinite(float(value)) for row in answer["data"]["result"] for _, value in row["values"]):
            yield f"{title}: shows nothing: {promql}"


def _variable_problems(client: httpx.Client, dashboard: dict[str, Any]) -> Iterator[str]:
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        series, _, label = variable["query"].removeprefix("label_values(").removesuffix(")").partition(", ")
        answer = _get(client, f"label/{label}/values", **{"match[]": series})
        if not answer.get("data"):
            yield f"variable ${variable['name']}: offers no value: {variable['query']}"


def _get(client: httpx.Client, what: str, **parameters: str | float) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = client.get(f"/api/v1/{what}", params=parameters).json()
    except (httpx.HTTPError, json.JSONDecodeError) as error:
        raise PrometheusError(f"Prometheus at {client.base_url} does not answer as Prometheus: {error}") from error
    return answer


@contextlib.contextmanager
def running_prometheus(targets: Sequence[str], *, rules: Path | None = None) -> Iterator[str]:
    """A Prometheus on a free loopback port that scrapes `targets` (host:port) each second as job `gridhub`.

    Yields its address; its data lies in a temporary folder and is gone with it.
    """
    binary = shutil.which("prometheus")
    if binary is None:
        raise PrometheusError("The program `prometheus` is not installed (Debian: apt-get install prometheus)")
    with tempfile.TemporaryDirectory(prefix="gridhub-prometheus-") as name:
        folder, port = Path(name), _free_port()
        (folder / "prometheus.yml").write_text(_config(targets, rules), encoding="utf-8")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - the program found above, with our own arguments
                [
                    binary,
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                _wait_ready(process, f"http://127.0.0.1:{port}", folder / "log")
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
                process.wait(timeout=20)


def _config(targets: Sequence[str], rules: Path | None) -> str:
    scrape = {"job_name": "gridhub", "static_configs": [{"targets": list(targets)}]}
    config: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [scrape],
    }
    if rules is not None:
        config["rule_files"] = [str(rules.resolve())]
    return yaml.safe_dump(config)


def _wait_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):  # not listening yet: ask again
            if httpx.get(f"{url}/-/ready", timeout=2, trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise PrometheusError(f"Prometheus did not start: {log.read_text(errors='replace')[-800:]}")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def main(arguments: Sequence[str]) -> int:
    """Prints the problems; exit code 0 none, 1 some, 2 wrong use or no Prometheus."""
    if len(arguments) != 1 or not arguments[0].startswith("http"):
        print("use: python grafana/check_panels.py http://127.0.0.1:9090", file=sys.stderr)
        return 2
    try:
        problems = panel_problems(arguments[0])
    except PrometheusError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(problems) or "every panel shows something")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
