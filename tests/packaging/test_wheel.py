"""The wheel: what is in it, and that it works away from the checkout."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("config", "connectors", "schemas", "streams")
DATA = {".avsc", ".csv", ".geojson", ".hex", ".json", ".jsonl", ".md", ".properties", ".toml", ".typed", ".yaml"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BUILT_FROM = (*PACKAGES, "pyproject.toml", "README.md", "LICENSE", "NOTICE")
pytestmark = pytest.mark.packaging


def source_files() -> set[str]:
    """Every file of the four package folders, by its path in the wheel."""
    return {
        f"gridhub/{path.relative_to(ROOT)}"
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that no build folder is left in the checkout."""
    copy = tmp_path_factory.mktemp("source")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    out = copy / "dist"
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, copy]
    answer = subprocess.run(build, capture_output=True, text=True, check=False, timeout=120)
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with our wheel; of this one's packages it sees all but our editable install."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    ours = Path(subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip())  # fmt: skip
    # a line of a .pth file adds a folder but does not read that folder's own .pth files: the editable finder stays out
    (ours / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--no-deps",
        "--python",
        python,
        wheel,
    ]
    subprocess.run(install, check=True, timeout=60)
    return python


def test_the_wheel_holds_the_folders_and_nothing_else(wheel: Path) -> None:
    """Every source and data file of the four packages is in it; no tests, no settings of ours, no caches."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = source_files()
    assert len(wanted) > 100
    assert sorted(wanted - names) == []
    assert sorted(names - wanted) == []


def test_the_folders_hold_only_sources_and_data() -> None:
    """No stray file lies in a package folder, since it would be shipped."""
    assert (
        sorted(name for name in source_files() if Path(name).suffix not in DATA | {".py"} and "py.typed" not in name)
        == []
    )


def test_the_wheel_is_typed_and_licensed(wheel: Path) -> None:
    """py.typed, LICENSE and NOTICE are in it, and its metadata names Python, licence and the command."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        texts = {name: archive.read(name).decode() for name in names if ".dist-info/" in name}
    for package in ("connectors", "schemas", "streams"):
        assert f"gridhub/{package}/py.typed" in names
    joined = "\n".join(texts.values())
    assert "Requires-Python: >=3.11" in joined
    assert "License-Expression: Apache-2.0" in joined
    assert "gridhub = gridhub.streams.cli:main" in joined
    assert {"LICENSE", "NOTICE"} <= {Path(name).name for name in texts}


def test_packages_are_the_folders() -> None:
    """pyproject.toml lists every folder that holds an __init__.py, and no other: a forgotten one would be missing."""
    folders = {
        ".".join(("gridhub", *path.parent.relative_to(ROOT).parts))
        for name in PACKAGES
        for path in (ROOT / name).rglob("__init__.py")
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == folders


def test_folders_with_modules_are_packages() -> None:
    """A Python file lies nowhere but in a folder with an __init__.py."""
    lost = [
        str(path.relative_to(ROOT))
        for name in PACKAGES
        for path in (ROOT / name).rglob("*.py")
        if not (path.parent / "__init__.py").is_file()
    ]
    assert lost == []


def run(installed: Path, folder: Path, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A command of the installed wheel, outside the checkout and with nothing of our environment."""
    program = installed.parent / command[0]
    return subprocess.run(
        [program, *command[1:]], cwd=folder, input=stdin, capture_output=True, text=True, check=False, timeout=120,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"},
    )  # fmt: skip


def test_every_module_can_be_imported_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """All modules import, from the wheel's own place and with nothing forgotten."""
    modules = sorted(
        re.sub(r"\.__init__$", "", name.removesuffix(".py").replace("/", "."))
        for name in source_files()
        if name.endswith(".py") and not name.endswith("__main__.py")
    )
    text = (
        "import importlib, json, sys\n"
        "places = [importlib.import_module(name).__file__ for name in json.load(sys.stdin)]\n"
        "print(json.dumps(places))\n"
    )
    answer = run(installed, tmp_path, "python", "-P", "-c", text, stdin=json.dumps(modules))
    assert answer.returncode == 0, answer.stderr[-3000:]
    places = json.loads(answer.stdout.splitlines()[-1])
    assert len(places) == len(modules) > 80
    assert [place for place in places if not Path(place).is_relative_to(installed.parents[1])] == []


def test_the_installed_command_helps(installed: Path, tmp_path: Path) -> None:
    """`gridhub --help` lists the commands, and the version is the wheel's."""
    answer = run(installed, tmp_path, "gridhub", "--help")
    assert answer.returncode == 0, answer.stderr
    assert "try" in answer.stdout
    version = run(installed, tmp_path, "gridhub", "--version")
    assert PROJECT["project"]["version"] in version.stdout


def test_the_installed_command_takes_an_event_the_whole_road(installed: Path, tmp_path: Path) -> None:
    """`gridhub try` finds schemas, mapping and the city's data inside the wheel."""
    example = json.loads((ROOT / "schemas/examples/PowerEvent/outage.json").read_text(encoding="utf-8"))
    example["event"]["occurTime"] = int(time.time() * 1000) - 60_000
    answer = run(installed, tmp_path, "gridhub", "try", "--department", "power", stdin=json.dumps(example) + "\n")
    assert answer.returncode == 0, answer.stderr
    result = json.loads(answer.stdout)
    assert (result["event_id"], result["outcome"]) == (example["event"]["eventNo"], "opened")
    assert [task["role"] for task in result["tasks"]] != []


def test_the_installed_command_locates(installed: Path, tmp_path: Path) -> None:
    """`gridhub locate` finds the grids inside the wheel."""
    answer = run(installed, tmp_path, "gridhub", "locate", stdin='{"address":"黄石市黄石港区桂花湾社区"}\n')
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["code"].startswith("420202")
