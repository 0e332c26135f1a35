"""The faults, once: what each of them does to a running hub. The seed of a cell decides to whom, when and how long."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import garbage
import poison
from filling import fill
from machine import clock_jump, disk_full, no_faketime, no_mounts, own_clock, small_disk

from gridhub.connectors.simulator.message import Message
from gridhub.streams import topics

if TYPE_CHECKING:
    from hub import Cell

SESSION_S = 6.0  # Kafka's own least
LONG_STATE_KEYS = 300_000
LAST_JOIN = 0.7  # of the events; whoever comes later would leave after them
Messages = Callable[[Iterator[Message], Any, Any], Iterator[Message]]


@dataclass(frozen=True)
class Fault:
    """A story, and what the hub needs for it. `more` is how many messages there are per event of the city."""

    story: Callable[[Cell], None]
    kafka: Literal["one", "linked", "replicated"] = "one"
    prepare: Callable[[Cell], None] | None = None
    environment: Callable[[Cell, int | None], dict[str, str]] | None = (
        None  # of each worker, by its number; None: it joined later
    )
    messages: Messages | None = None
    more: float = 1.0
    missing: Callable[[], str | None] = lambda: None


def kill(cell: Cell) -> None:
    """Workers die without a word, three times, and come back at once or late with their state as it lay there."""
    for share in sorted(cell.draw.uniform(0.1, 0.8) for _ in range(3)):
        cell.in_full_work(share)
        part = cell.any()
        cell.kill(part)
        cell.rest(0, 4)
        cell.revive(part)


def pause(cell: Cell) -> None:
    """A worker is frozen for longer than its session and wakes as a zombie: others have its lanes by then. Twice."""
    for share in (cell.draw.uniform(0.1, 0.3), cell.draw.uniform(0.4, 0.6)):
        cell.in_full_work(share)
        part = cell.any()
        cell.freeze(part)
        cell.rest(SESSION_S + 1, SESSION_S + 7)
        cell.wake(part)
        cell.rest(0, 3)


def broker_restart(cell: Cell) -> None:
    """The broker is stopped cleanly and comes back."""
    _broker(cell, by_force=False)


def broker_kill(cell: Cell) -> None:
    """The broker is killed and comes back, twice."""
    _broker(cell, by_force=True)
    cell.rest(1, 6)
    _broker(cell, by_force=True)


def _broker(cell: Cell, *, by_force: bool) -> None:
    broker = cell.town.broker
    assert broker is not None
    cell.in_full_work(cell.draw.uniform(0.15, 0.5))
    cell.say("the broker is killed" if by_force else "the broker stops")
    broker.kill() if by_force else broker.stop()
    cell.rest(0, 8)
    broker.start(timeout_s=120)
    cell.say("the broker is back")


def long_state(cell: Cell) -> None:
    """So many ids are remembered that a restore is still under way when others come and go."""
    fill(cell, LONG_STATE_KEYS)


def rebalance_in_restore(cell: Cell) -> None:
    """A worker loses its state; while it restores, others come and go."""
    cell.in_full_work(cell.draw.uniform(0.3, 0.6))
    part = cell.any()
    cell.kill(part)
    shutil.rmtree(cell.state_of(part))
    cell.revive(part)
    cell.rest(0, 2)
    guests = [cell.join()]
    cell.rest(0, 4)
    guests.append(cell.join())
    cell.rest(2, 8)
    for guest in cell.draw.sample(guests, 2):
        cell.leave(guest)
        cell.rest(0, 2)


def join_leave(cell: Cell) -> None:
    """Two more workers come, and any two of the four go, again and again while events come (SPAN=600: ten minutes)."""
    while cell.published < LAST_JOIN:
        for _ in range(2):
            cell.rest(1, 6)
            cell.join()
        cell.rest(2, 8)
        for _ in range(2):
            cell.leave(cell.any())
            cell.rest(0, 4)


def slow_link(cell: Cell) -> None:
    """The cables of one worker or of all become slow and narrow."""
    for least in (0.1, 0.5):
        cell.at(cell.draw.uniform(least, least + 0.1))
        for link in _some_links(cell):
            link.delay_s = cell.draw.uniform(0.02, 0.2)
            link.bytes_per_s = cell.draw.uniform(100_000, 2_000_000)
            cell.say(f"cable {link.port}: {link.delay_s * 1000:.0f} ms, {link.bytes_per_s / 1000:.0f} kB/s")
        cell.at(least + 0.3)
        _mend(cell)


def cut_link(cell: Cell) -> None:
    """Cables of one worker or of all are cut for 10 s, hold everything back for 10 s, and go half-open."""
    ways = ["cut", "hold", "half-open"]
    cell.draw.shuffle(ways)
    for share, way in zip((0.1, 0.4, 0.65), ways, strict=True):
        cell.in_full_work(share)
        for link in _some_links(cell):
            cell.say(f"cable {link.port}: {way}")
            if way == "cut":
                link.cut()
            elif way == "hold":
                link.stalled = True
            else:
                link.half_open()
        cell.rest(10)
        _mend(cell)


def _some_links(cell: Cell) -> list[Any]:
    assert cell.cluster is not None
    links = cell.cluster.links
    return cell.draw.sample(links, cell.draw.randint(1, len(links)))


def _mend(cell: Cell) -> None:
    assert cell.cluster is not None
    for link in cell.cluster.links:
        link.mend()
    cell.say("every cable is mended")


def three_nodes(cell: Cell) -> None:
    """Of three nodes that replicate, the one that leads a drawn partition is killed and comes back; twice."""
    cluster = cell.cluster
    assert cluster is not None
    for least in (0.15, 0.5):
        cell.in_full_work(cell.draw.uniform(least, least + 0.15))
        topic = cell.draw.choice((topics.LOCATED.name, topics.STATE.name, "__transaction_state", "__consumer_offsets"))
        number = cluster.leader(topic, cell.draw.randrange(4))
        cell.say(f"kill -9 node {number}, a leader of {topic}")
        cluster.nodes[number].kill()
        cell.rest(0, 10)
        cluster.nodes[number].start()
        cell.say(f"node {number} is back")


def keep_copies(_cell: Cell, _number: int | None) -> dict[str, str]:
    """Every lane's state is kept warm by another worker."""
    return {"GRIDHUB_STANDBY": "1"}


def warm_takeover(cell: Cell) -> None:
    """Lanes go to whoever followed them: workers are killed and frozen in turns, and come back with what they have."""
    for number, share in enumerate(sorted(cell.draw.uniform(0.1, 0.75) for _ in range(4))):
        cell.in_full_work(share)
        part = cell.any()
        if number % 2:
            cell.freeze(part)
            cell.rest(SESSION_S + 1, SESSION_S + 4)
            cell.wake(part)
        else:
            cell.kill(part)
            cell.rest(0, SESSION_S + 3)
            cell.revive(part)


def with_poison(_cell: Cell, _number: int | None) -> dict[str, str]:
    """Workers with a bug in the first road."""
    return {"GRIDHUB_CRASH_INJECT": "poison"}


def only_garbage(cell: Cell) -> None:
    """Nothing else happens: what is no event, or breaks our rules, lies between the events, from the first to the last."""
    cell.at(1.0)


FAULTS: dict[str, Fault] = {
    "kill": Fault(kill),
    "pause": Fault(pause),
    "broker-restart": Fault(broker_restart),
    "broker-kill": Fault(broker_kill),
    "rebalance-in-restore": Fault(rebalance_in_restore, prepare=long_state),
    "join-leave": Fault(join_leave),
    "disk-full": Fault(disk_full, prepare=small_disk, missing=no_mounts),
    "clock-jump": Fault(clock_jump, environment=own_clock, missing=no_faketime),
    "slow-link": Fault(slow_link, kafka="linked"),
    "cut-link": Fault(cut_link, kafka="linked"),
    "three-nodes": Fault(three_nodes, kafka="replicated"),
    "garbage": Fault(only_garbage, messages=garbage.among, more=2.0),
    "poison": Fault(only_garbage, messages=poison.among, environment=with_poison, more=1.25),
    "warm-takeover": Fault(warm_takeover, environment=keep_copies),
}
