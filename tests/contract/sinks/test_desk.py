"""One target's desk without Kafka: versions stay in order, and the page tells what became of them."""

from __future__ import annotations

import structlog
from prometheus_client import CollectorRegistry

from gridhub.connectors.sinks.contract import Answer, Fate, Message
from gridhub.connectors.sinks.courier import Courier
from gridhub.connectors.sinks.log import Place
from gridhub.connectors.sinks.metrics import SinkMetrics
from gridhub.connectors.sinks.run import Desk
from gridhub.connectors.sinks.targets import Webhook
from gridhub.schemas.registry import local_codec

TARGET = Webhook(
    kind="webhook", name="desk", url="http://127.0.0.1:1/", secret_env="A_SECRET", attempts=2, break_after=100
)
CODEC = local_codec()


class Scripted:
    """A sink that answers each key as it is told, then takes everything."""

    def __init__(self, **answers):
        self.answers, self.sent = answers, []

    async def send(self, message):
        """The answer of this task's version."""
        self.sent.append((message.task["task_id"], message.task["version"]))
        return Answer(self.answers.get(f"{message.task['task_id']}{message.task['version']}", Fate.TAKEN))

    async def close(self):
        """Nothing is open."""


class Book:
    """In the log's place: remembers what was written down."""

    def __init__(self):
        self.written, self.gone = [], []

    async def write(self, fates, offsets, gone=()):
        """Remember it."""
        self.written += [(found.message.key, found.answer.fate) for _, found in fates]
        self.gone += gone


async def no_sleep(_seconds):
    """No time passes."""


def desk_of(sink):
    """A desk for this sink, and the registry of its series."""
    registry = CollectorRegistry()
    courier = Courier(TARGET, sink, no_sleep)
    return Desk("127.0.0.1:1", courier, CODEC, structlog.get_logger(), SinkMetrics(registry, lambda: 1_000.0)), registry


class Record:
    """A record of hub.tasks."""

    def __init__(self, task, offset):
        self.partition, self.offset, self.timestamp = 0, offset, 900_000 + offset
        self.value = CODEC.encode("hub.tasks-value", task)


def told(registry, name, **labels):
    """A sample's value."""
    return registry.get_sample_value(name, {"target": "desk", **labels})


async def test_later_versions_wait_behind_a_parked_one(task):
    """While version 1 of a task is parked, 2 is not tried; another task and one whose version was refused go on."""
    sink = Scripted(a1=Fate.LATER, c1=Fate.REFUSED)
    desk, _ = desk_of(sink)
    rows = [task(task_id=name, version=version) for version in (1, 2) for name in "abc"]
    fates = await desk.deliver([(Place(0, number), Message(row)) for number, row in enumerate(rows)])
    assert {found.message.key: found.answer.fate for _, found in fates} == {
        "a.1": Fate.LATER, "a.2": Fate.LATER, "b.1": Fate.TAKEN, "b.2": Fate.TAKEN, "c.1": Fate.REFUSED, "c.2": Fate.TAKEN,
    }  # fmt: skip
    assert ("a", 2) not in sink.sent
    (_, third), = await desk.deliver([(Place(0, 9), Message(task(task_id="a", version=3)))])  # fmt: skip
    assert (third.answer.fate, third.attempts) == (Fate.LATER, 0)


async def test_parked_versions_come_again_in_order(task, monkeypatch):
    """Redelivery begins with the oldest version; what hub.tasks has no longer is let go."""
    sink = Scripted(a1=Fate.LATER)
    desk, _ = desk_of(sink)
    await desk.deliver([(Place(0, n), Message(task(task_id="a", version=n))) for n in (1, 2)])
    sink.answers.clear()
    sink.sent.clear()

    async def again(row):
        return (
            None
            if row["version"] == 3
            else (Place(0, row["version"]), Message(task(task_id="a", version=row["version"])))
        )

    monkeypatch.setattr(desk, "_again", again)
    waiting = {
        f"desk/a.{n}": {"task_id": "a", "version": n, "fate": "later", "delivery_id": f"desk/a.{n}"} for n in (2, 3, 1)
    }
    book = Book()
    assert await desk.redeliver(book, waiting) == 2
    assert sink.sent == [("a", 1), ("a", 2)]
    assert book.gone == ["desk/a.3"]


async def test_the_page_tells_fates_and_the_oldest(task):
    """Counted once written down; what is parked keeps ageing, what was taken does not."""
    desk, registry = desk_of(Scripted(a1=Fate.LATER))
    assert told(registry, "gridhub_sink_oldest_undelivered_seconds") == 0
    book = Book()
    await desk._carry({_Partition(): [Record(task(task_id=name, version=1), n) for n, name in enumerate("ab")]}, book)
    assert dict(book.written) == {"a.1": Fate.LATER, "b.1": Fate.TAKEN}
    assert told(registry, "gridhub_sink_deliveries_total", fate="taken") == 1
    assert told(registry, "gridhub_sink_deliveries_total", fate="later") == 1
    assert told(registry, "gridhub_sink_retries_total") == 1
    assert told(registry, "gridhub_sink_parked") == 1
    desk._parked = {"desk/a.1": 400_000}
    assert told(registry, "gridhub_sink_oldest_undelivered_seconds") == 600
    desk._in_hand = {Place(0, 1): 100_000}
    assert told(registry, "gridhub_sink_oldest_undelivered_seconds") == 900


class _Partition:
    partition = 0
