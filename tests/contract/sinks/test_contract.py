"""What every way out must do, over real sockets."""

from __future__ import annotations

from gridhub.connectors.broker import free_port
from gridhub.connectors.sinks.contract import Fate, Message
from gridhub.connectors.sinks.mail import MailSink
from gridhub.connectors.sinks.targets import Mail, Webhook
from gridhub.connectors.sinks.webhook import WebhookSink


async def test_a_message_arrives_whole(place, message):
    """TAKEN, and the target holds the task's id, its Chinese words and the key."""
    answer = await place.sink.send(message)
    assert answer.fate == Fate.TAKEN
    ((key, _, body),) = place.got
    assert key == message.key == f"{message.task['task_id']}.1"
    assert len(body) > 200


async def test_a_repeat_carries_the_same_key_and_a_new_version_another(place, message):
    """The target can drop what it has seen, and never drops a change."""
    await place.sink.send(message)
    await place.sink.send(message)
    await place.sink.send(Message({**message.task, "version": 2}))
    first, repeat, change = place.keys
    assert first == repeat != change


async def test_what_a_target_refuses_is_refused(place, message):
    """REFUSED with the target's code; nobody tries that again by itself."""
    place.behaviour.append("refused")
    answer = await place.sink.send(message)
    assert answer.fate == Fate.REFUSED
    assert answer.code in {422, 550}


async def test_trouble_at_the_target_means_later(place, message):
    """LATER with its code."""
    place.behaviour.append("later")
    answer = await place.sink.send(message)
    assert (answer.fate, answer.code) in {(Fate.LATER, 503), (Fate.LATER, 451)}


async def test_a_target_that_hangs_means_later(place, message):
    """The attempt ends with the target's time limit."""
    place.behaviour.append("hang")
    answer = await place.sink.send(message)
    assert answer.fate == Fate.LATER
    assert answer.code == 0


async def test_nobody_there_means_later(message):
    """A closed port raises nothing."""
    port = free_port()
    web = WebhookSink(
        Webhook(kind="webhook", name="a", url=f"http://127.0.0.1:{port}/", secret_env="SOME_SECRET"), "c2VjcmV0c2VjcmV0"
    )
    mail = MailSink(
        Mail(kind="mail", name="b", to="a@example.org", sender="b@example.org", host="127.0.0.1", port=port)
    )
    for sink in (web, mail):
        assert (await sink.send(message)).fate == Fate.LATER
        await sink.close()


async def test_words_of_a_task_make_no_headers(place, task):
    """Line breaks in a title reach neither the mail's nor the request's headers."""
    answer = await place.sink.send(Message(task(title="火警\r\nBcc: all@example.org")))
    assert answer.fate == Fate.TAKEN
    _, headers, body = place.got[0]
    assert not any("bcc" in name.lower() for name in headers)
    assert b"\nBcc:" not in body
