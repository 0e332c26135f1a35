"""A target that answers twice on one connection: the second answer is nobody's, and never the next delivery's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gridhub.connectors.demo.day.target import Mood, Target
from gridhub.connectors.sinks.contract import Fate, Message
from gridhub.connectors.sinks.targets import Webhook
from gridhub.connectors.sinks.webhook import WebhookSink

SECRET = "whsec_" + "a" * 32
TASK = json.loads((Path(__file__).parents[3] / "schemas" / "examples" / "Task" / "dispatched.json").read_text())


@pytest.fixture
def target():
    """A target on a real socket."""
    server = Target(SECRET)
    yield server
    server.close()


def test_the_second_answer_is_not_the_next_deliverys(target):
    """204 twice, then 500: the second delivery is to be tried again, and is acted on when the target is well."""

    async def drive():
        sink = WebhookSink(Webhook(name="desk", kind="webhook", url=target.url, secret_env="DESK"), SECRET)
        fates = []
        for version, mood in ((1, Mood.TWICE), (2, Mood.ERROR), (2, Mood.TWICE), (2, Mood.WELL)):
            target.mood = mood
            fates.append((await sink.send(Message({**TASK, "version": version}))).fate)
        await sink.close()
        return fates

    assert asyncio.run(drive()) == [Fate.TAKEN, Fate.LATER, Fate.TAKEN, Fate.TAKEN]
    assert target.wrong([(TASK["task_id"], 1), (TASK["task_id"], 2)]) == []
