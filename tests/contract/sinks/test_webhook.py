"""The webhook's own promises: signature, answers, redirects."""

from __future__ import annotations

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from gridhub.connectors.sinks.contract import Fate


async def test_the_signature_is_what_the_standards_library_checks(desk, message):
    """A changed body does not pass."""
    await desk.sink.send(message)
    _, headers, body = desk.got[0]
    assert Verifier(desk.secret).verify(body, headers)["task_id"] == message.task["task_id"]
    with pytest.raises(WebhookVerificationError):
        Verifier(desk.secret).verify(body.replace(b"handle", b"inform"), headers)


async def test_a_target_that_knows_the_key_has_the_task(desk, message):
    """409 is an answer to a repeat, not a refusal."""
    desk.behaviour.append("known")
    assert (await desk.sink.send(message)).fate == Fate.TAKEN


async def test_a_busy_target_says_how_long(desk, message):
    """Retry-After is heard."""
    desk.behaviour.append("busy")
    answer = await desk.sink.send(message)
    assert (answer.fate, answer.code, answer.wait_s) == (Fate.LATER, 429, 7.0)
