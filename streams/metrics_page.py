"""The page /metrics of one worker."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, disable_created_metrics, start_http_server

if TYPE_CHECKING:
    from threading import Thread
    from wsgiref.simple_server import WSGIServer


class MetricsPortError(Exception):
    """The metrics page cannot be served; the message says which setting to change."""


def serve(registry: CollectorRegistry, host: str, port: int) -> tuple[WSGIServer, Thread]:
    """Serves /metrics of this registry in a daemon thread; `shutdown()` of the server ends it.

    Raises:
        MetricsPortError: the port is taken or the address is not one of this machine.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # drops one sample per counter that no panel uses
    try:
        return start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is taken by another program" if taken else f"cannot be opened ({error.strerror or error})"
        raise MetricsPortError(
            f"Metrics address {host}:{port} {why}. Set GRIDHUB_METRICS_PORT to a free port (0 for none)"
            " or GRIDHUB_METRICS_HOST to an address of this machine."
        ) from error
