"""docs/examples/ticketing, run exactly as its README says: a task comes as a signed webhook, a button's step goes back to the hub."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from gridhub.connectors.broker import free_port
from gridhub.streams import topics

ROOT = Path(__file__).parents[3]
README = ROOT / "docs" / "examples" / "ticketing" / "README.md"


@pytest.fixture
def desk(hub, tmp_path):
    """The README's own commands at work; the address of the desk's page."""
    (script,) = re.findall(r"```bash\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    ports = {"DESK_PORT": str(free_port()), "OPEN311_PORT": str(free_port())}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    surroundings = {**hub.environment, **ports, "PATH": path, "TMPDIR": str(tmp_path)}
    with (tmp_path / "said").open("wb") as said:
        shell = subprocess.Popen(["bash", "-euc", f"{script}\nwait"], cwd=ROOT, env=surroundings, stderr=said,
                                 start_new_session=True)  # fmt: skip
    yield f"http://127.0.0.1:{ports['DESK_PORT']}/"
    os.killpg(shell.pid, signal.SIGKILL)
    shell.wait()


def shown(url):
    """The page, or nothing as long as nobody serves it."""
    try:
        return httpx.get(url).text
    except httpx.TransportError:
        return ""


def test_the_readme_leads_to_a_desk_that_works(hub, desk, until, tmp_path):
    """The task is on the page, its button's step on hub.status, its next version on the page; a forged delivery is not."""
    task_id = f"420202001-{tmp_path.name}"
    task = {"task_id": task_id, "title": f"<b>{task_id}</b>"}
    hub.tasks(task)
    assert until(lambda: f"&lt;b&gt;{task_id}&lt;/b&gt;" in shown(desk)), (tmp_path / "said").read_text()
    form = {**dict(re.findall(r'name="(\w+)" value="([^"]*)"', shown(desk).partition("接单")[0])), "task": task_id}
    assert httpx.post(f"{desk}step", data={**form, "token": "x"}).status_code == 403
    assert until(lambda: httpx.post(f"{desk}step", data=form, timeout=30).status_code == 200)
    assert until(lambda: steps(hub, task_id))
    assert {(one["stage"], one["actor"], one["sender"]) for one in steps(hub, task_id)} == {
        ("accepted", "desk-officer", "open311/desk")
    }
    hub.tasks({**task, "version": 2, "stage": "accepted", "note": "马上到"})
    assert until(lambda: "马上到" in shown(desk))
    forged = {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA", "idempotency-key": "1"}
    assert httpx.post(f"{desk}tasks", content=b"{}", headers=forged).status_code == 401
    assert httpx.post(f"{desk}tasks", content=urlencode({"a": "x" * (1 << 20)})).status_code == 413


def steps(hub, task_id):
    """What was reported of this task."""
    return [one for one in hub.records(topics.STATUS.name) if one.get("task_id") == task_id]
