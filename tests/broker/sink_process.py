"""A process that carries one target's tasks until it is killed: BOOTSTRAP URL NAME RECIPIENT. The secret is in SINK_SECRET."""

from __future__ import annotations

import asyncio
import sys

import structlog

from gridhub.connectors.sinks.courier import Courier
from gridhub.connectors.sinks.run import Desk
from gridhub.connectors.sinks.targets import Webhook, secret
from gridhub.connectors.sinks.webhook import WebhookSink
from gridhub.schemas.registry import local_codec

bootstrap, url, name, recipient = sys.argv[1:]
target = Webhook(
    kind="webhook", name=name, url=url, secret_env="SINK_SECRET", tasks={"recipient": [recipient]}, timeout_s=1.0, attempts=3,
    first_wait_s=0.05, longest_wait_s=0.2, break_after=5, break_s=0.5, redeliver_s=1.0, parallel=4,
)  # fmt: skip
courier = Courier(target, WebhookSink(target, secret("SINK_SECRET")))
asyncio.run(Desk(bootstrap, courier, local_codec(), structlog.get_logger()).run())
