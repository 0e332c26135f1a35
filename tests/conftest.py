"""What tests of every area share: the order of the rings, and one real broker per run of pytest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from gridhub.connectors.broker import Broker, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent

# A busy machine is no fault of the code: examples are not timed, neither in running nor in being drawn.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
RINGS = ("rooms", "golden", "road", "docs", "ops", "contract", "packaging", "broker", "crash")
"""The folders of tests/ from fast to slow. A folder that is not named comes before `packaging`."""


HEAVY = ("crash", "broker/test_demo.py", "broker/test_day.py", "ops/test_panels_on_hub.py")
"""Tests that start a whole hub: with `pytest -n 2` they run one after another, beside all others."""


def ring(path: Path) -> int:
    """The place of a test file's folder in the order of the rings."""
    folder = path.relative_to(TESTS).parts[0]
    return RINGS.index(folder if folder in RINGS else "contract")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Whoever asks for the real broker is marked `broker`, so that `make test-fast` can leave it out."""
    if "broker" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.broker)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast rings first: pytest-randomly has shuffled before, and a stable sort keeps its order inside each ring."""
    items.sort(key=lambda item: ring(item.path))
    for item in items:
        if item.path.relative_to(TESTS).as_posix().startswith(HEAVY):
            item.add_marker(pytest.mark.xdist_group("heavy"))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A started embedded broker on free ports; tests keep apart by topic, group and transactional id."""
    started = Broker(tmp_path_factory.mktemp("broker"), free_port(), free_port())
    started.start()
    yield started
    started.stop()
