"""Lanes that commit together: who rides with whom, what trouble means for each, and who is refused."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalGenerationError, UnknownMemberIdError
from aiokafka.structs import TopicPartition
from faust.types import TP

from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.transport import Effects, LaneGroup, Options, Output, Plan, committed, convoy
from gridhub.streams.transport.committed import committed_offsets
from gridhub.streams.transport.convoy import Convoy, Rider, carry
from gridhub.streams.transport.errors import FENCED, FencedMember, Unstable
from gridhub.streams.transport.lane import Lane
from gridhub.streams.transport.producer import LaneProducer, Load
from gridhub.streams.transport.requests import ANYBODY, Member
from gridhub.streams.transport.restore import restore

from .conftest import Feed, Seen

LANES = 4


class Road:
    """A departure that notes who rides, and ends when it is let."""

    def __init__(self, error=None):
        self.trips, self.error = [], error
        self.open, self.departed = asyncio.Event(), asyncio.Event()
        self.open.set()

    async def __call__(self, riders):
        """Travel."""
        self.trips.append([rider.lane for rider in riders])
        self.departed.set()
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return [rider.lane for rider in riders]


async def ride(group, name, before=None):
    """One lane's turn: wait for the gate, get ready, ride."""
    async with group.seat() as seat:
        if before is not None:
            await before
        return await seat.ride(name, Load([], {}))


async def test_who_waits_together_travels_together():
    """The first departs at once; those that come meanwhile share the next one, in the order in which they came."""
    road = Road()
    group = Convoy(0.0, road)
    road.open.clear()
    first = asyncio.create_task(ride(group, 1))
    await road.departed.wait()
    others = [asyncio.create_task(ride(group, name)) for name in (2, 3, 4)]
    await asyncio.sleep(0)
    road.open.set()
    assert await asyncio.gather(first, *others) == [1, 2, 3, 4]
    assert road.trips == [[1], [2, 3, 4]]


async def test_departures_keep_their_distance(monkeypatch):
    """After a rest the next one departs at once, else no sooner than its interval after the last one began."""
    now, sleeps = [100.0], []

    async def sleep(seconds):
        sleeps.append(round(seconds, 3))
        now[0] += max(0.0, seconds)

    monkeypatch.setattr(convoy.asyncio, "sleep", sleep)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
    group = Convoy(0.5, Road())
    for rest in (0.0, 0.1, 7.0):
        now[0] += rest
        await ride(group, 1)
    assert [max(0.0, seconds) for seconds in sleeps] == [0.0, 0.4, 0.0]


async def test_who_is_slow_to_load_takes_the_next_departure(monkeypatch):
    """Nobody waits for work that says "later"; nor does a lane that leaves hold the others up."""
    monkeypatch.setattr(convoy, "LOADING_S", 0.01)
    road, gate = Road(), asyncio.Event()
    group = Convoy(0.0, road)
    slow = asyncio.create_task(ride(group, "slow", asyncio.create_task(gate.wait())))
    assert await ride(group, "quick") == "quick"
    async with group.seat():
        pass  # it found nothing to do
    assert await ride(group, "again") == "again"
    gate.set()
    assert await slow == "slow"
    assert road.trips == [["quick"], ["again"], ["slow"]]


async def test_trouble_is_told_to_every_rider_and_the_next_departs():
    """All of them learn of it, each in its own task; whoever comes afterwards is not concerned."""
    road = Road(KeyError("no"))
    group = Convoy(0.0, road)
    answers = await asyncio.gather(ride(group, 1), ride(group, 2), return_exceptions=True)
    assert [type(answer) for answer in answers] == [KeyError, KeyError]
    road.error = None
    assert await ride(group, 3) == 3


async def test_a_lane_that_is_let_go_does_not_ride():
    """Cancelled while it waits for the gate, loads, or has loaded: its load is not committed, and nobody waits for it."""
    road = Road()
    group = Convoy(0.0, road)
    road.open.clear()
    first = asyncio.create_task(ride(group, 1))
    await road.departed.wait()
    waiting = asyncio.create_task(ride(group, 2))
    late = Rider(3, Load([], {}), asyncio.get_running_loop().create_future())
    group.board(late)
    await asyncio.sleep(0)
    waiting.cancel()
    late.arrived.cancel()
    road.open.set()
    assert await first == 1
    assert await ride(group, 4) == 4
    assert road.trips == [[1], [4]]


async def test_a_convoy_that_is_ended_lets_its_riders_go():
    """After a rebalance nobody hangs on a departure of before it."""
    road = Road()
    group = Convoy(0.0, road)
    road.open.clear()
    rider = asyncio.create_task(ride(group, 1))
    await road.departed.wait()
    group.end()
    with pytest.raises(ConnectionAbortedError):
        await rider


async def test_lanes_of_two_generations_do_not_share_a_transaction():
    """The coordinator is asked about one member only: it must be everybody's."""
    done = asyncio.get_running_loop().create_future
    riders = [Rider(SimpleNamespace(partition=n, member=Member(n, "m")), Load([], {}), done()) for n in (4, 5)]
    with pytest.raises(FencedMember):
        await carry(riders)


# -- on a real broker ----------------------------------------------------------------------------------------------------


def summing(out):
    """Work that numbers a lane's records in its state, and says so."""

    def work(batch, state):
        rows = [row for part in batch.parts.values() for row in part]
        (before,) = state.get_many([b"sum"])
        first = int(before or b"0")
        outputs = [
            Output(out, -1, row.key, b"%d:%s:%d" % (batch.partition, row.value, first + n))
            for n, row in enumerate(rows)
        ]
        return Effects(outputs, {b"sum": b"%d" % (first + len(rows))})

    return work


class Party:
    """Lanes of one group that share a convoy, on topics of their own; each has the desk's records to work on."""

    def __init__(self, desk):
        cluster = desk.cluster
        self.desk, self.out = desk, cluster.topic("convoy-out")
        self.topic = cluster.topic("convoy-in", LANES)
        changelog = cluster.topic("convoy-state", LANES, cleanup_policy="compact")
        self.group, self.seen = LaneGroup("count", (self.topic,), changelog), Seen()
        self.feeds, self.convoys = [], {"count": Convoy(0.005, carry)}

    def start(self, number, work):
        """Start a lane."""
        feed = Feed(self.desk.cluster.bootstrap, self.desk.group, self.desk.records, work)
        feed.convoys = self.convoys
        folder = self.desk.folder / f"convoy-{number}"
        folder.mkdir()
        limits = Options((feed.bootstrap,), folder, {self.out: 1}, heartbeat_s=0.1, transaction_timeout_s=10.0)
        lane = Lane(
            feed, self.group, number, Plan((self.group,), limits, self.seen, structlog.get_logger(), RocksStore)
        )
        self.desk.lanes.append(lane)
        self.feeds.append(feed)
        lane.start({TP(self.topic, number)})
        return lane

    async def done(self):
        """Wait until every lane has committed all of it; what came out, by lane."""
        for number, feed in enumerate(self.feeds):
            async with asyncio.timeout(60):
                while await feed.committed(TP(self.topic, number)) < len(self.desk.records):
                    pass  # asking takes long enough
        found = [[] for _ in self.feeds]
        for message in self.desk.cluster.read(self.out):
            found[int(message.value().split(b":")[0])].append(message.value())
        return found

    @property
    def want(self):
        """Each record once, in order, numbered, in every lane."""
        return [[b"%d:%d:%d" % (lane, i, i) for i in range(len(self.desk.records))] for lane in range(len(self.feeds))]


@pytest.mark.broker
async def test_small_batches_of_several_lanes_share_a_transaction(desk, monkeypatch):
    """Each record of each lane once and in order, in fewer transactions than batches."""
    commit, loads = LaneProducer.commit, []

    async def noting(self, riding, member):
        loads.append(len(riding))
        return await commit(self, riding, member)

    load = Convoy._load

    async def when_all_are_there(self):
        await desk.until(lambda: loads or len(self._gate) == LANES)
        await load(self)

    monkeypatch.setattr(LaneProducer, "commit", noting)
    monkeypatch.setattr(Convoy, "_load", when_all_are_there)
    party = Party(desk)
    for number in range(LANES):
        party.start(number, summing(party.out))
    assert await party.done() == party.want
    assert loads[0] == LANES
    assert sum(loads) == len(party.seen.results)
    assert set(party.seen.results) == {"committed"}


@pytest.mark.broker
async def test_when_the_carrier_is_fenced_all_that_ride_open_anew(desk):
    """Somebody took the lowest lane: what the others had on board is not lost, and not done twice."""
    party = Party(desk)
    options = Options((desk.cluster.bootstrap,), desk.folder, {party.out: 1})
    fencer = LaneProducer(f"{desk.group}-count-0", desk.group, options)
    started = asyncio.Event()

    def work(batch, state):
        if party.seen.results.count("committed") > 4 and not started.is_set():
            started.set()
            fences.append(asyncio.get_running_loop().create_task(fencer.start()))
        return summing(party.out)(batch, state)

    fences = []
    for number in range(LANES):
        party.start(number, work)
        party.feeds[number].size = 1
    assert await party.done() == party.want
    await asyncio.gather(*fences)
    await fencer.close()


@pytest.mark.broker
async def test_a_riders_trouble_is_its_own(desk):
    """A lane that breaks does not take the others with it: they go on without it."""
    party = Party(desk)

    def broken(_batch, _state):
        raise KeyError("our bug")

    for number in range(LANES - 1):
        party.start(number, summing(party.out))
    lost = party.start(LANES - 1, broken)
    broke = party.feeds.pop()
    assert await party.done() == party.want
    assert isinstance(broke.broken, KeyError)
    await lost.stop(1.0)


async def _member(desk):
    """A consumer that has joined the desk's group, and who it is."""
    consumer = AIOKafkaConsumer(
        desk.topic, bootstrap_servers=desk.cluster.bootstrap, group_id=desk.group, enable_auto_commit=False
    )
    await consumer.start()
    await desk.until(lambda: consumer._coordinator.generation > 0 and bool(consumer.assignment()))
    return consumer, Member(consumer._coordinator.generation, consumer._coordinator.member_id)


@pytest.mark.broker
async def test_the_coordinator_refuses_who_is_no_member_any_more(desk):
    """A worker that woke up after the group went on: its transaction is not committed, whatever its id may do."""
    consumer, member = await _member(desk)
    place = TP(desk.topic, 0)
    limits = Options((desk.cluster.bootstrap,), desk.folder, {desk.out: 1})
    strangers = [
        (member._replace(generation=member.generation - 1), IllegalGenerationError),
        (member._replace(id="somebody"), UnknownMemberIdError),
    ]
    for number, (stranger, error) in enumerate(strangers):
        producer = LaneProducer(f"{desk.group}-stranger-{number}", desk.group, limits)
        await producer.start()
        with pytest.raises(error) as refused:
            await producer.commit([Load([Output(desk.out, 0, b"k", b"stranger")], {place: 20})], stranger)
        assert isinstance(refused.value, FENCED)
        await producer.close()
    producer = LaneProducer(f"{desk.group}-member", desk.group, limits)
    await producer.start()
    await producer.commit([Load([Output(desk.out, 0, b"k", b"member")], {place: 10})], member)
    found = await committed_offsets(consumer._coordinator, [TopicPartition(*place)])
    assert found[TopicPartition(*place)].offset == 10
    await producer.close()
    await consumer.stop()
    gone = [LaneProducer(f"{desk.group}-stranger-{number}", desk.group, limits) for number in range(len(strangers))]
    for producer in gone:  # the transactions of the strangers end as those of a dead worker do
        await producer.start()
        await producer.close()
    assert desk.results() == [b"member"]


@pytest.mark.broker
async def test_offsets_that_a_transaction_holds_are_waited_for(desk, monkeypatch):
    """What is committed is told when nobody can change it any more: after the end of the transaction, not before."""
    consumer, _ = await _member(desk)
    place = TopicPartition(desk.topic, 0)
    dead = LaneProducer(f"{desk.group}-dead", desk.group, Options((desk.cluster.bootstrap,), desk.folder, {}))
    await dead.start()
    await dead._kafka.begin_transaction()
    await dead._kafka.send_offsets_to_transaction({place: 7}, desk.group)
    monkeypatch.setattr(committed, "PATIENCE_S", 0.2)
    with pytest.raises(Unstable):
        await committed_offsets(consumer._coordinator, [place])
    monkeypatch.setattr(committed, "PATIENCE_S", 30.0)
    asked = asyncio.create_task(committed_offsets(consumer._coordinator, [place]))
    await asyncio.sleep(0.1)
    assert not asked.done()
    await dead._kafka.commit_transaction()
    assert (await asked)[place].offset == 7
    await dead.close()
    await consumer.stop()


@pytest.mark.broker
async def test_a_state_is_not_complete_while_a_transaction_may_still_change_it(desk, tmp_path):
    """The tail of the changelog belongs to somebody whose transaction is open: restoring waits for its end, and takes it."""
    limits = Options((desk.cluster.bootstrap,), tmp_path, {})
    place = TP(desk.changelog, 0)
    other = LaneProducer(f"{desk.group}-other", desk.group, limits)
    await other.start()
    await other._kafka.begin_transaction()
    await (await other._kafka.send(desk.changelog, b"value", key=b"key", partition=0))
    store = RocksStore(tmp_path / "store")
    restoring = asyncio.create_task(restore(store, place, limits))
    await asyncio.sleep(1.0)
    assert not restoring.done()
    await other._kafka.commit_transaction()
    async with asyncio.timeout(30):
        assert await restoring == 1
    assert store.get_many([b"key"]) == [b"value"]
    store.close()
    await other.close()


def test_nobody_is_asked_about_when_nobody_is_named():
    """Without a group's member there is only the transactional id."""
    assert Member(-1, "") == ANYBODY
