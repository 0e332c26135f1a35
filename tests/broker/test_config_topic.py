"""`gridhub config` and `gridhub silence` on a real broker: what is published, read back and judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient, NewTopic

from gridhub.streams import city as city_data
from gridhub.streams import silences_cli, topics
from gridhub.streams.config_cli import config
from gridhub.streams.silences_cli import silence
from gridhub.streams.silences_preview import Preview

pytestmark = pytest.mark.broker
CONFIG = Path(__file__).parents[2] / "config" / "routing.yaml"
LIMIT_S = 60


@pytest.fixture
def run(broker, monkeypatch):
    """Call a command against topics of this test's own, with the city loaded once."""
    own = {
        name: replace(getattr(topics, name), name=f"of-config-cli-{name.lower()}") for name in ("CONFIG", "ADMISSIONS")
    }
    for name, topic in own.items():
        monkeypatch.setattr(topics, name, topic)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for future in admin.create_topics([NewTopic(one.name, 1, 1, config=one.config()) for one in own.values()]).values():
        future.result(LIMIT_S)
    city = city_data.load()
    monkeypatch.setattr(city_data, "load", lambda _folder: city)
    monkeypatch.setattr(silences_cli, "_previewed", lambda *_: Preview(24, 0, 0, 0, 0, ()))
    monkeypatch.setenv("GRIDHUB_KAFKA", broker.bootstrap)

    def call(command, *words):
        done = CliRunner().invoke(command, [str(word) for word in words])
        return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    return call


def test_what_is_published_is_read_back_judged_and_kept(run, tmp_path):
    """A version, a wrong one, a broad silence and its approval: the history has what workers take, in order."""
    text = CONFIG.read_text(encoding="utf-8")
    path = tmp_path / "routing.yaml"
    said = ("--author", "a", "--comment", "c")
    path.write_text(text.replace('version: "2026-11"', 'version: "2026-12"'), encoding="utf-8")
    code, (line,), _ = run(config, "publish", path, *said)
    assert (code, line["version"], line["in_force"]) == (0, "2026-12", True)
    code, lines, error = run(config, "publish", path, *said)
    assert (code, lines) == (1, [])
    assert "is not later than '2026-12'" in error

    who = ("--comment", "c", "--actor")
    code, (line,), _ = run(silence, "add", 'category="noise"', "--for", "1h", "--id", "s-1", *who, "zhang")
    assert (code, line["state"]) == (0, "pending")
    code, (line,), _ = run(silence, "approve", "s-1", *who, "li")
    assert (code, line["state"]) == (0, "active")
    _, lines, _ = run(config, "history")
    assert [line["item"].partition("-")[0] for line in lines] == ["routing.yaml/000001", "silence/s", "silence/s"]
    assert all(line["in_force"] for line in lines)
