"""What a demo does when one of its processes has ended."""

from __future__ import annotations

import os
import signal
import time

import pytest

from gridhub.connectors.broker import free_port
from gridhub.connectors.demo.parts import Part
from gridhub.connectors.demo.town import DemoError, Town
from gridhub.streams.settings import Settings


@pytest.fixture
def town(tmp_path):
    """A town whose registry runs on without a Kafka, with what it said."""
    settings = Settings(data_dir=tmp_path, kafka="127.0.0.1:1")
    said = []
    registry = Part("registry", ["registry", "--port", str(free_port())], {"GRIDHUB_KAFKA": "127.0.0.1:1"}, tmp_path)
    registry.start()
    yield Town(settings, tmp_path, said.append, None, registry), said
    registry.kill()


def ended(part):
    """Once it has."""
    until = time.monotonic() + 60
    while part.running and time.monotonic() < until:
        time.sleep(0.01)
    return part


def test_who_was_killed_starts_again(town):
    """As a supervisor would do it, and it is said."""
    town, said = town
    before = town.registry.pid
    os.kill(before, signal.SIGKILL)
    ended(town.registry)
    town.check()
    assert town.registry.running
    assert town.registry.pid != before
    assert said == ["registry was ended from outside (SIGKILL); it is started again."]


def test_who_ended_by_itself_ends_the_demo(town, tmp_path):
    """With its exit code and its last words."""
    town, said = town
    wrong = Part("worker-1", ["worker", "--no-such-option"], {}, tmp_path)
    wrong.start()
    town.workers.append(ended(wrong))
    with pytest.raises(DemoError, match=r"(?s)worker-1 ended with code 2:.*--no-such-option"):
        town.check()
    assert said == []
