"""What tests of every area share: one real broker per run of pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gridhub.connectors.broker import Broker, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A started embedded broker on free ports; tests keep apart by topic, group and transactional id."""
    started = Broker(tmp_path_factory.mktemp("broker"), free_port(), free_port())
    started.start()
    yield started
    started.stop()
