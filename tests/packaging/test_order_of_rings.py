"""The order in which tests run: rings from fast to slow, random inside a ring."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FOLDERS = ("crash", "rooms", "hostile", "packaging", "golden")
MODULE = "import pytest\n" + "".join(f"def test_{n}():\n    pass\n\n" for n in range(6))
WITH_BROKER = "def test_asks(broker):\n    pass\n\ndef test_asks_nothing():\n    pass\n"


def collected(project: Path, *options: str) -> list[str]:
    """The ids of the collected tests, in the order in which they would run."""
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "--import-mode=importlib", *options, "tests"],
        cwd=project, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return re.findall(r"^tests/\S+::\S+$", answer.stdout, flags=re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with our conftest.py, one small module in each of some rings, and nothing else."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    broker: needs a broker\n")
    for folder in FOLDERS:
        (tmp_path / "tests" / folder).mkdir(parents=True)
        (tmp_path / "tests" / folder / "test_it.py").write_text(MODULE)
    (tmp_path / "tests" / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    return tmp_path


def test_rings_run_from_fast_to_slow_and_random_inside(project: Path) -> None:
    """Whatever the seed: rooms first, crash last, an unknown folder before packaging; inside a ring orders differ."""
    runs = [collected(project, f"--randomly-seed={seed}") for seed in (1, 2, 3)]
    for ids in runs:
        folders = [one.split("/")[1] for one in ids]
        assert list(dict.fromkeys(folders)) == ["rooms", "golden", "hostile", "packaging", "crash"]
        assert len(ids) == 6 * len(FOLDERS)
    assert len({tuple(ids) for ids in runs}) == 3


def test_who_asks_for_the_broker_can_be_left_out(project: Path) -> None:
    """`-m "not broker"` drops a test that takes the fixture, though it carries no marker of its own."""
    (project / "tests" / "rooms" / "test_with_broker.py").write_text(WITH_BROKER)
    ids = collected(project, "-m", "not broker")
    assert "tests/rooms/test_with_broker.py::test_asks_nothing" in ids
    assert "tests/rooms/test_with_broker.py::test_asks" not in ids
