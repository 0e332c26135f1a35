"""What README.md and CONTRIBUTING.md tell a newcomer to type works; links of all pages lead somewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gridhub.streams import road

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md")
BLOCK = re.compile(r"^```(\S*)( no-run)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(#[^)\s]*)?\)")


def lines_to_run(page: str) -> list[str]:
    """Every line of the blocks marked `sh` but not `no-run`."""
    found = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [line for kind, mark, text in found if kind == "sh" and not mark for line in text.splitlines() if line]


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The answer of a POSIX shell to this command in this folder."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GRIDHUB_", "MAKE"))}
    return subprocess.run(
        ["sh", "-euc", command], cwd=folder, capture_output=True, text=True, check=False, timeout=120, env=environment
    )


MAKE = sorted({line for page in PAGES for line in lines_to_run(page) if line.startswith("make")})
OTHERS = [line for page in PAGES for line in lines_to_run(page) if not line.startswith("make")]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the checkout from inside, so that what commands write stays out of the real one."""
    for name in ("schemas", "config", "connectors", "streams"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "gridhub"):
        (tmp_path / ".venv" / "bin" / name).symlink_to(Path(sys.executable).parent / name)
    return tmp_path


@pytest.mark.parametrize("command", MAKE)
def test_a_make_command_has_its_target(command: str) -> None:
    """`make -n` knows the target and prints what it would run; bare bashisms would stop sh, which is asked to read it."""
    answer = shell(command.replace("make", "make -n", 1), ROOT)
    assert answer.returncode == 0, answer.stderr
    assert subprocess.run(["sh", "-n"], input=answer.stdout, text=True, check=False).returncode == 0


def test_demo_commands_become_options_that_exist() -> None:
    """Every variable of `make demo` reaches `gridhub demo` as an option that it has, and none is given unasked."""
    given = "EVENTS=7 WORKERS=3 KILLS=2 BROKER_RESTARTS=1 CHURN=1 SEED=0 RATE=5 SCENARIO=storm"
    asked = shell(f"make -n demo {given}", ROOT).stdout.splitlines()[-1]
    wanted = "--events 7 --workers 3 --kills 2 --broker-restarts 1 --seed 0 --rate 5 --scenario storm --churn"
    assert asked.partition(" demo ")[2] == wanted
    usage = shell(f"{Path(sys.executable).parent}/gridhub demo --help", ROOT).stdout
    assert [option for option in re.findall(r"--[a-z-]+", wanted) if option not in usage] == []
    assert shell("make -n demo SCENARIO=day CHAOS=1", ROOT).stdout.rstrip().endswith("--scenario day --chaos")
    assert "--chaos" in usage
    assert shell("make -n demo CHURN=0", ROOT).stdout.splitlines()[-1].endswith(" demo --no-churn")
    assert shell("make -n demo", ROOT).stdout.rstrip().endswith("gridhub demo")


def test_the_readme_promises_its_commands() -> None:
    """The blocks are found: the two commands of a newcomer and the trial without Kafka."""
    assert {"make demo EVENTS=5000", "make test", "make demo"} <= set(MAKE)
    assert len(OTHERS) >= 3


def test_other_commands_of_the_readme_run(checkout: Path) -> None:
    """In their order, each ends well; what the trial prints is what the text says."""
    printed = []
    for command in OTHERS:
        answer = shell(command, checkout)
        assert answer.returncode == 0, f"{command}\n{answer.stderr}"
        printed += [json.loads(line) for line in answer.stdout.splitlines()]
    tried, located = printed
    assert tried["outcome"] == "opened"
    assert tried["tasks"]
    assert located["code"].startswith("420202")


def test_the_picture_is_the_one_of_the_road() -> None:
    """README.md draws the road as streams/road.py does."""
    drawn = [" ".join(line.split()) for line in str(road.__doc__).splitlines() if set(line) & set("─►▼◄│")]
    text = {" ".join(line.split()) for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()}
    assert len(drawn) > 6
    assert [line for line in drawn if line not in text] == []


def test_bare_make_lists_the_targets() -> None:
    """`make` alone names each documented target once, and nothing else happens."""
    answer = shell("make", ROOT)
    names = re.findall(r"^  make ([a-z-]+) +\S", answer.stdout, flags=re.MULTILINE)
    assert len(names) == len(answer.stdout.splitlines()) == len(set(names))
    assert {"install", "demo", "test", "test-fast", "lint", "types", "format", "lock", "clean", "wheel"} <= set(names)


def test_the_build_server_runs_make_test() -> None:
    """.ci/run is executable and hands over to `make test`."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").rstrip().endswith("exec make test")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with what `make install` reads, and no environment."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    return tmp_path


def test_an_old_python_is_told_so(bare: Path) -> None:
    """`make install` with a Python that is too old says which is needed, and makes nothing."""
    (bare / "old-python").write_text(
        "#!/bin/sh\n# an older Python: what it is asked about its version is not so\nexit 1\n"
    )
    (bare / "old-python").chmod(0o755)
    answer = shell("make install PYTHON=./old-python", bare)
    assert answer.returncode != 0
    assert "needs Python 3.11 or newer" in answer.stderr
    assert not (bare / ".venv").exists()


def test_a_missing_python_is_told_so(bare: Path) -> None:
    """`make install` without any Python says so in a sentence."""
    answer = shell("make install PYTHON=no-such-python", bare)
    assert answer.returncode != 0
    assert "there is no no-such-python here" in answer.stderr


def every_page() -> list[Path]:
    """All Markdown pages of the repository that people read."""
    return [*(ROOT / name for name in (*PAGES, "CHANGELOG.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", every_page(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link of a page names a file that exists."""
    text = page.read_text(encoding="utf-8")
    assert [link for link, _ in LINK.findall(text) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("folder", ["docs", "docs/decisions"])
def test_the_index_names_every_page(folder: str) -> None:
    """A page that the index of its folder does not name would not be found."""
    pages = {path.name for path in (ROOT / folder).glob("*.md")} - {"README.md"}
    named = {link for link, _ in LINK.findall((ROOT / folder / "README.md").read_text(encoding="utf-8"))}
    assert pages - named == set()
