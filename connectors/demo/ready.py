"""When a town is ready, where its parts are, and what its workers have counted."""

from __future__ import annotations

import time
import urllib.request
from http.client import HTTPException

from gridhub.connectors.demo.show import say
from gridhub.connectors.demo.town import DemoError, Town


def await_workers(town: Town, wait_s: float = 90.0) -> None:
    """Wait until the workers together own every lane."""
    wanted = 2 * town.settings.partitions
    deadline = time.monotonic() + wait_s
    while total(town, "gridhub_lanes") < wanted:
        town.check()
        if time.monotonic() > deadline:
            raise DemoError(f"The workers did not get ready within {wait_s:.0f} s; see {town.logs}.")
        time.sleep(0.2)


def total(town: Town, series: str) -> float:
    """The sum of a series over all workers; a worker that does not answer counts as 0."""
    found = 0.0
    for port in town.metrics_ports.values():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:  # ours
                text = answer.read().decode()
        except (OSError, HTTPException):  # a port that nobody listens on yet can be connected with itself
            continue
        rows = (line for line in text.splitlines() if line.startswith((f"{series}{{", f"{series} ")))
        found += sum(float(row.rpartition(" ")[2]) for row in rows)
    return found


def tell_addresses(town: Town) -> None:
    """Say where everything listens."""
    say(f"Kafka            {town.settings.bootstrap}")
    say(f"Schema registry  {town.settings.registry}")
    for name, port in town.metrics_ports.items():
        say(f"{name:<16} http://127.0.0.1:{port}/metrics")
    say(f"Logs             {town.logs}")
