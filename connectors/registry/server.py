"""The embedded registry as a server: the topic's reader, the REST interface, and uvicorn around them."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import TYPE_CHECKING

import uvicorn

from gridhub.connectors.registry.api import create_app
from gridhub.connectors.registry.log import KafkaLog
from gridhub.connectors.registry.store import Store
from gridhub.connectors.registry.subjects import Subjects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from fastapi import FastAPI


@contextlib.contextmanager
def running_app(bootstrap: str, hosts: tuple[str, ...] = (), *, replication: int = 1) -> Iterator[FastAPI]:
    """The application with its reader at work; it answers 50001 until the topic was read for the first time."""
    subjects = Subjects()
    log = KafkaLog(bootstrap, subjects, replication=replication)
    log.start()
    try:
        yield create_app(Store(subjects, log), (*hosts, "127.0.0.1", "localhost"))
    finally:
        log.stop()


def serve(bootstrap: str, host: str, port: int, *, replication: int = 1) -> None:
    """Serve on host:port until SIGINT or SIGTERM, then raise SystemExit(0); 1 when the port is taken."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, _end)  # uvicorn ends its work first, then passes the signal on
    with running_app(bootstrap, (host,), replication=replication) as app:
        uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, lifespan="off")


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
