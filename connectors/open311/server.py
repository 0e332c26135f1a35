"""The server: the follower and the outbox at work, and uvicorn around the interface."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from typing import TYPE_CHECKING

import uvicorn

from gridhub.connectors.open311.api import Parts, create_app
from gridhub.connectors.open311.follower import Follower
from gridhub.connectors.open311.gate import Gate
from gridhub.connectors.open311.keys import Keys
from gridhub.connectors.open311.outbox import ANSWER_S, Outbox
from gridhub.connectors.open311.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    from fastapi import FastAPI

    from gridhub.connectors.open311.services import Services
    from gridhub.schemas.codec import Codec


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


@contextlib.contextmanager
def running_app(  # noqa: PLR0913  # what a server is made of
    bootstrap: str, codec: Codec, services: Services, folder: Path, keys: Path, base: str, *, hosts: tuple[str, ...] = (),
    reads: int = 300, writes: int = 120, key_to_read: bool = False, answer_s: float = ANSWER_S,
) -> Iterator[FastAPI]:  # fmt: skip
    """The application with follower and outbox at work; questions are answered 503 until the topics were read once."""
    store = Store(folder / f"{services.department.code}.sqlite")
    follower = Follower(bootstrap, codec, store, services.department.code)
    outbox = Outbox(bootstrap, codec, store, services.department.code, answer_s)
    gate = Gate(Keys(keys), services.jurisdiction, reads=reads, writes=writes, key_to_read=key_to_read)
    follower.start()
    outbox.start()
    try:
        parts = Parts(services, store, outbox, gate, lambda: follower.loaded, now_ms, base)
        yield create_app(parts, (*hosts, "127.0.0.1", "localhost"))
    finally:
        outbox.stop()
        follower.stop()
        store.close()


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve on host:port until SIGINT or SIGTERM, then raise SystemExit(0); 1 when the port is taken."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, _end)  # uvicorn ends its work first, then passes the signal on
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, lifespan="off")


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
