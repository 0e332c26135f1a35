"""The courier's patience, with a clock that costs no time."""

from __future__ import annotations

import asyncio

from gridhub.connectors.sinks.contract import Answer, Fate, Message
from gridhub.connectors.sinks.courier import Courier
from gridhub.connectors.sinks.targets import Webhook

LATER, TAKEN, REFUSED = Answer(Fate.LATER, "trouble", 503), Answer(Fate.TAKEN), Answer(Fate.REFUSED, "no", 422)


class Scripted:
    """A sink that answers as it is told, then takes everything."""

    def __init__(self, *answers, then=TAKEN):
        self.answers, self.then, self.sent = list(answers), then, []

    async def send(self, message):
        """The next answer."""
        self.sent.append(message.key)
        return self.answers.pop(0) if self.answers else self.then


class Naps:
    """Sleep that only remembers; lets others run."""

    def __init__(self):
        self.waits = []

    async def __call__(self, seconds):
        self.waits.append(seconds)
        await asyncio.sleep(0)


def courier(sink, **changes):
    """A courier with patience for four attempts."""
    limits = {"attempts": 4, "break_after": 100, **changes}
    target = Webhook(kind="webhook", name="t", url="http://127.0.0.1:1/", secret_env="SOME_SECRET", **limits)
    naps = Naps()
    return Courier(target, sink, naps), naps


async def test_trouble_is_tried_again_with_growing_pauses(task):
    """Taken at the third attempt, after two pauses within the limits."""
    sink = Scripted(LATER, LATER)
    one, naps = courier(sink)
    done = await one.deliver(Message(task()))
    assert (done.answer.fate, done.attempts, done.parked) == (Fate.TAKEN, 3, False)
    assert len(set(sink.sent)) == 1
    assert len(naps.waits) == 2
    assert naps.waits[0] <= 0.5
    assert naps.waits[1] <= 1.0


async def test_what_is_refused_is_not_tried_again(task):
    """One attempt."""
    sink = Scripted(REFUSED)
    one, _ = courier(sink)
    done = await one.deliver(Message(task()))
    assert (done.answer, done.attempts, done.parked) == (REFUSED, 1, True)


async def test_used_up_attempts_park_the_message(task):
    """Four attempts, then LATER is the last word."""
    sink = Scripted(then=LATER)
    one, _ = courier(sink)
    done = await one.deliver(Message(task()))
    assert (done.answer.fate, done.attempts, done.parked) == (Fate.LATER, 4, True)
    assert len(sink.sent) == 4


async def test_the_target_is_heard_when_it_asks_for_time(task):
    """Retry-After counts for more than our own pause."""
    one, naps = courier(Scripted(Answer(Fate.LATER, "busy", 429, wait_s=42.0)))
    await one.deliver(Message(task()))
    assert naps.waits == [42.0]


async def test_a_target_in_trouble_is_left_alone(task):
    """After three failures in a row nobody knocks until the time is over, and then one alone."""
    sink = Scripted(LATER, LATER, LATER)
    one, naps = courier(sink, break_after=3, break_s=0.2, first_wait_s=0.001, longest_wait_s=0.001)

    async def nap(seconds):
        naps.waits.append(seconds)
        await asyncio.sleep(min(seconds, 0.05))

    one._sleep = nap
    started = asyncio.get_running_loop().time()
    fates = await asyncio.gather(*(one.deliver(Message(task(n))) for n in range(3)))
    assert [fate.answer.fate for fate in fates] == [Fate.TAKEN] * 3
    assert asyncio.get_running_loop().time() - started >= 0.2
    assert len(sink.sent) == 6
    assert not await one.is_open()
