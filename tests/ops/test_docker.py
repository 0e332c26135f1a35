"""The image and the compose file, as far as they can be checked without an engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridhub.streams.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
BIN = Path(sys.executable).parent
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
HUB = {name: service for name, service in SERVICES.items() if service["image"].startswith("gridhub")}
COMMANDS = {"worker", "registry", "provision", "simulate"}


def compose_config(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """podman-compose's reading of the file. It asks podman for its version first, so a stand-in answers that."""
    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\necho 'podman version 4.3.1'\n")
    podman.chmod(0o700)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GRAFANA_")} | environment
    return subprocess.run(
        [BIN / "podman-compose", "--podman-path", podman, "-f", DOCKER / "compose.yaml", "config"],
        capture_output=True, text=True, check=False, timeout=60, env=variables,
    )  # fmt: skip


def test_hadolint_finds_nothing() -> None:
    """The Dockerfile passes the linter without an exception."""
    answer = subprocess.run([BIN / "hadolint", DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (0, "")
    assert "hadolint ignore" not in (DOCKER / "Dockerfile").read_text()


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    """The linter runs: a Dockerfile with an unpinned base and sudo is refused."""
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nRUN sudo true\n")
    answer = subprocess.run([BIN / "hadolint", tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)
    assert answer.returncode == 1


def test_compose_reads_the_file_with_a_password(tmp_path: Path) -> None:
    """Given the password, the file is complete, and the password is where Grafana reads it."""
    answer = compose_config(tmp_path, GRAFANA_PASSWORD="only-here")
    assert answer.returncode == 0, answer.stderr
    read = yaml.safe_load(answer.stdout)
    assert read["services"]["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"] == "only-here"


def test_compose_refuses_without_a_password(tmp_path: Path) -> None:
    """Nobody starts a Grafana with a password that this repository knows."""
    answer = compose_config(tmp_path)
    assert answer.returncode != 0
    assert "GRAFANA_PASSWORD" in answer.stderr


def test_the_image_runs_unprivileged_from_locked_requirements() -> None:
    """Two stages of the same base, hashes required, a numbered user that is not root, a health check."""
    text = (DOCKER / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE)
    assert bases == ["python:3.11-slim", "python:3.11-slim"]
    assert text.count("pip install") == text.count("--require-hashes") + text.count("--no-index")
    assert re.search(r"^USER (?!0)\d+:\d+$", text, flags=re.MULTILINE)
    assert "HEALTHCHECK" in text
    assert not re.search(r"(?i)^(ARG|ENV).*(passw|secret|token)", text, flags=re.MULTILINE)


def test_every_copied_path_exists_and_reaches_the_build() -> None:
    """What the Dockerfile copies is there, and its ignore file lets it through."""
    text = (DOCKER / "Dockerfile").read_text()
    let_in = {line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = {
        part for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, flags=re.MULTILINE) for part in line.split()
    }
    assert copied == let_in
    assert [path for path in copied if not (ROOT / path).exists()] == []


def test_the_image_is_built_from_the_locks_of_the_project() -> None:
    """What is installed in the image is what tests run with: the repository's own lock files, and no other list."""
    text = (DOCKER / "Dockerfile").read_text()
    assert re.findall(r"--requirement (\S+)", text) == ["requirements.lock", ".ci/build.lock"]
    assert [path.name for path in DOCKER.iterdir() if "requirements" in path.name] == []


def test_ports_are_published_on_loopback_only() -> None:
    """No service is reachable from another machine, and no two ask for the same port."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined(name: str) -> None:
    """No capabilities, no new privileges, limits of memory and CPU, a named version; read-only unless it is Kafka."""
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    tag = service["image"].rpartition(":")[2]
    assert tag not in {"", "latest"}
    assert "privileged" not in service
    assert service.get("read_only", False) != name.startswith("kafka")


def test_no_password_has_a_default() -> None:
    """Every variable that holds a secret has to be given; none stands in the file."""
    text = (DOCKER / "compose.yaml").read_text()
    for line in text.splitlines():
        name, _, value = line.strip().partition(": ")
        if re.search(r"(?i)passw|secret|token", name) and not name.startswith("#"):
            assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), line


@pytest.mark.parametrize("name", HUB)
def test_the_hubs_settings_exist(name: str) -> None:
    """Every GRIDHUB_ variable is a setting, the values are allowed, and the command is one of the image's."""
    environment = HUB[name].get("environment", {})
    text = (DOCKER / "Dockerfile").read_text()
    given = {key: str(value) for key, value in environment.items()}
    given |= dict(re.findall(r"(GRIDHUB_[A-Z_]+)=(\S+)", text))
    fields = {f"GRIDHUB_{field.upper()}": field for field in Settings.model_fields}
    assert set(given) <= set(fields)
    settings = Settings.model_validate({fields[key]: value for key, value in given.items()})
    assert settings.registry == "http://registry:19081"
    assert settings.replication <= len([other for other in SERVICES if other.startswith("kafka-")])
    assert HUB[name].get("command", ["worker"])[0] in COMMANDS


def test_workers_are_apart() -> None:
    """Each worker has its own name and its own volume; two of them never share local state."""
    workers = [service for name, service in SERVICES.items() if name.startswith("worker-")]
    assert len(workers) >= 2
    assert len({worker["environment"]["GRIDHUB_WORKER_NAME"] for worker in workers}) == len(workers)
    assert len({worker["volumes"][0] for worker in workers}) == len(workers)


def test_brokers_agree() -> None:
    """Three voters, each node id once, every broker in the hub's bootstrap list; enough copies for the loss of one."""
    brokers = {name: one["environment"] for name, one in SERVICES.items() if name.startswith("kafka-")}
    voters = {f"{one['KAFKA_NODE_ID']}@{name}:9093" for name, one in brokers.items()}
    for name, one in brokers.items():
        assert set(one["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(",")) == voters
        assert f"HUB://{name}:9092" in one["KAFKA_ADVERTISED_LISTENERS"]
        assert int(one["KAFKA_MIN_INSYNC_REPLICAS"]) < int(one["KAFKA_DEFAULT_REPLICATION_FACTOR"]) == len(brokers)
        host = one["KAFKA_ADVERTISED_LISTENERS"].rpartition("HOST://")[2]
        assert SERVICES[name]["ports"] == [f"{host}:9094"]
    bootstrap = SERVICES["worker-1"]["environment"]["GRIDHUB_KAFKA"].split(",")
    assert set(bootstrap) == {f"{name}:9092" for name in brokers}


def test_prometheus_scrapes_every_worker() -> None:
    """A worker without a target would be blind; its port is the one that the image serves."""
    config = yaml.safe_load((DOCKER / "prometheus.yml").read_text())
    (targets,) = [
        job["static_configs"][0]["targets"] for job in config["scrape_configs"] if job["job_name"] == "gridhub"
    ]
    assert sorted(targets) == sorted(f"{name}:19100" for name in SERVICES if name.startswith("worker-"))


@pytest.mark.prometheus
def test_promtool_accepts_the_configuration(tmp_path: Path) -> None:
    """The configuration, with the rules where compose mounts them, is one that Prometheus starts with."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/gridhub.yml").write_bytes((ROOT / "grafana/rules/gridhub.yml").read_bytes())
    (tmp_path / "prometheus.yml").write_bytes((DOCKER / "prometheus.yml").read_bytes())
    answer = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    mounts = SERVICES["prometheus"]["volumes"]
    assert "../grafana/rules/gridhub.yml:/etc/prometheus/rules/gridhub.yml:ro" in mounts
