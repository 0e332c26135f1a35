"""Targets on real sockets, whose behaviour a test decides, and tasks to send to them."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path

import pytest
import uvicorn
from aiosmtpd.controller import Controller
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from gridhub.connectors.broker import free_port
from gridhub.connectors.sinks.contract import Message
from gridhub.connectors.sinks.mail import MailSink
from gridhub.connectors.sinks.targets import Mail, Webhook
from gridhub.connectors.sinks.webhook import WebhookSink

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE = Path(__file__).parents[3] / "schemas" / "examples" / "Task" / "dispatched.json"


def make_task(number: int = 1, **changes):
    """A task of its own, as hub.tasks holds it."""
    row = json.loads(EXAMPLE.read_text())
    return {**row, "task_id": f"{row['task_id']}-{number}", **changes}


@dataclass
class Place:
    """A target: what it got, and how it will behave next ('taken' when nothing is said)."""

    sink: object = None
    secret: str = SECRET
    got: list = field(default_factory=list)
    behaviour: deque = field(default_factory=deque)
    always: str = "taken"

    @property
    def keys(self):
        """The idempotency keys, in the order of arrival."""
        return [key for key, *_ in self.got]

    def next(self):
        """How to behave this time."""
        return self.behaviour.popleft() if self.behaviour else self.always


CODES = {"taken": 204, "refused": 422, "later": 503, "known": 409, "busy": 429}


async def web(place: Place, **changes):
    """An HTTP target that runs in this loop; gives (server, task, sink)."""

    async def take(request):
        body = await request.body()
        place.got.append((request.headers["idempotency-key"], dict(request.headers), body))
        behaviour = place.next()
        if behaviour == "hang":
            await asyncio.sleep(30)
        return Response(
            status_code=CODES.get(behaviour, 204), headers={"retry-after": "7"} if behaviour == "busy" else {}
        )

    port = free_port()
    app = Starlette(routes=[Route("/tasks", take, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off",
                                           timeout_graceful_shutdown=1))  # fmt: skip
    server.install_signal_handlers = lambda: None
    running = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    target = Webhook(kind="webhook", name="street-desk", url=f"http://127.0.0.1:{port}/tasks", secret_env="SECRET_OF_DESK",
                     **{"timeout_s": 1.0, **changes})  # fmt: skip
    place.sink = WebhookSink(target, SECRET)
    return server, running, target


class Mailbox:
    """An SMTP server that behaves as it is told."""

    def __init__(self, place: Place):
        self.place = place

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802  # aiosmtpd's name
        """Take a mail, or not."""
        key = message_from_bytes(envelope.content)["X-Gridhub-Key"].strip()
        self.place.got.append((key, {}, envelope.content))
        behaviour = self.place.next()
        if behaviour == "hang":
            await asyncio.sleep(30)
        return {"refused": "550 no such mailbox", "later": "451 come back later"}.get(behaviour, "250 OK")


@pytest.fixture(params=["webhook", "mail"])
async def place(request):
    """A target on a real socket, and the sink that leads to it."""
    found = Place()
    if request.param == "webhook":
        server, running, _ = await web(found)
        yield found
        server.should_exit = True
        await running
    else:
        controller = Controller(Mailbox(found), hostname="127.0.0.1", port=free_port())
        controller.start()
        found.sink = MailSink(Mail(kind="mail", name="unit", to="unit@example.org", sender="hub@example.org",
                                   host="127.0.0.1", port=controller.port, timeout_s=1.0))  # fmt: skip
        yield found
        controller.stop()
    await found.sink.close()


@pytest.fixture
def message():
    """The first version of a task."""
    return Message(make_task())


@pytest.fixture
def task():
    """Makes a task of its own: `task(number, **changed_fields)`."""
    return make_task


@pytest.fixture
async def desk():
    """An HTTP target alone, with the secret it shares with its sink."""
    found = Place()
    server, running, _ = await web(found)
    yield found
    server.should_exit = True
    await running
    await found.sink.close()
